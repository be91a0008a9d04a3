//! CRC-32C (RFC 9260, appendix A), bit by bit: it is made over a header of some hundred octets once for each
//! connection, and only where a balancer sends it.

/// The polynomial, its bits in reverse.
const POLYNOMIAL: u32 = 0x82f6_3b78;

pub(super) fn crc32c<'a>(octets: impl Iterator<Item = &'a u8>) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
    !octets.fold(u32::MAX, |crc, octet| (0..8).fold(crc ^ u32::from(*octet), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_of_known_texts_are_right() {
        for (text, expected) in [(&b"123456789"[..], 0xe306_9283), (&[0; 32], 0x8a91_36aa), (&[0xff; 32], 0x62a8_ab43)]
        {
            assert_eq!(crc32c(text.iter()), expected);
        }
        assert_eq!(crc32c([].iter()), 0);
    }
}
