//! The option area: OPT_LENGTH, then up to 16 options, the last one marked.

use super::cursor::{Reader, Writer};
use super::error::{BuildError, ParseError, Part};
use super::option::{self, PgmOption};

/// Most options in one packet, OPT_LENGTH not counted.
pub const OPTIONS_MAX: usize = 16;

/// Length of OPT_LENGTH, and of the fixed part of every option.
pub(super) const OPTION_HEADER_BYTES: usize = 4;

/// Marks the last option, in its type byte.
pub(super) const END: u8 = 0x80;

/// The options of one packet, already checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options<'a> {
    /// Without OPT_LENGTH.
    area: &'a [u8],
    encoded: bool,
}

impl<'a> Options<'a> {
    /// Cuts the area off the front of `bytes`, checks every option, and returns the rest too.
    pub(super) fn split(bytes: &'a [u8], encoded: bool) -> Result<(Self, &'a [u8]), ParseError> {
        let total = read_total(bytes)?;
        let (area, rest) = bytes.split_at(total);
        let options = Self { area: &area[OPTION_HEADER_BYTES..], encoded };
        options.check()?;
        Ok((options, rest))
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// The options in the order they came.
    pub const fn iter(&self) -> OptionsIter<'a> {
        OptionsIter { reader: Reader::new(self.area, Part::Options), encoded: self.encoded }
    }

    fn check(&self) -> Result<(), ParseError> {
        let mut reader = Reader::new(self.area, Part::Options);
        for _ in 0..OPTIONS_MAX {
            let (_, is_last) = option::read(&mut reader, self.encoded)?;
            let left = reader.rest().len();
            if is_last != (left == 0) {
                return Err(self.misplaced_end(left));
            }
            if is_last {
                return Ok(());
            }
        }
        Err(ParseError::OptionCount { bound: OPTIONS_MAX })
    }

    const fn misplaced_end(&self, left: usize) -> ParseError {
        let bound = self.area.len() + OPTION_HEADER_BYTES;
        ParseError::OptionEnd { value: bound - left, bound }
    }
}

impl<'a> IntoIterator for Options<'a> {
    type Item = PgmOption<'a>;
    type IntoIter = OptionsIter<'a>;

    fn into_iter(self) -> OptionsIter<'a> {
        self.iter()
    }
}

/// Iterates over [`Options`].
#[derive(Debug, Clone)]
pub struct OptionsIter<'a> {
    reader: Reader<'a>,
    encoded: bool,
}

impl<'a> Iterator for OptionsIter<'a> {
    type Item = PgmOption<'a>;

    fn next(&mut self) -> Option<PgmOption<'a>> {
        // Every option has been read once by `check`, so an error here means the end.
        option::read(&mut self.reader, self.encoded).ok().map(|(option, _)| option)
    }
}

/// Writes OPT_LENGTH and the options; nothing at all if there are none.
pub(super) fn write(writer: &mut Writer<'_>, options: &[PgmOption<'_>]) -> Result<(), BuildError> {
    let Some((last, others)) = options.split_last() else {
        return Ok(());
    };
    if options.len() > OPTIONS_MAX {
        return Err(BuildError::TooManyOptions { value: options.len(), bound: OPTIONS_MAX });
    }
    let start = writer.len();
    writer.put(&[option::LENGTH, OPTION_HEADER_BYTES as u8, 0, 0])?;
    for option in others {
        option::write(writer, option, 0)?;
    }
    option::write(writer, last, END)?;
    // 16 options of at most 255 bytes: the total always fits.
    let total = (writer.len() - start) as u16;
    writer.written()[start + 2..start + 4].copy_from_slice(&total.to_be_bytes());
    Ok(())
}

fn read_total(bytes: &[u8]) -> Result<usize, ParseError> {
    let mut reader = Reader::new(bytes, Part::Options);
    let kind = reader.u8()?;
    let len = usize::from(reader.u8()?);
    let total = usize::from(reader.u16()?);
    if kind != option::LENGTH || len != OPTION_HEADER_BYTES {
        return Err(ParseError::FirstOption { value: kind });
    }
    if total < 2 * OPTION_HEADER_BYTES || total > bytes.len() {
        return Err(ParseError::OptionsTotal { value: total, bound: bytes.len() });
    }
    Ok(total)
}
