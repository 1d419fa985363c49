//! Message parts, and messages of several parts.

use std::ops::{Deref, DerefMut};

pub use zeroring_base::{Bytes, Message, PartRef};

/// What can be sent as one part: a [`Message`] or a reference to one, text, bytes.
///
/// A reference to a `Message` is sent without touching its bytes; borrowed text and bytes are copied once, straight to
/// where they are sent from; a `Vec` or `String` is taken over without a copy, unless it is small (up to 86 bytes).
///
/// ```
/// use zeroring::{IntoMessage, Message};
/// fn length(part: impl IntoMessage) -> usize {
///     part.with_part(|part| part.len())
/// }
/// assert_eq!(length("four"), 4);
/// assert_eq!(length(b"five!"), 5);
/// assert_eq!(length(vec![0; 100]), 100);
/// assert_eq!(length(&Message::from("six...")), 6);
/// ```
pub trait IntoMessage {
    /// Calls `f` with the part.
    fn with_part<R>(self, f: impl FnOnce(PartRef<'_>) -> R) -> R;
}

impl IntoMessage for &Message {
    #[inline]
    fn with_part<R>(self, f: impl FnOnce(PartRef<'_>) -> R) -> R {
        f(self.into())
    }
}

impl IntoMessage for Message {
    #[inline]
    fn with_part<R>(self, f: impl FnOnce(PartRef<'_>) -> R) -> R {
        f((&self).into())
    }
}

impl IntoMessage for &[u8] {
    #[inline]
    fn with_part<R>(self, f: impl FnOnce(PartRef<'_>) -> R) -> R {
        f(self.into())
    }
}

/// What is lent as something that can be sent.
macro_rules! into_message_by_ref {
    ($([$($generics:tt)*] $type:ty => $lend:expr),* $(,)?) => {
        $(
            impl<$($generics)*> IntoMessage for $type {
                #[inline]
                fn with_part<R>(self, f: impl FnOnce(PartRef<'_>) -> R) -> R {
                    let lend: fn(&Self) -> _ = $lend;
                    lend(&self).with_part(f)
                }
            }
        )*
    };
}

into_message_by_ref! {
    [] &str => |text| text.as_bytes(),
    [] &String => |text| text.as_bytes(),
    [] &Vec<u8> => |bytes| bytes.as_slice(),
    [const N: usize] &[u8; N] => |bytes| bytes.as_slice(),
}

/// What becomes a message of its own, taken over without a copy if it is large.
macro_rules! into_message_by_from {
    ($($type:ty),* $(,)?) => {
        $(
            impl IntoMessage for $type {
                #[inline]
                fn with_part<R>(self, f: impl FnOnce(PartRef<'_>) -> R) -> R {
                    f((&Message::from(self)).into())
                }
            }
        )*
    };
}

into_message_by_from! { String, Vec<u8>, Bytes }

/// A message of several parts, in order. Behaves like a vector of [`Message`]s.
///
/// The parts of a message travel together: a peer gets all of them or none. How many parts and bytes a *received*
/// message may have is bounded by [`set_max_message_parts`](crate::Socket::set_max_message_parts) and
/// [`set_max_message_bytes`](crate::Socket::set_max_message_bytes).
///
/// ```
/// use zeroring::{Message, Multipart};
/// let mut message = Multipart::from(["topic", "body"]);
/// message.push("end");
/// assert_eq!(message.len(), 3);
/// assert_eq!(message, ["topic", "body", "end"]);
/// assert_eq!(message.pop_front(), Some(Message::from("topic")));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Multipart(Vec<Message>);

impl Multipart {
    /// A message without parts. It cannot be sent before a part is [pushed](Self::push).
    ///
    /// ```
    /// assert!(zeroring::Multipart::new().is_empty());
    /// ```
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends a part.
    ///
    /// ```
    /// let mut message = zeroring::Multipart::new();
    /// message.push("first");
    /// assert_eq!(message, ["first"]);
    /// ```
    pub fn push(&mut self, part: impl Into<Message>) {
        self.0.push(part.into());
    }

    /// Puts a part in front of the others, such as the routing id a ROUTER sends to.
    ///
    /// ```
    /// let mut message = zeroring::Multipart::from(["body"]);
    /// message.push_front("anna");
    /// assert_eq!(message, ["anna", "body"]);
    /// ```
    pub fn push_front(&mut self, part: impl Into<Message>) {
        self.0.insert(0, part.into());
    }

    /// Removes and returns the last part.
    ///
    /// ```
    /// let mut message = zeroring::Multipart::from(["a", "b"]);
    /// assert_eq!(message.pop().unwrap(), "b");
    /// ```
    pub fn pop(&mut self) -> Option<Message> {
        self.0.pop()
    }

    /// Removes and returns the first part, such as the routing id a ROUTER received.
    ///
    /// ```
    /// let mut message = zeroring::Multipart::from(["anna", "body"]);
    /// assert_eq!(message.pop_front().unwrap(), "anna");
    /// assert_eq!(message, ["body"]);
    /// ```
    pub fn pop_front(&mut self) -> Option<Message> {
        if self.0.is_empty() { None } else { Some(self.0.remove(0)) }
    }

    /// Removes all parts, keeping the memory for the next message.
    ///
    /// ```
    /// let mut message = zeroring::Multipart::from(["a"]);
    /// message.clear();
    /// assert!(message.is_empty());
    /// ```
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Bytes of all parts together.
    ///
    /// ```
    /// assert_eq!(zeroring::Multipart::from(["ab", "c"]).byte_len(), 3);
    /// ```
    pub fn byte_len(&self) -> usize {
        self.0.iter().map(|part| part.len()).sum()
    }

    /// The parts as a vector.
    ///
    /// ```
    /// assert_eq!(zeroring::Multipart::from(["a", "b"]).into_vec().len(), 2);
    /// ```
    pub fn into_vec(self) -> Vec<Message> {
        self.0
    }
}

impl Deref for Multipart {
    type Target = [Message];
    fn deref(&self) -> &[Message] {
        &self.0
    }
}

impl DerefMut for Multipart {
    fn deref_mut(&mut self) -> &mut [Message] {
        &mut self.0
    }
}

impl From<Vec<Message>> for Multipart {
    fn from(parts: Vec<Message>) -> Self {
        Self(parts)
    }
}

impl<M: Into<Message>, const N: usize> From<[M; N]> for Multipart {
    fn from(parts: [M; N]) -> Self {
        parts.into_iter().collect()
    }
}

impl<M: Into<Message>> FromIterator<M> for Multipart {
    fn from_iter<I: IntoIterator<Item = M>>(parts: I) -> Self {
        Self(parts.into_iter().map(Into::into).collect())
    }
}

impl<M: Into<Message>> Extend<M> for Multipart {
    fn extend<I: IntoIterator<Item = M>>(&mut self, parts: I) {
        self.0.extend(parts.into_iter().map(Into::into));
    }
}

impl IntoIterator for Multipart {
    type Item = Message;
    type IntoIter = std::vec::IntoIter<Message>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Multipart {
    type Item = &'a Message;
    type IntoIter = std::slice::Iter<'a, Message>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: AsRef<[u8]>, const N: usize> PartialEq<[T; N]> for Multipart {
    fn eq(&self, other: &[T; N]) -> bool {
        self.len() == N && self.iter().zip(other).all(|(part, bytes)| &**part == bytes.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_looks_at_number_and_content_of_parts() {
        let message = Multipart::from(["a", "bc"]);
        assert!(message == ["a", "bc"]);
        assert!(message != ["a"]);
        assert!(message != ["ab", "c"]);
        assert!(message != ["a", "bc", ""]);
    }

    #[test]
    fn an_empty_message_has_no_first_part() {
        assert_eq!(Multipart::new().pop_front(), None);
        assert_eq!(Multipart::new().byte_len(), 0);
    }
}
