//! The Internet checksum over a whole PGM packet, no pseudo header.
//!
//! Sums of parts add up: a part at an odd offset counts with its bytes swapped. So a source may keep the [`Sum`] of a payload and pay only for the
//! header when it sends the same payload again as RDATA.

use core::ops::Add;

use super::header::CHECKSUM_AT;

/// One's complement sum of some bytes, not yet inverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum(u16);

impl Sum {
    /// Sums `bytes`; an odd last byte counts as if a zero followed.
    pub fn of(bytes: &[u8]) -> Self {
        let (words, tail) = bytes.as_chunks::<8>();
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        let total = words.iter().fold(halves(last), |sum, &word| sum + halves(word));
        Self(fold(total))
    }

    /// The sum of the same bytes at an odd offset.
    #[must_use]
    pub const fn shifted(self) -> Self {
        Self(self.0.swap_bytes())
    }

    /// The value for the checksum field. Never 0, which would mean "not computed".
    pub const fn finish(self) -> u16 {
        match !self.0 {
            0 => u16::MAX,
            sum => sum,
        }
    }
}

impl Add for Sum {
    type Output = Self;

    /// The sum of two parts, both at even offsets; see [`Sum::shifted`] for odd ones.
    fn add(self, other: Self) -> Self {
        Self(fold(u64::from(self.0) + u64::from(other.0)))
    }
}

/// What the checksum field of `packet` should hold, taking the field itself as 0.
///
/// A packet too short to have the field is summed as it is.
pub fn compute(packet: &[u8]) -> u16 {
    let Some((before, rest)) = packet.split_at_checked(CHECKSUM_AT) else {
        return Sum::of(packet).finish();
    };
    let after = rest.get(2..).unwrap_or_default();
    (Sum::of(before) + Sum::of(after)).finish()
}

/// Two 32-bit halves added without overflow. The lane width does not matter to a one's complement
/// sum, and 2³¹ words fit before a 64-bit accumulator overflows.
#[inline]
fn halves(word: [u8; 8]) -> u64 {
    let word = u64::from_be_bytes(word);
    (word >> 32) + (word & 0xFFFF_FFFF)
}

/// Folds the carries back in until 16 bits are left.
fn fold(mut total: u64) -> u16 {
    while total > 0xFFFF {
        total = (total >> 16) + (total & 0xFFFF);
    }
    total as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, two bytes at a time.
    fn plain(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([pair[0], low]));
            sum = (sum >> 16) + (sum & 0xFFFF);
        }
        sum as u16
    }

    #[test]
    fn matches_the_definition_at_every_length() {
        let bytes: Vec<u8> = (0..200u32).map(|i| (i * 97 + 13) as u8).collect();
        for len in 0..bytes.len() {
            assert_eq!(Sum::of(&bytes[..len]).0, plain(&bytes[..len]), "length {len}");
        }
    }

    #[test]
    fn parts_add_up_wherever_the_cut_is() {
        let bytes: Vec<u8> = (0..=255).collect();
        for cut in 0..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            let tail = if cut % 2 == 0 { Sum::of(tail) } else { Sum::of(tail).shifted() };
            assert_eq!(Sum::of(head) + tail, Sum::of(&bytes), "cut at {cut}");
        }
    }

    #[test]
    fn a_computed_zero_is_sent_as_all_ones() {
        assert_eq!(Sum::of(&[0xFF, 0xFF]).finish(), 0xFFFF);
        assert_eq!(Sum::of(&[0xFF, 0xFE, 0x00, 0x01]).finish(), 0xFFFF);
    }

    #[test]
    fn the_field_itself_does_not_count() {
        let mut packet = [7u8; 16];
        let clean = compute(&packet);
        packet[6..8].copy_from_slice(&clean.to_be_bytes());
        assert_eq!(compute(&packet), clean);
        assert_eq!(compute(&packet[..3]), Sum::of(&packet[..3]).finish());
    }
}
