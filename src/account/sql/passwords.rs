//! What people log in with by a password, as our own schema keeps it: HA1 by realm and algorithm, user names by their
//! hash, and a hash of the password itself.

use super::{Written, require_account, statements, text};
use crate::account::Ha1;
use crate::account::ha1::userhash;
use crate::account::password::{Password, PasswordHash};
use crate::base::secret::Secret;
use crate::config::DigestAlgorithm;
use crate::store::changes::{self, Kind};
use crate::store::{Abort, Session, Value};
use std::convert::Infallible;

pub(super) struct Credential {
    pub(super) username: String,
    pub(super) realm: String,
    pub(super) algorithm: DigestAlgorithm,
    pub(super) ha1: Option<Ha1>,
}

pub(super) async fn ha1(
    session: &mut dyn Session,
    (username, realm, algorithm): &(String, String, DigestAlgorithm),
) -> Result<Option<Ha1>, Abort<Infallible>> {
    let asked = [username.as_str(), realm.as_str(), algorithm.as_str()];
    for row in session.query(statements::HA1, asked.map(Value::from).to_vec()).await? {
        if [row.text(0)?, row.text(1)?, row.text(2)?] == asked {
            return Ok(Some(Ha1(Secret::new(row.text(3)?.into_bytes()))));
        }
    }
    Ok(None)
}

pub(super) async fn password(
    session: &mut dyn Session,
    username: &String,
) -> Result<Option<Password>, Abort<Infallible>> {
    for row in session.query(statements::PASSWORD, vec![text(username)]).await? {
        if row.text(0)? != *username {
            continue;
        }
        match PasswordHash::parse(&row.text(1)?) {
            Ok(hash) => return Ok(Some(Password { hash, pin: None, set: Some(row.integer(2)?) })),
            Err(error) => tracing::warn!(username, %error, "the hash of a password cannot be used"),
        }
    }
    Ok(None)
}

pub(super) async fn username_of(
    session: &mut dyn Session,
    (hashed, realm, algorithm): &(String, String, DigestAlgorithm),
) -> Result<Option<String>, Abort<Infallible>> {
    let asked = [hashed.as_str(), realm.as_str(), algorithm.as_str()];
    let mut found = Vec::new();
    for row in session.query(statements::USERNAME_OF, asked.map(Value::from).to_vec()).await? {
        let username = row.text(0)?;
        // Somebody may have been renamed by hand since.
        if self::userhash(&username, realm, *algorithm) == *hashed {
            found.push(username);
        }
    }
    // Two names of one hash would be a choice of who that is.
    let sole = if found.len() > 1 { None } else { found.pop() };
    Ok(sole)
}

pub(super) async fn set_ha1(session: &mut dyn Session, credential: &Credential) -> Written<()> {
    changes::record(session, Kind::Credential, &credential.username).await?;
    let id = require_account(session, &credential.username).await?;
    let key = vec![Value::Integer(id), text(&credential.realm), text(credential.algorithm.as_str())];
    session.execute(statements::DELETE_HA1, key.clone()).await?;
    session.execute(statements::DELETE_USERHASH, key.clone()).await?;
    if let Some(ha1) = credential.ha1.as_ref().and_then(|ha1| ha1.0.expose_str()) {
        let hashed = userhash(&credential.username, &credential.realm, credential.algorithm);
        session.execute(statements::INSERT_HA1, key.iter().cloned().chain([text(ha1)]).collect()).await?;
        session.execute(statements::INSERT_USERHASH, key.into_iter().chain([text(&hashed)]).collect()).await?;
    }
    Ok(())
}

pub(super) async fn set_password(
    session: &mut dyn Session,
    (username, hash): &(String, Option<Secret>),
) -> Written<()> {
    let number = changes::record(session, Kind::Credential, username).await?;
    let id = Value::Integer(require_account(session, username).await?);
    session.execute(statements::DELETE_PASSWORD, vec![id.clone()]).await?;
    if let Some(hash) = hash.as_ref().and_then(Secret::expose_str) {
        session.execute(statements::INSERT_PASSWORD, vec![id, text(hash), Value::Integer(number)]).await?;
    }
    Ok(())
}
