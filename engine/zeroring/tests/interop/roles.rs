//! What our side of a pairing does; the peer's roles mirror these.

use std::time::Duration;

use zeroring::{AnySocket, Context, Message, Multipart, SendError, SocketType};

use crate::content::Content;
use crate::peer::until;
use crate::support::DEADLINE;

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Sends back what comes.
    Echo,
    /// Sends, and expects the same back.
    Request,
    /// Sends.
    Source,
    /// Receives and compares.
    Sink,
}

/// Our side of a pairing.
#[derive(Clone, Copy, Debug)]
pub struct Ours {
    pub does: Does,
    pub kind: SocketType,
    /// DEALER towards a REP: writes the empty frame itself.
    pub envelope: bool,
    /// ROUTER: whom it sends to.
    pub to: Option<&'static str>,
    /// What we are called.
    pub routing_id: Option<&'static str>,
    /// REQ: may ask again, and knows the answer to its last request.
    pub relaxed: bool,
}

impl Ours {
    pub const fn new(does: Does, kind: SocketType) -> Self {
        Self { does, kind, envelope: false, to: None, routing_id: None, relaxed: false }
    }

    pub const fn with_envelope(self) -> Self {
        Self { envelope: true, ..self }
    }

    pub const fn to(self, id: &'static str) -> Self {
        Self { to: Some(id), ..self }
    }

    pub const fn called(self, id: &'static str) -> Self {
        Self { routing_id: Some(id), ..self }
    }

    pub const fn relaxed(self) -> Self {
        Self { relaxed: true, ..self }
    }

    /// The socket, before it is attached.
    pub fn socket(&self, context: &Context) -> AnySocket {
        let socket = context.any_socket(self.kind).expect("a socket");
        if let Some(id) = self.routing_id {
            socket.set_routing_id(id).expect("a routing id");
        }
        if self.to.is_some() {
            socket.set_router_mandatory(true);
        }
        socket.set_reconnect_interval(Some(Duration::from_millis(10)));
        socket.set_req_relaxed(self.relaxed);
        socket.set_req_correlate(self.relaxed);
        if self.kind == SocketType::Sub {
            socket.subscribe("").expect("a SUB subscribes");
        }
        if self.kind == SocketType::XSub {
            socket.send(b"\x01").expect("a XSUB never waits");
        }
        socket
    }

    /// Plays the role to its end.
    pub fn play(&self, socket: &AnySocket, content: &Content) {
        match self.does {
            Does::Echo => (0..content.messages).for_each(|_| send(socket, recv(socket))),
            Does::Request => self.request(socket, content),
            Does::Source => self.source(socket, content),
            Does::Sink => self.sink(socket, content),
        }
    }

    fn request(&self, socket: &AnySocket, content: &Content) {
        for sequence in 0..content.messages {
            let mut parts = content.message(sequence);
            if self.envelope {
                parts.insert(0, Vec::new());
            }
            send(socket, parts.iter().map(|part| Message::from(part.as_slice())).collect());
            assert_same(&recv(socket), &parts, sequence);
        }
    }

    fn source(&self, socket: &AnySocket, content: &Content) {
        if matches!(self.kind, SocketType::Pub | SocketType::XPub) {
            until("somebody subscribes", || (socket.topics_count() > 0).then_some(()));
        }
        for sequence in 0..content.messages {
            let to = self.to.map(Message::from);
            let parts = content.message(sequence);
            send(
                socket,
                to.into_iter()
                    .chain(parts.iter().map(|part| Message::from(part.as_slice())))
                    .collect(),
            );
        }
    }

    fn sink(&self, socket: &AnySocket, content: &Content) {
        for sequence in 0..content.messages {
            let mut got = recv(socket);
            if self.kind == SocketType::Router {
                got.pop_front();
            }
            assert_same(&got, &content.message(sequence), sequence);
        }
    }
}

fn send(socket: &AnySocket, message: Multipart) {
    until("the peer can be reached", || match socket.send_multipart_timeout(&message, DEADLINE) {
        Err(SendError::HostUnreachable) => None, // a ROUTER whose peer is not there yet
        done => {
            done.expect("room");
            Some(())
        }
    });
}

fn recv(socket: &AnySocket) -> Multipart {
    socket.recv_multipart_timeout(DEADLINE).expect("a message")
}

#[track_caller]
fn assert_same(got: &Multipart, wanted: &[Vec<u8>], sequence: usize) {
    let lengths: (Vec<_>, Vec<_>) =
        (got.iter().map(|part| part.len()).collect(), wanted.iter().map(Vec::len).collect());
    assert_eq!(lengths.0, lengths.1, "part lengths of message {sequence}");
    let same = got.iter().zip(wanted).all(|(got, wanted)| got.as_bytes() == wanted.as_slice());
    assert!(same, "message {sequence} has other bytes");
}
