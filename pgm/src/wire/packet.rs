//! A whole packet, checked once.

use super::body::Body;
use super::checksum;
use super::cursor::Reader;
use super::error::{ParseError, Part};
use super::header::{Flags, HEADER_BYTES, Header};
use super::options::Options;

/// A received packet: its fields by value, its options and payload as views into the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The common header.
    pub header: Header,
    /// What follows it, by type.
    pub body: Body<'a>,
    /// The options; empty if there are none.
    pub options: Options<'a>,
}

impl<'a> Packet<'a> {
    /// Checks `bytes`, which must be exactly one packet, and takes it apart.
    ///
    /// The work is at most proportional to the length. A checksum of 0 is accepted on control
    /// packets ("not computed"), never on data.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the bytes; the first problem met counts.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let header = Header::parse(bytes)?;
        check_sum(&header, bytes)?;
        let mut reader = Reader::new(&bytes[HEADER_BYTES..], Part::Body);
        let body = Body::read(header.packet_type, &mut reader)?;
        let (options, payload) = match header.flags.contains(Flags::OPTIONS) {
            true => Options::split(reader.rest(), options_may_be_encoded(&header))?,
            false => (Options::default(), reader.rest()),
        };
        check_tsdu_length(&header, payload)?;
        Ok(Self { header, body: body.with_payload(payload), options })
    }

    /// Whether this is a parity packet, or a NAK that asks for one.
    pub const fn is_parity(&self) -> bool {
        self.header.flags.contains(Flags::PARITY)
    }
}

/// Only a parity packet encodes options; elsewhere that bit may be rubbish from the sender's
/// memory.
fn options_may_be_encoded(header: &Header) -> bool {
    header.packet_type.is_data() && header.flags.contains(Flags::PARITY)
}

fn check_sum(header: &Header, bytes: &[u8]) -> Result<(), ParseError> {
    match header.checksum {
        0 if header.packet_type.is_data() => {
            Err(ParseError::ChecksumMissing { value: header.packet_type })
        }
        0 => Ok(()),
        value => match checksum::compute(bytes) {
            bound if bound == value => Ok(()),
            bound => Err(ParseError::Checksum { value, bound }),
        },
    }
}

fn check_tsdu_length(header: &Header, payload: &[u8]) -> Result<(), ParseError> {
    let (value, bound) = (usize::from(header.tsdu_length), payload.len());
    // A control packet has no payload, whatever its length field claims.
    if value == bound && (header.packet_type.is_data() || value == 0) {
        return Ok(());
    }
    Err(ParseError::TsduLength { value, bound })
}
