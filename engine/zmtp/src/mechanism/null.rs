//! NULL: both sides send READY at once, in any order, and are done (RFC 37 "The NULL Security Mechanism").
//!
//! With a ZAP domain set our READY is held back until the verdict, while the peer's is parsed meanwhile.
//! Invariant: done means that our READY is in the output and the peer's has been read.

use super::{
    Finished, HandshakeError, Mechanism, MechanismContext, MonitorCode, Progress, ZapDenial,
    ZapRequest, protocol_code,
};
use crate::command::{self, Command};
use crate::metadata::{PeerProperties, read_peer_properties};

/// Where our own READY stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OurReady {
    BeforeStart,
    AwaitsVerdict,
    Sent,
    Withheld,
}

/// The NULL mechanism of one connection.
#[derive(Debug)]
pub struct NullMechanism {
    context: MechanismContext,
    our_ready: OurReady,
    peer: Option<PeerProperties>,
}

impl NullMechanism {
    /// A mechanism that has not started.
    pub fn new(context: MechanismContext) -> Self {
        Self { context, our_ready: OurReady::BeforeStart, peer: None }
    }

    fn send_ready(&mut self, output: &mut Vec<u8>) -> Progress {
        command::encode_ready(&self.context.properties, output);
        self.our_ready = OurReady::Sent;
        self.progress()
    }

    fn progress(&self) -> Progress {
        if self.our_ready == OurReady::Sent && self.peer.is_some() {
            return Progress::Done;
        }
        Progress::Continue
    }
}

impl Mechanism for NullMechanism {
    fn name(&self) -> &'static str {
        "NULL"
    }

    fn start(&mut self, output: &mut Vec<u8>) -> Result<Progress, HandshakeError> {
        if self.context.zap_domain_set {
            self.our_ready = OurReady::AwaitsVerdict;
            return Ok(Progress::Continue);
        }
        Ok(self.send_ready(output))
    }

    fn on_command(
        &mut self,
        body: &[u8],
        _output: &mut Vec<u8>,
    ) -> Result<Progress, HandshakeError> {
        if self.peer.is_some() {
            return Err(HandshakeError::unexpected("nothing, READY came already,", body));
        }
        match Command::parse(body) {
            Ok(Command::Ready(list)) => {
                // Under NULL libzmq reports bad metadata only as DISCONNECTED.
                let ours = self.context.socket_type;
                self.peer = Some(read_peer_properties(list, ours, MonitorCode::None)?);
                Ok(self.progress())
            }
            Ok(Command::Error(reason)) => {
                Err(HandshakeError::PeerError { reason: reason.to_vec() })
            }
            Err(command::CommandError::ErrorReasonTruncated { .. }) => {
                Err(HandshakeError::MalformedCommand {
                    command: "ERROR",
                    body_bytes: body.len(),
                    code: protocol_code::MALFORMED_COMMAND_ERROR,
                })
            }
            _ => Err(HandshakeError::unexpected("READY or ERROR", body)),
        }
    }

    fn zap_request(&self) -> Option<ZapRequest> {
        let is_open = self.our_ready == OurReady::AwaitsVerdict;
        is_open.then(|| ZapRequest { mechanism: self.name(), credentials: Vec::new() })
    }

    fn on_zap(
        &mut self,
        verdict: Result<(), ZapDenial>,
        output: &mut Vec<u8>,
    ) -> Result<Progress, HandshakeError> {
        let Err(denial) = verdict else {
            return Ok(self.send_ready(output));
        };
        self.our_ready = OurReady::Withheld;
        if let Some(reason) = denial.reason() {
            command::encode_error(reason, output);
        }
        Err(HandshakeError::ZapDenied { status: denial.status() })
    }

    fn finish(&mut self) -> Finished {
        Finished { peer: self.peer.take().unwrap_or_default(), session: None }
    }
}
