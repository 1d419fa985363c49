//! The I/O threads of one context, as sockets and the threads themselves see them: where to send commands, and who has
//! least to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use zeroring_base::mailbox::Sender;

use super::command::IoCommand;

/// How much an I/O thread has to do: the descriptors it serves and what is on its way to it.
#[derive(Clone, Debug, Default)]
pub struct Load(Arc<AtomicUsize>);

impl Load {
    // Relaxed throughout: the count is a hint for `Directory::choose`, nothing is published with it.

    /// One more.
    pub fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn dec(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How much it is now.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// True if both count for the same thread.
    pub fn is(&self, other: &Load) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Counts for a thread until it is dropped: something that was sent to the thread and has not arrived.
#[derive(Debug)]
pub struct LoadShare(Load);

impl LoadShare {
    fn new(load: &Load) -> Self {
        load.inc();
        Self(load.clone())
    }
}

impl Drop for LoadShare {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// One I/O thread.
#[derive(Clone)]
pub struct Entry {
    /// Where it takes commands.
    pub mailbox: Sender<IoCommand>,
    /// What it has to do.
    pub load: Load,
}

/// A thread chosen for something new.
pub struct Chosen {
    /// The thread.
    pub thread: Entry,
    /// Goes along with the command, so that a burst does not all go to one thread.
    pub share: LoadShare,
}

/// All I/O threads of a context. Empty until all of them run.
#[derive(Default)]
pub struct Directory(OnceLock<Vec<Entry>>);

impl Directory {
    /// All threads run: these.
    pub fn fill(&self, threads: Vec<Entry>) {
        let _ = self.0.set(threads); // only once
    }

    fn threads(&self) -> &[Entry] {
        self.0.get().map_or(&[], Vec::as_slice)
    }

    /// The least loaded thread that `affinity` (bit i = thread i, 0 = all) allows.
    pub fn choose(&self, affinity: u64) -> Option<Chosen> {
        let allowed = |index: usize| affinity == 0 || (index < 64 && affinity >> index & 1 == 1);
        let (_, thread) = self
            .threads()
            .iter()
            .enumerate()
            .filter(|(index, _)| allowed(*index))
            .min_by_key(|(_, thread)| thread.load.get())?;
        Some(Chosen { thread: thread.clone(), share: LoadShare::new(&thread.load) })
    }

    /// The threads besides the one with this load.
    pub fn others<'a>(&'a self, own: &'a Load) -> impl Iterator<Item = &'a Entry> {
        self.threads().iter().filter(|thread| !thread.load.is(own))
    }

    /// What each thread has to do.
    pub fn loads(&self) -> Vec<usize> {
        self.threads().iter().map(|thread| thread.load.get()).collect()
    }
}

#[cfg(test)]
mod tests {
    use zeroring_base::mailbox::mailbox;
    use zeroring_base::wake::{NoSleep, Waker};

    use super::*;

    #[test]
    fn a_burst_spreads_over_the_allowed_threads() {
        let directory = Directory::default();
        assert!(directory.choose(0).is_none());
        let entry = || {
            let (mailbox, _) = mailbox(Waker::new(Box::new(NoSleep)));
            Entry { mailbox, load: Load::default() }
        };
        directory.fill((0..3).map(|_| entry()).collect());
        let burst: Vec<_> = (0..9).filter_map(|_| directory.choose(0)).collect();
        assert_eq!(directory.loads(), [3, 3, 3]);
        let few: Vec<_> = (0..4).filter_map(|_| directory.choose(0b101)).collect();
        assert_eq!(directory.loads(), [5, 3, 5]);
        assert!(directory.choose(0b1000).is_none(), "there is no fourth thread");
        drop((burst, few));
        assert_eq!(directory.loads(), [0, 0, 0]);
    }
}
