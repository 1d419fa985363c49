//! Subscriptions, and the messages that carry them.

use zeroring_core::options::number;

use super::Socket;
use crate::error::OptionFault;
use crate::kind::{Publishes, Subscribes, SubscribesRaw};

/// Subscriptions of SUB, and of XPUB in [manual mode](Socket::set_xpub_manual).
impl<K: Subscribes> Socket<K> {
    /// Receives messages whose first part starts with `prefix` from now on; an empty prefix means all messages.
    ///
    /// Counted: a prefix that was subscribed twice must be unsubscribed twice. Takes effect at the publisher when it
    /// arrives there; what is published before is missed. On an XPUB in manual mode it subscribes the peer whose request
    /// was received last. Does not block. Source: `ZMQ_SUBSCRIBE`.
    ///
    /// # Errors
    /// [`OptionFault::Option`] on an XPUB that is not in manual mode; [`OptionFault::Terminated`].
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let sub = context.socket::<zeroring::Sub>()?;
    /// sub.subscribe("weather.")?;
    /// sub.subscribe([0x00, 0xff])?; // prefixes are bytes
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe(&self, prefix: impl AsRef<[u8]>) -> Result<(), OptionFault> {
        self.core().set_option(number::SUBSCRIBE, Some(prefix.as_ref()))
    }

    /// Takes back one [`subscribe`](Self::subscribe) of the same prefix. Nothing happens if there was none. Source:
    /// `ZMQ_UNSUBSCRIBE`.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe).
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let sub = context.socket::<zeroring::Sub>()?;
    /// sub.subscribe("a")?;
    /// sub.unsubscribe("a")?;
    /// sub.unsubscribe("never subscribed")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unsubscribe(&self, prefix: impl AsRef<[u8]>) -> Result<(), OptionFault> {
        self.core().set_option(number::UNSUBSCRIBE, Some(prefix.as_ref()))
    }
}

/// What publishers know of their subscribers.
impl<K: Publishes> Socket<K> {
    /// Number of distinct prefixes that peers are subscribed to. Takes in subscriptions that have arrived. Source:
    /// `ZMQ_TOPICS_COUNT`.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let publisher = context.socket::<zeroring::Pub>()?;
    /// assert_eq!(publisher.topics_count(), 0);
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn topics_count(&self) -> usize {
        self.core().topics_count().unwrap_or(0)
    }
}

/// Subscriptions of XSUB, which are messages it sends.
impl<K: SubscribesRaw> Socket<K> {
    /// Number of distinct prefixes subscribed to. Source: `ZMQ_TOPICS_COUNT`.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let xsub = context.socket::<zeroring::XSub>()?;
    /// xsub.send(b"\x01weather")?;
    /// assert_eq!(xsub.subscriptions_count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscriptions_count(&self) -> usize {
        self.core().topics_count().unwrap_or(0)
    }
}
