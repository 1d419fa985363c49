//! One row per socket option: the documentation of the numeric interface and what drives it.
//!
//! To add an option, add a field to [`SocketOptions`], a number, and a row in one of the sections
//! below; `set`, `get` and the test that walks all rows need no change.

mod connection;
mod extension;
mod kernel;
mod pattern;
mod queue;
mod row;

pub use row::{Access, AppliesTo, BoolRule, Effect, EmptyRule, Kind, OptionRow};

use super::SocketOptions;

/// All rows, by section.
const SECTIONS: [&[OptionRow]; 5] =
    [queue::ROWS, connection::ROWS, kernel::ROWS, pattern::ROWS, extension::ROWS];

/// Every socket option this build knows, in no particular order.
pub fn rows() -> impl Iterator<Item = &'static OptionRow> {
    SECTIONS.into_iter().flatten()
}

/// The row of an option; `None` if this build does not know the number.
///
/// A linear search: options are read and written rarely. The ones programs read once per message
/// (`RCVMORE`, `EVENTS`) are answered by the socket before it looks here.
#[must_use]
pub fn find(number: i32) -> Option<&'static OptionRow> {
    rows().find(|row| row.number == number)
}

/// What "no limit" or "as the system likes" is in an int option.
const UNSET: i32 = -1;
/// Upper bound of int options without one of their own.
const MAX: i32 = i32::MAX;

/// The int for a field without sign; saturates where Rust code wrote more than an int holds.
fn from_u32(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(MAX)
}

/// The field for an int that was checked not to be negative.
fn to_u32(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

/// As [`from_u32`], with −1 for none.
fn from_optional(value: Option<u32>) -> i32 {
    value.map_or(UNSET, from_u32)
}

/// The field for an int where −1 stands for none.
fn to_optional(value: i32) -> Option<u32> {
    u32::try_from(value).ok()
}

/// The 64-bit value of an optional byte limit; −1 for none.
fn from_limit(limit_bytes: Option<u64>) -> i64 {
    limit_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// The optional byte limit of a 64-bit value; any negative number means none.
fn to_limit(value: i64) -> Option<u64> {
    u64::try_from(value).ok()
}
