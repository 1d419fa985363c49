//! Messages part by part over libraries that take and give them whole.

use anyhow::{Result, bail};
use bytes::Bytes;

/// Parts that wait for the rest of their message, and parts that wait to be asked for.
#[derive(Default)]
pub struct Parts {
    outgoing: Vec<Bytes>,
    incoming: std::vec::IntoIter<Bytes>,
}

impl Parts {
    /// Keeps a part; all parts of the message once it is complete.
    pub fn push(&mut self, part: &[u8], more: bool) -> Option<Vec<Bytes>> {
        self.outgoing.push(Bytes::copy_from_slice(part));
        (!more).then(|| std::mem::take(&mut self.outgoing))
    }

    /// The next part of the message that is being read, receiving one if none is; whether others
    /// follow is the second value.
    pub fn pop(
        &mut self,
        buffer: &mut [u8],
        receive: impl FnOnce() -> Result<Vec<Bytes>>,
    ) -> Result<(usize, bool)> {
        if self.incoming.len() == 0 {
            self.incoming = receive()?.into_iter();
        }
        let Some(part) = self.incoming.next() else { bail!("a message without parts came") };
        Ok((copy_out(&part, buffer)?, self.incoming.len() > 0))
    }
}

/// Copies a part out, as the harness expects of every library.
pub fn copy_out(part: &[u8], buffer: &mut [u8]) -> Result<usize> {
    let limit = buffer.len();
    let Some(target) = buffer.get_mut(..part.len()) else {
        bail!("a message of {} B came, at most {limit} B expected", part.len());
    };
    target.copy_from_slice(part);
    Ok(part.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_go_together_and_come_one_by_one() {
        let mut parts = Parts::default();
        assert!(parts.push(b"one", true).is_none());
        let whole = parts.push(b"two", false).unwrap();
        assert_eq!(whole, ["one", "two"]);
        let mut buffer = [0; 8];
        assert_eq!(parts.pop(&mut buffer, || Ok(whole)).unwrap(), (3, true));
        let never = || -> Result<Vec<Bytes>> { bail!("a message is still there") };
        assert_eq!(parts.pop(&mut buffer, never).unwrap(), (3, false));
        assert_eq!(&buffer[..3], b"two");
        assert!(parts.pop(&mut buffer, || Ok(Vec::new())).is_err());
        assert!(copy_out(&[0; 9], &mut buffer).unwrap_err().to_string().contains("9 B"));
    }
}
