//! The authority's folder: is there one, how long do its certificates last, and are its keys kept from others. A gate
//! whose authority runs elsewhere may not see all of it, so that what is not there is no more than a warning.

use super::{Examiner, Named};
use crate::ca::directory::{Directory, DirectoryError};
use crate::certificate::fields::Fields;
use crate::config::Authority;

impl Examiner {
    pub(super) fn authority(&mut self, authority: &Authority) {
        let file = Named { path: &authority.directory, key: "authority.directory" };
        let directory = match Directory::open(&authority.directory) {
            Ok(directory) => directory,
            Err(error @ DirectoryError::Missing(_)) => {
                let what_to_do = "make one with: wicketgate ca init -c FILE --name NAME";
                return self.warn("there is no authority yet", file, error.to_string(), what_to_do);
            }
            Err(error) => {
                let what_to_do = "look at the owner and the modes of the folder, or restore it from a backup";
                return self.warn("the authority cannot be read", file, error.to_string(), what_to_do);
            }
        };
        let current = directory.current().map(|current| ("the intermediate that issues", current.certificate()));
        for (what, certificate) in [Some(("the root", directory.root())), current.ok()].into_iter().flatten() {
            if let Ok(fields) = Fields::read(certificate) {
                self.dates(file, what, &fields);
            }
        }
        if let Err(error) = directory.examine_keys() {
            let what_to_do = "take the rights of others away (chmod go-rwx), and ask who had them";
            self.error("the authority's keys are not its owner's alone", file, error.to_string(), what_to_do);
        }
    }
}
