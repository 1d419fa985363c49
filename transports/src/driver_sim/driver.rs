//! The driver of one simulated I/O thread: reports what is ready at the virtual time, and never waits.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use zeroring_base::Bytes;
use zeroring_base::wake::{NoSleep, OsWake};
use zeroring_core::io::driver::{Driver, Event, Token};
use zeroring_core::io::transport::{Connecting, Handle, Listener, Stream};

use super::SimNet;
use super::network::Network;

/// Largest read of a receiving driver.
const READ_BYTES_MAX: usize = 16 * 1024;

/// Who reads: the two kinds of kernel interface that the I/O loop has to live with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Like epoll: reports readiness.
    Readiness,
    /// Like io_uring: reads by itself, and may have bytes on the way when it is told to stop.
    Receiving,
}

enum Object {
    Stream(Arc<dyn Stream>),
    Listener(#[allow(dead_code, reason = "held for its drop")] Arc<dyn Listener>),
    Connecting,
}

struct Entry {
    object: Object,
    number: u64,
    read: bool,
    write: bool,
    pauses_owed: u32,
    /// A receiving driver reports an end or failure once per wish to read.
    over: bool,
}

/// A [`Driver`] on the simulated network.
pub struct SimDriver {
    net: SimNet,
    manner: Manner,
    entries: BTreeMap<Token, Entry>,
}

impl SimDriver {
    pub(super) fn new(net: SimNet, manner: Manner) -> Self {
        Self { net, manner, entries: BTreeMap::new() }
    }

    fn add(
        &mut self,
        token: Token,
        object: Object,
        handle: Handle<'_>,
        read: bool,
    ) -> io::Result<()> {
        let Handle::Sim(number) = handle else { return Err(Errno::INVAL.into()) };
        if self.entries.contains_key(&token) {
            return Err(Errno::EXIST.into());
        }
        let write = matches!(object, Object::Connecting);
        let entry = Entry { object, number, read, write, pauses_owed: 0, over: false };
        self.entries.insert(token, entry);
        Ok(())
    }
}

impl Entry {
    fn report(&mut self, token: Token, manner: Manner, net: &SimNet, events: &mut Vec<Event>) {
        let receives = manner == Manner::Receiving && matches!(self.object, Object::Stream(_));
        if receives && (self.read || self.pauses_owed > 0) {
            self.receive(token, net, events);
        }
        for _ in 0..std::mem::take(&mut self.pauses_owed) {
            events.push(Event::Paused(token));
        }
        let network = net.lock();
        if self.read && !receives && self.is_readable(&network) {
            events.push(match self.object {
                Object::Listener(_) => Event::Acceptable(token),
                _ => Event::Readable(token),
            });
        }
        if self.write && self.is_writable(&network) {
            self.write = false;
            events.push(Event::Writable(token));
        }
    }

    fn is_readable(&self, network: &Network) -> bool {
        match self.object {
            Object::Listener(_) => network.is_acceptable(self.number),
            Object::Stream(_) => network.is_readable(self.number),
            Object::Connecting => false,
        }
    }

    fn is_writable(&self, network: &Network) -> bool {
        match self.object {
            Object::Connecting => network.is_decided(self.number),
            _ => network.is_writable(self.number),
        }
    }

    fn receive(&mut self, token: Token, net: &SimNet, events: &mut Vec<Event>) {
        let Object::Stream(stream) = &self.object else { return };
        if self.over || !net.lock().is_readable(self.number) {
            return;
        }
        let mut buf = [0; READ_BYTES_MAX];
        let event = match stream.try_recv(&mut buf) {
            Ok(0) => Event::Closed(token),
            Ok(len) => Event::Received(token, Bytes::copy_from_slice(&buf[..len])),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => Event::Failed(token, error),
        };
        self.over = !matches!(event, Event::Received(..));
        events.push(event);
    }
}

impl Driver for SimDriver {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn add_stream(&mut self, token: Token, stream: &Arc<dyn Stream>, read: bool) -> io::Result<()> {
        self.add(token, Object::Stream(stream.clone()), stream.handle(), read)
    }

    fn add_listener(&mut self, token: Token, listener: &Arc<dyn Listener>) -> io::Result<()> {
        self.add(token, Object::Listener(listener.clone()), listener.handle(), true)
    }

    fn add_connecting(&mut self, token: Token, connecting: &dyn Connecting) -> io::Result<()> {
        self.add(token, Object::Connecting, connecting.handle(), false)
    }

    fn set_read(&mut self, token: Token, read: bool) {
        let Some(entry) = self.entries.get_mut(&token) else { return };
        entry.read = read;
        entry.over &= !read;
        entry.pauses_owed += u32::from(!read);
    }

    fn want_write(&mut self, token: Token) {
        if let Some(entry) = self.entries.get_mut(&token) {
            entry.write = true;
        }
    }

    fn pause_listener(&mut self, token: Token, pause: bool) {
        if let Some(entry) = self.entries.get_mut(&token) {
            entry.read = !pause;
        }
    }

    fn deregister(&mut self, token: Token) {
        self.entries.remove(&token);
    }

    fn wait(&mut self, _timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        self.net.lock().catch_up();
        for (token, entry) in &mut self.entries {
            entry.report(*token, self.manner, &self.net, events);
        }
        Ok(())
    }

    fn os_wake(&self) -> Box<dyn OsWake> {
        // Nobody sleeps: the test's scheduler steps everyone.
        Box::new(NoSleep)
    }
}

impl std::fmt::Debug for SimDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimDriver({:?}, {} objects)", self.manner, self.entries.len())
    }
}
