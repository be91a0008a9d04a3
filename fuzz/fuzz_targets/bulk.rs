//! A file of accounts with whatever in it: none ends the process, each record has a line of its own, and what is taken is
//! the same when it is written and read again, in either format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wicketgate::account::bulk::{Format, Person, header, records, write_line};

const FORMATS: [Format; 2] = [Format::Csv, Format::JsonLines];

/// The accounts that a file makes, as far as it can be read.
fn people(octets: &[u8], format: Format) -> Vec<Person> {
    let Ok(records) = records(octets, format) else { return Vec::new() };
    let (mut people, mut before) = (Vec::new(), 0);
    for record in records {
        let Ok((line, made)) = record else { break };
        assert!(line > before, "line {line} after line {before}");
        before = line;
        people.extend(made);
    }
    people
}

fuzz_target!(|data: &[u8]| {
    for format in FORMATS {
        // Few inputs would have the names of columns if the fuzzer had to find them first.
        let named = [header(format, true).as_bytes(), data].concat();
        for person in people(data, format).into_iter().chain(people(&named, format)) {
            for other in FORMATS {
                let mut text = header(other, true);
                write_line(other, person.clone(), true, &mut text);
                assert_eq!(people(text.as_bytes(), other), [person.clone()], "{other:?}");
            }
        }
    }
});
