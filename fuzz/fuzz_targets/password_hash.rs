//! A stored password hash with whatever in it: none ends the process, and none that is read is empty or shows
//! itself. What would cost too much is refused before anything is made of it, so that reading is quick.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wicketgate::account::password::{MAX_TEXT, PasswordHash};
use wicketgate::config::SaltedLayout;

const LAYOUTS: [SaltedLayout; 4] = [
    SaltedLayout::Sha1SaltFirst,
    SaltedLayout::Sha1SaltLast,
    SaltedLayout::Sha256SaltFirst,
    SaltedLayout::Sha256SaltLast,
];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Most inputs would be of no layout if the fuzzer had to find the words first.
    for start in ["", "$argon2id$v=19$", "$2y$05$", "$scrypt$ln=4,", "$pbkdf2-sha256$", "$6$", "$y$j", "{SSHA}"] {
        let text = format!("{start}{text}");
        let Ok(hash) = PasswordHash::parse(&text) else { continue };
        assert!(!text.is_empty() && text.len() <= MAX_TEXT);
        assert_eq!(format!("{hash:?}"), format!("PasswordHash {{ kind: {:?}, .. }}", hash.kind()));
    }
    let (hash, salt) = text.split_once(' ').unwrap_or((text, ""));
    for layout in LAYOUTS {
        assert!(PasswordHash::salted(layout, hash, salt).is_err() || !salt.is_empty());
    }
});
