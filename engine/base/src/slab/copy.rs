//! Copying the bytes of a message that its sender wrote a moment ago.
//!
//! A wide load over several narrow stores cannot be served from the store buffer: it would wait until all stores before it
//! are done, and with them for the lines another core still holds. Loads of a word find their bytes at once. What a sender
//! writes field by field, a sequence or a time, stands at the front: that goes word by word, the rest in wide steps.

use crate::copy::{SMALL_BYTES_MAX, copy_small};

/// So many bytes at the front go word by word.
const FRONT_BYTES: usize = 2 * WORD_BYTES;
const WORD_BYTES: usize = 8;
const STEP_BYTES: usize = 16;

#[repr(C, packed)]
#[derive(Clone, Copy)]
struct Word(u64);

/// Copies `from` to `to`.
///
/// # Panics
/// If the lengths differ: our own mistake.
#[inline(always)]
pub(super) fn copy_fresh(from: &[u8], to: &mut [u8]) {
    if from.len() <= SMALL_BYTES_MAX {
        return copy_fresh_small(from, to);
    }
    copy_fresh_small(&from[..SMALL_BYTES_MAX], &mut to[..SMALL_BYTES_MAX]);
    to[SMALL_BYTES_MAX..].copy_from_slice(&from[SMALL_BYTES_MAX..]);
}

/// As [`copy_fresh`], for at most [`SMALL_BYTES_MAX`], and without any call.
///
/// # Panics
/// If the lengths differ, or there are more: our own mistake.
#[inline(always)]
pub(super) fn copy_fresh_small(from: &[u8], to: &mut [u8]) {
    assert!(from.len() == to.len() && from.len() <= SMALL_BYTES_MAX, "too many bytes");
    let Some(last_word) = from.len().checked_sub(WORD_BYTES) else {
        return copy_small(from, to);
    };
    let (source, target) = (from.as_ptr(), to.as_mut_ptr());
    let word = |at: usize| {
        // SAFETY: must hold: `at` and the seven bytes behind it lie inside both slices, which do not overlap. `at` is at
        // most `last_word`, and one of them is borrowed mutably. Otherwise: out of bounds. Volatile, because the compiler
        // would join the words to the wide load that this avoids; packed, so any address is aligned.
        unsafe {
            let word = source.add(at).cast::<Word>().read_volatile();
            target.add(at).cast::<Word>().write(word);
        }
    };
    let step = |at: usize| {
        // SAFETY: as above, for sixteen bytes: `at` is at most `last_step`.
        unsafe { std::ptr::copy_nonoverlapping(source.add(at), target.add(at), STEP_BYTES) }
    };
    word(0);
    if last_word <= WORD_BYTES {
        return word(last_word);
    }
    word(WORD_BYTES);
    // The last step may overlap others, but not the front.
    let last_step = (last_word + WORD_BYTES).saturating_sub(STEP_BYTES);
    if last_step < FRONT_BYTES {
        word(FRONT_BYTES.min(last_word));
        return word(last_word);
    }
    step(FRONT_BYTES);
    step(last_step.min(FRONT_BYTES + STEP_BYTES));
    step(last_step);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_copied_from_and_to_every_alignment() {
        let source: Vec<u8> = (0..=255).collect();
        for len in 0..source.len() {
            for shift in 0..STEP_BYTES.min(source.len() - len) {
                let mut target = vec![0; len + 2];
                copy_fresh(&source[shift..shift + len], &mut target[1..=len]);
                assert_eq!(target[1..=len], source[shift..shift + len]);
                assert_eq!((target[0], target[len + 1]), (0, 0), "{len} bytes and no more");
                if len <= SMALL_BYTES_MAX {
                    target.fill(0);
                    copy_fresh_small(&source[shift..shift + len], &mut target[1..=len]);
                    assert_eq!(target[1..=len], source[shift..shift + len]);
                    assert_eq!((target[0], target[len + 1]), (0, 0), "{len} bytes and no more");
                }
            }
        }
    }
}
