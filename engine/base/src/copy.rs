//! Copying the short bodies of messages.

/// Copies a few bytes by two chunks that may overlap: a call of `memcpy` costs more than they do. For received bytes, which
/// were written long ago; those that a sender has just written go by `slab::copy`.
///
/// # Panics
/// If the lengths differ: our own mistake.
///
/// ```
/// let mut word = [0; 5];
/// zeroring_base::copy::copy_short(b"bytes", &mut word);
/// assert_eq!(&word, b"bytes");
/// ```
#[inline(always)]
pub fn copy_short(from: &[u8], to: &mut [u8]) {
    match from.len() {
        8..=SMALL_BYTES_MAX => copy_small(from, to),
        _ => to.copy_from_slice(from),
    }
}

/// What [`copy_small`] copies.
pub const SMALL_BYTES_MAX: usize = 64;

/// As [`copy_short`], for at most [`SMALL_BYTES_MAX`], and without any call: a function that calls nothing needs to save
/// no registers.
///
/// # Panics
/// If the lengths differ, or there are more: our own mistake.
///
/// ```
/// let mut word = [0; 5];
/// zeroring_base::copy::copy_small(b"bytes", &mut word);
/// assert_eq!(&word, b"bytes");
/// ```
#[inline(always)]
pub fn copy_small(from: &[u8], to: &mut [u8]) {
    assert!(from.len() == to.len() && from.len() <= SMALL_BYTES_MAX, "too many bytes");
    match from.len() {
        8..=16 => copy_ends::<8>(from, to),
        17..=32 => copy_ends::<16>(from, to),
        33..=SMALL_BYTES_MAX => copy_ends::<32>(from, to),
        4..=7 => copy_ends::<4>(from, to),
        2..=3 => copy_ends::<2>(from, to),
        _ => copy_ends::<1>(from, to),
    }
}

/// The first and the last `N` bytes; nothing if there are fewer.
#[inline(always)]
fn copy_ends<const N: usize>(from: &[u8], to: &mut [u8]) {
    if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
        *to = *from;
    }
    if let (Some(from), Some(to)) = (from.last_chunk::<N>(), to.last_chunk_mut::<N>()) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_copied_and_no_byte_more() {
        let source: Vec<u8> = (0..=255).collect();
        for len in 0..source.len() {
            let mut target = vec![0; len + 1];
            copy_short(&source[1..=len], &mut target[..len]);
            assert_eq!((&target[..len], target[len]), (&source[1..=len], 0));
            if len <= SMALL_BYTES_MAX {
                target.fill(0);
                copy_small(&source[1..=len], &mut target[..len]);
                assert_eq!((&target[..len], target[len]), (&source[1..=len], 0));
            }
        }
    }
}
