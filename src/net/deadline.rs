//! Deadlines on a coarse clock: cheap enough to set at every read, write and exchange.
//!
//! Each worker has one [`Ticker`] that advances every [`TICK`]; each connection has one [`Deadlines`] with a due tick for
//! every phase it can wait in, and the waker of its task. Setting a deadline is one store; only the ticker, ten times a
//! second, looks through the connections and wakes those that are due. A deadline is therefore late by up to one tick,
//! never early.

use slab::Slab;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// The clock's step, and the greatest delay of a deadline.
pub const TICK: Duration = Duration::from_millis(100);

/// A connection that has been idle for so long gives its buffers back, in ticks.
const HIBERNATE_AFTER: u32 = 20;

const NEVER: u32 = u32::MAX;

/// What a connection may be waiting for; each has a deadline of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The first byte of a next request.
    Idle = 0,
    /// The rest of a request head.
    Head = 1,
    /// More of a request body.
    Body = 2,
    /// Room to write: the client does not read.
    Write = 3,
    /// The upstream: to connect, to answer, to send more.
    Upstream = 4,
    /// The end of what a refused client is still sending.
    Linger = 5,
    /// The whole exchange, where a route limits it.
    Total = 6,
}

const PHASES: usize = 7;

#[derive(Default)]
struct Clock {
    now: Cell<u32>,
    draining: Cell<bool>,
    /// Of the watched, so many are streams of a connection.
    streams: Cell<usize>,
    watched: RefCell<Slab<Rc<Entry>>>,
}

struct Entry {
    due: [Cell<u32>; PHASES],
    waker: RefCell<Option<Waker>>,
    /// How long it may be idle: its idleness began so long before the deadline of that.
    idle: Cell<u32>,
    /// It was idle for [`HIBERNATE_AFTER`] at the last tick.
    quiet: Cell<bool>,
}

impl Entry {
    /// Whether it waits for a next request alone, and has done so for [`HIBERNATE_AFTER`].
    fn is_quiet(&self, now: u32) -> bool {
        let [idle, others @ ..] = &self.due;
        let due = idle.get();
        due != NEVER
            && now.saturating_add(self.idle.get()) >= due.saturating_add(HIBERNATE_AFTER)
            && others.iter().all(|other| other.get() == NEVER)
    }

    fn wake(&self) {
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A worker's coarse clock. Clones are the same clock.
#[derive(Clone, Default)]
pub struct Ticker(Rc<Clock>);

impl Ticker {
    /// Advances the clock for ever; run it once on the worker's own runtime.
    pub async fn run(self) {
        let start: Instant = crate::clock::monotonic();
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            interval.tick().await;
            let elapsed = crate::clock::monotonic().duration_since(start).as_millis() / TICK.as_millis();
            self.advance(u32::try_from(elapsed).unwrap_or(NEVER - 1));
        }
    }

    fn advance(&self, now: u32) {
        self.0.now.set(now);
        for (_, entry) in self.0.watched.borrow().iter() {
            let quiet = entry.is_quiet(now);
            let was_quiet = entry.quiet.replace(quiet);
            if (quiet && !was_quiet) || entry.due.iter().any(|due| due.get() <= now) {
                entry.wake();
            }
        }
    }

    #[must_use]
    pub fn now(&self) -> u32 {
        self.0.now.get()
    }

    /// Deadlines for one more connection.
    #[must_use]
    pub fn watch(&self) -> Deadlines {
        let entry = Rc::new(Entry {
            due: std::array::from_fn(|_| Cell::new(NEVER)),
            waker: RefCell::new(None),
            idle: Cell::new(0),
            quiet: Cell::new(false),
        });
        let slot = self.0.watched.borrow_mut().insert(Rc::clone(&entry));
        Deadlines { clock: Rc::clone(&self.0), entry, slot, of_stream: false }
    }

    /// Tells every connection of this worker to finish: [`Deadlines::draining`] turns true and their tasks are woken.
    pub fn drain(&self) {
        self.0.draining.set(true);
        for (_, entry) in self.0.watched.borrow().iter() {
            entry.wake();
        }
    }

    /// How many connections and streams are watched.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.0.watched.borrow().len()
    }

    #[must_use]
    pub fn connections(&self) -> usize {
        self.watched().saturating_sub(self.0.streams.get())
    }
}

pub struct Deadlines {
    clock: Rc<Clock>,
    entry: Rc<Entry>,
    slot: usize,
    of_stream: bool,
}

impl Deadlines {
    /// Deadlines for a stream of this connection, on the same clock.
    #[must_use]
    pub fn of_stream(&self) -> Self {
        let mut deadlines = Ticker(Rc::clone(&self.clock)).watch();
        deadlines.of_stream = true;
        self.clock.streams.set(self.clock.streams.get() + 1);
        deadlines
    }

    fn due(&self, phase: Phase) -> &Cell<u32> {
        let [idle, head, body, write, upstream, linger, total] = &self.entry.due;
        match phase {
            Phase::Idle => idle,
            Phase::Head => head,
            Phase::Body => body,
            Phase::Write => write,
            Phase::Upstream => upstream,
            Phase::Linger => linger,
            Phase::Total => total,
        }
    }

    /// Sets (or moves) a phase's deadline to `after` from now; a zero duration is no deadline.
    pub fn arm(&self, phase: Phase, after: Ticks) {
        let due = if after.0 == 0 { NEVER } else { self.clock.now.get().saturating_add(after.0).min(NEVER - 1) };
        self.due(phase).set(due);
    }

    /// Moves a phase's deadline by so long, to `most` from now at the latest; one that has none stays without.
    pub fn extend(&self, phase: Phase, by: Ticks, most: Ticks) {
        let due = self.due(phase);
        if due.get() != NEVER {
            let latest = self.clock.now.get().saturating_add(most.0);
            due.set(due.get().saturating_add(by.0).min(latest).min(NEVER - 1));
        }
    }

    /// Says how long [`Phase::Idle`] is: the task is woken when it may hibernate.
    pub fn hibernate_when_idle(&self, idle: Ticks) {
        self.entry.idle.set(idle.0);
    }

    /// Whether nothing has happened for a while, and nothing is expected but a next request.
    #[must_use]
    pub fn may_hibernate(&self) -> bool {
        self.entry.quiet.get() && self.entry.is_quiet(self.clock.now.get())
    }

    pub fn disarm(&self, phase: Phase) {
        self.due(phase).set(NEVER);
    }

    #[must_use]
    pub fn armed(&self, phase: Phase) -> bool {
        self.due(phase).get() != NEVER
    }

    /// Whether the phase's deadline has passed.
    #[must_use]
    pub fn expired(&self, phase: Phase) -> bool {
        self.due(phase).get() <= self.clock.now.get()
    }

    #[must_use]
    pub fn now(&self) -> u32 {
        self.clock.now.get()
    }

    /// Whether the worker is draining: finish what is in flight and close.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.clock.draining.get()
    }

    /// Wakes the task that waits by these deadlines.
    pub fn wake(&self) {
        self.entry.wake();
    }

    /// Names the task to wake; call it at each poll of the connection's task.
    pub fn register(&self, waker: &Waker) {
        let mut slot = self.entry.waker.borrow_mut();
        if !slot.as_ref().is_some_and(|old| old.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }
}

impl Drop for Deadlines {
    fn drop(&mut self) {
        self.clock.watched.borrow_mut().try_remove(self.slot);
        if self.of_stream {
            self.clock.streams.set(self.clock.streams.get().saturating_sub(1));
        }
    }
}

/// A duration in ticks, rounded up; zero means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks(pub u32);

impl Ticks {
    /// The same as time; `None` is no limit.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        (self.0 != 0).then(|| TICK.saturating_mul(self.0))
    }
}

impl From<Duration> for Ticks {
    fn from(duration: Duration) -> Self {
        if duration.is_zero() {
            return Self(0);
        }
        // One more, since the current tick is already partly over: late, never early.
        let ticks = duration.as_millis().div_ceil(TICK.as_millis()) + 1;
        Self(u32::try_from(ticks).unwrap_or(NEVER - 1))
    }
}

/// The least rate of a peer that sends or takes a body, once it has used up what it may stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(u32);

impl Rate {
    pub const NONE: Self = Self(0);

    /// So many bytes a second; zero is no least rate, and then a single byte makes up for any wait.
    #[must_use]
    pub const fn per_second(bytes: u32) -> Self {
        Self(bytes)
    }

    /// The ticks in which so many bytes come at this rate, and the bytes that are left over.
    fn ticks(self, bytes: usize) -> (u32, u32) {
        if self.0 == 0 {
            return (u32::MAX, 0);
        }
        let tick = (self.0 / 10).max(1);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        (bytes / tick, bytes % tick)
    }

    /// How long so many bytes may take.
    #[must_use]
    pub fn time_for(self, bytes: usize) -> Ticks {
        Ticks(self.ticks(bytes).0)
    }
}

/// What a peer may keep us waiting for, in all: waiting spends it, bytes earn it back at the least acceptable rate.
///
/// A peer that sends (or takes) less than that on average runs out of it, however regular its drip; one that pauses for less does not.
#[derive(Debug)]
pub struct Budget {
    full: u32,
    left: u32,
    rate: Rate,
    /// Bytes that came and have earned nothing yet: less than a tick's.
    spare: u32,
}

impl Budget {
    #[must_use]
    pub const fn new(full: Ticks, rate: Rate) -> Self {
        Self { full: full.0, left: full.0, rate, spare: 0 }
    }

    /// The peer kept us waiting so long.
    pub fn spend(&mut self, waited: Ticks) {
        self.left = self.left.saturating_sub(waited.0);
    }

    /// The peer moved so many bytes.
    pub fn earn(&mut self, bytes: usize) {
        let (earned, spare) = self.rate.ticks(bytes.saturating_add(self.spare as usize));
        self.spare = spare;
        self.left = self.left.saturating_add(earned).min(self.full);
    }

    /// Whether nothing is left of it, where there is a limit at all.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.full != 0 && self.left == 0
    }
}

/// Tells a slow peer from a stalled one by a [`Budget`]. Time during which postern itself does not ask for bytes costs nothing.
#[derive(Debug)]
pub struct Pace {
    budget: Budget,
    waiting_since: Option<u32>,
}

impl Pace {
    /// A peer may stall for `budget` in all before it has to keep the rate.
    #[must_use]
    pub const fn new(budget: Ticks, rate: Rate) -> Self {
        Self { budget: Budget::new(budget, rate), waiting_since: None }
    }

    /// The peer keeps us waiting: sets the deadline of `phase` to where the budget ends.
    pub fn waiting(&mut self, deadlines: &Deadlines, phase: Phase) {
        if self.waiting_since.is_none() && self.budget.full != 0 {
            self.waiting_since = Some(deadlines.now());
            deadlines.arm(phase, Ticks(self.budget.left.max(1)));
        }
    }

    /// The peer moved `bytes`: ends the wait and earns budget.
    pub fn moved(&mut self, bytes: usize, deadlines: &Deadlines, phase: Phase) {
        if let Some(since) = self.waiting_since.take() {
            deadlines.disarm(phase);
            // More time than there was budget can only have passed while we did not look: then the peer is not to blame.
            let waited = deadlines.now().saturating_sub(since).min(self.budget.left.saturating_sub(1));
            self.budget.spend(Ticks(waited));
            self.budget.earn(bytes);
        }
    }

    /// Notes what a poll says: the peer moved so much, or keeps us waiting, which is an error when it does so for too long.
    pub fn note(
        &mut self,
        polled: Poll<io::Result<usize>>,
        deadlines: &Deadlines,
        phase: Phase,
    ) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(bytes)) => self.moved(*bytes, deadlines, phase),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.waiting(deadlines, phase);
                if deadlines.expired(phase) {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        polled
    }

    /// A new message: a full budget again.
    pub fn reset(&mut self, deadlines: &Deadlines, phase: Phase) {
        if self.waiting_since.take().is_some() {
            deadlines.disarm(phase);
        }
        self.budget.left = self.budget.full;
    }
}

#[cfg(test)]
mod tests;
