//! DEALER to ROUTER and back with many requests on the way: what a request costs when nobody waits
//! for it.

use anyhow::{Result, ensure};

use super::message::{Header, end_message};
use super::{Job, RoleReport};
use crate::clock::now_ns;
use crate::peer::{Peer, PeerSocket};

/// Room for the name that a ROUTER puts before each message.
const ROUTING_ID_BYTES_MAX: usize = 256;
const CLOCK_EVERY_MESSAGES: u64 = 16;

/// The requester: fills the window, then sends one request for each answer; counts the answers of
/// the measured time.
pub fn ask<P: Peer>(
    job: &mut Job<'_, P>,
    socket: &mut P::Socket,
    window: u32,
) -> Result<RoleReport> {
    let mut requests = Requests::new(job.size());
    for _ in 0..window {
        requests.ask(socket)?;
    }
    let warm_until_ns = now_ns() + job.setting.warm_up_ns;
    while now_ns() < warm_until_ns {
        requests.hear(socket)?;
        requests.ask(socket)?;
    }
    requests.measured_from = requests.asked;
    job.meter.begin();
    let started_ns = now_ns();
    let mut ended_ns = started_ns;
    let mut counted = 0;
    while ended_ns - started_ns < job.setting.duration_ns {
        // The clock is read once in a while, so that reading it does not become the measurement.
        for _ in 0..CLOCK_EVERY_MESSAGES {
            requests.hear(socket)?;
            requests.ask(socket)?;
        }
        counted += CLOCK_EVERY_MESSAGES;
        ended_ns = now_ns();
    }
    for _ in 0..window {
        requests.hear(socket)?;
    }
    socket.send(&end_message(job.size(), counted))?;
    Ok(RoleReport {
        messages: counted,
        bytes: counted * job.size() as u64,
        elapsed_ns: ended_ns - started_ns,
        ..RoleReport::default()
    })
}

/// What was asked and what was answered, in order.
struct Requests {
    asked: u64,
    answered: u64,
    measured_from: u64,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Requests {
    fn new(size: usize) -> Self {
        let (request, answer) = (vec![0; size], vec![0; size]);
        Self { asked: 0, answered: 0, measured_from: u64::MAX, request, answer }
    }

    fn header(&self, index: u64) -> Header {
        index.checked_sub(self.measured_from).map_or(Header::WarmUp, Header::Measured)
    }

    #[inline]
    fn ask<S: PeerSocket>(&mut self, socket: &mut S) -> Result<()> {
        self.header(self.asked).write(&mut self.request);
        self.asked += 1;
        socket.send(&self.request)
    }

    #[inline]
    fn hear<S: PeerSocket>(&mut self, socket: &mut S) -> Result<()> {
        let received = socket.recv(&mut self.answer)?;
        let size = self.request.len();
        ensure!(received == size, "an answer has {received} B instead of {size} B");
        let (header, expected) = (Header::read(&self.answer)?, self.header(self.answered));
        ensure!(header == expected, "the answer was {header:?} instead of {expected:?}");
        self.answered += 1;
        Ok(())
    }
}

/// The responder: sends each request back to whom it came from.
pub fn answer<P: Peer>(job: &mut Job<'_, P>, socket: &mut P::Socket) -> Result<RoleReport> {
    let mut id = vec![0; ROUTING_ID_BYTES_MAX];
    let mut message = vec![0; job.size()];
    let mut report = RoleReport::default();
    loop {
        let (id_bytes, more) = socket.recv_part(&mut id)?;
        ensure!(more, "a ROUTER received a message without the name of its sender");
        let (bytes, more) = socket.recv_part(&mut message)?;
        ensure!(!more, "a request of more than one part came");
        match Header::read(&message[..bytes])? {
            Header::Greeting => job.control.linked()?,
            Header::End => return Ok(report),
            header => {
                if header == Header::Measured(0) {
                    job.meter.begin();
                }
                socket.send_part(&id[..id_bytes], true)?;
                socket.send_part(&message[..bytes], false)?;
                report.messages += u64::from(matches!(header, Header::Measured(_)));
            }
        }
    }
}
