//! The packets of RFC 3208 as they stand on the wire, in the form deployed peers use.
//!
//! [`Packet::parse`] checks everything once (lengths, checksum, option area) and hands out views
//! into the received bytes; nothing is copied and reading a view afterwards cannot fail.
//! [`write()`] goes the other way, into a buffer of the caller's.
//! [`write_data_head`] leaves the payload where it is, so that the same
//! bytes serve the first transmission and every repair.
//!
//! ```
//! use zeroring_pgm::wire::{Body, Envelope, Packet, Spm, write};
//! use zeroring_pgm::{Gsi, Sqn};
//!
//! let envelope = Envelope::new(0x1106, 0x15b3, Gsi([1, 2, 3, 4, 5, 6]));
//! let spm = Spm {
//!     sqn: Sqn(0),
//!     trail: Sqn(0),
//!     lead: Sqn(u32::MAX),
//!     path_nla: [10, 77, 0, 1].into(),
//! };
//! let mut buf = [0; 64];
//! let len = write(&mut buf, &envelope, &Body::Spm(spm), &[])?;
//!
//! let packet = Packet::parse(&buf[..len])?;
//! assert_eq!(packet.body, Body::Spm(spm));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where RFC text and deployed practice differ (option lengths, flag positions), this module
//! follows practice: see each option's doc. Policy, such as which sequence numbers to believe, is
//! not decided here.

pub mod build;
pub mod checksum;

mod body;
mod cursor;
mod error;
mod header;
mod nla;
mod option;
mod options;
mod packet;

pub use body::{Ack, Body, Data, Nak, Poll, Polr, Spm};
pub use build::{DataHead, Envelope, PayloadSum, write, write_data_head};
pub use error::{BuildError, Fault, ParseError, Part};
pub use header::{Flags, HEADER_BYTES, Header, PacketType};
pub use option::{Feedback, NAK_LIST_MAX, NakList, PgmOption, Reports};
pub use options::{OPTIONS_MAX, Options, OptionsIter};
pub use packet::Packet;
