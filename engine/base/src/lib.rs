//! Zeroring's foundations: everything below the protocol, nothing that knows a socket or a wire.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`slab`] | refcounted memory, its owner's free list, [`slab::Bytes`] slices of it |
//! | [`msg`] | [`msg::Message`]: one frame, inline or a slice of a slab |
//! | [`ring`] | the SPSC queue that every pipe is built on |
//! | [`stream`] | one direction of a pipe: framed bytes in slabs, published by one atomic, bounded by credit |
//! | [`mailbox`] | control commands for a thread or socket, with the wake protocol attached |
//! | [`barrier`] | the fence that only the side about to sleep pays for |
//! | [`wake`] | who sleeps, who must wake whom, once per batch |
//! | [`time`], [`rng`] | clock and chance as inputs, so that a simulator can own them |
//! | [`copy`] | short bodies, without a call |
//! | [`process`] | whether we were forked, without asking the system |
//! | [`limits`] | every bound in one file |
//! | [`counters`] | what is alive and what was dropped |
//! | [`sync`] | the shim that lets loom replace atomics and cells |
//!
//! `unsafe` lives only in `slab`, `ring` and `stream`; each names its invariant once, on the type.

#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod barrier;
pub mod copy;
pub mod counters;
pub mod limits;
pub mod mailbox;
pub mod msg;
pub mod process;
#[allow(unsafe_code)]
pub mod ring;
pub mod rng;
#[allow(unsafe_code)]
pub mod slab;
#[allow(unsafe_code)]
pub mod stream;
pub mod sync;
pub mod time;
pub mod wake;

#[cfg(all(test, loom))]
mod loom_models;

pub use msg::{Message, PartRef};
pub use slab::{Bytes, Slab, SlabPool, SlabWriter};
