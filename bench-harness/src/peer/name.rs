//! Names of libraries.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use anyhow::{Error, Result, ensure};
use serde::{Deserialize, Deserializer, Serialize};

/// A library, by its name in tables, options and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PeerName(&'static str);

impl PeerName {
    /// This engine.
    pub const ZERORING: Self = Self("zeroring");
    /// The stock library, through its C interface.
    pub const LIBZMQ: Self = Self("libzmq");
    /// A frame per system call on a plain blocking socket: no library at all.
    pub const RAW: Self = Self("raw");

    /// What this program holds itself.
    pub const BUILT_IN: [Self; 3] = [Self::ZERORING, Self::LIBZMQ, Self::RAW];
    /// What is measured unless `--peers` says otherwise.
    pub const DEFAULT: [Self; 2] = [Self::ZERORING, Self::LIBZMQ];
    /// What ratios are taken against.
    pub const BASELINE: Self = Self::LIBZMQ;

    /// The name as it is.
    pub fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for PeerName {
    type Err = Error;

    /// Any name that may stand in a file name.
    fn from_str(text: &str) -> Result<Self> {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        ensure!(
            !text.is_empty() && text.chars().all(fits),
            "{text:?} is not a name; use letters, digits, '-', '_' and '.'"
        );
        Ok(Self(interned(text)))
    }
}

impl<'de> Deserialize<'de> for PeerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The one copy of a name. Names come from the command line and from saved results, so there are
/// only a few, and each is kept until the program ends.
fn interned(text: &str) -> &'static str {
    static OTHERS: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut others = OTHERS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let built_in = PeerName::BUILT_IN.map(PeerName::name);
    if let Some(known) = built_in.iter().chain(others.iter()).find(|known| **known == text) {
        return known;
    }
    let kept: &'static str = String::leak(text.to_owned());
    others.push(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_their_letters_and_survive_json() {
        let rival: PeerName = "omq-tokio".parse().unwrap();
        assert_eq!(rival, "omq-tokio".parse().unwrap());
        assert_eq!("libzmq".parse::<PeerName>().unwrap(), PeerName::BASELINE);
        let text = serde_json::to_string(&rival).unwrap();
        assert_eq!(serde_json::from_str::<PeerName>(&text).unwrap(), rival);
    }

    #[test]
    fn names_that_cannot_be_file_names_are_refused() {
        for text in ["", "a/b", "a b"] {
            assert!(text.parse::<PeerName>().unwrap_err().to_string().contains("not a name"));
        }
    }
}
