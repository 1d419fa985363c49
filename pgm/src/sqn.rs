//! Sequence numbers that wrap, and the only comparison that is right for them.
//!
//! RFC 3208 counts data packets, SPMs and POLLs modulo 2³². [`Sqn`] deliberately has no `Ord`:
//! serial order is not transitive, so sorting by it would be wrong. Ask [`Sqn::is_before`].

use core::fmt;

/// The widest window that serial comparison can order: 2³¹ − 1 packets.
pub const WINDOW_PACKETS_MAX: u32 = (1 << 31) - 1;

/// A sequence number modulo 2³².
///
/// ```
/// use zeroring_pgm::Sqn;
///
/// let last = Sqn(u32::MAX);
/// assert!(last.is_before(last.next()));
/// assert_eq!(last.next(), Sqn(0));
/// assert_eq!(last.distance_to(Sqn(4)), 5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Sqn(pub u32);

impl Sqn {
    /// Whether `self` comes before `other`: bit 31 of the difference is set.
    ///
    /// Two numbers exactly 2³¹ apart are each before the other, which is why no window may be
    /// wider than [`WINDOW_PACKETS_MAX`].
    #[inline]
    pub const fn is_before(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0) >> 31 == 1
    }

    /// Whether `self` equals `other` or comes before it.
    #[inline]
    pub const fn is_at_or_before(self, other: Self) -> bool {
        self.0 == other.0 || self.is_before(other)
    }

    /// The number that follows, 0 after `u32::MAX`.
    #[inline]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The number before, `u32::MAX` before 0.
    #[inline]
    pub const fn previous(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// The number `packets` further on.
    #[inline]
    pub const fn plus(self, packets: u32) -> Self {
        Self(self.0.wrapping_add(packets))
    }

    /// How many steps forward lead from `self` to `other`.
    ///
    /// An `other` that lies behind gives a value above [`WINDOW_PACKETS_MAX`].
    #[inline]
    pub const fn distance_to(self, other: Self) -> u32 {
        other.0.wrapping_sub(self.0)
    }
}

impl fmt::Display for Sqn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        assert!(Sqn(u32::MAX).is_before(Sqn(0)));
        assert!(!Sqn(0).is_before(Sqn(u32::MAX)));
        assert!(Sqn(0).is_before(Sqn(WINDOW_PACKETS_MAX)));
        assert!(!Sqn(WINDOW_PACKETS_MAX).is_before(Sqn(0)));
    }

    #[test]
    fn half_the_space_apart_is_before_in_both_directions() {
        let half = Sqn(1 << 31);
        assert!(Sqn(0).is_before(half));
        assert!(half.is_before(Sqn(0)));
        assert!(!Sqn(0).is_before(half.next()));
        assert!(half.next().is_before(Sqn(0)));
    }

    #[test]
    fn equal_is_at_but_not_before() {
        assert!(!Sqn(7).is_before(Sqn(7)));
        assert!(Sqn(7).is_at_or_before(Sqn(7)));
    }

    #[test]
    fn steps_and_distances_agree() {
        let start = Sqn(u32::MAX - 1);
        assert_eq!(start.plus(3), Sqn(1));
        assert_eq!(start.distance_to(Sqn(1)), 3);
        assert_eq!(start.next().previous(), start);
    }
}
