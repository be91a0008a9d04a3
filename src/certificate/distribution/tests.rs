//! Distribution points made by hand and by `openssl`.

use super::*;
use crate::certificate::fields::{CRL_DISTRIBUTION_POINTS, Fields};
use crate::certificate::testing::{name, openssl, sequence, tlv};
use proptest::prelude::*;

const CN: &[u8] = &[0x55, 0x04, 0x03];
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;

fn common_name(text: &str) -> Vec<u8> {
    name(&[(CN, UTF8, text.as_bytes())])
}

fn full_name(names: &[&[u8]]) -> Vec<u8> {
    tlv(der::constructed(0), &[&tlv(der::constructed(0), names)])
}

fn relative_name(text: &str) -> Vec<u8> {
    let attribute = sequence(&[&tlv(der::OBJECT_IDENTIFIER, &[CN]), &tlv(PRINTABLE, &[text.as_bytes()])]);
    tlv(der::constructed(0), &[&tlv(der::constructed(1), &[&attribute])])
}

fn directory(name: &[u8]) -> Vec<u8> {
    tlv(DIRECTORY_NAME, &[name])
}

fn read_one(parts: &[&[u8]]) -> Result<DistributionPoint, FactsError> {
    read(&sequence(&[&sequence(parts)]), &common_name("Issuer")).map(|mut points| points.remove(0))
}

#[test]
fn a_point_is_known_by_any_of_its_names() {
    let uri = tlv(URI, &[b"HTTP://User@List.EXAMPLE.org/A.crl"]);
    let point = read_one(&[&full_name(&[&uri, &directory(&common_name("A  list")), &tlv(0x82, &[b"a.example"])])]);
    let point = point.unwrap();
    assert_eq!(
        point.names,
        [
            PointName::Uri("http://User@list.example.org/A.crl".to_owned()),
            PointName::Directory(name::canonical(&name(&[(CN, PRINTABLE, b"a LIST")]))),
            PointName::Other { tag: 0x82, content: b"a.example".to_vec() },
        ]
    );
    assert_eq!(point.uris().collect::<Vec<_>>(), ["http://User@list.example.org/A.crl"]);
    assert_eq!((point.reasons, point.issuers.len()), (Reasons::ALL, 0));
}

#[test]
fn a_relative_name_continues_that_of_the_lists_issuer() {
    let whole =
        |base: &str| PointName::Directory(name::canonical(&name(&[(CN, UTF8, base.as_bytes()), (CN, UTF8, b"one")])));
    assert_eq!(read_one(&[&relative_name("one")]).unwrap().names, [whole("Issuer")]);
    let issuer = tlv(der::constructed(2), &[&directory(&common_name("Other"))]);
    let point = read_one(&[&relative_name("one"), &issuer]).unwrap();
    assert_eq!((point.names, point.issuers), (vec![whole("Other")], vec![name::canonical(&common_name("Other"))]));
}

#[test]
fn reasons_are_read_from_their_bits() {
    let cases: [(&[u8], Option<&str>); 8] = [
        (&[0], Some("")),
        (&[6, 0x40], Some("keyCompromise")),
        (
            &[0, 0xff],
            Some(
                "keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation, certificateHold, privilegeWithdrawn",
            ),
        ),
        (&[7, 0x00, 0x80], Some("aACompromise")),
        (&[0, 0x00, 0x7f], Some("")),
        (&[], None),
        (&[1], None),
        (&[8, 0x40], None),
    ];
    for (content, expected) in cases {
        assert_eq!(Reasons::read(content).ok().map(|set| set.to_string()).as_deref(), expected, "{content:02x?}");
    }
    assert_eq!(Reasons::read(&[7, 0x7f, 0x80]), Ok(Reasons::ALL));
    let some = Reasons::read(&[5, 0x60]).unwrap();
    assert_eq!(some.intersection(Reasons::read(&[5, 0x20]).unwrap()).to_string(), "cACompromise");
    assert_eq!(some.union(Reasons::read(&[0, 0x1f]).unwrap()).missing().collect::<Vec<_>>(), ["aACompromise"]);
}

#[test]
fn what_is_no_list_of_points_is_refused() {
    let uri = tlv(URI, &[b"http://a.example"]);
    let point = sequence(&[&full_name(&[&uri])]);
    let cases: [(&str, Vec<u8>); 10] = [
        ("no point", sequence(&[])),
        ("an empty point", sequence(&[&sequence(&[])])),
        ("reasons alone", sequence(&[&sequence(&[&tlv(der::primitive(1), &[&[0, 0xff]])])])),
        ("no names", sequence(&[&sequence(&[&full_name(&[])])])),
        ("an issuer that is no directoryName", sequence(&[&sequence(&[&tlv(der::constructed(2), &[&uri])])])),
        ("a URI that is not ASCII", sequence(&[&sequence(&[&full_name(&[&tlv(URI, &["é".as_bytes()])])])])),
        (
            "another name form",
            sequence(&[&sequence(&[&tlv(der::constructed(0), &[&tlv(der::constructed(2), &[&uri])])])]),
        ),
        ("octets behind", [sequence(&[&point]), vec![0]].concat()),
        ("too many points", sequence(&[&point.repeat(MAX_POINTS + 1)])),
        ("too many names", sequence(&[&sequence(&[&full_name(&[&uri.repeat(MAX_NAMES + 1)])])])),
    ];
    for (what, value) in cases {
        assert!(read(&value, &common_name("Issuer")).is_err(), "{what}");
    }
    assert_eq!(read(&sequence(&[&point.repeat(MAX_POINTS)]), &common_name("Issuer")).unwrap().len(), MAX_POINTS);
}

#[test]
fn what_openssl_writes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[req]\ndistinguished_name=n\n[n]\n[x]\ncrlDistributionPoints=a,b\n[a]\nfullname=URI:http://A.example/1\nreasons=keyCompromise,CACompromise\n[b]\nrelativename=r\nCRLissuer=dirName:i\n[r]\nCN=part\n[i]\nCN=Indirect\n";
    std::fs::write(folder.path().join("x.cnf"), config).unwrap();
    openssl(
        folder.path(),
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -subj /CN=a -config x.cnf -extensions x -outform der -out a.der",
    );
    let der = std::fs::read(folder.path().join("a.der")).unwrap();
    let fields = Fields::read(&der).unwrap();
    let points = read(fields.extension(CRL_DISTRIBUTION_POINTS).unwrap().value, fields.issuer).unwrap();
    let [a, b] = points.as_slice() else { panic!("{points:?}") };
    assert_eq!(
        (a.uris().collect::<Vec<_>>(), a.reasons.to_string().as_str()),
        (vec!["http://a.example/1"], "keyCompromise, cACompromise")
    );
    assert_eq!(b.issuers, [name::canonical(&common_name("Indirect"))]);
    assert_eq!(
        b.names,
        [PointName::Directory(name::canonical(&name(&[(CN, UTF8, b"Indirect"), (CN, UTF8, b"part")])))]
    );
}

#[test]
fn a_long_name_is_enclosed_as_der_demands() {
    for length in [0, 1, 127, 128, 255, 256, 70_000] {
        let content = vec![7; length];
        assert_eq!(enclose(der::SEQUENCE, &[&content]), sequence(&[&content]));
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_without_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..200), issuer in proptest::collection::vec(any::<u8>(), 0..20)) {
        for octets in [octets.clone(), sequence(&[&octets]), sequence(&[&sequence(&[&octets])]), sequence(&[&sequence(&[&tlv(der::constructed(0), &[&octets])])])] {
            if let Ok(points) = read(&octets, &issuer) {
                prop_assert!(points.iter().all(|point| !point.names.is_empty() || !point.issuers.is_empty()));
            }
        }
    }
}
