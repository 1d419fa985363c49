//! What stands inside each message: its place in the sequence, the words a workload needs, and a
//! pattern that shows whether the body came as it was sent.

use anyhow::{Result, bail, ensure};

/// Room for the header word and one more: what a stream needs.
pub const STREAM_BYTES_MIN: usize = 16;
/// Room for the header word and the two send times that latency workloads carry.
pub const LATENCY_BYTES_MIN: usize = 24;

/// The first word of every message: its place in the sequence, or what else it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The first message of a connection.
    Greeting,
    /// Part of the warm-up; not recorded.
    WarmUp,
    /// Measured message number n, from 0.
    Measured(u64),
    /// The last message; the second word says how many were measured.
    End,
}

const GREETING: u64 = u64::MAX;
const WARM_UP: u64 = u64::MAX - 1;
const END: u64 = u64::MAX - 2;

impl Header {
    #[inline]
    fn word(self) -> u64 {
        match self {
            Self::Greeting => GREETING,
            Self::WarmUp => WARM_UP,
            Self::End => END,
            Self::Measured(sequence) => sequence,
        }
    }

    /// Puts the header into a message.
    #[inline]
    pub fn write(self, message: &mut [u8]) {
        write_word(message, 0, self.word());
    }

    /// The header of a message.
    #[inline]
    pub fn read(message: &[u8]) -> Result<Self> {
        if message.len() < STREAM_BYTES_MIN {
            bail!("a message of {} B came, at least {STREAM_BYTES_MIN} B expected", message.len());
        }
        Ok(match read_word(message, 0) {
            GREETING => Self::Greeting,
            WARM_UP => Self::WarmUp,
            END => Self::End,
            sequence => Self::Measured(sequence),
        })
    }

    /// A fresh message of `size` bytes that starts with this header.
    pub fn message(self, size: usize) -> Vec<u8> {
        let mut message = vec![0; size];
        self.write(&mut message);
        message
    }
}

/// The last message, telling the receiver how many it should have counted.
pub fn end_message(size: usize, measured: u64) -> Vec<u8> {
    let mut message = Header::End.message(size);
    write_word(&mut message, 1, measured);
    message
}

/// Sets the word at `index`, of eight bytes each.
#[inline]
pub fn write_word(message: &mut [u8], index: usize, word: u64) {
    message[index * 8..index * 8 + 8].copy_from_slice(&word.to_le_bytes());
}

/// Gets the word at `index`.
#[inline]
pub fn read_word(message: &[u8], index: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&message[index * 8..index * 8 + 8]);
    u64::from_le_bytes(word)
}

/// Fills what follows the words of a latency message with a pattern that only this message has.
#[inline]
pub fn write_pattern(message: &mut [u8], sequence: u64) {
    let pattern = pattern(sequence);
    for chunk in message[LATENCY_BYTES_MIN..].chunks_mut(8) {
        chunk.copy_from_slice(&pattern[..chunk.len()]);
    }
}

/// Checks that pattern.
#[inline]
pub fn check_pattern(message: &[u8], sequence: u64) -> Result<()> {
    let pattern = pattern(sequence);
    let mut chunks = message[LATENCY_BYTES_MIN..].chunks(8);
    let whole = chunks.all(|chunk| chunk == &pattern[..chunk.len()]);
    ensure!(whole, "the body of message {sequence} is not what was sent");
    Ok(())
}

/// An odd multiplier spreads a small sequence number over all eight bytes.
#[inline]
fn pattern(sequence: u64) -> [u8; 8] {
    (sequence.wrapping_add(1)).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()
}

/// Checks that measured messages come complete and in order.
#[derive(Debug, Clone, Default)]
pub struct SequenceCheck {
    /// The sequence number that should come next.
    pub expected: u64,
    /// Messages observed.
    pub received: u64,
    /// Those that came after a higher one, or twice.
    pub reordered: u64,
}

impl SequenceCheck {
    /// Takes note of one message.
    #[inline]
    pub fn observe(&mut self, sequence: u64) {
        self.received += 1;
        if sequence < self.expected {
            self.reordered += 1;
        } else {
            self.expected = sequence + 1;
        }
    }

    /// Takes note of all messages from the one that should come next to the one before `next`.
    #[inline]
    pub fn observe_in_order(&mut self, next: u64) {
        self.received += next - self.expected;
        self.expected = next;
    }

    /// How many of `sent` messages never came.
    pub fn lost(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_a_message_of_the_smallest_size() {
        for header in [Header::Greeting, Header::WarmUp, Header::End, Header::Measured(7)] {
            assert_eq!(Header::read(&header.message(STREAM_BYTES_MIN)).unwrap(), header);
        }
        assert_eq!(read_word(&end_message(STREAM_BYTES_MIN, 42), 1), 42);
    }

    #[test]
    fn a_message_too_short_for_a_header_is_named() {
        let error = Header::read(&[0; 15]).unwrap_err().to_string();
        assert!(error.contains("15 B") && error.contains("16 B"), "{error}");
    }

    #[test]
    fn gaps_count_as_lost_and_late_comers_as_reordered() {
        let mut check = SequenceCheck::default();
        for sequence in [0, 1, 3, 2, 6] {
            check.observe(sequence);
        }
        assert_eq!(check.reordered, 1);
        assert_eq!(check.lost(7), 2, "4 and 5 never came");
        (7..10).for_each(|sequence| check.observe(sequence));
        assert_eq!((check.received, check.expected), (8, 10));
        check.observe_in_order(13);
        assert_eq!((check.received, check.expected, check.lost(13)), (11, 13, 2));
    }

    #[test]
    fn a_body_that_changed_on_the_way_is_noticed_wherever_it_changed() {
        for size in [LATENCY_BYTES_MIN, 31, 64] {
            let mut message = Header::Measured(5).message(size);
            write_pattern(&mut message, 5);
            check_pattern(&message, 5).unwrap();
            for byte in LATENCY_BYTES_MIN..size {
                let mut spoiled = message.clone();
                spoiled[byte] ^= 1;
                assert!(check_pattern(&spoiled, 5).is_err(), "byte {byte} of {size}");
            }
        }
        let mut message = Header::Measured(5).message(64);
        write_pattern(&mut message, 5);
        assert!(check_pattern(&message, 6).is_err(), "the body of another message");
    }
}
