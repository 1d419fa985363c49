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
    assert_eq!(from.len(), to.len());
    match from.len() {
        8..=16 => copy_ends::<8>(from, to),
        17..=32 => copy_ends::<16>(from, to),
        33..=64 => copy_ends::<32>(from, to),
        _ => to.copy_from_slice(from),
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
        }
    }
}
