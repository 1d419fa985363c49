//! Reading one option: length first, fields after.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Feedback, NakList, PgmOption, Reports, kind};
use super::{NAK_LIST_MAX, NAKS_USELESS, ON_DEMAND, OP_ENCODED, PROACTIVE, RST_ERROR};
use crate::sqn::Sqn;
use crate::wire::cursor::Reader;
use crate::wire::error::{ParseError, Part};
use crate::wire::nla;
use crate::wire::options::{END, OPTION_HEADER_BYTES};

/// Reads the next option and whether it is marked as the last.
pub(in crate::wire) fn read<'a>(
    reader: &mut Reader<'a>,
    encoded: bool,
) -> Result<(PgmOption<'a>, bool), ParseError> {
    let at = reader.rest();
    let [tagged, len, flags, specific] = reader.array()?;
    let (kind, value) = (tagged & !END, usize::from(len));
    if value < OPTION_HEADER_BYTES || value > at.len() {
        return Err(ParseError::OptionLength { kind, value, bound: at.len() });
    }
    if kind == kind::LENGTH {
        return Err(ParseError::NestedLength);
    }
    let content = reader.take(value - OPTION_HEADER_BYTES)?;
    let option = match encoded && flags & OP_ENCODED != 0 {
        true => PgmOption::Encoded { kind, specific, content },
        false => decode(kind, specific, content)?,
    };
    Ok((option, tagged & END != 0))
}

fn decode<'a>(kind: u8, specific: u8, content: &'a [u8]) -> Result<PgmOption<'a>, ParseError> {
    check_length(kind, content)?;
    let mut reader = Reader::new(content, Part::Options);
    let option = decode_fields(kind, specific, &mut reader)?;
    match reader.rest().len() {
        0 => Ok(option),
        // The address family asks for fewer bytes than the option has.
        left => Err(wrong_length(kind, content.len(), content.len() - left)),
    }
}

fn decode_fields<'a>(
    kind: u8,
    specific: u8,
    reader: &mut Reader<'a>,
) -> Result<PgmOption<'a>, ParseError> {
    Ok(match kind {
        kind::FRAGMENT => PgmOption::Fragment {
            first_sqn: Sqn(reader.u32()?),
            offset: reader.u32()?,
            apdu_length: reader.u32()?,
        },
        kind::NAK_LIST => PgmOption::NakList(read_list(reader)?),
        kind::JOIN => PgmOption::Join(Sqn(reader.u32()?)),
        kind::NAK_BO_IVL => PgmOption::NakBackoffInterval {
            interval_us: reader.u32()?,
            poll_sqn: Sqn(reader.u32()?),
        },
        kind::NAK_BO_RNG => {
            PgmOption::NakBackoffRange { max_us: reader.u32()?, min_us: reader.u32()? }
        }
        kind::REDIRECT => PgmOption::Redirect(nla::read(reader)?),
        kind::PARITY_PRM => PgmOption::ParityPrm {
            group_packets: reader.u32()?,
            proactive: specific & PROACTIVE != 0,
            on_demand: specific & ON_DEMAND != 0,
        },
        kind::PARITY_GRP => PgmOption::ParityGrp(read_parity_group(reader)?),
        kind::CURR_TGSIZE => PgmOption::CurrTgsize(reader.u32()?),
        kind::NBR_UNREACH => PgmOption::NbrUnreach,
        kind::PATH_NLA => PgmOption::PathNla(read_bare_nla(reader)?),
        kind::SYN => PgmOption::Syn,
        kind::FIN => PgmOption::Fin,
        kind::RST => PgmOption::Rst {
            naks_useless: specific & NAKS_USELESS != 0,
            error: specific & RST_ERROR,
        },
        kind::CR => PgmOption::CongestionReport(read_feedback(specific, reader)?),
        kind::CRQST => PgmOption::CongestionRequest(Reports::from_bits(specific)),
        kind::PGMCC_DATA => {
            PgmOption::PgmccData { timestamp_ms: reader.u32()?, acker: nla::read(reader)? }
        }
        kind::PGMCC_FEEDBACK => read_pgmcc_feedback(reader)?,
        kind::INVALID => PgmOption::Invalidated { content: take_rest(reader)? },
        _ => PgmOption::Unknown { kind, specific, content: take_rest(reader)? },
    })
}

/// Compares the length with what the type allows, before any field is read.
fn check_length(kind: u8, content: &[u8]) -> Result<(), ParseError> {
    let len = content.len();
    let fixed = |bound| if len == bound { Ok(()) } else { Err(wrong_length(kind, len, bound)) };
    // With an address in it, an option is 12 bytes longer for IPv6 than for IPv4.
    let with_nla = |v4: usize| fixed(if len > v4 { v4 + 12 } else { v4 });
    match kind {
        kind::NAK_LIST if len > 4 * NAK_LIST_MAX => fixed(4 * NAK_LIST_MAX),
        kind::NAK_LIST => fixed(len.next_multiple_of(4)),
        kind::FRAGMENT => fixed(12),
        kind::NAK_BO_IVL | kind::NAK_BO_RNG => fixed(8),
        kind::JOIN | kind::PARITY_PRM | kind::PARITY_GRP | kind::CURR_TGSIZE => fixed(4),
        kind::NBR_UNREACH | kind::SYN | kind::FIN | kind::RST | kind::CRQST => fixed(0),
        kind::REDIRECT => with_nla(8),
        kind::PATH_NLA => with_nla(4),
        kind::CR => with_nla(20),
        kind::PGMCC_DATA | kind::PGMCC_FEEDBACK => with_nla(12),
        _ => Ok(()),
    }
}

/// The error for `len` bytes of content where `bound` were expected.
const fn wrong_length(kind: u8, len: usize, bound: usize) -> ParseError {
    let value = len + OPTION_HEADER_BYTES;
    ParseError::OptionLength { kind, value, bound: bound + OPTION_HEADER_BYTES }
}

fn take_rest<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], ParseError> {
    reader.take(reader.rest().len())
}

fn read_list<'a>(reader: &mut Reader<'a>) -> Result<NakList<'a>, ParseError> {
    let (sqns, _) = take_rest(reader)?.as_chunks();
    Ok(NakList::received(sqns))
}

fn read_parity_group(reader: &mut Reader<'_>) -> Result<u32, ParseError> {
    match reader.u32()? {
        0 => Err(ParseError::OptionValue { kind: kind::PARITY_GRP, value: 0, bound: 1 }),
        group => Ok(group),
    }
}

/// An address without its family, which the length tells.
fn read_bare_nla(reader: &mut Reader<'_>) -> Result<IpAddr, ParseError> {
    Ok(match reader.rest().len() {
        4 => Ipv4Addr::from(reader.array::<4>()?).into(),
        _ => Ipv6Addr::from(reader.array::<16>()?).into(),
    })
}

fn read_feedback(specific: u8, reader: &mut Reader<'_>) -> Result<Feedback, ParseError> {
    let reports = Reports::from_bits(specific);
    let reference_sqn = Sqn(reader.u32()?);
    let worst_link = reader.u16()?;
    let worst_path = reader.u16()?;
    let receiver_worst_path = reader.u16()?;
    let _reserved = reader.u16()?;
    let receiver = nla::read(reader)?;
    Ok(Feedback { reports, reference_sqn, worst_link, worst_path, receiver_worst_path, receiver })
}

/// Here the loss rate stands where other options have reserved bytes, between family and address.
fn read_pgmcc_feedback<'a>(reader: &mut Reader<'a>) -> Result<PgmOption<'a>, ParseError> {
    let timestamp_ms = reader.u32()?;
    let (loss_rate, receiver) = nla::read_with_field(reader)?;
    Ok(PgmOption::PgmccFeedback { timestamp_ms, loss_rate, receiver })
}
