//! Starting operations: one small function per opcode. Each opens the slot that keeps alive what the entry names.

use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::opcode::{AsyncCancel, AsyncCancel2, PollAdd, RecvMulti};
use io_uring::squeue::{Entry as SubmissionEntry, Flags};
use io_uring::types::{CancelBuilder, Fd};
use zeroring_core::io::driver::Token;

use super::buffer_ring::GROUP;
use super::op_slots::{Hold, Op, OpId, OpSlots};
use super::ring::Ring;

/// Marks the names of cancellations: with it, the name of the operation to be ended. They need no slot, since they own
/// nothing, and only their failures report.
pub(super) const CANCELLATION: u64 = 1 << 63;

/// Receives into provided buffers until cancelled, ended, failed or out of buffers.
pub(super) fn receive(
    ring: &mut Ring,
    slots: &mut OpSlots,
    token: Token,
    fd: BorrowedFd<'_>,
    hold: Hold,
) -> OpId {
    let entry = RecvMulti::new(Fd(fd.as_raw_fd()), GROUP).build();
    start(ring, slots, Op::Receive(token), hold, entry)
}

/// Reports once that a stream takes bytes, or that a connection attempt is decided.
pub(super) fn await_writable(
    ring: &mut Ring,
    slots: &mut OpSlots,
    token: Token,
    fd: BorrowedFd<'_>,
    hold: Hold,
) -> OpId {
    let entry = PollAdd::new(Fd(fd.as_raw_fd()), libc::POLLOUT as u32).build();
    start(ring, slots, Op::AwaitWritable(token), hold, entry)
}

/// Reports every write to the waker's eventfd.
pub(super) fn await_wake(
    ring: &mut Ring,
    slots: &mut OpSlots,
    fd: BorrowedFd<'_>,
    hold: Hold,
) -> OpId {
    let entry = PollAdd::new(Fd(fd.as_raw_fd()), libc::POLLIN as u32).multi(true).build();
    start(ring, slots, Op::AwaitWake, hold, entry)
}

/// Reports once that some listener has a connection to accept.
pub(super) fn await_listeners(
    ring: &mut Ring,
    slots: &mut OpSlots,
    fd: BorrowedFd<'_>,
    hold: Hold,
) -> OpId {
    let entry = PollAdd::new(Fd(fd.as_raw_fd()), libc::POLLIN as u32).build();
    start(ring, slots, Op::AwaitListeners, hold, entry)
}

/// Asks for the end of one operation; its last completion tells.
pub(super) fn cancel(ring: &mut Ring, id: OpId) {
    let entry = AsyncCancel::new(id.to_user_data()).build();
    let name = CANCELLATION | id.to_user_data();
    // SAFETY: a cancellation names nothing but a number.
    unsafe { ring.push(entry.user_data(name).flags(Flags::SKIP_SUCCESS)) };
}

/// Asks for the end of everything.
pub(super) fn cancel_all(ring: &mut Ring) {
    let entry = AsyncCancel2::new(CancelBuilder::any()).build();
    // SAFETY: as for `cancel`.
    unsafe { ring.push(entry.user_data(CANCELLATION)) };
}

fn start(ring: &mut Ring, slots: &mut OpSlots, op: Op, hold: Hold, entry: SubmissionEntry) -> OpId {
    let id = slots.open(op, hold);
    // SAFETY: must hold: the descriptor stays open until the last completion. `hold` owns it and lives in the slot
    // until then (invariant of the slots). Memory is named only through the buffer ring, which outlives all slots.
    // Otherwise: the kernel would act on a stranger's descriptor.
    unsafe { ring.push(entry.user_data(id.to_user_data())) };
    id
}
