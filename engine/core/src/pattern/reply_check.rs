//! What a REQ socket accepts from the wire: replies in their envelope, nothing else (zmtp §5.2). A peer that breaks the
//! rule loses the connection. It runs where the frames arrive, before they are queued.

use zeroring_zmtp::framing::Frames;

/// Where in a reply the next frame stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A request id or the delimiter.
    #[default]
    Start,
    /// The delimiter, after a request id.
    Delimiter,
    /// Body parts.
    Body,
}

/// Checks the frames of one connection.
#[derive(Debug, Default)]
pub struct ReplyCheck(Expect);

impl ReplyCheck {
    /// Walks frames that end at a message boundary.
    ///
    /// # Errors
    /// What is wrong, for the monitor.
    pub fn pass(&mut self, frames: &[u8]) -> Result<(), String> {
        for frame in Frames::new(frames) {
            if frame.flags & zeroring_zmtp::framing::COMMAND == 0 {
                let more = frame.flags & zeroring_zmtp::framing::MORE != 0;
                self.0 = step(self.0, more, frame.body.len())?;
            }
        }
        Ok(())
    }
}

fn step(expect: Expect, more: bool, bytes: usize) -> Result<Expect, String> {
    match (expect, more, bytes) {
        (Expect::Start | Expect::Delimiter, true, 0) => Ok(Expect::Body),
        (Expect::Start, true, 4) => Ok(Expect::Delimiter),
        (Expect::Body, true, _) => Ok(Expect::Body),
        (Expect::Body, false, _) => Ok(Expect::Start),
        (Expect::Start, ..) => Err(format!(
            "the peer's reply starts with a frame of {bytes} bytes (more: {more}) where an empty delimiter was \
             expected; a ROUTER must send the empty part it received back"
        )),
        (Expect::Delimiter, ..) => Err(format!(
            "the peer's reply has {bytes} bytes behind its request id where an empty delimiter was expected"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroring_zmtp::framing::append_frame;

    fn check(parts: &[&[u8]]) -> Result<(), String> {
        let mut frames = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            append_frame(u8::from(index + 1 < parts.len()), part, &mut frames);
        }
        ReplyCheck::default().pass(&frames)
    }

    #[test]
    fn replies_in_their_envelope_pass_and_others_do_not() {
        assert!(check(&[b"", b"body"]).is_ok());
        assert!(check(&[b"1234", b"", b"a", b"b"]).is_ok());
        assert!(check(&[b"body"]).is_err());
        assert!(check(&[b""]).is_err());
        assert!(check(&[b"123", b"", b"x"]).is_err());
        assert!(check(&[b"1234", b"x", b"y"]).is_err());
    }
}
