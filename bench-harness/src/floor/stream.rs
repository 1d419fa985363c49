//! Bytes one way over a socket: as they are, and as messages that are encoded on one side, decoded
//! and copied out on the other.

use std::hint::black_box;
use std::os::fd::OwnedFd;

use anyhow::{Result, bail};

use super::sockets::{read_some, write_all};
use super::{WRITE_BYTES, Wait};
use crate::clock::now_ns;
use crate::role::Setting;
use crate::workload::RoleReport;

const LENGTH_BYTES: usize = 4;
const READ_BYTES: usize = 4 * WRITE_BYTES;
/// Counting starts after the warm-up, or after this much if a stalled receiver missed it …
const WARM_UP_BYTES_MAX: u64 = 1024 * 1024;
/// … and this much is always sent, so that something is left to count.
const SENT_BYTES_MIN: u64 = 4 * WARM_UP_BYTES_MAX;

/// Writes 64 KiB at a time for warm-up and duration, then closes. With a message size, each buffer
/// is encoded anew, message by message.
pub fn send(socket: &OwnedFd, framed: Option<usize>, setting: &Setting) -> Result<RoleReport> {
    let mut buffer = vec![0; WRITE_BYTES];
    let message = vec![7; framed.unwrap_or(0)];
    let mut report = RoleReport::default();
    let ends_ns = now_ns() + setting.warm_up_ns + setting.duration_ns;
    while now_ns() < ends_ns || report.bytes < SENT_BYTES_MIN {
        let used = if framed.is_some() { encode(&mut buffer, &message) } else { buffer.len() };
        write_all(socket, &buffer[..used])?;
        report.bytes += used as u64;
    }
    Ok(report)
}

/// Fills the buffer with as many whole messages as fit; returns the bytes used.
fn encode(buffer: &mut [u8], message: &[u8]) -> usize {
    let frame_bytes = LENGTH_BYTES + message.len();
    let mut used = 0;
    for frame in buffer.chunks_exact_mut(frame_bytes) {
        let (length, body) = frame.split_at_mut(LENGTH_BYTES);
        length.copy_from_slice(&(message.len() as u32).to_le_bytes());
        body.copy_from_slice(black_box(message));
        used += frame_bytes;
    }
    used
}

/// Reads until the end; counts what came after the warm-up.
pub fn receive(socket: &OwnedFd, framed: Option<usize>, setting: &Setting) -> Result<RoleReport> {
    let mut buffer = vec![0; READ_BYTES];
    let mut message = vec![0; framed.unwrap_or(0)];
    let mut report = RoleReport::default();
    let mut held = 0;
    let counts_from_ns = now_ns() + setting.warm_up_ns;
    let mut warm_up_bytes = 0;
    let mut started_ns = None;
    let mut last_ns = 0;
    loop {
        let received = read_some(socket, &mut buffer[held..], Wait::Sleeping)?;
        if received == 0 {
            break;
        }
        held += received;
        let messages = if framed.is_some() {
            let (messages, used) = decode(&buffer[..held], &mut message)?;
            buffer.copy_within(used..held, 0);
            held -= used;
            messages
        } else {
            held = 0;
            0
        };
        last_ns = now_ns();
        if started_ns.is_some() {
            report.bytes += received as u64;
            report.messages += messages;
        } else {
            warm_up_bytes += received as u64;
            if last_ns >= counts_from_ns || warm_up_bytes >= WARM_UP_BYTES_MAX {
                started_ns = Some(last_ns);
            }
        }
    }
    if report.bytes == 0 {
        bail!("the connection ended during the warm-up, after {warm_up_bytes} B");
    }
    report.elapsed_ns = last_ns - started_ns.unwrap_or(last_ns);
    Ok(report)
}

/// Copies out every whole message; returns how many there were and the bytes they took.
fn decode(bytes: &[u8], message: &mut [u8]) -> Result<(u64, usize)> {
    let (mut messages, mut used) = (0, 0);
    while let Some((length, rest)) = bytes[used..].split_first_chunk::<LENGTH_BYTES>() {
        let length = u32::from_le_bytes(*length) as usize;
        if length != message.len() {
            bail!("a frame of {length} B came instead of {} B", message.len());
        }
        let Some(body) = rest.get(..length) else { break };
        message.copy_from_slice(body);
        black_box(&mut *message);
        messages += 1;
        used += LENGTH_BYTES + length;
    }
    Ok((messages, used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_wherever_the_stream_is_cut() {
        let mut buffer = [0; 50];
        let used = encode(&mut buffer, &[7; 16]);
        assert_eq!(used, 40, "two frames of 20 bytes fit");
        for (cut, whole) in [(0, 0), (3, 0), (19, 0), (20, 1), (39, 1), (40, 2)] {
            let mut message = [0; 16];
            assert_eq!(decode(&buffer[..cut], &mut message).unwrap(), (whole, 20 * whole as usize));
            assert_eq!(message == [7; 16], whole > 0);
        }
    }

    #[test]
    fn a_frame_of_another_size_is_refused() {
        let mut buffer = [0; 20];
        encode(&mut buffer, &[7; 16]);
        assert!(decode(&buffer, &mut [0; 8]).unwrap_err().to_string().contains("16 B"));
    }
}
