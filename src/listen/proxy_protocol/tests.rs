use super::*;
use proptest::prelude::*;

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2 with the length that it has.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [V2, &[command, family], &length, rest].concat()
}

/// The addresses of 192.0.2.7:50000 and 198.51.100.1:443.
const INET: &[u8] = &[192, 0, 2, 7, 198, 51, 100, 1, 0xc3, 0x50, 1, 0xbb];

fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &u16::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
}

/// A header of version 2 over IPv4 with fields, one of which is its checksum.
fn with_checksum(before: &[u8], behind: &[u8]) -> Vec<u8> {
    let fields = [before, &field(3, &[0; 4]), behind].concat();
    let mut header = binary(0x21, 0x11, &[INET, &fields].concat());
    let checksum = crc32c::crc32c(header.iter());
    let at = header.len() - behind.len() - 4;
    header[at..at + 4].copy_from_slice(&checksum.to_be_bytes());
    header
}

fn proxied_from(source: &str, destination: &str) -> Header {
    Header::Proxied { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

/// What a header says and how many octets it has, given all at once with something behind it.
fn parse(octets: &[u8]) -> Result<Header, HeaderError> {
    let followed = [octets, b"\x16\x03\x01"].concat();
    let (taken, header) = Parser::default().take(&followed)?;
    assert_eq!(taken, octets.len(), "what follows is left: {octets:?}");
    Ok(header.unwrap_or_else(|| panic!("{octets:?} is not whole")))
}

#[test]
fn a_line_of_version_1_is_read() {
    let cases = [
        ("TCP4 192.0.2.7 198.51.100.1 50000 443", proxied_from("192.0.2.7:50000", "198.51.100.1:443")),
        ("TCP4 0.0.0.0 255.255.255.255 0 65535", proxied_from("0.0.0.0:0", "255.255.255.255:65535")),
        ("TCP6 2001:db8::7 2001:db8::1 50000 443", proxied_from("[2001:db8::7]:50000", "[2001:db8::1]:443")),
        ("TCP6 ::ffff:192.0.2.7 2001:db8::1 50000 443", proxied_from("192.0.2.7:50000", "[2001:db8::1]:443")),
        ("UNKNOWN", Header::Unknown),
        ("UNKNOWN ", Header::Unknown),
        ("UNKNOWN ffff:f...f:ffff anything at all", Header::Unknown),
    ];
    for (line, expected) in cases {
        assert_eq!(parse(format!("PROXY {line}\r\n").as_bytes()), Ok(expected), "{line}");
    }
    let longest =
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    assert_eq!((longest.len(), parse(longest.as_bytes())), (MOST_TEXT, Ok(Header::Unknown)));
}

#[test]
fn a_line_that_is_not_as_it_is_written_down_is_refused() {
    for line in [
        "TCP4 192.0.2.7 198.51.100.1 50000",
        "TCP4 192.0.2.7 198.51.100.1 50000 443 1",
        "TCP4 192.0.2.7 198.51.100.1 50000 443 ",
        "TCP4  192.0.2.7 198.51.100.1 50000 443",
        "TCP4 192.0.2.07 198.51.100.1 50000 443",
        "TCP4 192.0.2 198.51.100.1 50000 443",
        "TCP4 2001:db8::7 2001:db8::1 50000 443",
        "TCP6 192.0.2.7 198.51.100.1 50000 443",
        "TCP6 fe80::1%1 2001:db8::1 50000 443",
        "TCP4 192.0.2.7 198.51.100.1 +5000 443",
        "TCP4 192.0.2.7 198.51.100.1 050 443",
        "TCP4 192.0.2.7 198.51.100.1 65536 443",
        "TCP4 192.0.2.7 198.51.100.1 -1 443",
        "TCP4 192.0.2.7 198.51.100.1 50000 443\r",
        "TCP4\t192.0.2.7 198.51.100.1 50000 443",
        "UDP4 192.0.2.7 198.51.100.1 50000 443",
        "tcp4 192.0.2.7 198.51.100.1 50000 443",
        "",
        "UNKNOWNX",
    ] {
        let parsed = parse(format!("PROXY {line}\r\n").as_bytes());
        assert!(matches!(parsed, Err(HeaderError::Line(_))), "{line}: {parsed:?}");
    }
    let line = |octets: &[u8]| Parser::default().take(octets);
    assert_eq!(line(b"PROXY UNKNOWN\n"), Err(HeaderError::Line("the line does not end in CRLF")));
    assert!(matches!(line(b"PROXY \xff\r\n"), Err(HeaderError::Line(_))));
    let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'a'; 200]].concat();
    assert!(matches!(line(&endless), Err(HeaderError::Line(_))), "nothing is read without end");
    assert_eq!(line(&endless[..106]), Ok((106, None)));
}

#[test]
fn a_header_of_version_2_is_read() {
    let inet6 = [
        &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 1],
        &[0xc3, 0x50, 1, 0xbb],
    ]
    .concat();
    let from_v4 = proxied_from("192.0.2.7:50000", "198.51.100.1:443");
    let fields = [field(1, b"h2"), field(4, &[0; 300]), field(0xee, b"")].concat();
    let cases = [
        (binary(0x21, 0x11, INET), from_v4),
        (binary(0x21, 0x11, &[INET, &fields].concat()), from_v4),
        (with_checksum(&field(5, b"id"), &field(2, b"gate.example.org")), from_v4),
        (binary(0x21, 0x21, &inet6), proxied_from("[2001:db8::7]:50000", "198.51.100.1:443")),
        (binary(0x21, 0x31, &[b'/'; 216]), Header::Unknown),
        (binary(0x21, 0x00, b""), Header::Unknown),
        (binary(0x21, 0x00, &fields), Header::Unknown),
        (binary(0x20, 0x00, b""), Header::Local),
        (binary(0x20, 0x11, INET), Header::Local),
        (binary(0x20, 0xff, &[0xff; 99]), Header::Local),
        (binary(0x21, 0x11, &[INET, &field(4, &vec![0; MOST_BINARY - INET.len() - 3])].concat()), from_v4),
    ];
    for (octets, expected) in cases {
        assert_eq!(parse(&octets), Ok(expected), "{octets:x?}");
    }
}

#[test]
fn a_header_of_version_2_that_says_too_much_or_too_little_is_refused() {
    let oversize = [&[4, 0xff, 0xff][..], &[0; 40]].concat();
    let mut changed = with_checksum(b"", b"");
    changed[16] = 10;
    let twice = [field(3, &[0; 4]), field(3, &[0; 4])].concat();
    let cases = [
        (binary(0x11, 0x11, INET), HeaderError::Command(0x11)),
        (binary(0x22, 0x11, INET), HeaderError::Command(0x22)),
        (binary(0x21, 0x12, INET), HeaderError::Family(0x12)),
        (binary(0x21, 0x10, INET), HeaderError::Family(0x10)),
        (binary(0x21, 0x41, INET), HeaderError::Family(0x41)),
        (binary(0x21, 0x11, &INET[..11]), HeaderError::TooShort(11)),
        (binary(0x21, 0x21, &[0; 35]), HeaderError::TooShort(35)),
        (binary(0x21, 0x31, &[0; 215]), HeaderError::TooShort(215)),
        (binary(0x21, 0x11, &[INET, &oversize].concat()), HeaderError::Field(4)),
        (binary(0x21, 0x11, &[INET, &[0xee]].concat()), HeaderError::Field(0xee)),
        (binary(0x21, 0x00, &[5, 0]), HeaderError::Field(5)),
        (changed, HeaderError::Checksum),
        (binary(0x21, 0x11, &[INET, &field(3, &[0; 4])].concat()), HeaderError::Checksum),
        (binary(0x21, 0x11, &[INET, &field(3, b"")].concat()), HeaderError::Checksum),
        (with_checksum(b"", &twice), HeaderError::Checksum),
    ];
    for (octets, expected) in cases {
        assert_eq!(parse(&octets), Err(expected), "{octets:x?}");
    }
}

#[test]
fn a_header_of_64_kib_is_refused_at_its_sixteenth_octet() {
    let fixed = [V2, &[0x21, 0x11, 0xff, 0xff]].concat();
    let mut parser = Parser::default();
    assert_eq!(parser.take(&fixed[..15]), Ok((15, None)));
    assert_eq!(parser.take(&fixed[15..]), Err(HeaderError::TooLong(0xffff)));
    let mut parser = Parser::default();
    let one_too_many = u16::try_from(MOST_BINARY + 1).unwrap();
    let fixed = [V2, &[0x20, 0x00], &one_too_many.to_be_bytes()].concat();
    assert_eq!(parser.take(&fixed), Err(HeaderError::TooLong(one_too_many)), "of a health check, too");
}

#[test]
fn what_is_no_header_is_known_by_its_first_octet_that_differs() {
    for (octets, differs) in
        [(&b"GET / HTTP/1.1"[..], 0), (b"\x16\x03\x01", 0), (b"POST /", 1), (b"PROXYX", 5), (b"\r\n\r\n\0\r\nQUIz", 10)]
    {
        let mut parser = Parser::default();
        assert_eq!(parser.take(&octets[..differs]), Ok((differs, None)), "{octets:?}");
        assert_eq!(parser.take(&octets[differs..]), Err(HeaderError::NoHeader), "{octets:?}");
        assert!(!is_header(octets), "{octets:?}");
    }
    for octets in [&b"PROXY UNKNOWN\r\n"[..], &binary(0x20, 0, b"")] {
        assert!(is_header(octets) && may_begin(octets[0]));
    }
    assert!(!may_begin(22));
}

proptest! {
    #[test]
    fn a_header_reads_the_same_however_it_is_cut(
        source: (std::net::Ipv4Addr, u16),
        destination: (std::net::Ipv4Addr, u16),
        version_2: bool,
        fields in prop::collection::vec((4_u8.., prop::collection::vec(any::<u8>(), 0..40)), 0..5),
        follows in prop::collection::vec(any::<u8>(), 0..20),
        cuts in prop::collection::vec(1_usize..30, 1..20),
    ) {
        let header = if version_2 {
            let ports = [source.1.to_be_bytes(), destination.1.to_be_bytes()].concat();
            let addresses = [&source.0.octets()[..], &destination.0.octets(), &ports].concat();
            let fields: Vec<u8> = fields.iter().flat_map(|(kind, value)| field(*kind, value)).collect();
            binary(0x21, 0x11, &[addresses, fields].concat())
        } else {
            format!("PROXY TCP4 {} {} {} {}\r\n", source.0, destination.0, source.1, destination.1).into_bytes()
        };
        let stream = [&header[..], &follows].concat();
        let expected = Header::Proxied { source: source.into(), destination: destination.into() };
        let (mut parser, mut read, mut at) = (Parser::default(), None, 0);
        for length in cuts.iter().cycle() {
            // As from a socket: what was not taken is seen again.
            let (taken, header) = parser.take(&stream[at..stream.len().min(at + length)]).unwrap();
            at += taken;
            read = header;
            if read.is_some() || at == stream.len() {
                break;
            }
        }
        prop_assert_eq!((read, at), (Some(expected), header.len()));
    }

    #[test]
    fn nothing_is_taken_without_bound(octets in prop::collection::vec(any::<u8>(), 0..200), begin in 0..3_usize) {
        let begin = [&b""[..], b"PROXY ", V2][begin];
        let mut parser = Parser::default();
        let whole = [begin, &octets].concat();
        if let Ok((taken, header)) = parser.take(&whole) {
            prop_assert!(header.is_some() || taken == whole.len());
            prop_assert_eq!(parser.taken(), taken);
        }
        prop_assert!(parser.taken() <= 16 + MOST_BINARY);
    }
}

#[tokio::test]
async fn what_follows_a_header_in_the_same_segment_is_left_in_the_socket() {
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), with_checksum(&field(4, &[0; 1000]), b"")] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let octets = [&header[..], b"PROXY UNKNOWN\r\nmore"].concat();
        tokio::io::AsyncWriteExt::write_all(&mut client, &octets).await.unwrap();
        drop(client);
        assert!(read(&mut stream).await.is_ok());
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "PROXY UNKNOWN\r\nmore");
    }
}

#[tokio::test]
async fn a_connection_that_ends_within_its_header_is_told_from_one_that_never_began() {
    for (octets, expected) in [(&b""[..], 0), (b"PROXY TCP4 ", 11)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut client, octets).await.unwrap();
        drop(client);
        let outcome = read(&mut stream).await;
        assert!(matches!(outcome, Err(ReadError::Ended(taken)) if taken == expected), "{outcome:?}");
    }
}
