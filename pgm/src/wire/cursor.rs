//! Checked big-endian reading and writing. The only place that advances through bytes, so the
//! only place where an offset from the network could go wrong.

use super::error::{BuildError, ParseError, Part};

/// Reads from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    part: Part,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8], part: Part) -> Self {
        Self { rest: bytes, part }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], ParseError> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.truncated(len));
        };
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.truncated(N));
        };
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ParseError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, ParseError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ParseError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    const fn truncated(&self, bound: usize) -> ParseError {
        ParseError::Truncated { part: self.part, value: self.rest.len(), bound }
    }
}

/// Writes to the front of a buffer.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, len: 0 }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        let end = self.len + bytes.len();
        let value = self.buf.len();
        let Some(room) = self.buf.get_mut(self.len..end) else {
            return Err(BuildError::BufferTooSmall { value, bound: end });
        };
        room.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    pub(super) fn u8(&mut self, value: u8) -> Result<(), BuildError> {
        self.put(&[value])
    }

    pub(super) fn u16(&mut self, value: u16) -> Result<(), BuildError> {
        self.put(&value.to_be_bytes())
    }

    pub(super) fn u32(&mut self, value: u32) -> Result<(), BuildError> {
        self.put(&value.to_be_bytes())
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// What has been written so far.
    pub(super) fn written(&mut self) -> &mut [u8] {
        &mut self.buf[..self.len]
    }
}
