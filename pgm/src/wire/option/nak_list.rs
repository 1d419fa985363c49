//! OPT_NAK_LIST: more sequence numbers for one NAK or NCF.

use crate::sqn::Sqn;

/// Most sequence numbers in an OPT_NAK_LIST.
pub const NAK_LIST_MAX: usize = 62;

/// Sequence numbers of an OPT_NAK_LIST, read from a packet or to be written into one.
#[derive(Debug, Clone, Copy)]
pub struct NakList<'a>(List<'a>);

#[derive(Debug, Clone, Copy)]
enum List<'a> {
    Received(&'a [[u8; 4]]),
    Given(&'a [Sqn]),
}

impl<'a> NakList<'a> {
    /// A list to send; at most [`NAK_LIST_MAX`] fit a packet.
    pub const fn new(sqns: &'a [Sqn]) -> Self {
        Self(List::Given(sqns))
    }

    pub(super) const fn received(sqns: &'a [[u8; 4]]) -> Self {
        Self(List::Received(sqns))
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        match self.0 {
            List::Received(sqns) => sqns.len(),
            List::Given(sqns) => sqns.len(),
        }
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number at `index`, if there are that many.
    pub fn get(&self, index: usize) -> Option<Sqn> {
        match self.0 {
            List::Received(sqns) => sqns.get(index).map(|sqn| Sqn(u32::from_be_bytes(*sqn))),
            List::Given(sqns) => sqns.get(index).copied(),
        }
    }

    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = Sqn> + 'a {
        (0..self.len()).filter_map(move |index| self.get(index))
    }
}

impl PartialEq for NakList<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for NakList<'_> {}
