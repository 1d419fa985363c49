//! Every tuning knob of a socket and of a context, with libzmq's numbers, ranges and length rules.
//!
//! Two faces share one store. Rust code reads and writes the typed fields of [`SocketOptions`] and
//! [`ContextOptions`]; their names carry the unit. The C ABI goes through `set` and `get`, which
//! take a number and raw bytes and are driven by one [table] — a row per option with name,
//! default, range, socket types and the moment it takes effect. All conversion between the two
//! happens in the rows.
//!
//! An option that Zeroring cannot honour yet (PLAIN, CURVE, GSSAPI, multicast, VMCI) has no
//! row and answers [`OptionError::UnknownOption`]: programs probe for features that way, and an
//! option that is accepted but ignored would lie to them. Adding a feature means adding its row.
//!
//! Nothing here owns a thread, a socket or a clock. A [`SocketOptions`] belongs to one socket; bind
//! and connect clone it, so that later changes reach only what [`Effect`] says.

mod access;
mod context;
mod error;
mod filter;
pub mod number;
mod reconnect;
mod socket;
pub mod table;
mod value;

pub use context::ContextOptions;
pub use error::{ExpectedLength, OptionError};
pub use filter::{AddressFilter, MetadataProperty};
pub use reconnect::Backoff;
pub use socket::{ReconnectStop, SocketOptions};
pub use table::{AppliesTo, Effect, OptionRow};
pub use value::{DriverChoice, OptionValue, Secret, WaitPolicy};

#[cfg(test)]
mod tests;
