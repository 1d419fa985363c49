//! What a run leaves behind: text for the terminal, one JSON document, a percentile file per
//! latency cell.

mod drawing;
pub mod hgrm;
pub mod json;
pub mod terminal;
mod units;

use crate::floor::Floor;
use crate::machine::Manifest;
use crate::peer::PeerName;
use crate::results::Cell;

/// A finished run.
#[derive(Debug)]
pub struct Report {
    /// Where and how it ran.
    pub manifest: Manifest,
    /// What spoils it.
    pub warnings: Vec<String>,
    /// What went wrong: the exit status depends on it.
    pub failures: Vec<String>,
    /// What the machine allows.
    pub floor: Floor,
    /// Libraries asked for, with their versions or why they are absent.
    pub libraries: Vec<(PeerName, Result<String, String>)>,
    /// What was measured.
    pub cells: Vec<Cell>,
}
