//! Building packets into a caller's buffer.

use super::body::{Body, Data};
use super::checksum::{self, Sum};
use super::cursor::Writer;
use super::error::BuildError;
use super::header::{CHECKSUM_AT, Flags, Header};
use super::option::PgmOption;
use super::options;
use crate::sqn::Sqn;
use crate::tsi::Gsi;

/// Where a packet goes, and whose it is: the header fields that its body does not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Downstream the source's port, upstream the group's.
    pub source_port: u16,
    /// Downstream the group's port, upstream the source's.
    pub destination_port: u16,
    /// The source's identifier, upstream too.
    pub gsi: Gsi,
    /// A parity packet, or a NAK for one.
    pub parity: bool,
    /// A parity packet over originals of different lengths.
    pub variable_length: bool,
}

impl Envelope {
    /// An envelope for anything but parity.
    pub const fn new(source_port: u16, destination_port: u16, gsi: Gsi) -> Self {
        Self { source_port, destination_port, gsi, parity: false, variable_length: false }
    }

    fn header(&self, body: &Body<'_>, options: &[PgmOption<'_>], tsdu_length: u16) -> Header {
        let packet_type = body.packet_type();
        let significant = options.iter().any(|o| o.is_network_significant(packet_type));
        let flags = Flags::default()
            .with(Flags::OPTIONS, !options.is_empty())
            .with(Flags::NETWORK_SIGNIFICANT, significant)
            .with(Flags::VAR_PKTLEN, self.variable_length)
            .with(Flags::PARITY, self.parity);
        Header {
            source_port: self.source_port,
            destination_port: self.destination_port,
            packet_type,
            flags,
            checksum: 0,
            gsi: self.gsi,
            tsdu_length,
        }
    }
}

/// A payload that stays where it is: its length and its share of the checksum.
///
/// Computed once, it serves the ODATA and every RDATA after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadSum {
    /// Bytes of payload.
    pub len: usize,
    /// Their sum.
    pub sum: Sum,
}

impl PayloadSum {
    /// Sums up `payload`.
    pub fn of(payload: &[u8]) -> Self {
        Self { len: payload.len(), sum: Sum::of(payload) }
    }
}

/// The fields of a data packet whose payload lies elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataHead {
    /// RDATA instead of ODATA.
    pub repair: bool,
    /// Number of the packet.
    pub sqn: Sqn,
    /// Oldest data that can still be repaired, at the time of sending.
    pub trail: Sqn,
}

impl DataHead {
    const fn body(self) -> Body<'static> {
        let data = Data { sqn: self.sqn, trail: self.trail, payload: &[] };
        if self.repair { Body::Rdata(data) } else { Body::Odata(data) }
    }
}

/// Writes a whole packet to the front of `buf`, checksum included, and returns its length.
///
/// [`PgmOption::Encoded`] only makes sense in ODATA and RDATA of an envelope with `parity`.
///
/// # Errors
///
/// If `buf` is too small, or the packet asked for cannot exist.
pub fn write(
    buf: &mut [u8],
    envelope: &Envelope,
    body: &Body<'_>,
    options: &[PgmOption<'_>],
) -> Result<usize, BuildError> {
    let mut writer = Writer::new(buf);
    write_front(&mut writer, envelope, body, options, body.payload().len())?;
    writer.put(body.payload())?;
    let packet = writer.written();
    let sum = checksum::compute(packet);
    Ok(seal(packet, sum))
}

/// Writes header, fields and options of a data packet to the front of `buf` and returns how many
/// bytes that is. The payload follows them on the wire and is not touched: send both with one
/// gather list, or keep it right behind the head.
///
/// ```
/// use zeroring_pgm::wire::{DataHead, Envelope, Packet, PayloadSum, write_data_head};
/// use zeroring_pgm::{Gsi, Sqn};
///
/// let payload = b"\x00\x00\x01\x00A";
/// let kept = PayloadSum::of(payload);
/// let envelope = Envelope::new(1, 2, Gsi::default());
/// let head = DataHead { repair: true, sqn: Sqn(9), trail: Sqn(4) };
///
/// let mut packet = [0; 64];
/// let len = write_data_head(&mut packet, &envelope, head, &[], kept)?;
/// packet[len..][..payload.len()].copy_from_slice(payload);
/// assert!(Packet::parse(&packet[..len + payload.len()]).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As for [`write()`].
pub fn write_data_head(
    buf: &mut [u8],
    envelope: &Envelope,
    head: DataHead,
    options: &[PgmOption<'_>],
    payload: PayloadSum,
) -> Result<usize, BuildError> {
    let mut writer = Writer::new(buf);
    write_front(&mut writer, envelope, &head.body(), options, payload.len)?;
    let front = writer.written();
    // An option of odd length would shift the payload's bytes against the words of the sum.
    let sum = match front.len() % 2 {
        0 => Sum::of(front) + payload.sum,
        _ => Sum::of(front) + payload.sum.shifted(),
    };
    Ok(seal(front, sum.finish()))
}

fn write_front(
    writer: &mut Writer<'_>,
    envelope: &Envelope,
    body: &Body<'_>,
    options: &[PgmOption<'_>],
    payload_len: usize,
) -> Result<(), BuildError> {
    let bound = usize::from(u16::MAX);
    let too_long = BuildError::PayloadTooLong { value: payload_len, bound };
    let tsdu_length = u16::try_from(payload_len).map_err(|_| too_long)?;
    envelope.header(body, options, tsdu_length).write(writer)?;
    body.write(writer)?;
    options::write(writer, options)
}

/// Fills in the checksum field, which is 0 until then.
fn seal(bytes: &mut [u8], sum: u16) -> usize {
    bytes[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
    bytes.len()
}
