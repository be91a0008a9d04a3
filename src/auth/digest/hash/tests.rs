use super::*;
use crate::account::ha1;
use crate::base::secret::Secret;
use ChallengeAlgorithm::{Md5 as MD5, Md5Session, Sha256, Sha256Session, Sha512_256, Sha512_256Session};

const MUFASA: Parts<'_> = Parts {
    method: "GET",
    uri: "/dir/index.html",
    nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    count: "00000001",
    cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    body: None,
};

fn key_of_mufasa(algorithm: ChallengeAlgorithm) -> crate::account::Ha1 {
    ha1::compute("Mufasa", "http-auth@example.org", &Secret::from("Circle of Life"), algorithm.hash())
}

#[test]
fn the_examples_of_the_rfc_come_out() {
    // RFC 7616, section 3.9.1.
    let cases = [
        (MD5, "8ca523f5e9506fed4657c9700eebdbec"),
        (Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ];
    for (algorithm, expected) in cases {
        let response = answer(algorithm, key_of_mufasa(algorithm).0.expose(), &MUFASA);
        assert_eq!(response.digits().as_str(), expected);
        assert_eq!(response.octets().len(), algorithm.hash().length());
    }
    // Section 3.9.2, as erratum 4897 corrects it: the document's own values come from SHA-512 cut short, and not
    // from SHA-512/256.
    let parts = Parts {
        method: "GET",
        uri: "/doe.json",
        nonce: "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        count: "00000001",
        cnonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
        body: None,
    };
    let ha1 = ha1::compute("Jäsøn Doe", "api@example.org", &Secret::from("Secret, or not?"), Sha512_256.hash());
    let expected = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5";
    assert_eq!(answer(Sha512_256, ha1.0.expose(), &parts).digits().as_str(), expected);
}

/// The RFC has no examples of these: they were computed apart from this code, with Python's hashlib, from the
/// definitions in sections 3.4.1 to 3.4.3 and 3.5.
#[test]
fn session_forms_bodies_and_the_servers_own_response_are_what_the_definitions_say() {
    let cases = [
        (
            MD5,
            [
                "8ca523f5e9506fed4657c9700eebdbec",
                "ab1bccf669f582fc95a192e2f3fdc6f2",
                "9b712497bc9f91499fbcca1dfc5f09a5",
            ],
        ),
        (
            Md5Session,
            [
                "e783283f46242139c486a698fec7211d",
                "4cc51a890e5018c0d125e6a8cf974857",
                "b9bdf5673282d64412df46ad40660539",
            ],
        ),
        (
            Sha256,
            [
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
                "081141c187fb9fe48c541c5d9a981db7df4218b4e8bc1db000b29dd0466b332a",
                "86d3b25618d41854ca5039a5d7e53ff6355d5134a9b1fb088a78ac3c462195a0",
            ],
        ),
        (
            Sha256Session,
            [
                "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7",
                "2b46251831627f5dc5d4f2c24df0681b4480e8309dc4505ff90f314dfc94881a",
                "d4ad609d150eafce2281da5c3179878fdb37e6a16021272f4bed1a082f5c2324",
            ],
        ),
        (
            Sha512_256,
            [
                "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0",
                "338692095d84ff0caf39785ac24c51c73f99180e6a64aee8293875dd3e43dc9c",
                "c8f9593a4f49b95ce2c483cc3222ecd360a5c6ec52ca24a530b0aac18478de8c",
            ],
        ),
        (
            Sha512_256Session,
            [
                "3f2a34f923c38b0fb26dce2fdfc2ce326c23cecf86fbb1444f3e51fbbc2cb92e",
                "77e9d2a331e30fe9be83e753e0f0ca350d96917fd815973fc468807c28a26e58",
                "98012a4e63fae2aea13adaa3410368ef7278c87ca0acbd3c941ca5fe3dceeb86",
            ],
        ),
    ];
    for (algorithm, [plain, with_body, of_server]) in cases {
        let (hash, ha1) = (algorithm.hash(), key_of_mufasa(algorithm));
        let body = of_body(hash, b"name=Simba&realm=Pride+Lands");
        let post = Parts { method: "POST", body: Some(&body), ..MUFASA };
        assert_eq!(answer(algorithm, ha1.0.expose(), &MUFASA).digits().as_str(), plain, "{algorithm:?}");
        assert_eq!(answer(algorithm, ha1.0.expose(), &post).digits().as_str(), with_body, "{algorithm:?}");
        let key = match algorithm.is_session() {
            true => session_key(hash, ha1.0.expose(), MUFASA.nonce, MUFASA.cnonce).as_bytes().to_vec(),
            false => ha1.0.expose().to_vec(),
        };
        assert_eq!(response_of_server(hash, &key, &MUFASA).digits().as_str(), of_server, "{algorithm:?}");
    }
}

#[test]
fn every_part_counts() {
    let ha1: &[u8] = b"0123456789abcdef0123456789abcdef";
    for algorithm in ChallengeAlgorithm::ALL {
        let (one, another) = (of_body(algorithm.hash(), b"one"), of_body(algorithm.hash(), b"another"));
        let right = Parts { method: "GET", uri: "/", nonce: "n", count: "00000001", cnonce: "c", body: Some(&one) };
        let others = [
            Parts { method: "PUT", ..right },
            Parts { uri: "/?", ..right },
            Parts { nonce: "m", ..right },
            Parts { count: "00000002", ..right },
            Parts { cnonce: "d", ..right },
            Parts { body: Some(&another), ..right },
            Parts { body: None, ..right },
        ];
        let expected = answer(algorithm, ha1, &right);
        assert_eq!(expected, *answer(algorithm, ha1, &right).octets());
        assert_ne!(expected, *answer(algorithm, b"1123456789abcdef0123456789abcdef", &right).octets());
        for other in &others {
            assert_ne!(expected, *answer(algorithm, ha1, other).octets(), "{other:?}");
        }
    }
}

#[test]
fn no_hash_is_shown() {
    let hash = of_body(DigestAlgorithm::Md5, b"");
    assert_eq!(format!("{hash:?}"), "[hash]");
    assert_eq!(hash.digits().as_str(), "d41d8cd98f00b204e9800998ecf8427e");
}
