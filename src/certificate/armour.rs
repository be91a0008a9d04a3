//! Text encodings (RFC 7468) that are decoded while they are read: for files of revocation lists, which are too
//! large to be held as text and as octets at once. Everything else is read by `pem`. Outside of sections any text
//! may stand; within one there is base64 and white space, and it must end.

use std::io::{BufRead, Error, ErrorKind, Read, Result};

/// The longest line that can begin or end a section, in octets.
const LONGEST_LINE: usize = 128;
/// How many labels of other sections are remembered.
const MOST_LABELS: usize = 4;

/// Reads the sections of one label from a text.
pub struct Armour<R> {
    text: R,
    label: &'static str,
    inside: bool,
    /// How many sections of the label were begun.
    sections: usize,
    /// The labels of the other sections.
    others: Vec<String>,
    /// The sextets that do not make an octet yet, and how many they are.
    group: u32,
    count: u8,
    /// How many `=` came after them.
    padding: u8,
    /// Octets for which there was no room.
    spare: [u8; 3],
    spares: usize,
}

/// What a character stands for: a sextet, [`SPACE`], [`PADDING`] or [`OTHER`].
const VALUES: [u8; 256] = values();
const SPACE: u8 = 0x80;
const PADDING: u8 = 0x81;
const OTHER: u8 = 0xff;

const fn values() -> [u8; 256] {
    let mut values = [OTHER; 256];
    let mut rest: &mut [u8] = &mut values;
    let mut character = 0_u8;
    while let Some((first, others)) = rest.split_first_mut() {
        *first = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b' ' | b'\t' | b'\r' | b'\n' => SPACE,
            b'=' => PADDING,
            _ => OTHER,
        };
        character = character.wrapping_add(1);
        rest = others;
    }
    values
}

fn value(character: u8) -> u8 {
    VALUES.get(usize::from(character)).copied().unwrap_or(OTHER)
}

impl<R: BufRead> Armour<R> {
    /// Reads the sections with this label.
    pub fn new(text: R, label: &'static str) -> Self {
        Self {
            text,
            label,
            inside: false,
            sections: 0,
            others: Vec::new(),
            group: 0,
            count: 0,
            padding: 0,
            spare: [0; 3],
            spares: 0,
        }
    }

    /// Goes on to the next section, whose octets are then read from `self`; `false` if there is none. The one before
    /// must have been read to its end.
    ///
    /// # Errors
    /// When the text cannot be read, or another section does not end.
    pub fn next_section(&mut self) -> Result<bool> {
        let mut open: Option<String> = None;
        while let Some(line) = self.line()? {
            let (begins, label) = match (label_of(&line, "-----BEGIN "), label_of(&line, "-----END ")) {
                (Some(label), _) => (true, label),
                (None, Some(label)) => (false, label),
                (None, None) => continue,
            };
            open = match (open, begins) {
                // A section that begins inside another one would be read as the end of that one's text.
                (Some(before), true) => return Err(unended(&before)),
                (Some(before), false) if before != label => return Err(unended(&before)),
                (None, true) if label == self.label => {
                    (self.inside, self.group, self.count, self.padding) = (true, 0, 0, 0);
                    self.sections += 1;
                    return Ok(true);
                }
                (None, true) => {
                    if self.others.len() < MOST_LABELS && !self.others.contains(&label) {
                        self.others.push(label.clone());
                    }
                    Some(label)
                }
                (_, false) => None,
            };
        }
        open.map_or(Ok(false), |label| Err(unended(&label)))
    }

    /// The labels of the sections that were passed over, none twice, and of many the first few.
    #[must_use]
    pub fn others(&self) -> &[String] {
        &self.others
    }

    /// The next line without its end, cut to what a line that counts can have; `None` at the end of the text.
    fn line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let ready = self.text.fill_buf()?;
            if ready.is_empty() {
                return Ok(if line.is_empty() { None } else { Some(line) });
            }
            let end = ready.iter().position(|octet| matches!(octet, b'\n' | b'\r'));
            let part = ready.get(..end.unwrap_or(ready.len())).unwrap_or_default();
            line.extend(part.iter().take(LONGEST_LINE.saturating_sub(line.len())));
            let used = part.len() + usize::from(end.is_some());
            self.text.consume(used);
            if end.is_some() {
                return Ok(Some(line));
            }
        }
    }

    /// Ends the section at the line that begins with the next octet.
    fn end_section(&mut self) -> Result<()> {
        let line = self.line()?.unwrap_or_default();
        if label_of(&line, "-----END ").as_deref() != Some(self.label) {
            return Err(unended(self.label));
        }
        self.inside = false;
        // Bits that belong to no octet must be zero, and the padding must be right or wholly absent.
        let (left, padding) = match self.count {
            0 => (0, 0),
            2 => (self.group & 0x0f, 2),
            3 => (self.group & 0x03, 1),
            _ => return Err(self.not_base64()),
        };
        if left != 0 || (self.padding != 0 && self.padding != padding) {
            return Err(self.not_base64());
        }
        let group = self.group << (6 * u32::from(4 - self.count.max(1)));
        let [_, first, second, _] = group.to_be_bytes();
        (self.spare, self.spares) = match self.count {
            2 => ([first, 0, 0], 1),
            3 => ([first, second, 0], 2),
            _ => ([0; 3], 0),
        };
        Ok(())
    }

    fn not_base64(&self) -> Error {
        Error::new(ErrorKind::InvalidData, format!("its section {} {} is not base64", self.label, self.sections))
    }

    fn spared(&mut self, to: &mut [u8]) -> usize {
        let count = self.spares.min(to.len());
        to.iter_mut().zip(self.spare).take(count).for_each(|(to, from)| *to = from);
        self.spare.rotate_left(count);
        self.spares -= count;
        count
    }
}

impl<R: BufRead> Read for Armour<R> {
    /// Reads octets of the section; none are left at its end.
    fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        if to.is_empty() || self.spares > 0 {
            return Ok(self.spared(to));
        }
        while self.inside {
            let ready = self.text.fill_buf()?;
            if ready.is_empty() {
                return Err(unended(self.label));
            }
            let decoded = decode(ready, to, self.group, self.count, self.padding);
            (self.group, self.count, self.padding) = (decoded.group, decoded.count, decoded.padding);
            let stopped_at = ready.get(decoded.used).copied();
            self.text.consume(decoded.used);
            match stopped_at {
                _ if decoded.made > 0 => return Ok(decoded.made),
                Some(b'-') => self.end_section()?,
                // The last group has no room: it goes where what is too much is kept.
                Some(character) if value(character) < 64 && self.padding == 0 => {
                    let mut one = [0; 3];
                    let decoded = decode(&[character], &mut one, self.group, self.count, self.padding);
                    self.text.consume(1);
                    (self.group, self.count) = (decoded.group, decoded.count);
                    if decoded.made == 3 {
                        (self.spare, self.spares) = (one, 3);
                        return Ok(self.spared(to));
                    }
                }
                Some(_) => return Err(self.not_base64()),
                None => {}
            }
        }
        Ok(self.spared(to))
    }
}

struct Decoded {
    used: usize,
    made: usize,
    group: u32,
    count: u8,
    padding: u8,
}

/// Decodes text until it or the room for octets ends, or a character comes that has no place there.
fn decode(text: &[u8], to: &mut [u8], group: u32, count: u8, padding: u8) -> Decoded {
    let mut done = Decoded { used: 0, made: 0, group, count, padding };
    let mut room = to.chunks_exact_mut(3);
    while let Some(character) = text.get(done.used) {
        // Four characters that make three octets are by far the most.
        if done.count == 0
            && done.padding == 0
            && let Some([a, b, c, d]) = text.get(done.used..done.used + 4)
        {
            let [a, b, c, d] = [value(*a), value(*b), value(*c), value(*d)];
            if (a | b | c | d) < 64 {
                let Some(three) = room.next() else { return done };
                let group = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
                three.iter_mut().zip(group.to_be_bytes().into_iter().skip(1)).for_each(|(to, from)| *to = from);
                done.used += 4;
                done.made += 3;
                continue;
            }
        }
        match value(*character) {
            sextet @ 0..64 if done.padding == 0 => {
                if done.count == 3 {
                    let Some(three) = room.next() else { return done };
                    let group = done.group << 6 | u32::from(sextet);
                    three.iter_mut().zip(group.to_be_bytes().into_iter().skip(1)).for_each(|(to, from)| *to = from);
                    done.made += 3;
                    (done.group, done.count) = (0, 0);
                } else {
                    done.group = done.group << 6 | u32::from(sextet);
                    done.count += 1;
                }
            }
            SPACE => {}
            PADDING if done.padding < 2 => done.padding += 1,
            _ => return done,
        }
        done.used += 1;
    }
    done
}

/// The label of a line that begins or ends a section.
fn label_of(line: &[u8], mark: &str) -> Option<String> {
    let rest = line.strip_prefix(mark.as_bytes())?;
    let label = rest.split(|octet| *octet == b'-').next().unwrap_or_default();
    Some(label.escape_ascii().to_string())
}

fn unended(label: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("its section {label} does not end"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use proptest::prelude::*;
    use rustls_pki_types::CertificateRevocationListDer;
    use rustls_pki_types::pem::PemObject;
    use std::io::BufReader;

    fn all(text: &[u8], buffer: usize, room: usize) -> Result<Vec<Vec<u8>>> {
        let mut armour = Armour::new(BufReader::with_capacity(buffer, text), "X509 CRL");
        let mut sections = Vec::new();
        while armour.next_section()? {
            let mut octets = Vec::new();
            let mut to = vec![0; room];
            loop {
                match armour.read(&mut to)? {
                    0 => break,
                    count => octets.extend_from_slice(&to[..count]),
                }
            }
            sections.push(octets);
        }
        Ok(sections)
    }

    fn section(base64: &str) -> String {
        format!("-----BEGIN X509 CRL-----\n{base64}\n-----END X509 CRL-----\n")
    }

    #[test]
    fn sections_of_the_label_are_decoded_and_others_passed_over() {
        let other = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let text = ["a comment\n", other, &section("MAEC"), other, &section("MA\r\n ECAw\n==")].concat();
        for (buffer, room) in [(1, 1), (3, 2), (64, 3), (1000, 1000)] {
            let sections = all(text.as_bytes(), buffer, room).unwrap();
            assert_eq!(sections, [vec![0x30, 1, 2], vec![0x30, 1, 2, 3]], "{buffer} {room}");
        }
        let mut armour = Armour::new(other.as_bytes(), "X509 CRL");
        assert!(!armour.next_section().unwrap());
        assert_eq!(armour.others(), ["CERTIFICATE"]);
    }

    #[test]
    fn what_is_not_base64_or_does_not_end_is_refused() {
        let bad = "its section X509 CRL 1 is not base64";
        let open = "its section X509 CRL does not end";
        let cases = [
            (section("M*A="), bad),
            (section("MAA=MAA="), bad),
            (section("MAA=="), bad),
            (section("MAA==="), bad),
            (section("MAB="), bad),
            (section("M"), bad),
            (section("MB=="), bad),
            (section("MA-A"), open),
            ("-----BEGIN X509 CRL-----\nMAA=\n".to_owned(), open),
            ("-----BEGIN X509 CRL-----\nMAA=\n-----END CERTIFICATE-----\n".to_owned(), open),
            (["-----BEGIN X509 CRL-----\nMAA=\n", &section("MAA=")].concat(), open),
            ("-----BEGIN A-----\n-----BEGIN B-----\n".to_owned(), "its section A does not end"),
            ("-----BEGIN A-----\n".to_owned(), "its section A does not end"),
        ];
        for (text, expected) in cases {
            for (buffer, room) in [(1, 1), (1000, 1000)] {
                assert_eq!(all(text.as_bytes(), buffer, room).unwrap_err().to_string(), expected, "{text}");
            }
        }
        assert_eq!(all(section("MAA").as_bytes(), 10, 10).unwrap(), [[0x30, 0]]);
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_out_again(octets in proptest::collection::vec(any::<u8>(), 0..300), width in 1..90usize, buffer in 1..100usize, room in 1..100usize) {
            let base64 = base64::engine::general_purpose::STANDARD.encode(&octets);
            let lines: Vec<&str> = base64.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            prop_assert_eq!(all(section(&lines.join("\n")).as_bytes(), buffer, room).unwrap(), vec![octets]);
        }

        #[test]
        fn it_reads_what_the_other_reader_reads(text in "(-----(BEGIN|END) (X509 CRL|A)-----\n|[A-Za-z0-9+/]{0,8}={0,2}\r?\n|-){0,8}", buffer in 1..40usize) {
            let ours = all(text.as_bytes(), buffer, 7);
            let theirs: std::result::Result<Vec<_>, _> =
                CertificateRevocationListDer::pem_slice_iter(text.as_bytes()).collect();
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                let theirs: Vec<Vec<u8>> = theirs.iter().map(|list| list.as_ref().to_vec()).collect();
                prop_assert_eq!(ours, theirs, "{}", text);
            }
        }
    }
}
