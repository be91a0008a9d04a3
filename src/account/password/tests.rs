use super::*;
use proptest::prelude::*;

/// The password of every hash here; it has a letter outside ASCII.
const PASSWORD: &str = "correct horse bättery";

/// Made of [`PASSWORD`] by the programs that people have their hashes from.
const MADE_ELSEWHERE: &[(&str, &str, &str)] = &[
    // openssl passwd -6, -5, -1, -apr1
    (
        "openssl",
        "sha-crypt",
        "$6$saltsalt$oDxhScmAF.kccOCkVstug7WoFoFjMX6mXSTs0lFRSUqML932SQ3Q/BgYSribNat/so81nzUOA4mI6/b5E5nYV/",
    ),
    ("openssl", "sha-crypt", "$5$saltsalt$N3TEaRP0mKtDuoTgXJwlaZMJFsribuL4Jt4OewuOFf1"),
    ("openssl", "md5-crypt", "$1$saltsalt$G/1b1Zd4GvZmJgBlv08ss1"),
    ("openssl", "md5-crypt", "$apr1$saltsalt$tusrnNkG1WfPUOxhdoAnl0"),
    // mkpasswd -m … of Debian's whois
    (
        "mkpasswd",
        "sha-crypt",
        "$6$rounds=10000$s3boQeMZzyB8cRQQ$oacf31txwkGt3oNnCR2jZK7KwOGh89VfHNl1Ui5ySsLBmaMZCELtQZ5zXky8MwgpqMFRzG.bxJlMrigc9T1Dd1",
    ),
    ("mkpasswd", "sha-crypt", "$5$rounds=1000$pUsRKd2M4NUswmTZ$rQfLma4dHaYc0UFMTI8Ul1S48mPGMRrqPFPFulKgBr5"),
    ("mkpasswd", "yescrypt", "$y$j9T$MUfDnYa.1rKuW/9ZWMTRY.$ePyPzugz6.RAjypkrARujYyVfj7GLO8iH88XA41iwSC"),
    ("mkpasswd", "yescrypt", "$y$j75$r5gYEpqd/s0G8uIzM7Dpy/$j4lf30KMPWCpgYWMmT/DdnRoyEGczsPXT9WJyB9R.s0"),
    ("mkpasswd", "scrypt", "$7$CU..../....0MmtSF0EIGbXs6ukOslGG.$ZzI9ss1Q/BuyvooVcSOAnV30I7PsG/J.kApkjA0L.r8"),
    ("mkpasswd", "bcrypt", "$2b$05$fZtjikOFjlAvDJEnwIKtHO86wXqU3BiLqvKZGgH975u4slu1sZywm"),
    ("mkpasswd", "bcrypt", "$2a$05$0kV1QDInkFHlI2LA71z3ZuOpmJF64ytcJieGXrUkUcgZC4LHmCVmK"),
    ("mkpasswd", "md5-crypt", "$1$XWyj6gte$QUbbun8.2Z/cF/3jPsXp61"),
    // htpasswd -nB, -n2, -n5, -nm
    ("htpasswd", "bcrypt", "$2y$05$MPA.7bUz3DERBlaPPyzAPejBWigi43aoi956d1ShVZbxIMW.kLEaO"),
    ("htpasswd", "sha-crypt", "$5$ynZGtZ9KEmqH8gMu$BQAyVrio1ZPqMUgltJVlnp1vBLTP1B1b6Cn2GIMc6L9"),
    (
        "htpasswd",
        "sha-crypt",
        "$6$9PAU5T56KYqpuP8B$FWa71geZcGpsAM8H88p1B0xlQCnOn4vZufPd4pBHa5MZLz3wv/kywz8k/eh83uknD9JCCKnimNRcFBoYIAvMj0",
    ),
    ("htpasswd", "md5-crypt", "$apr1$L4WGx.66$rGvm4glzq3afd9ZeJEN7C0"),
    // passlib
    (
        "passlib",
        "argon2",
        "$argon2id$v=19$m=1024,t=2,p=2$rjWmdO4dAwBACCEkRCgFYA$h8r8sxVuy8fd1zwnRjTvj/DWro1FvSYhharzoFdtynE",
    ),
    (
        "passlib",
        "argon2",
        "$argon2i$v=19$m=256,t=3,p=1$aG2tNaY0JkQIAaB0Tqm1dg$Da+MJJu3NEeP6Go48o49jCgwU26u8+sV2FS38TSZheQ",
    ),
    ("passlib", "scrypt", "$scrypt$ln=8,r=8,p=1$kLLW+v9/zxnjfA9hbK2VUg$rkrnTJnESt80L/rNndZ3Oy7Klq4fhdJifnCTo9sHMxA"),
    ("passlib", "pbkdf2", "$pbkdf2-sha256$1000$TynFGEMIIURojVGK8T5HaA$78a3Wm.eTN1QHU9ABL1aicem.be6b.xR9VvRZ181iBs"),
    (
        "passlib",
        "pbkdf2",
        "$pbkdf2-sha512$1000$0vrfO6dUqjWmNIYQohQipA$vGr5hb.m/z700gcavzS4vg32WG2KSgNTb9tpMfTKZLYJWcwWqIAurqlqrwx1VT36ZfoyWjVFE2WKu817aM2j/w",
    ),
    ("passlib", "pbkdf2", "$pbkdf2$1000$JSREyFlrzbnXOkco5Zyz9g$KWc0ysG.kAaOAM1pqGqdc4nAIxA"),
    ("passlib", "salted SHA", "{SSHA}hSEIkTap7VhgACC9Zq6DoRn1gH3KWauV"),
    ("passlib", "salted SHA", "{SSHA256}uSk/W366n294LS90N9LPclQvpse7R88oGtyNRMmDie9mjDGmlPIeAw=="),
    (
        "passlib",
        "salted SHA",
        "{SSHA512}6c51R/DE+hNfWqCqOhhhOopc+56drWvrJziKaQNFtLVHku1eWQU5vEbuJnlJFznNizLrYJ/MIMvxbdS6LWGYhPj/f6+VsnbO",
    ),
    (
        "passlib",
        "sha-crypt",
        "{CRYPT}$6$xqBIxhETn1uUthNC$eQubP.PXF1W468UXHz1OPEMsGkw3KzS7oc0EuSZs8KwT4ksh9dyDJCF6x4lmaezk1RE3uIK9USldNjUF1vJNS0",
    ),
    // argon2 of Debian's package: -d, and -id with -l 16
    ("argon2", "argon2", "$argon2d$v=19$m=256,t=2,p=1$c29tZXNhbHQ$2zmEIQ11huoSbbOez4Qr7J0UUlpNgUDnExSrfQP5Lfg"),
    ("argon2", "argon2", "$argon2id$v=19$m=1024,t=1,p=4$c29tZXNhbHRzb21lc2FsdA$hj3C7+aIXILbewwljuUz8g"),
    ("Python's bcrypt", "bcrypt", "$2b$05$r4VUjDHSs.dJKpAia2FK7uQFANJFA1tzcxSs3oqY3oK4LyB4RV23q"),
    ("Django", "bcrypt", "bcrypt$$2b$05$r4VUjDHSs.dJKpAia2FK7uQFANJFA1tzcxSs3oqY3oK4LyB4RV23q"),
    ("Django", "bcrypt", "bcrypt_sha256$$2b$05$hHHXhGlKQQbLkI9bMqDg8Oi5RlpkbLLjLsJ6ZRIFNfSuWeYn1rsmO"),
    ("Django", "pbkdf2", "pbkdf2_sha256$1000$seasalt$yjO+GMYUbOlTNnYH3uvWARQu5Z4dObkhKv7Krqjn758="),
    ("Django", "pbkdf2", "pbkdf2_sha1$1000$seasalt$9WNBTvRC5Fi5VzjUx7MdrQ9gn5o="),
    (
        "Django",
        "argon2",
        "argon2$argon2id$v=19$m=512,t=2,p=2$c2Vhc2FsdHNlYXNhbHQ$i4rxOX5HgyS49Fi6i0petfG0S6mgxV5lytp6YsJoPrU",
    ),
    (
        "Django",
        "scrypt",
        "scrypt$256$seasalt$8$1$2nCBU6JLI2kP1n4MjF6NSigW4EVd9H5vlF41e8ZpvTHYeI8GeYOcueroMt6y5i9sfdxg3zZc4+T4ypvCeKGR9Q==",
    ),
    (
        "Werkzeug",
        "scrypt",
        "scrypt:256:8:1$pYA7EmqZrB2bc8ML$9bab57e868d8055d2a8a41f36f77828b191f46b3e289ae7addf050da79a8cab18d3b8299ba2ee5832347f60e710de0b98d416011db3db02cc14899972cba1a36",
    ),
    (
        "Werkzeug",
        "pbkdf2",
        "pbkdf2:sha256:1000$SqeOL66dolBfpFKe$fbc0aaf9bc85f751e6f2b55df223f7be8422c2978b5ffaa86b4d24e3fc08ace4",
    ),
    // As Dovecot labels them.
    (
        "Dovecot",
        "sha-crypt",
        "{SHA512-CRYPT}$6$saltsalt$oDxhScmAF.kccOCkVstug7WoFoFjMX6mXSTs0lFRSUqML932SQ3Q/BgYSribNat/so81nzUOA4mI6/b5E5nYV/",
    ),
    ("Dovecot", "bcrypt", "{BLF-CRYPT}$2y$05$MPA.7bUz3DERBlaPPyzAPejBWigi43aoi956d1ShVZbxIMW.kLEaO"),
    ("Dovecot", "salted SHA", "{ssha.hex}8521089136a9ed58600020bd66ae83a119f5807dca59ab95"),
];

fn secret(text: &str) -> Secret {
    Secret::from(text)
}

#[test]
fn hashes_of_the_usual_programs_are_verified() {
    for (program, kind, text) in MADE_ELSEWHERE {
        let hash = PasswordHash::parse(text).unwrap_or_else(|error| panic!("{program} {text}: {error}"));
        assert_eq!(hash.kind(), *kind, "{program} {text}");
        assert!(hash.verify(&secret(PASSWORD)), "{program} {text}");
        for wrong in ["", "correct horse battery"] {
            assert!(!hash.verify(&secret(wrong)), "{program} {text} {wrong:?}");
        }
        assert!(hash.is_outdated(), "{program} {text}");
    }
}

/// Octets of the hash changed, or one more: nothing of it is the password's any more.
#[test]
fn a_hash_that_was_changed_is_not_the_passwords() {
    for (program, _, text) in MADE_ELSEWHERE {
        let (rest, last) = text.split_at(text.len() - 6);
        let changed = format!("{rest}{}", last.chars().map(|c| if c == 'a' { 'b' } else { 'a' }).collect::<String>());
        for text in [&changed, &format!("{text}a")] {
            let right = PasswordHash::parse(text).is_ok_and(|hash| hash.verify(&secret(PASSWORD)));
            assert!(!right, "{program} {text}");
        }
    }
}

#[test]
fn a_hash_that_is_made_here_is_verified_and_up_to_date() {
    let text = make(&secret(PASSWORD), &[7; SALT]).unwrap();
    let text = text.expose_str().unwrap();
    assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"), "{text}");
    let hash = PasswordHash::parse(text).unwrap();
    assert!(hash.verify(&secret(PASSWORD)) && !hash.verify(&secret("another")) && !hash.is_outdated());
    assert_eq!(format!("{hash:?}"), "PasswordHash { kind: \"argon2\", .. }");
    assert!(PasswordHash::parse(&text.replace("m=19456", "m=19455")).unwrap().is_outdated());
}

#[test]
fn bcrypt_takes_72_octets_as_it_did_when_the_hash_was_made() {
    // Python's bcrypt, of 80 times `x`.
    let hash = PasswordHash::parse("$2b$05$fbtDJwZcRLhVzU/mjOFxnuc7LPOGnTuBWatpC0DAyVHQk0jv1EaX2").unwrap();
    for (length, right) in [(71, false), (72, true), (80, true), (1000, true)] {
        assert_eq!(hash.verify(&secret(&"x".repeat(length))), right, "{length}");
    }
}

#[test]
fn a_salt_may_stand_beside_its_hash() {
    // python3 -c 'import hashlib; print(hashlib.sha1(b"salt1234" + "correct horse bättery".encode()).hexdigest())'
    use SaltedLayout::{Sha1SaltFirst, Sha1SaltLast, Sha256SaltFirst, Sha256SaltLast};
    let cases = [
        (Sha1SaltFirst, "7c57c585d93c9588024e22a6ff68f630d95ed9d8"),
        (Sha1SaltLast, "4CC525B13695D96DA3D33953A34A789366817A69"),
        (Sha256SaltFirst, "d3dea0d91708edff3c2a19eebf7f90bbfea47e054e95b8b1b544cf3659b345de"),
        (Sha256SaltLast, "ggSR+zSKAi1kEMqRlEQO6Sge3y+y0JYdnAfK/pK7XO4="),
        (Sha1SaltFirst, "fFfFhdk8lYgCTiKm/2j2MNle2dg="),
    ];
    for (layout, text) in cases {
        let hash = PasswordHash::salted(layout, text, "salt1234").unwrap();
        assert!(hash.verify(&secret(PASSWORD)), "{layout:?} {text}");
        assert!(!hash.verify(&secret("salt1234")), "{layout:?} {text}");
        let other = PasswordHash::salted(layout, text, "salt1235").unwrap();
        assert!(!other.verify(&secret(PASSWORD)), "{layout:?} {text}");
        assert!(PasswordHash::salted(layout, text, "").is_err());
        assert!(PasswordHash::salted(layout, &text[2..], "salt1234").is_err());
        assert_eq!(PasswordHash::salted(layout, "", "salt1234"), Err(HashError::NoPassword));
    }
}

#[test]
fn a_second_secret_stands_behind_the_last_colon() {
    let hash = |text| PasswordHash::salted(SaltedLayout::Sha1SaltFirst, &sha1("s", text), "s").unwrap();
    let password = Password { hash: hash("pass:word"), pin: Some(hash("4711")), set: None };
    let cases = [
        ("pass:word:4711", true),
        ("pass:word", false),
        ("pass:word:", false),
        ("pass:word:4712", false),
        ("pass:4711", false),
        ("pass:word4711", false),
        (":4711", false),
        ("", false),
    ];
    for (given, right) in cases {
        assert_eq!(password.verify(&secret(given)), right, "{given:?}");
    }
    // An empty second secret is one that is asked for, too.
    let empty = Password { pin: Some(hash("")), ..password };
    assert!(empty.verify(&secret("pass:word:")) && !empty.verify(&secret("pass:word")));
}

fn sha1(salt: &str, text: &str) -> String {
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{salt}{text}").as_bytes());
    crate::base::hex::encode(digest.as_ref())
}

#[test]
fn a_password_is_the_same_though_it_was_hashed_anew() {
    let (old, new) = (MADE_ELSEWHERE[0].2, MADE_ELSEWHERE[1].2);
    let password = |text: &str, set| Password { hash: PasswordHash::parse(text).unwrap(), pin: None, set };
    assert!(password(new, Some(1)).is_still(&password(old, Some(1))));
    assert!(!password(new, Some(2)).is_still(&password(old, Some(1))));
    assert!(!password(new, None).is_still(&password(old, None)));
    assert!(password(old, None).is_still(&password(old, None)));
}

#[test]
fn nobody_has_nobodys_password() {
    for given in ["", "nobody", PASSWORD] {
        assert!(!Password::nobodys().verify(&secret(given)));
    }
    assert!(!Password::nobodys().hash.is_outdated(), "it costs what a new one does");
}

#[test]
fn what_cannot_be_used_is_told_apart_without_being_told() {
    let long = format!("$6${}", "x".repeat(MAX_TEXT));
    let cases = [
        ("", "there is no password"),
        ("!", "there is no password"),
        ("!$6$saltsalt$x", "there is no password"),
        ("*LK*", "there is no password"),
        ("{CRYPT}!", "there is no password"),
        ("{SHA512-CRYPT}", "there is no password"),
        (&long, "longer than 1024 octets"),
        ("hunter2", "not known"),
        ("{hunter2", "not known"),
        ("{OTHER}hunter2", "not known"),
        ("$hunter2$", "not known"),
        ("$gy$j9T$saeJWz5CK7SuML20.X1zS1$AP9Cutqm8ihGbj6tH6IKIU7TALt10JTu6/sJRIkQL91", "not known"),
        ("$2x$05$fZtjikOFjlAvDJEnwIKtHO86wXqU3BiLqvKZGgH975u4slu1sZywm", "not known"),
        ("md5$salt$hunter2", "not known"),
        ("{PLAIN}hunter2", "in clear text"),
        ("{SHA}hunter2", "without a salt"),
        ("{CRYPT}hunter2", "of DES"),
        ("{SSHA}hunter2=", "not as long"),
        ("{SSHA}L9sSnZRbCRnYwS1M+bJ0yg8oDd8=", "no salt"),
        ("$6$saltsalt$hunter2", "not as many digits"),
        ("$6$rounds=999$saltsalt$oDxhScmAF", "less than 1000"),
        ("$6$rounds=+1000$saltsalt$oDxhScmAF", "rounds are no number"),
        ("$5$saltsaltsaltsalt1$N3TEaRP0mKtDuoTgXJwlaZMJFsribuL4Jt4OewuOFf1", "longer than 16"),
        ("$1$saltsalt1$G/1b1Zd4GvZmJgBlv08ss1", "longer than 8"),
        ("$argon2id$v=18$m=1024,t=2,p=2$rjWmdO4dAwBACCEkRCgFYA$h8r8", "parts"),
        ("$argon2id$v=19$m=1024,t=2$rjWmdO4dAwBACCEkRCgFYA$h8r8", "its parameters are not"),
        ("$argon2id$v=19$m=1024,t=2,p=2,keyid=a$rjWmdO4dAwBACCEkRCgFYA$h8r8", "its parameters are not"),
        ("$argon2id$v=19$m=8,t=0,p=1$rjWmdO4dAwBACCEkRCgFYA$h8r8sxVuy8fd1zwnRjTvjw", "go together"),
        ("$argon2id$v=19$m=8,t=1,p=2$rjWmdO4dAwBACCEkRCgFYA$h8r8sxVuy8fd1zwnRjTvjw", "go together"),
        ("$argon2id$v=19$m=1024,t=2,p=2$rjWmdO4$h8r8sxVuy8fd1zwnRjTvjw", "shorter than 8"),
        ("$argon2id$v=19$m=1024,t=2,p=2$rjWmdO4dAwBACCEkRCgFYA$h8r8", "less than 16 octets"),
        ("$2b$03$fZtjikOFjlAvDJEnwIKtHO86wXqU3BiLqvKZGgH975u4slu1sZywm", "below 4"),
        ("$2b$05$fZtjikOFjlAvDJEnwIKtHO86wXqU3BiLqvKZGgH975u4slu1sZyw", "parts"),
        ("$scrypt$ln=8,r=0,p=1$kLLW+v9/zxnjfA9hbK2VUg$rkrnTJnESt80L/rNndZ3Oy7Klq4fhdJifnCTo9sHMxA", "is 0"),
        ("$scrypt$ln=0,r=8,p=1$kLLW+v9/zxnjfA9hbK2VUg$rkrnTJnESt80L/rNndZ3Oy7Klq4fhdJifnCTo9sHMxA", "N is 1"),
        ("scrypt$257$seasalt$8$1$2nCBU6JLI2kP1n4MjF6NSigW4EVd9H5vlF41e8ZpvTE=", "no power of 2"),
        ("$pbkdf2-sha256$0$TynFGEMIIURojVGK8T5HaA$78a3Wm.eTN1QHU9ABL1aicem.be6b.xR9VvRZ181iBs", "no rounds"),
        ("$y$jzT$MUfDnYa.1rKuW/9ZWMTRY.$ePyPzugz6.RAjypkrARujYyVfj7GLO8iH88XA41iwSC", "three that crypt(3) writes"),
        ("$y$.9T$MUfDnYa.1rKuW/9ZWMTRY$ePyPzugz6.RAjypkrARujYyVfj7GLO8iH88XA41iwSC", "its salt"),
    ];
    for (text, expected) in cases {
        let error = PasswordHash::parse(text).expect_err(text);
        let message = error.to_string();
        assert!(message.contains(expected), "{text}: {message}");
        assert!(!message.contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{message}");
    }
}

/// A row of a database is not to stop the gate.
#[test]
fn what_would_cost_too_much_is_refused() {
    let cases = [
        "$argon2id$v=19$m=131073,t=1,p=1$rjWmdO4dAwBACCEkRCgFYA$h8r8sxVuy8fd1zwnRjTvjw",
        "$argon2id$v=19$m=4294967295,t=1,p=1$rjWmdO4dAwBACCEkRCgFYA$h8r8sxVuy8fd1zwnRjTvjw",
        "$argon2id$v=19$m=1024,t=4294967295,p=1$rjWmdO4dAwBACCEkRCgFYA$h8r8sxVuy8fd1zwnRjTvjw",
        "$argon2id$v=19$m=65536,t=17,p=1$rjWmdO4dAwBACCEkRCgFYA$h8r8sxVuy8fd1zwnRjTvjw",
        "$argon2id$v=19$m=65536,t=1,p=8000$rjWmdO4dAwBACCEkRCgFYA$h8r8sxVuy8fd1zwnRjTvjw",
        "$2b$16$fZtjikOFjlAvDJEnwIKtHO86wXqU3BiLqvKZGgH975u4slu1sZywm",
        "$2b$31$fZtjikOFjlAvDJEnwIKtHO86wXqU3BiLqvKZGgH975u4slu1sZywm",
        "$2b$99$fZtjikOFjlAvDJEnwIKtHO86wXqU3BiLqvKZGgH975u4slu1sZywm",
        "$scrypt$ln=18,r=8,p=1$kLLW+v9/zxnjfA9hbK2VUg$rkrnTJnESt80L/rNndZ3Oy7Klq4fhdJifnCTo9sHMxA",
        "$scrypt$ln=63,r=8,p=1$kLLW+v9/zxnjfA9hbK2VUg$rkrnTJnESt80L/rNndZ3Oy7Klq4fhdJifnCTo9sHMxA",
        "$scrypt$ln=10,r=8,p=4294967295$kLLW+v9/zxnjfA9hbK2VUg$rkrnTJnESt80L/rNndZ3Oy7Klq4fhdJifnCTo9sHMxA",
        "$scrypt$ln=1,r=4294967295,p=4294967295$kLLW+v9/zxnjfA9hbK2VUg$rkrnTJnESt80L/rNndZ3Oy7Klq4fhdJifnCTo9sHMxA",
        "$7$zU..../....0MmtSF0EIGbXs6ukOslGG.$ZzI9ss1Q/BuyvooVcSOAnV30I7PsG/J.kApkjA0L.r8",
        "$pbkdf2-sha256$2500001$TynFGEMIIURojVGK8T5HaA$78a3Wm.eTN1QHU9ABL1aicem.be6b.xR9VvRZ181iBs",
        "$pbkdf2-sha256$i=4294967296,l=32$TynFGEMIIURojVGK8T5HaA$78a3Wm.eTN1QHU9ABL1aicem.be6b.xR9VvRZ181iBs",
        "$6$rounds=999999999$s3boQeMZzyB8cRQQ$oacf31txwkGt3oNnCR2jZK7KwOGh89VfHNl1Ui5ySsLBmaMZCELtQZ5zXky8MwgpqMFRzG.bxJlMrigc9T1Dd1",
        // mkpasswd -m yescrypt -R 11: a gibibyte.
        "$y$jFT$7GLjx7rgYU48xsSWdgFjl0$eS1IHiHd7rc1hUUqFjnbQu.t9X15npX36CzFshH4h.8",
    ];
    for text in cases {
        let error = PasswordHash::parse(text).expect_err(text);
        assert!(matches!(error, HashError::TooCostly { .. }), "{text}: {error}");
    }
}

/// What people have is within the bounds: the costs that Django, passlib, PHP, Werkzeug and OWASP name.
#[test]
fn usual_costs_are_within_the_bounds() {
    for text in [
        "argon2$argon2id$v=19$m=102400,t=2,p=8$c2Vhc2FsdHNlYXNhbHQ$i4rxOX5HgyS49Fi6i0petfG0S6mgxV5lytp6YsJoPrU",
        "$argon2id$v=19$m=65536,t=4,p=1$c2Vhc2FsdHNlYXNhbHQ$i4rxOX5HgyS49Fi6i0petfG0S6mgxV5lytp6YsJoPrU",
        "$2y$12$MPA.7bUz3DERBlaPPyzAPejBWigi43aoi956d1ShVZbxIMW.kLEaO",
        "$scrypt$ln=17,r=8,p=1$kLLW+v9/zxnjfA9hbK2VUg$rkrnTJnESt80L/rNndZ3Oy7Klq4fhdJifnCTo9sHMxA",
        "scrypt:32768:8:1$pYA7EmqZrB2bc8ML$9bab57e868d8055d2a8a41f36f77828b191f46b3e289ae7addf050da79a8cab1",
        "pbkdf2_sha256$1200000$seasalt$yjO+GMYUbOlTNnYH3uvWARQu5Z4dObkhKv7Krqjn758=",
        "$6$rounds=656000$s3boQeMZzyB8cRQQ$oacf31txwkGt3oNnCR2jZK7KwOGh89VfHNl1Ui5ySsLBmaMZCELtQZ5zXky8MwgpqMFRzG.bxJlMrigc9T1Dd1",
    ] {
        assert!(PasswordHash::parse(text).is_ok(), "{text}");
    }
}

proptest! {
    /// Pieces of layouts in any order: most are refused, none panics, and none that passes is costly.
    #[test]
    fn no_text_makes_it_panic_or_work_for_long(
        text in "(\\$|\\{)?(argon2id|2b|scrypt|pbkdf2-sha256|pbkdf2|5|6|1|y|7|SSHA|CRYPT|bcrypt_sha256|é)?(\\$|\\}|:)?\
                 ((v=19|m=[0-9]{1,4},t=[0-3],p=[0-3]|ln=[0-9],r=[0-9],p=[0-3]|rounds=1000|0[4-6]|[0-9]{1,4}|j75|\
                 [./A-Za-z0-9=+]{0,90}|[\\PC]{0,8})(\\$|:)?){0,5}",
    ) {
        if let Ok(hash) = PasswordHash::parse(&text) {
            prop_assert!(!hash.verify(&Secret::from("none of these")));
        }
    }

    #[test]
    fn any_password_is_found_again(password in "[\\PC]{0,64}", salt in "[./A-Za-z0-9]{1,8}") {
        let secret = Secret::from(password.as_str());
        for magic in ["$1$", "$apr1$"] {
            let made = crypt::md5(password.as_bytes(), magic.as_bytes(), salt.as_bytes());
            let text = format!("{magic}{salt}${}", String::from_utf8(made).unwrap());
            prop_assert!(PasswordHash::parse(&text).unwrap().verify(&secret), "{}", text);
        }
    }
}
