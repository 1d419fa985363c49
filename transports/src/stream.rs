//! The common body of tcp and ipc: a connected descriptor and a connection attempt.
//!
//! Used by whoever holds the connection's lease: an I/O thread or a waiting application thread, one at a time per
//! direction. No call blocks: `MSG_DONTWAIT` goes with every one, whatever the descriptor's flags are.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, send, sendmsg,
};
use zeroring_core::io::transport::{Connecting, Handle, Stream, StreamInfo};

const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// One connected socket.
#[derive(Debug)]
pub struct FdStream {
    fd: OwnedFd,
    info: StreamInfo,
}

impl FdStream {
    /// A stream over a connected socket.
    pub fn new(fd: OwnedFd, info: StreamInfo) -> Self {
        Self { fd, info }
    }
}

impl Stream for FdStream {
    fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        let (received, _) = retry_interrupted(|| recv(&self.fd, &mut *buf, RecvFlags::DONTWAIT))?;
        Ok(received)
    }

    fn try_send(&self, ranges: &[IoSlice<'_>]) -> io::Result<usize> {
        let sent = match ranges {
            // A plain send spares the kernel the copy of the message header and the gather list.
            [one] => retry_interrupted(|| send(&self.fd, one, SEND_FLAGS)),
            _ => retry_interrupted(|| {
                sendmsg(&self.fd, ranges, &mut SendAncillaryBuffer::default(), SEND_FLAGS)
            }),
        };
        Ok(sent?)
    }

    fn finish_writing(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.fd, Shutdown::Write)?)
    }

    fn undelivered_bytes(&self) -> io::Result<usize> {
        if rustix::net::sockopt::socket_domain(&self.fd)? == AddressFamily::UNIX {
            return Ok(0); // what was taken lies with the peer at once
        }
        // The end of the stream counts as a byte, and is acknowledged late by a peer that does not answer it.
        Ok(crate::sys::unacknowledged_bytes(self.fd.as_fd())?.saturating_sub(1))
    }

    fn handle(&self) -> Handle<'_> {
        Handle::Fd(self.fd.as_fd())
    }

    fn info(&self) -> &StreamInfo {
        &self.info
    }
}

/// Calls `call` until no signal interrupts it.
pub(crate) fn retry_interrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// Turns the connected socket of an attempt into a stream: names it and applies what is left to set.
type Finish = Box<dyn FnMut(OwnedFd) -> io::Result<Arc<dyn Stream>> + Send + Sync>;

/// A connection attempt on a socket.
pub struct FdConnecting {
    fd: Option<OwnedFd>,
    immediate: bool,
    finish: Finish,
}

impl FdConnecting {
    /// An attempt on `fd`, whose `connect` call returned `started`.
    ///
    /// # Errors
    /// `started` itself, unless it says that the attempt is done or under way.
    pub fn new(
        fd: OwnedFd,
        started: Result<(), Errno>,
        finish: impl FnMut(OwnedFd) -> io::Result<Arc<dyn Stream>> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let immediate = match started {
            Ok(()) => true,
            // An interrupted connect goes on in the background, as connect(2) says.
            Err(Errno::INPROGRESS | Errno::INTR) => false,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { fd: Some(fd), immediate, finish: Box::new(finish) })
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }
}

impl Connecting for FdConnecting {
    fn finish(&mut self) -> io::Result<Arc<dyn Stream>> {
        let fd = self.fd.take().ok_or_else(already_finished)?;
        rustix::net::sockopt::socket_error(&fd)??;
        (self.finish)(fd)
    }

    fn is_immediate(&self) -> bool {
        self.immediate
    }

    fn handle(&self) -> Handle<'_> {
        // A finished attempt has no descriptor any more; object number 0 is no one's.
        self.fd().map_or(Handle::Sim(0), Handle::Fd)
    }
}

fn already_finished() -> io::Error {
    io::Error::other("this connection attempt was finished before; use the stream it gave")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn pair() -> (FdStream, FdStream) {
        let (a, b) = UnixStream::pair().expect("socket pair");
        let stream = |end: UnixStream| FdStream::new(end.into(), StreamInfo::default());
        (stream(a), stream(b))
    }

    #[test]
    fn a_gather_list_arrives_in_order() {
        let (a, b) = pair();
        let sent = a.try_send(&[IoSlice::new(b"one"), IoSlice::new(b""), IoSlice::new(b"two")]);
        assert_eq!(sent.expect("fits"), 6);
        let mut buf = [0; 16];
        let n = b.try_recv(&mut buf).expect("bytes are there");
        assert_eq!(&buf[..n], b"onetwo");
    }

    #[test]
    fn nothing_blocks_even_on_a_blocking_descriptor() {
        let (a, b) = pair();
        let nothing = b.try_recv(&mut [0; 8]).expect_err("nothing was sent");
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        let chunk = vec![0; 65_536];
        let full = loop {
            if let Err(error) = a.try_send(&[IoSlice::new(&chunk)]) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_closed_peer_is_an_end_for_the_reader_and_an_error_for_the_writer() {
        let (a, b) = pair();
        drop(b);
        assert_eq!(a.try_recv(&mut [0; 8]).expect("end of stream"), 0);
        let error = a.try_send(&[IoSlice::new(b"x")]).expect_err("and no SIGPIPE");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn who_has_said_its_last_still_listens() {
        let (a, b) = pair();
        a.try_send(&[IoSlice::new(b"last")]).expect("fits");
        a.finish_writing().expect("connected");
        assert_eq!(a.undelivered_bytes().expect("connected"), 0, "it lies with the peer");
        b.try_send(&[IoSlice::new(b"still")]).expect("fits");
        let mut buf = [0; 16];
        assert_eq!(b.try_recv(&mut buf).expect("bytes are there"), 4);
        assert_eq!(b.try_recv(&mut buf).expect("end of stream"), 0);
        assert_eq!(a.try_recv(&mut buf).expect("bytes are there"), 5);
        drop(b);
        assert_eq!(a.try_recv(&mut buf).expect("end of stream"), 0);
    }

    #[test]
    fn over_tcp_what_the_peer_has_no_room_for_is_undelivered() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let near = std::net::TcpStream::connect(listener.local_addr().expect("bound"));
        let mut far = listener.accept().expect("connected").0;
        let near = FdStream::new(near.expect("listening").into(), StreamInfo::default());
        let (chunk, mut sent) = (vec![0; 65_536], 0);
        while let Ok(n) = near.try_send(&[IoSlice::new(&chunk)]) {
            sent += n; // until neither kernel buffer takes more
        }
        near.finish_writing().expect("connected");
        assert!(near.undelivered_bytes().expect("connected") > 0);
        let mut received = Vec::new();
        std::io::Read::read_to_end(&mut far, &mut received).expect("a clean end");
        assert_eq!(received.len(), sent);
        drop(far); // its end acknowledges everything
        assert_eq!(near.try_recv(&mut [0; 8]).expect("end of stream"), 0);
        assert_eq!(near.undelivered_bytes().expect("connected"), 0);
    }

    #[test]
    fn an_attempt_can_be_finished_once() {
        let (a, _b) = UnixStream::pair().expect("socket pair");
        let mut attempt = FdConnecting::new(a.into(), Ok(()), |fd| {
            Ok(Arc::new(FdStream::new(fd, StreamInfo::default())) as Arc<dyn Stream>)
        })
        .expect("started");
        assert!(attempt.is_immediate());
        assert!(attempt.finish().is_ok());
        assert!(attempt.finish().is_err());
    }
}
