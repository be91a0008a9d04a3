//! The realm of a request, where a header names it: the domain of `sip:user@domain`, `user@domain` or
//! `"Name" <sip:user@domain>` (the addresses of RFC 3261, section 20.20, and RFC 5322, section 3.4, as far as they
//! hold one plain domain). The header is the client's own text: only a domain that is configured comes out of it,
//! and nothing else in it is looked at. Whether the user in it is who answers the challenge is for others to say.

use super::parameters::excerpt;

/// The longest header that is read, in octets.
pub const MAX_ADDRESS: usize = 1024;

/// A request names no realm of ours.
///
/// What it quotes from the header is cut short and escaped, fit for a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRealm {
    /// The header is not there.
    #[error("there is no such header")]
    Absent,
    /// It is there twice, and so says nothing to rely on.
    #[error("it is there more than once")]
    Repeated,
    /// It is longer than [`MAX_ADDRESS`].
    #[error("it is longer than {MAX_ADDRESS} octets")]
    TooLong,
    /// It holds no single plain address.
    #[error("it is not an address: {0}")]
    NotAnAddress(&'static str),
    /// Its domain is not among those that are configured.
    #[error("the domain {0:?} is not among the realms")]
    NotAllowed(String),
}

/// The realm among `allowed` (domains in lower case) that the values of the header name.
///
/// # Errors
/// When they name none, or there is not exactly one.
pub(super) fn among<'r, 'h>(
    allowed: &'r [String],
    values: impl IntoIterator<Item = &'h [u8]>,
) -> Result<&'r str, NoRealm> {
    let mut values = values.into_iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(NoRealm::Absent),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(NoRealm::Repeated),
    };
    let domain = domain_of(value)?;
    let realm = allowed.iter().find(|realm| realm.eq_ignore_ascii_case(domain));
    realm.map(String::as_str).ok_or_else(|| NoRealm::NotAllowed(excerpt(domain)))
}

/// The domain of the one address in a header, as it is spelt there.
fn domain_of(value: &[u8]) -> Result<&str, NoRealm> {
    let fault = |why| NoRealm::NotAnAddress(why);
    if value.len() > MAX_ADDRESS {
        return Err(NoRealm::TooLong);
    }
    let text = std::str::from_utf8(value).map_err(|_| fault("it is not UTF-8"))?.trim_matches([' ', '\t']);
    if text.chars().any(char::is_control) {
        return Err(fault("it holds a control character"));
    }
    let address = match text.strip_prefix('"') {
        // What a name says is not looked at, and could else pass for an address.
        Some(quoted) => in_brackets(after_quoted(quoted)?.trim_start_matches([' ', '\t']))?,
        None if text.contains('<') => {
            let at = text.find('<').unwrap_or(0);
            let (name, rest) = text.split_at_checked(at).unwrap_or((text, ""));
            if name.contains(['"', '@', ',', ';', '>']) {
                return Err(fault("what stands before < is no name"));
            }
            in_brackets(rest)?
        }
        // Without brackets, parameters belong to the header and not to the address.
        None => text.split(';').next().unwrap_or(text).trim_end_matches([' ', '\t']),
    };
    let address = ["sip:", "sips:", "mailto:"]
        .into_iter()
        .find_map(|scheme| address.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme)).map(str::len))
        .and_then(|length| address.get(length..))
        .unwrap_or(address);
    // Inside of brackets they belong to the address.
    let address = address.split(';').next().unwrap_or(address);
    let Some((user, domain)) = address.split_once('@') else { return Err(fault("there is no @ in it")) };
    let plain = |octet: u8| octet.is_ascii_graphic() && !b"\"<>,\\()[]".contains(&octet) || !octet.is_ascii();
    if user.is_empty() || !user.bytes().all(plain) {
        return Err(fault("what stands before the @ is no user"));
    }
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    if !domain.split('.').all(label) {
        return Err(fault("what stands after the @ is no domain"));
    }
    // Another reader may take what stands around the last one for the address.
    if text.rsplit_once('@').is_some_and(|(_, last)| !last.starts_with(domain)) {
        return Err(fault("there is another @ after its domain"));
    }
    Ok(domain)
}

/// What follows the end of a quoted string.
fn after_quoted(text: &str) -> Result<&str, NoRealm> {
    let mut characters = text.chars();
    loop {
        match characters.next() {
            Some('"') => return Ok(characters.as_str()),
            Some('\\') => drop(characters.next()),
            Some(_) => {}
            None => return Err(NoRealm::NotAnAddress("a quoted name has no end")),
        }
    }
}

/// What stands between `<` and `>`, which nothing but parameters follows.
fn in_brackets(text: &str) -> Result<&str, NoRealm> {
    let inside = text.strip_prefix('<').ok_or(NoRealm::NotAnAddress("no < follows the name"))?;
    let (address, after) = inside.split_once('>').ok_or(NoRealm::NotAnAddress("there is no >"))?;
    let after = after.trim_start_matches([' ', '\t']);
    if !after.is_empty() && !after.starts_with(';') || after.contains(['<', '@', ',']) {
        return Err(NoRealm::NotAnAddress("something follows the >"));
    }
    Ok(address)
}

#[cfg(test)]
mod tests;
