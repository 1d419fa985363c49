//! One frame as the application holds it: inline if it is small, otherwise a slice of the slab it arrived in.

use crate::copy::copy_short;
use crate::limits::INLINE_BODY_BYTES_MAX;
use crate::slab::{Bytes, SlabPool};

/// One message part.
///
/// Up to 86 bytes live inside the value; larger bodies are a counted reference to the memory they were received into
/// or built in, so that cloning and forwarding copy nothing. The content cannot be changed once the message exists.
///
/// ```
/// use zeroring_base::Message;
/// let part = Message::from("hello");
/// assert_eq!(&*part, b"hello");
/// assert!(!part.more());
/// ```
#[derive(Clone)]
pub struct Message {
    more: bool,
    body: Body,
}

#[derive(Clone)]
enum Body {
    Inline(u8, [u8; INLINE_BODY_BYTES_MAX]),
    Shared(Bytes),
    Static(&'static [u8]),
}

impl Message {
    /// An empty message part.
    ///
    /// ```
    /// use zeroring_base::Message;
    /// assert!(Message::new().is_empty());
    /// ```
    pub const fn new() -> Self {
        Self { more: false, body: Body::Static(&[]) }
    }

    /// A part that copies `bytes`: inline up to 86 bytes, into memory of its own above.
    ///
    /// ```
    /// use zeroring_base::Message;
    /// let bytes = [1, 2, 3];
    /// let part = Message::copy_from_slice(&bytes);
    /// assert_eq!(part, &bytes[..]);
    /// ```
    #[inline]
    pub fn copy_from_slice(bytes: &[u8]) -> Self {
        if bytes.len() > INLINE_BODY_BYTES_MAX {
            return Self::from(Bytes::copy_from_slice(bytes));
        }
        let mut inline = [0; INLINE_BODY_BYTES_MAX];
        inline[..bytes.len()].copy_from_slice(bytes);
        Self { more: false, body: Body::Inline(bytes.len() as u8, inline) }
    }

    /// Makes this part a copy of `bytes`, in place: receiving into the same value again and again moves no body around.
    ///
    /// ```
    /// use zeroring_base::Message;
    /// let mut part = Message::new();
    /// part.set_copy(b"first of two", true);
    /// assert!(part == "first of two" && part.more());
    /// ```
    #[inline]
    pub fn set_copy(&mut self, bytes: &[u8], more: bool) {
        self.more = more;
        match (&mut self.body, u8::try_from(bytes.len())) {
            (Body::Inline(len, inline), Ok(length)) if bytes.len() <= INLINE_BODY_BYTES_MAX => {
                *len = length;
                copy_short(bytes, &mut inline[..bytes.len()]);
            }
            _ => self.replace_body(bytes),
        }
    }

    #[inline(never)]
    fn replace_body(&mut self, bytes: &[u8]) {
        self.body = Self::copy_from_slice(bytes).body;
    }

    /// Makes this part refer to `bytes`.
    ///
    /// ```
    /// use zeroring_base::{Bytes, Message};
    /// let bytes = Bytes::copy_from_slice(&[7; 1000]);
    /// let mut part = Message::new();
    /// part.set_shared(bytes.clone(), false);
    /// assert_eq!(part.as_ptr(), bytes.as_ptr());
    /// ```
    #[inline]
    pub fn set_shared(&mut self, bytes: Bytes, more: bool) {
        self.more = more;
        self.body = Body::Shared(bytes);
    }

    /// A part that refers to bytes which live as long as the program; nothing is copied.
    ///
    /// ```
    /// use zeroring_base::Message;
    /// const GREETING: Message = Message::from_static(b"hello");
    /// assert_eq!(GREETING, "hello");
    /// ```
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Self { more: false, body: Body::Static(bytes) }
    }

    /// A part that takes over `owner`; its bytes are not copied, and it is dropped with the last reference to them,
    /// on whatever thread that is.
    ///
    /// ```
    /// use zeroring_base::Message;
    /// let samples: Vec<u8> = vec![0; 1 << 20]; // anything that lends bytes: a mapped file, a frame of a camera
    /// let part = Message::from_owner(samples);
    /// assert_eq!(part.len(), 1 << 20);
    /// ```
    pub fn from_owner<T: AsRef<[u8]> + Send + Sync + 'static>(owner: T) -> Self {
        Self::from(Bytes::from_owner(owner))
    }

    /// True if further parts of the same message follow (set on received parts).
    ///
    /// ```
    /// use zeroring_base::Message;
    /// assert!(!Message::from("a whole message").more());
    /// ```
    #[inline]
    pub fn more(&self) -> bool {
        self.more
    }

    /// The same part with its more-flag set to `more`.
    ///
    /// ```
    /// use zeroring_base::Message;
    /// let part = Message::from("first").with_more(true);
    /// assert!(part.more());
    /// ```
    #[inline]
    pub fn with_more(mut self, more: bool) -> Self {
        self.more = more;
        self
    }

    /// Sets the more-flag.
    ///
    /// ```
    /// use zeroring_base::Message;
    /// let mut part = Message::from("first");
    /// part.set_more(true);
    /// assert!(part.more());
    /// ```
    #[inline]
    pub fn set_more(&mut self, more: bool) {
        self.more = more;
    }

    /// The body.
    ///
    /// ```
    /// use zeroring_base::Message;
    /// assert_eq!(Message::from("body").as_bytes(), b"body");
    /// ```
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.body {
            Body::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Body::Shared(bytes) => bytes,
            Body::Static(bytes) => bytes,
        }
    }

    /// The body as a counted slice; copies only what is inline.
    ///
    /// ```
    /// use zeroring_base::Message;
    /// let part = Message::from(vec![7; 1000]);
    /// assert_eq!(part.to_shared().as_ptr(), part.as_ptr()); // nothing was copied
    /// ```
    pub fn to_shared(&self) -> Bytes {
        match &self.body {
            Body::Inline(..) => Bytes::copy_from_slice(self.as_bytes()),
            Body::Shared(bytes) => bytes.clone(),
            Body::Static(bytes) => Bytes::from_owner(*bytes),
        }
    }

    /// True if the body is shared with another message or with the engine.
    ///
    /// ```
    /// use zeroring_base::Message;
    /// let part = Message::from(vec![7; 1000]);
    /// assert!(!part.is_shared());
    /// let copy = part.clone();
    /// assert!(part.is_shared() && copy.is_shared());
    /// ```
    pub fn is_shared(&self) -> bool {
        match &self.body {
            Body::Inline(..) => false,
            Body::Shared(bytes) => bytes.slab().ref_count() > 1,
            Body::Static(_) => true,
        }
    }

    /// True if the body lies in memory that the message holds a count of, so that a reference to it needs no copy.
    fn is_counted(&self) -> bool {
        matches!(self.body, Body::Shared(_) | Body::Static(_))
    }

    /// The body as text, if it is UTF-8.
    ///
    /// ```
    /// use zeroring_base::Message;
    /// assert_eq!(Message::from("text").as_str(), Some("text"));
    /// assert_eq!(Message::from(vec![0xff]).as_str(), None);
    /// ```
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }
}

/// A part about to be sent: a message, or bytes that only need to live for the call.
///
/// Small parts are copied into the batch anyway; building a [`Message`] for them first would copy them twice.
///
/// ```
/// use zeroring_base::{Message, PartRef};
/// let message = Message::from("kept");
/// assert_eq!(PartRef::from(&message).bytes(), b"kept");
/// assert_eq!(PartRef::from(&b"lent"[..]).len(), 4);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PartRef<'a> {
    bytes: &'a [u8],
    message: Option<&'a Message>,
}

impl PartRef<'_> {
    /// The body.
    ///
    /// ```
    /// assert_eq!(zeroring_base::PartRef::from(&b"body"[..]).bytes(), b"body");
    /// ```
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// True if the body lies in memory that a message holds a count of: a reference to it needs no copy.
    ///
    /// ```
    /// use zeroring_base::{Message, PartRef};
    /// assert!(PartRef::from(&Message::from(vec![0; 4096])).is_counted());
    /// assert!(!PartRef::from(&b"lent"[..]).is_counted());
    /// ```
    #[inline]
    pub fn is_counted(&self) -> bool {
        self.message.is_some_and(Message::is_counted)
    }

    /// The body as a counted slice; copies what is not shared yet.
    ///
    /// ```
    /// assert_eq!(&zeroring_base::PartRef::from(&b"body"[..]).to_shared()[..], b"body");
    /// ```
    pub fn to_shared(&self) -> Bytes {
        match self.message {
            Some(message) => message.to_shared(),
            None => Bytes::copy_from_slice(self.bytes),
        }
    }

    /// Like [`to_shared`](Self::to_shared), with memory of `pool` for what is copied; `None` if the system has none.
    ///
    /// ```
    /// let mut pool = zeroring_base::SlabPool::default();
    /// let part = zeroring_base::PartRef::from(&b"body"[..]);
    /// assert_eq!(&part.to_shared_in(&mut pool).expect("memory")[..], b"body");
    /// ```
    pub fn to_shared_in(&self, pool: &mut SlabPool) -> Option<Bytes> {
        if let Some(message) = self.message.filter(|message| message.is_counted()) {
            return Some(message.to_shared());
        }
        let mut copy = pool.writer(self.bytes.len())?;
        copy.put(self.bytes);
        Some(copy.bytes(0, self.bytes.len()))
    }

    /// The part as a message of its own.
    ///
    /// ```
    /// assert_eq!(zeroring_base::PartRef::from(&b"body"[..]).to_message(), "body");
    /// ```
    pub fn to_message(&self) -> Message {
        match self.message {
            Some(message) => message.clone(),
            None => Message::copy_from_slice(self.bytes),
        }
    }
}

impl std::ops::Deref for PartRef<'_> {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl<'a> From<&'a Message> for PartRef<'a> {
    #[inline]
    fn from(message: &'a Message) -> Self {
        Self { bytes: message.as_bytes(), message: Some(message) }
    }
}

impl<'a> From<&'a [u8]> for PartRef<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, message: None }
    }
}

impl Default for Message {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Bytes> for Message {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        Self { more: false, body: Body::Shared(bytes) }
    }
}

impl From<Vec<u8>> for Message {
    /// Takes the vector over without copying it, unless it is small.
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.len() <= INLINE_BODY_BYTES_MAX {
            Self::copy_from_slice(&bytes)
        } else {
            Self::from_owner(bytes)
        }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Self::copy_from_slice(bytes)
    }
}

impl<const N: usize> From<&[u8; N]> for Message {
    fn from(bytes: &[u8; N]) -> Self {
        Self::copy_from_slice(bytes)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::copy_from_slice(text.as_bytes())
    }
}

impl std::ops::Deref for Message {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Message {
    /// Compares bodies; the more-flag belongs to the journey, not to the content.
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Message {}

impl PartialEq<[u8]> for Message {
    fn eq(&self, other: &[u8]) -> bool {
        self.as_bytes() == other
    }
}

impl PartialEq<&[u8]> for Message {
    fn eq(&self, other: &&[u8]) -> bool {
        self.as_bytes() == *other
    }
}

impl PartialEq<&str> for Message {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let more = if self.more { ", more" } else { "" };
        match self.as_str() {
            Some(text) if self.len() <= 40 => write!(f, "Message({text:?}{more})"),
            _ => write!(f, "Message({} bytes{more})", self.len()),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_inline_bound_is_exact_and_large_bodies_are_shared() {
        let small = Message::copy_from_slice(&[1; INLINE_BODY_BYTES_MAX]);
        let large = Message::copy_from_slice(&[1; INLINE_BODY_BYTES_MAX + 1]);
        assert!(matches!(small.body, Body::Inline(..)) && matches!(large.body, Body::Shared(_)));
        let copy = large.clone();
        assert_eq!(copy.as_ptr(), large.as_ptr());
        assert!(large.is_shared() && !small.is_shared());
        assert_eq!(size_of::<Message>(), 96);
    }

    #[test]
    fn every_length_is_copied_in_place() {
        let bytes: Vec<u8> = (1..=200).collect();
        let mut part = Message::new();
        for len in (0..=bytes.len()).chain((0..=INLINE_BODY_BYTES_MAX).rev()) {
            part.set_copy(&bytes[..len], false);
            assert_eq!(part, &bytes[..len]);
        }
    }

    #[test]
    fn a_vector_is_taken_over_without_a_copy() {
        let vector = vec![3u8; 1000];
        let address = vector.as_ptr();
        assert_eq!(Message::from(vector).as_ptr(), address);
    }
}
