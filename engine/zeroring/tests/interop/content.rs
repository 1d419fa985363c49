//! What messages contain, as `tests/interop/README.md` lays it down.

/// What a run sends: the same for us and for the peer.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    pub messages: usize,
    /// Bytes per part, used in turn.
    pub sizes: &'static [usize],
    pub parts: usize,
    /// A part in front of all others.
    pub topic: Option<&'static str>,
}

/// Both frame lengths, empty parts, and what does not fit a batch.
const SMALL: Content =
    Content { messages: 200, sizes: &[0, 1, 64, 255, 256, 65_536], parts: 1, topic: None };
const LARGE: Content = Content { messages: 3, sizes: &[10 << 20], parts: 1, topic: None };

impl Content {
    pub const fn small() -> Self {
        SMALL
    }

    pub const fn large() -> Self {
        LARGE
    }

    /// The options that make the peer's content this one.
    pub fn options(&self) -> Vec<String> {
        let sizes: Vec<_> = self.sizes.iter().map(usize::to_string).collect();
        let mut options = vec![
            format!("--count={}", self.messages),
            format!("--size={}", sizes.join(",")),
            format!("--parts={}", self.parts),
        ];
        options.extend(self.topic.map(|topic| format!("--topic={topic}")));
        options
    }

    /// All parts of one message.
    pub fn message(&self, sequence: usize) -> Vec<Vec<u8>> {
        let topic = self.topic.map(|topic| topic.as_bytes().to_vec());
        let part = |part| {
            let size = self.sizes[(sequence * self.parts + part) % self.sizes.len()];
            body(sequence, part, size)
        };
        topic.into_iter().chain((0..self.parts).map(part)).collect()
    }
}

fn body(sequence: usize, part: usize, size: usize) -> Vec<u8> {
    let seed = format!("{sequence}:{part}:{size}:").into_bytes();
    let mut body = seed.repeat(size / seed.len() + 1);
    body.truncate(size);
    body
}

#[test]
fn content_is_as_agreed() {
    let content = Content { sizes: &[12], ..Content::small() };
    assert_eq!(content.message(3), [b"3:0:12:3:0:1"]);
}
