//! Who writes what is sent (DESIGN 2.1): the sending thread itself, or the I/O thread that looks after the pipe.
//!
//! A message that finds nothing else queued is written at once by a thread that is in no hurry: nobody has to be woken.
//! A thread in a hurry batches: whatever it leaves behind goes out together, when a batch is full, when it has been
//! left for long, when the thread is about to wait, or when the I/O thread comes round.
//!
//! Hurry is a matter of the thread, not of the pipe: one that serves a hundred sockets in turn sends each of its messages
//! a while after the last one of the same pipe, and would still spend all its time in system calls.

use std::cell::Cell;

use zeroring_base::time::{Clock, NS_PER_US};

/// A thread that sent nothing for this long is in no hurry.
const HURRY_GAP_NS: u64 = 3 * NS_PER_US;
/// So many messages of a burst are written one by one before batching begins: waking somebody for them costs more.
const BURST_WRITES_MAX: u64 = 16;
/// How long a thread in a hurry leaves messages behind before it writes a batch itself.
const BATCH_AGE_NS: u64 = 40 * NS_PER_US;
/// How often a sender that leaves messages behind looks at the clock.
const LOOK_INTERVAL_NS: u64 = 2 * NS_PER_US;
/// Looks in a hurry, one for each message, before a sender looks less often: one that only caught up with its schedule goes
/// on slowly, and would look late.
const HASTY_LOOKS_MIN: u32 = 64;
/// A sender that is so fast that it would look less often than this looks all the same.
pub(super) const MESSAGES_PER_LOOK_MAX: u64 = 64;

/// What a thread did last.
#[derive(Clone, Copy, Debug, Default)]
struct Hurry {
    sent_ns: u64,
    wrote_ns: u64,
    /// Messages of the present burst, to whatever pipe.
    burst_messages: u64,
    /// So many of them may be written one by one.
    burst_writes_max: u64,
}

impl Hurry {
    /// A message is sent, the last of so many since the last look. True if the thread was in a hurry already, false if a
    /// burst begins with it; then the others belong to the burst before, for all we know.
    fn sent(&mut self, now_ns: u64, messages: u64) -> bool {
        let is_in_hurry = now_ns.saturating_sub(self.sent_ns) < HURRY_GAP_NS;
        self.sent_ns = now_ns;
        self.burst_messages += messages;
        if !is_in_hurry {
            // One that is likely to be long, as the last was, gains nothing by single writes but the first.
            let was_long = self.burst_messages > BURST_WRITES_MAX + 1;
            self.burst_writes_max = if was_long { 1 } else { BURST_WRITES_MAX };
            self.burst_messages = 1;
        }
        is_in_hurry
    }

    fn wrote(&mut self, now_ns: u64) {
        (self.sent_ns, self.wrote_ns) = (now_ns, now_ns);
    }
}

thread_local! {
    static THREAD: Cell<Hurry> = Cell::default();
}

/// The calling thread wrote what it had left behind.
pub(super) fn thread_wrote(clock: &Clock) {
    let mut hurry = THREAD.get();
    hurry.wrote(clock.now_ns());
    THREAD.set(hurry);
}

/// The pace of one pipe's sender.
#[derive(Debug, Default)]
pub struct Pace {
    looked_ns: u64,
    /// Messages sent when it last looked at the clock, and at which it looks again: after as many as the sender makes in
    /// [`LOOK_INTERVAL_NS`].
    looked_at: u64,
    looks_at: u64,
    /// Looks in a hurry since it was last in none.
    hasty_looks: u32,
    /// Under a virtual clock one thread plays all parts: there each pipe has a hurry of its own.
    own: Hurry,
}

impl Pace {
    /// A message, number `sent` of its pipe, found nothing else queued. True if its sender shall write it at once.
    pub fn writes_single(&mut self, sent: u64, clock: &Clock) -> bool {
        let now_ns = clock.now_ns();
        let messages = sent - self.looked_at;
        self.begin_counting(now_ns, sent, 1);
        self.with_hurry(clock, |hurry| {
            hurry.sent(now_ns, messages);
            hurry.burst_messages <= hurry.burst_writes_max
        })
    }

    /// Message number `sent` was left behind others. True if its sender shall write them all now.
    #[inline]
    pub fn writes_batch(&mut self, sent: u64, clock: &Clock) -> bool {
        self.is_look_due(sent) && self.look(sent, clock)
    }

    /// True if message number `sent`, left behind others, must ask [`writes_batch`](Self::writes_batch).
    #[inline(always)]
    pub fn is_look_due(&self, sent: u64) -> bool {
        sent >= self.looks_at
    }

    #[cold]
    fn look(&mut self, sent: u64, clock: &Clock) -> bool {
        let now_ns = clock.now_ns();
        let messages = sent - self.looked_at;
        let (is_in_hurry, is_late) = self.with_hurry(clock, |hurry| {
            let is_in_hurry = hurry.sent(now_ns, messages);
            (is_in_hurry, now_ns.saturating_sub(hurry.wrote_ns) >= BATCH_AGE_NS)
        });
        self.hasty_looks =
            if is_in_hurry { (self.hasty_looks + 1).min(HASTY_LOOKS_MIN) } else { 0 };
        let messages_per_look = self.messages_per_look(now_ns, sent);
        self.begin_counting(now_ns, sent, messages_per_look);
        is_late || !is_in_hurry
    }

    /// How many messages the sender makes in [`LOOK_INTERVAL_NS`], going by those since its last look.
    fn messages_per_look(&self, now_ns: u64, sent: u64) -> u64 {
        if self.hasty_looks < HASTY_LOOKS_MIN {
            return 1;
        }
        let gap_ns = now_ns.saturating_sub(self.looked_ns) / (sent - self.looked_at).max(1);
        let messages = LOOK_INTERVAL_NS.checked_div(gap_ns).unwrap_or(u64::MAX);
        messages.clamp(1, MESSAGES_PER_LOOK_MAX)
    }

    fn begin_counting(&mut self, now_ns: u64, sent: u64, messages_per_look: u64) {
        self.looked_ns = now_ns;
        self.looked_at = sent;
        self.looks_at = sent + messages_per_look;
    }

    /// The sender wrote one message, or all that it had left behind.
    pub fn wrote(&mut self, clock: &Clock) {
        let now_ns = clock.now_ns();
        self.with_hurry(clock, |hurry| hurry.wrote(now_ns));
    }

    fn with_hurry<R>(&mut self, clock: &Clock, f: impl FnOnce(&mut Hurry) -> R) -> R {
        if clock.is_virtual() {
            return f(&mut self.own);
        }
        let mut hurry = THREAD.get();
        let result = f(&mut hurry);
        THREAD.set(hurry);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroring_base::time::VirtualClock;

    struct Bench {
        hand: VirtualClock,
        clock: Clock,
        pace: Pace,
        sent: u64,
    }

    impl Bench {
        fn new() -> Self {
            let hand = VirtualClock::new(1_000_000_000);
            Self { clock: Clock::Virtual(hand.clone()), hand, pace: Pace::default(), sent: 0 }
        }

        fn writes_single(&mut self) -> bool {
            self.sent += 1;
            self.pace.writes_single(self.sent, &self.clock)
        }

        fn writes_batch(&mut self) -> bool {
            self.sent += 1;
            self.pace.writes_batch(self.sent, &self.clock)
        }

        fn wait_ns(&self, ns: u64) {
            self.hand.advance_to(self.clock.now_ns() + ns);
        }
    }

    #[test]
    fn a_sender_that_is_in_no_hurry_writes_every_message() {
        let mut bench = Bench::new();
        for _ in 0..100 {
            assert!(bench.writes_single());
            bench.pace.wrote(&bench.clock);
            bench.wait_ns(HURRY_GAP_NS);
        }
    }

    #[test]
    fn a_burst_is_written_one_by_one_at_first() {
        let mut bench = Bench::new();
        let written = (0..100).filter(|_| {
            bench.wait_ns(100);
            bench.writes_single()
        });
        assert_eq!(written.count(), BURST_WRITES_MAX as usize);
    }

    #[test]
    fn after_a_long_burst_the_next_is_taken_for_long_too() {
        let mut bench = Bench::new();
        let mut burst = |messages: usize| {
            bench.wait_ns(HURRY_GAP_NS);
            (0..messages).filter(|_| bench.writes_single()).count()
        };
        let most = BURST_WRITES_MAX as usize;
        assert_eq!([100, 100, 1, 100].map(&mut burst), [most, 1, 1, most]);
        assert_eq!([2, 2, 2].map(&mut burst), [1, 2, 2], "short ones bring single writes back");
    }

    #[test]
    fn a_stream_makes_a_long_burst_even_if_it_asks_rarely() {
        let mut bench = Bench::new();
        assert!(bench.writes_single());
        bench.sent += BURST_WRITES_MAX;
        bench.writes_batch();
        bench.wait_ns(HURRY_GAP_NS);
        assert_eq!([bench.writes_single(), bench.writes_single()], [true, false]);
    }

    #[test]
    fn what_no_look_counted_belongs_to_the_burst_before() {
        let mut bench = Bench::new();
        assert!(bench.writes_single());
        bench.sent += BURST_WRITES_MAX; // without a look
        bench.wait_ns(HURRY_GAP_NS);
        assert_eq!([bench.writes_single(), bench.writes_single()], [true, false]);
        bench.wait_ns(HURRY_GAP_NS);
        assert_eq!([bench.writes_single(), bench.writes_single()], [true, true], "that was short");
    }

    #[test]
    fn a_stream_is_written_in_batches_and_looks_at_the_clock_now_and_then() {
        let mut bench = Bench::new();
        bench.pace.wrote(&bench.clock);
        bench.writes_single();
        let batches = (0..10_000).filter(|_| {
            bench.wait_ns(50);
            let writes = bench.writes_batch();
            if writes {
                bench.pace.wrote(&bench.clock);
            }
            writes
        });
        let expected = 10_000 * 50 / BATCH_AGE_NS as usize;
        assert!((expected / 2..=expected).contains(&batches.count()));
    }

    #[test]
    fn a_sender_that_caught_up_is_not_taken_for_a_stream() {
        let mut bench = Bench::new();
        let caught_up = 40;
        (0..caught_up).for_each(|_| {
            bench.wait_ns(100);
            if !bench.writes_single() {
                bench.writes_batch();
            }
        });
        bench.wait_ns(HURRY_GAP_NS);
        assert!(bench.writes_batch(), "the first message on time takes the others along");
    }

    #[test]
    fn what_was_left_behind_goes_with_the_next_message_of_a_slow_sender() {
        let mut bench = Bench::new();
        while bench.writes_single() {}
        bench.wait_ns(HURRY_GAP_NS);
        assert!(bench.writes_batch());
    }
}
