//! A barrier whose cost is paid by the side that is about to sleep.
//!
//! "Publish, then look whether the reader sleeps" against "say that I sleep, then look whether something was published"
//! needs a full fence on both sides. The first side runs for every message, the second before every sleep. Linux can
//! move the whole cost to the second: `membarrier` runs a full fence on every core that runs a thread of this process,
//! so the first side needs only to keep its order as compiled ([`light`]). Where the system has no `membarrier` both
//! are full fences. Under loom, too: then the model shows that the pair is enough.

#[cfg(not(loom))]
mod asymmetric {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};

    use rustix::thread::{MembarrierCommand, membarrier};

    /// Set once, before the first stream exists: whoever holds an end of a stream sees the final value.
    static HAS_MEMBARRIER: AtomicBool = AtomicBool::new(false);

    /// Finds out what the system has. To be called before the barriers are used.
    pub fn prepare() {
        static PREPARED: OnceLock<()> = OnceLock::new();
        PREPARED.get_or_init(|| {
            let registered = membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
                && membarrier(MembarrierCommand::PrivateExpedited).is_ok();
            HAS_MEMBARRIER.store(registered, Ordering::Relaxed);
        });
    }

    /// The frequent side's barrier.
    #[inline(always)]
    pub fn light() {
        if HAS_MEMBARRIER.load(Ordering::Relaxed) {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// The rare side's barrier: everything the frequent side did before its `light` is seen, or its look after it sees
    /// what we did before this.
    pub fn heavy() {
        fence(Ordering::SeqCst);
        if HAS_MEMBARRIER.load(Ordering::Relaxed) {
            // Cannot fail once it was registered and tried.
            let done = membarrier(MembarrierCommand::PrivateExpedited);
            debug_assert!(done.is_ok(), "membarrier: {done:?}");
        }
    }
}

#[cfg(loom)]
mod asymmetric {
    use loom::sync::atomic::{Ordering, fence};

    pub fn prepare() {}

    pub fn light() {
        fence(Ordering::SeqCst);
    }

    pub fn heavy() {
        fence(Ordering::SeqCst);
    }
}

pub use asymmetric::{heavy, light, prepare};
