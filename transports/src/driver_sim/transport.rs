//! The transport traits over the simulated network.

use std::io::{self, IoSlice};
use std::sync::Arc;

use rustix::io::Errno;
use zeroring_core::io::transport::{Connecting, Handle, Listener, Stream, StreamInfo, Transport};
use zeroring_core::options::SocketOptions;

use super::SimNet;

/// A scheme on one simulated node.
#[derive(Clone, Debug)]
pub struct SimTransport {
    pub(super) net: SimNet,
    pub(super) scheme: &'static str,
    pub(super) node: String,
}

impl Transport for SimTransport {
    fn scheme(&self) -> &'static str {
        self.scheme
    }

    fn bind(&self, address: &str, options: &SocketOptions) -> io::Result<Arc<dyn Listener>> {
        if address.is_empty() {
            return Err(Errno::INVAL.into());
        }
        let backlog = options.backlog_connections as usize;
        let mut network = self.net.lock();
        let id = network.listen(self.scheme, address, &self.node, backlog)?;
        let endpoint = network.endpoint_of(id);
        Ok(Arc::new(SimListener { net: self.net.clone(), id, endpoint }))
    }

    fn check_connect(&self, address: &str, _options: &SocketOptions) -> io::Result<()> {
        if address.is_empty() { Err(Errno::INVAL.into()) } else { Ok(()) }
    }

    fn must_resolve(&self, _address: &str, _options: &SocketOptions) -> bool {
        false
    }

    fn carries_raw(&self) -> bool {
        true
    }

    fn connect(&self, address: &str, options: &SocketOptions) -> io::Result<Box<dyn Connecting>> {
        self.check_connect(address, options)?;
        let id = self.net.lock().connect(self.scheme, address, &self.node);
        Ok(Box::new(SimConnecting { net: self.net.clone(), id }))
    }
}

/// A listener of the simulated network.
#[derive(Debug)]
pub struct SimListener {
    net: SimNet,
    id: u64,
    endpoint: String,
}

impl Listener for SimListener {
    fn accept(&self) -> io::Result<Arc<dyn Stream>> {
        let id = self.net.lock().accept(self.id)?;
        Ok(SimStream::shared(&self.net, id))
    }

    fn stop(&self) {
        self.net.lock().unlisten(self.id);
    }

    fn handle(&self) -> Handle<'_> {
        Handle::Sim(self.id)
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.net.lock().unlisten(self.id);
    }
}

/// A connection attempt of the simulated network.
#[derive(Debug)]
pub struct SimConnecting {
    net: SimNet,
    id: u64,
}

impl Connecting for SimConnecting {
    fn finish(&mut self) -> io::Result<Arc<dyn Stream>> {
        let id = self.net.lock().finish(self.id)?;
        Ok(SimStream::shared(&self.net, id))
    }

    fn is_immediate(&self) -> bool {
        false
    }

    fn handle(&self) -> Handle<'_> {
        Handle::Sim(self.id)
    }
}

impl Drop for SimConnecting {
    fn drop(&mut self) {
        self.net.lock().abandon(self.id);
    }
}

/// One end of a simulated connection.
#[derive(Debug)]
pub struct SimStream {
    net: SimNet,
    id: u64,
    info: StreamInfo,
}

impl SimStream {
    fn shared(net: &SimNet, id: u64) -> Arc<dyn Stream> {
        let info = net.lock().info_of(id);
        Arc::new(Self { net: net.clone(), id, info })
    }
}

impl Stream for SimStream {
    fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.net.lock().recv(self.id, buf)
    }

    fn try_send(&self, ranges: &[IoSlice<'_>]) -> io::Result<usize> {
        self.net.lock().send(self.id, ranges)
    }

    fn finish_writing(&self) -> io::Result<()> {
        self.net.lock().finish_writing(self.id);
        Ok(())
    }

    fn undelivered_bytes(&self) -> io::Result<usize> {
        Ok(self.net.lock().under_way_bytes_from(self.id))
    }

    fn handle(&self) -> Handle<'_> {
        Handle::Sim(self.id)
    }

    fn info(&self) -> &StreamInfo {
        &self.info
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.net.lock().release(self.id);
    }
}
