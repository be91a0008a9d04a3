//! An `index.txt` and a `crlnumber` with whatever in them: nothing ends the process, and what is read keeps to what
//! RFC 5280 allows of a serial number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wicketgate::ca::import::index::{self, MOST_LINES};

fuzz_target!(|data: &[u8]| {
    if let Ok(number) = index::number(data) {
        assert!(i64::try_from(number).is_ok());
    }
    let Ok(rows) = index::read(data) else { return };
    assert!(rows.len() <= MOST_LINES && rows.len() <= data.len());
    for row in rows {
        assert!((1..=20).contains(&row.serial.len()) && (row.serial.len() == 1 || row.serial[0] != 0));
        // It becomes the name of a file.
        assert!(row.written.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
});
