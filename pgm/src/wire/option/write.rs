//! Writing one option.

use super::{CONTENT_BYTES_MAX, NAK_LIST_MAX, NAKS_USELESS, ON_DEMAND, OP_ENCODED, PROACTIVE};
use super::{Feedback, NakList, PgmOption, RST_ERROR, kind};
use crate::wire::cursor::Writer;
use crate::wire::error::BuildError;
use crate::wire::nla;

/// Writes one option; `end` is the end mark for the last one and 0 for the others.
pub(in crate::wire) fn write(
    writer: &mut Writer<'_>,
    option: &PgmOption<'_>,
    end: u8,
) -> Result<(), BuildError> {
    check_buildable(option)?;
    let flags = match option {
        PgmOption::Encoded { .. } => OP_ENCODED,
        _ => 0,
    };
    let start = writer.len();
    writer.put(&[option.kind() | end, 0, flags, specific(option)])?;
    write_content(writer, option)?;
    let len = (writer.len() - start) as u8;
    writer.written()[start + 1] = len;
    Ok(())
}

/// Byte 3: flags of the option's own.
fn specific(option: &PgmOption<'_>) -> u8 {
    match *option {
        PgmOption::ParityPrm { proactive, on_demand, .. } => {
            (u8::from(proactive) * PROACTIVE) | (u8::from(on_demand) * ON_DEMAND)
        }
        PgmOption::Rst { naks_useless, error } => {
            (u8::from(naks_useless) * NAKS_USELESS) | (error & RST_ERROR)
        }
        PgmOption::CongestionReport(feedback) => feedback.reports.bits(),
        PgmOption::CongestionRequest(reports) => reports.bits(),
        PgmOption::Encoded { specific, .. } | PgmOption::Unknown { specific, .. } => specific,
        _ => 0,
    }
}

/// Everything after the four bytes that each option has.
fn write_content(writer: &mut Writer<'_>, option: &PgmOption<'_>) -> Result<(), BuildError> {
    match *option {
        PgmOption::Fragment { first_sqn, offset, apdu_length } => {
            write_words(writer, &[first_sqn.0, offset, apdu_length])
        }
        PgmOption::NakList(list) => write_list(writer, list),
        PgmOption::Join(sqn) => writer.u32(sqn.0),
        PgmOption::NakBackoffInterval { interval_us, poll_sqn } => {
            write_words(writer, &[interval_us, poll_sqn.0])
        }
        PgmOption::NakBackoffRange { max_us, min_us } => write_words(writer, &[max_us, min_us]),
        PgmOption::Redirect(address) => nla::write(writer, address),
        PgmOption::ParityPrm { group_packets: word, .. }
        | PgmOption::ParityGrp(word)
        | PgmOption::CurrTgsize(word) => writer.u32(word),
        PgmOption::PathNla(address) => nla::write_bare(writer, address),
        PgmOption::NbrUnreach
        | PgmOption::Syn
        | PgmOption::Fin
        | PgmOption::Rst { .. }
        | PgmOption::CongestionRequest(_) => Ok(()),
        PgmOption::CongestionReport(feedback) => write_feedback(writer, &feedback),
        PgmOption::PgmccData { timestamp_ms, acker } => {
            writer.u32(timestamp_ms)?;
            nla::write(writer, acker)
        }
        PgmOption::PgmccFeedback { timestamp_ms, loss_rate, receiver } => {
            writer.u32(timestamp_ms)?;
            nla::write_with_field(writer, loss_rate, receiver)
        }
        PgmOption::Invalidated { content }
        | PgmOption::Encoded { content, .. }
        | PgmOption::Unknown { content, .. } => writer.put(content),
    }
}

fn write_words(writer: &mut Writer<'_>, words: &[u32]) -> Result<(), BuildError> {
    words.iter().try_for_each(|&word| writer.u32(word))
}

fn write_list(writer: &mut Writer<'_>, list: NakList<'_>) -> Result<(), BuildError> {
    list.iter().try_for_each(|sqn| writer.u32(sqn.0))
}

fn write_feedback(writer: &mut Writer<'_>, feedback: &Feedback) -> Result<(), BuildError> {
    writer.u32(feedback.reference_sqn.0)?;
    writer.u16(feedback.worst_link)?;
    writer.u16(feedback.worst_path)?;
    writer.u16(feedback.receiver_worst_path)?;
    writer.u16(0)?;
    nla::write(writer, feedback.receiver)
}

/// Refuses what parsers would refuse, or what does not fit the length byte.
fn check_buildable(option: &PgmOption<'_>) -> Result<(), BuildError> {
    let (value, bound) = match *option {
        PgmOption::ParityGrp(0) => {
            return Err(BuildError::OptionValue { kind: kind::PARITY_GRP, value: 0, bound: 1 });
        }
        PgmOption::Unknown { kind, .. } if !kind::is_free(kind) => {
            return Err(BuildError::OptionKind { value: kind });
        }
        PgmOption::Encoded { kind, .. } if kind == kind::LENGTH || kind > kind::INVALID => {
            return Err(BuildError::OptionKind { value: kind });
        }
        PgmOption::NakList(list) => (4 * list.len(), 4 * NAK_LIST_MAX),
        PgmOption::Invalidated { content }
        | PgmOption::Encoded { content, .. }
        | PgmOption::Unknown { content, .. } => (content.len(), CONTENT_BYTES_MAX),
        _ => (0, 0),
    };
    if value > bound {
        return Err(BuildError::OptionTooLong { kind: option.kind(), value, bound });
    }
    Ok(())
}
