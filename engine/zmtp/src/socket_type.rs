//! Socket types: their names and numbers on the wire and which pairs may talk (RFC 28, 29, 30, 37).
//!
//! The name travels in the `Socket-Type` property of ZMTP 3.x, the number in byte 11 of a ZMTP 2.0
//! greeting. Invariant: numbers and names are those of the ZeroMQ C API and never change.

/// One of the twelve stable socket types.
///
/// The draft types of libzmq (SERVER to CHANNEL, 12 to 20) are not known here, so a peer that announces one
/// is refused, as a build of libzmq without draft types does.
///
/// ```
/// use zeroring_zmtp::SocketType;
/// assert_eq!(SocketType::from_name(b"PULL"), Some(SocketType::Pull));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SocketType {
    /// One exclusive peer.
    Pair = 0,
    /// Publishes, never receives messages.
    Pub = 1,
    /// Subscribes, never sends messages.
    Sub = 2,
    /// Asks, then waits for the answer.
    Req = 3,
    /// Answers what it was asked.
    Rep = 4,
    /// Asynchronous REQ: distributes and fair-queues.
    Dealer = 5,
    /// Asynchronous REP: addresses peers by routing id.
    Router = 6,
    /// Receiving end of a pipeline.
    Pull = 7,
    /// Sending end of a pipeline.
    Push = 8,
    /// PUB that hands subscriptions to the application.
    XPub = 9,
    /// SUB whose subscriptions are messages sent by the application.
    XSub = 10,
    /// Raw bytes of one TCP connection, no ZMTP at all.
    Stream = 11,
}

use SocketType::*;

/// All types in the order of their numbers.
const ALL: [(SocketType, &str); 12] = [
    (Pair, "PAIR"),
    (Pub, "PUB"),
    (Sub, "SUB"),
    (Req, "REQ"),
    (Rep, "REP"),
    (Dealer, "DEALER"),
    (Router, "ROUTER"),
    (Pull, "PULL"),
    (Push, "PUSH"),
    (XPub, "XPUB"),
    (XSub, "XSUB"),
    (Stream, "STREAM"),
];

impl SocketType {
    /// The number of the C API and of the ZMTP 2.0 greeting, 0 to 11.
    ///
    /// ```
    /// use zeroring_zmtp::SocketType;
    /// assert_eq!(SocketType::Stream.number(), 11);
    /// ```
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The type with this number, if it is one of ours.
    ///
    /// ```
    /// use zeroring_zmtp::SocketType;
    /// assert_eq!(SocketType::from_number(0), Some(SocketType::Pair));
    /// assert_eq!(SocketType::from_number(12), None);
    /// ```
    pub fn from_number(number: u8) -> Option<Self> {
        ALL.get(usize::from(number)).map(|&(socket_type, _)| socket_type)
    }

    /// The value of the `Socket-Type` property.
    ///
    /// ```
    /// use zeroring_zmtp::SocketType;
    /// assert_eq!(SocketType::XPub.name(), "XPUB");
    /// ```
    pub const fn name(self) -> &'static str {
        ALL[self as usize].1
    }

    /// The type with exactly this name; `push` is not `PUSH`.
    ///
    /// ```
    /// use zeroring_zmtp::SocketType;
    /// assert_eq!(SocketType::from_name(b"XSUB"), Some(SocketType::XSub));
    /// assert_eq!(SocketType::from_name(b"xsub"), None);
    /// ```
    pub fn from_name(name: &[u8]) -> Option<Self> {
        ALL.iter().find(|(_, known)| known.as_bytes() == name).map(|&(socket_type, _)| socket_type)
    }

    /// Whether a socket of this type may talk to a peer of type `peer`. Symmetric. STREAM speaks no ZMTP
    /// and accepts nobody.
    ///
    /// ```
    /// use zeroring_zmtp::SocketType;
    /// assert!(SocketType::Req.accepts(SocketType::Rep));
    /// assert!(!SocketType::Req.accepts(SocketType::Pull));
    /// ```
    pub const fn accepts(self, peer: SocketType) -> bool {
        match self {
            Pair => matches!(peer, Pair),
            Pub | XPub => matches!(peer, Sub | XSub),
            Sub | XSub => matches!(peer, Pub | XPub),
            Req => matches!(peer, Rep | Router),
            Rep => matches!(peer, Req | Dealer),
            Dealer => matches!(peer, Rep | Dealer | Router),
            Router => matches!(peer, Req | Dealer | Router),
            Pull => matches!(peer, Push),
            Push => matches!(peer, Pull),
            Stream => false,
        }
    }

    /// Whether READY carries an `Identity` property: always for these three, empty when no routing id is
    /// set, and never for the others even when one is set. That is what libzmq does.
    ///
    /// ```
    /// use zeroring_zmtp::SocketType;
    /// assert!(SocketType::Dealer.sends_identity() && !SocketType::Push.sends_identity());
    /// ```
    pub const fn sends_identity(self) -> bool {
        matches!(self, Req | Dealer | Router)
    }

    /// Whether subscriptions of the peer mean something to this socket.
    ///
    /// ```
    /// use zeroring_zmtp::SocketType;
    /// assert!(SocketType::XPub.is_publisher() && !SocketType::Sub.is_publisher());
    /// ```
    pub const fn is_publisher(self) -> bool {
        matches!(self, Pub | XPub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_round_trip() {
        for (index, (socket_type, name)) in ALL.into_iter().enumerate() {
            assert_eq!(usize::from(socket_type.number()), index);
            assert_eq!(SocketType::from_number(socket_type.number()), Some(socket_type));
            assert_eq!(socket_type.name(), name);
            assert_eq!(SocketType::from_name(name.as_bytes()), Some(socket_type));
        }
        assert_eq!(SocketType::from_number(12), None);
        assert_eq!(SocketType::from_name(b"push"), None);
        assert_eq!(SocketType::from_name(b"SERVER"), None);
        assert_eq!(SocketType::from_name(b"PUSH\0"), None);
    }

    #[test]
    fn legal_pairs_are_the_published_ones_and_symmetric() {
        let legal = [
            (Req, vec![Rep, Router]),
            (Rep, vec![Req, Dealer]),
            (Dealer, vec![Rep, Dealer, Router]),
            (Router, vec![Req, Dealer, Router]),
            (Pub, vec![Sub, XSub]),
            (XPub, vec![Sub, XSub]),
            (Sub, vec![Pub, XPub]),
            (XSub, vec![Pub, XPub]),
            (Push, vec![Pull]),
            (Pull, vec![Push]),
            (Pair, vec![Pair]),
            (Stream, vec![]),
        ];
        for (local, peers) in legal {
            for (peer, _) in ALL {
                assert_eq!(local.accepts(peer), peers.contains(&peer), "{local:?} {peer:?}");
                assert_eq!(local.accepts(peer), peer.accepts(local), "{local:?} {peer:?}");
            }
        }
    }

    #[test]
    fn only_three_types_announce_an_identity() {
        let announcing: Vec<_> =
            ALL.iter().filter(|(t, _)| t.sends_identity()).map(|&(t, _)| t).collect();
        assert_eq!(announcing, [Req, Dealer, Router]);
    }
}
