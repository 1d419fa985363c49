//! What messages contain, as `tests/interop/README.md` lays it down.

/// What a run sends: the same for us and for the peer.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    pub messages: usize,
    /// Bytes per part, used in turn.
    pub sizes: &'static [usize],
    /// Parts per message, used in turn.
    pub parts: &'static [usize],
    /// A part in front of all others.
    pub topic: Option<&'static str>,
}

/// Both frame lengths, empty parts, what is not copied, and what does not fit a batch.
const SMALL: Content = Content {
    messages: 210,
    sizes: &[0, 1, 64, 255, 256, 4096, 65_536],
    parts: &[1, 3],
    topic: None,
};
const LARGE: Content = Content { messages: 2, sizes: &[10 << 20], parts: &[1, 3], topic: None };

impl Content {
    pub const fn small() -> Self {
        SMALL
    }

    pub const fn large() -> Self {
        LARGE
    }

    /// With a topic in front, which is one of the parts.
    pub fn about(self, topic: Option<&'static str>) -> Self {
        let parts = if topic.is_some() { &[0, 2][..] } else { self.parts };
        Self { topic, parts, ..self }
    }

    /// The options that make the peer's content this one.
    pub fn options(&self) -> Vec<String> {
        let list =
            |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let mut options = vec![
            format!("--count={}", self.messages),
            format!("--size={}", list(self.sizes)),
            format!("--parts={}", list(self.parts)),
        ];
        options.extend(self.topic.map(|topic| format!("--topic={topic}")));
        options
    }

    /// All parts of one message.
    pub fn message(&self, sequence: usize) -> Vec<Vec<u8>> {
        let topic = self.topic.map(|topic| topic.as_bytes().to_vec());
        let first = sequence * self.parts.iter().max().expect("a list of parts");
        let part = |part| {
            let size = self.sizes[(first + part) % self.sizes.len()];
            body(sequence, part, size)
        };
        let parts = self.parts[sequence % self.parts.len()];
        topic.into_iter().chain((0..parts).map(part)).collect()
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
    let content = Content { sizes: &[12, 5], parts: &[1, 2], ..Content::small() };
    assert_eq!(content.message(2), [b"2:0:12:2:0:1"]);
    assert_eq!(content.message(3), [b"3:0:12:3:0:1".to_vec(), b"3:1:5".to_vec()]);
}
