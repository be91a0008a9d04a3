//! A change that an import has noted and will make later, perhaps days later if it is cut off: which account it is
//! about and what the account was like when the change was compared with it. A change is made only of what was
//! compared; what somebody has done to the account meanwhile is newer, and stands.

use super::jsonl;
use super::record::{Person, Record, Refusal};
use aws_lc_rs::digest::{SHA256, digest};

/// Why a change is not made.
const CHANGED: &str = "the account was changed, removed or made anew after this line was compared with it";

/// A noted change. It is kept as `ID SHA256 {…}`: the account's id, the fingerprint of the account in hexadecimal, and
/// the line of the file as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Staged {
    id: i64,
    fingerprint: String,
    /// What the line says.
    pub(super) record: Record,
}

impl Staged {
    /// The change that a line makes of an account.
    pub(super) fn new(id: i64, before: &Person, record: Record) -> Self {
        Self { id, fingerprint: fingerprint(before), record }
    }

    /// As it is kept.
    pub(super) fn write(&self) -> String {
        let mut text = format!("{} {} ", self.id, self.fingerprint);
        jsonl::write(&self.record, &mut text);
        text
    }

    /// What was kept.
    ///
    /// # Errors
    /// When the text is not what [`Staged::write`] makes, as that of a version that kept the line alone.
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        let parts = text.split_once(' ').and_then(|(id, rest)| Some((id.parse().ok()?, rest.split_once(' ')?)));
        let Some((id, (fingerprint, line))) = parts else {
            return Err(Refusal::of_line(
                "it is not known what the account was like when this line was compared with it",
            ));
        };
        Ok(Self { id, fingerprint: fingerprint.to_owned(), record: jsonl::record(line.as_bytes())? })
    }

    /// The account with the change, if it is the one that the line was compared with and still as it was then.
    ///
    /// # Errors
    /// When it is not, or when the change makes of it what cannot be stored.
    pub(super) fn applied_to(&self, found: Option<(i64, &Person)>) -> Result<(i64, Person), Refusal> {
        match found {
            Some((id, now)) if id == self.id && fingerprint(now) == self.fingerprint => {
                Ok((id, self.record.applied_to(now.clone()).checked()?))
            }
            _ => Err(Refusal::of_line(CHANGED)),
        }
    }
}

/// The SHA-256 of all that is known of an account, in hexadecimal.
fn fingerprint(person: &Person) -> String {
    let mut text = String::new();
    jsonl::write(&person.clone().record(true), &mut text);
    crate::base::hex::encode(digest(&SHA256, text.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Status;

    fn ann() -> Person {
        Record { username: "ann".to_owned(), groups: Some(vec!["staff".to_owned()]), ..Record::default() }
            .made()
            .unwrap()
    }

    #[test]
    fn a_change_is_made_only_of_the_account_that_it_was_compared_with() {
        let record =
            Record { status: Some(Status::Active), ..Record { username: "ann".to_owned(), ..Record::default() } };
        let staged = Staged::read(&Staged::new(7, &ann(), record.clone()).write()).unwrap();
        assert_eq!(staged, Staged::new(7, &ann(), record));
        assert_eq!(staged.applied_to(Some((7, &ann()))).unwrap(), (7, ann()));
        let mut locked = ann();
        locked.account.status = Status::Locked;
        for found in [None, Some((8, &ann())), Some((7, &locked))] {
            assert_eq!(staged.applied_to(found).unwrap_err(), Refusal::of_line(CHANGED));
        }
    }

    #[test]
    fn a_line_without_an_account_is_no_change() {
        for text in ["", "{\"username\":\"ann\"}", "x aa {\"username\":\"ann\"}", "7 aa", "7 aa {}"] {
            assert!(Staged::read(text).is_err(), "{text}");
        }
    }
}
