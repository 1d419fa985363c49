//! PUSH through the library's own proxy to PULL. The proxy is a thread of the receiving process
//! with a context of its own, except over inproc, where all share one. It is not pinned: the
//! machine decides which core it shares.

use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::{Context, Result, anyhow};

use super::{Job, RoleReport, receive_linked};
use crate::affinity;
use crate::peer::{Peer, PeerSocket, SocketKind, Transport};
use crate::role::Side;

/// The receiving side, and the proxy before it.
pub fn receive<P: Peer>(job: &mut Job<'_, P>) -> Result<RoleReport> {
    let shared = job.setting.transport == Transport::Inproc;
    let between = if shared { Arc::clone(job.peer) } else { Arc::new(P::open(&job.setting.peer)?) };
    let mut socket = job.socket(SocketKind::Pull)?;
    let inner = socket.bind(&job.setting.second_endpoint()).context("behind the proxy")?;

    let (announce, announced) = mpsc::channel();
    let (peer, outer) = (Arc::clone(&between), job.setting.endpoint.clone());
    let forwarding = thread::spawn(move || -> Result<()> {
        let mut front = peer.socket(SocketKind::Pull)?;
        let mut back = peer.socket(SocketKind::Push)?;
        back.connect(&inner).context("the proxy to its receiver")?;
        announce.send(front.bind(&outer).context("the proxy")?)?;
        peer.proxy(front, back)
    });
    affinity::pin(job.setting.core(Side::Binder))?;
    let Ok(endpoint) = announced.recv() else {
        forwarding.join().map_err(|_| anyhow!("the proxy's thread panicked"))??;
        return Err(anyhow!("the proxy ended before it began"));
    };
    job.control.announce(&[&endpoint])?;
    let report = receive_linked(job, &mut socket)?;
    between.shutdown();
    forwarding.join().map_err(|_| anyhow!("the proxy's thread panicked"))?.context("the proxy")?;
    if let Some(between) = Arc::into_inner(between) {
        between.close().context("the proxy's context")?;
    }
    Ok(report)
}
