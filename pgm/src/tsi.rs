//! Who sent it: the transport session identifier.
//!
//! A source picks a 48-bit global source identifier ([`Gsi`]) and a 16-bit port at random; the
//! pair ([`Tsi`]) names it in each of its packets, and receivers echo it in theirs.

use core::fmt;

/// Global source identifier: six bytes that a source chooses once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Gsi(pub [u8; 6]);

impl fmt::Display for Gsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a}.{b}.{c}.{d}.{e}.{g}")
    }
}

/// Transport session identifier: a source, for as long as it runs.
///
/// It prints as decimal bytes and port, the form that PGM tools use.
///
/// ```
/// use zeroring_pgm::{Gsi, Tsi};
///
/// let tsi = Tsi { gsi: Gsi([183, 198, 209, 188, 3, 138]), source_port: 4358 };
/// assert_eq!(tsi.to_string(), "183.198.209.188.3.138.4358");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Tsi {
    /// Which source.
    pub gsi: Gsi,
    /// The source's own port, next to its GSI. Not a UDP port.
    pub source_port: u16,
}

impl fmt::Display for Tsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.gsi, self.source_port)
    }
}
