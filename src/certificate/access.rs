//! Where a certificate says that more is to be had about it: the responders of its authorityInfoAccess (RFC
//! 5280, section 4.2.2.1). They are only read here; whether one is asked, and at which address, is for `fetch`.

use super::der::{self, DerError, Reader};
use super::facts::FactsError;
use super::fields::Fields;
use crate::base::url::MAX_URL;

/// The content of authorityInfoAccess, 1.3.6.1.5.5.7.1.1.
const AUTHORITY_INFO_ACCESS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01];
/// The content of id-ad-ocsp, 1.3.6.1.5.5.7.48.1.
const OCSP: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];
/// A GeneralName's uniformResourceIdentifier.
const URI: u8 = der::primitive(6);
/// How many places of either kind are read.
const MAX_PLACES: usize = 16;

/// The URLs of the OCSP responders that a certificate names, in its order; none without the extension. They are
/// text of any scheme, printable and at most [`MAX_URL`] octets each.
///
/// # Errors
/// When the extension is malformed, or names too many places or one that is too long.
pub fn responders(fields: &Fields<'_>) -> Result<Vec<String>, FactsError> {
    let Some(extension) = fields.extension(AUTHORITY_INFO_ACCESS) else { return Ok(Vec::new()) };
    read(extension.value).map_err(|_| FactsError::Extension("authorityInfoAccess"))
}

fn read(value: &[u8]) -> Result<Vec<String>, DerError> {
    let mut list = Reader::new(der::single(value, der::SEQUENCE)?);
    let mut urls = Vec::new();
    for count in 0.. {
        if list.is_empty() {
            break;
        }
        if count == MAX_PLACES {
            return Err(DerError::Value("a list of more places than are read"));
        }
        let mut place = list.inside(der::SEQUENCE)?;
        let method = place.expect(der::OBJECT_IDENTIFIER)?.content;
        let location = place.element()?;
        place.finish()?;
        if method == OCSP && location.tag == URI {
            let printable = location.content.iter().all(|octet| matches!(octet, b'!'..=b'~'));
            if !printable || location.content.is_empty() || location.content.len() > MAX_URL {
                return Err(DerError::Value("a URL"));
            }
            urls.push(String::from_utf8_lossy(location.content).into_owned());
        }
    }
    Ok(urls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{Authority, sequence, tlv};
    use proptest::prelude::*;
    use rcgen::CustomExtension;

    const CA_ISSUERS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];

    fn place(method: &[u8], tag: u8, location: &[u8]) -> Vec<u8> {
        sequence(&[&tlv(der::OBJECT_IDENTIFIER, &[method]), &tlv(tag, &[location])])
    }

    fn read_back(value: Vec<u8>) -> Result<Vec<String>, FactsError> {
        let leaf = Authority::root("R").leaf_with("L", |params| {
            params.custom_extensions =
                vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], value.clone())];
        });
        responders(&Fields::read(&leaf).unwrap())
    }

    #[test]
    fn the_responders_of_a_certificate_are_read_in_its_order() {
        let issuers = place(CA_ISSUERS, URI, b"http://ca.example/ca.crt");
        let first = place(OCSP, URI, b"http://ocsp.example/");
        let second = place(OCSP, URI, b"ldap://ocsp.example/");
        let by_name = place(OCSP, der::constructed(4), &sequence(&[]));
        let urls = read_back(sequence(&[&issuers, &first, &by_name, &second])).unwrap();
        assert_eq!(urls, ["http://ocsp.example/", "ldap://ocsp.example/"]);
        let without = Authority::root("R").leaf("L");
        assert_eq!(responders(&Fields::read(&without).unwrap()), Ok(Vec::new()));
    }

    #[test]
    fn what_is_malformed_or_too_much_is_refused() {
        let one = place(OCSP, URI, b"http://ocsp.example/");
        let many = vec![one.as_slice(); MAX_PLACES + 1];
        let long = place(OCSP, URI, &vec![b'a'; MAX_URL + 1]);
        let cases = [
            sequence(&[&one, &[0x05]]),
            sequence(&many),
            sequence(&[&long]),
            sequence(&[&place(OCSP, URI, b"http://a b/")]),
            sequence(&[&place(OCSP, URI, b"")]),
            sequence(&[&place(OCSP, URI, "http://ü/".as_bytes())]),
            [sequence(&[&one]), vec![0]].concat(),
            Vec::new(),
        ];
        for value in cases {
            assert_eq!(read_back(value.clone()), Err(FactsError::Extension("authorityInfoAccess")), "{value:02x?}");
        }
        assert_eq!(read_back(sequence(&many[..MAX_PLACES])).unwrap().len(), MAX_PLACES);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(&octets);
        }
    }
}
