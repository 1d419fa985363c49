//! The loom shim: lock-free code takes its atomics, cells and locks from here.
//!
//! Under `--cfg loom` these are loom's model-checked versions; otherwise they are the standard ones with the same
//! interface, at no cost.

#[cfg(loom)]
pub use loom::{
    cell::UnsafeCell,
    sync::{Arc, Mutex, MutexGuard, atomic},
    thread,
};

#[cfg(not(loom))]
pub use std::{
    sync::{Arc, Mutex, MutexGuard, atomic},
    thread,
};

/// A cell with loom's interface: every access goes through a closure, so that a model can watch it.
#[cfg(not(loom))]
#[derive(Debug)]
#[repr(transparent)]
pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with a pointer for reading.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Calls `f` with a pointer for writing.
    #[inline(always)]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Locks `mutex`, going on after a panic elsewhere: the data guarded here is valid between any two statements.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(not(loom))]
    {
        mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
    #[cfg(loom)]
    {
        mutex.lock().expect("loom mutexes are not poisoned")
    }
}

/// Tries to lock `mutex` without waiting.
pub fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    #[cfg(not(loom))]
    {
        match mutex.try_lock() {
            Ok(guard) => Some(guard),
            Err(std::sync::TryLockError::Poisoned(p)) => Some(p.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }
    #[cfg(loom)]
    {
        mutex.try_lock().ok()
    }
}

/// Tells the processor that this is a spin loop (and loom that another thread must run).
#[inline(always)]
pub fn spin_hint() {
    #[cfg(not(loom))]
    std::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}

/// Stands between a SeqCst store and the SeqCst load that must not pass it.
///
/// Real SeqCst accesses need nothing here. loom treats SeqCst accesses as AcqRel and models the total order only for
/// fences, so under loom this is a fence.
#[inline(always)]
pub fn seq_cst_point() {
    #[cfg(loom)]
    loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
}

/// A number that tells threads apart, while they live. Cheap; zero is no thread's.
#[inline]
pub fn thread_mark() -> usize {
    #[cfg(not(loom))]
    {
        thread_local!(static MARK: u8 = const { 0 });
        MARK.with(|mark| std::ptr::from_ref(mark) as usize)
    }
    #[cfg(loom)]
    {
        1 // loom's threads are not told apart: the mark is only a hint
    }
}
