//! Messages whose every byte follows from who sent them and their number, so that any receiver can check them.

use zeroring_base::rng::Rng;

/// Names a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Parcel {
    pub sender: u32,
    pub sequence: u32,
}

const HEADER_BYTES: usize = 9;

impl Parcel {
    /// The parts: one to four, empty to larger than a slab.
    pub fn parts(self) -> Vec<Vec<u8>> {
        let mut rng = Rng::from_seed(u64::from(self.sender) << 32 | u64::from(self.sequence));
        let count = if rng.chance(3, 4) { 1 } else { 1 + rng.below(4) };
        let mut parts: Vec<Vec<u8>> = (0..count).map(|_| filler(&mut rng)).collect();
        let mut first = Vec::with_capacity(HEADER_BYTES + parts[0].len());
        first.extend_from_slice(&self.sender.to_be_bytes());
        first.extend_from_slice(&self.sequence.to_be_bytes());
        first.push(count as u8);
        first.append(&mut parts[0]);
        parts[0] = first;
        parts
    }

    /// Which parcel these parts are.
    pub fn of(parts: &[Vec<u8>]) -> Result<Self, String> {
        let first = parts.first().filter(|part| part.len() >= HEADER_BYTES);
        let Some(first) = first else {
            return Err(format!("{} parts without a header", parts.len()));
        };
        let word = |at: usize| {
            u32::from_be_bytes([first[at], first[at + 1], first[at + 2], first[at + 3]])
        };
        let parcel = Self { sender: word(0), sequence: word(4) };
        if parcel.parts() == parts {
            return Ok(parcel);
        }
        let lengths: Vec<_> = parts.iter().map(Vec::len).collect();
        Err(format!("{parcel:?} is not whole: it has parts of {lengths:?} bytes"))
    }
}

fn filler(rng: &mut Rng) -> Vec<u8> {
    let len = match rng.below(64) {
        0 => 60_000 + rng.below(20_000),
        1..4 => rng.below(9000),
        4..12 => rng.below(600),
        _ => rng.below(40),
    };
    let first = rng.next_u64();
    (0..len).map(|at| (first.wrapping_add(at) % 251) as u8).collect()
}

#[test]
fn a_parcel_knows_itself() {
    for sequence in 0..300 {
        let parcel = Parcel { sender: 7, sequence };
        assert_eq!(Parcel::of(&parcel.parts()), Ok(parcel));
    }
}

#[test]
fn torn_and_mixed_parcels_are_found() {
    let many = |from: u32| (from..).map(|sequence| Parcel { sender: 1, sequence }.parts());
    let mut several = many(0).filter(|parts| parts.len() > 2);
    let (one, other) = (several.next().expect("endless"), several.next().expect("endless"));
    assert!(Parcel::of(&one[..one.len() - 1]).is_err(), "the last part is missing");
    assert!(Parcel::of(&one[1..]).is_err(), "the first part is missing");
    let mut mixed = one.clone();
    mixed[1] = other[1].clone();
    assert!(one[1] == other[1] || Parcel::of(&mixed).is_err(), "a part of another message");
    let mut bent = one;
    *bent[0].last_mut().expect("a header") ^= 1;
    assert!(Parcel::of(&bent).is_err(), "a wrong byte");
    assert!(Parcel::of(&[]).is_err());
}
