//! Lines of a history with whatever in them: none ends the process, and what was not written here is no history.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wicketgate::ca::history::Head;
use wicketgate::ca::history::verify::Chain;

fuzz_target!(|data: &[u8]| {
    let (first, lines) = data.split_at_checked(40).unwrap_or_default();
    let kept = std::str::from_utf8(first).ok().and_then(|text| text.parse::<Head>().ok());
    let mut chain = Chain::new(kept);
    for line in lines.split(|octet| *octet == b'\n') {
        if chain.line(line).is_err() {
            return;
        }
    }
    if let Ok(sound) = chain.end(false) {
        assert!(sound.first >= 1 && sound.last >= sound.first && sound.hash.len() == 64);
    }
});
