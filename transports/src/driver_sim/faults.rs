//! What goes wrong in the simulated network, and how often. All chances are drawn from the network's seeded generator,
//! so a seed replays its faults.

use zeroring_base::rng::Rng;
use zeroring_base::time::NS_PER_US;

/// Draws for every chunk, read and attempt. Chances are in 1000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Shortest time a chunk, an end of stream or a connection attempt takes.
    pub delay_ns_min: u64,
    /// Longest such time.
    pub delay_ns_max: u64,
    /// Most bytes of one direction that were sent and not yet read: the socket buffers. At least 1.
    pub capacity_bytes: usize,
    /// How often a write takes only part of what would fit.
    pub short_write_per_mille: u64,
    /// How often a read gives only part of what is there.
    pub short_read_per_mille: u64,
    /// How often a connection attempt is refused although somebody listens.
    pub refuse_per_mille: u64,
    /// How often a write resets its connection.
    pub reset_per_mille: u64,
    /// How often a write is the last of its connection: what was sent arrives, then both directions end.
    pub close_per_mille: u64,
    /// A slow reader: after each read, nothing is readable for up to this long.
    pub read_pause_ns_max: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

impl Faults {
    /// A quiet network: 50 µs each way, 256 KiB of buffers, nothing fails.
    pub const fn none() -> Self {
        Self {
            delay_ns_min: 50 * NS_PER_US,
            delay_ns_max: 50 * NS_PER_US,
            capacity_bytes: 256 * 1024,
            short_write_per_mille: 0,
            short_read_per_mille: 0,
            refuse_per_mille: 0,
            reset_per_mille: 0,
            close_per_mille: 0,
            read_pause_ns_max: 0,
        }
    }

    /// Everything that a correct engine survives without losing a connection: jitter, tiny buffers, short reads and
    /// writes, slow readers.
    pub const fn rough() -> Self {
        Self {
            delay_ns_min: NS_PER_US,
            delay_ns_max: 2000 * NS_PER_US,
            capacity_bytes: 4096,
            short_write_per_mille: 300,
            short_read_per_mille: 300,
            read_pause_ns_max: 500 * NS_PER_US,
            ..Self::none()
        }
    }

    /// Rough, and connections are refused and die.
    pub const fn hostile() -> Self {
        Self { refuse_per_mille: 200, reset_per_mille: 5, close_per_mille: 5, ..Self::rough() }
    }

    pub(super) fn delay_ns(&self, rng: &mut Rng) -> u64 {
        let spread = self.delay_ns_max.saturating_sub(self.delay_ns_min);
        self.delay_ns_min + rng.below(spread.saturating_add(1))
    }

    pub(super) fn read_pause_ns(&self, rng: &mut Rng) -> u64 {
        if self.read_pause_ns_max == 0 { 0 } else { rng.below(self.read_pause_ns_max + 1) }
    }

    /// `len`, or by chance a part of it; never 0 unless `len` is.
    pub(super) fn shorten(per_mille: u64, len: usize, rng: &mut Rng) -> usize {
        if len > 1 && happens(per_mille, rng) {
            1 + rng.below(len as u64 - 1) as usize
        } else {
            len
        }
    }
}

/// True with a chance of `per_mille` in 1000. Draws nothing if it cannot happen, so that adding a kind of fault does
/// not shift the draws of runs that do not use it.
pub(super) fn happens(per_mille: u64, rng: &mut Rng) -> bool {
    per_mille > 0 && rng.chance(per_mille, 1000)
}

/// How a connection is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// Both ends fail; bytes under way are lost. What had arrived can still be read, as with a TCP reset.
    Reset,
    /// Both directions end after the bytes under way have arrived; nothing more can be sent.
    Close,
}
