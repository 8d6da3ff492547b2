//! Fill against invalidate, step by step: the change versions and the change log as they are, and around them a store, a Redis and
//! replicas whose every step can come before or after any step of another.
//!
//! The promise in one line: what a replica uses is never older than what it has followed. It is checked after each step, in
//! every interleaving of a few threads, and in random ones of many: with writers that sleep, a Redis that is put back to any
//! content it ever had, and messages that come late, twice or never.

use super::change_versions::{ChangeVersions, Slot};
use super::redis_cache::change_log::ChangeLog;
use crate::id::UserId;
use proptest::prelude::*;
use std::time::Duration;
use uuid::Uuid;

const ANN: Uuid = Uuid::from_u128(1);
const BOB: Uuid = Uuid::from_u128(2);

/// What is cached of Ann: how often she had changed.
type Fact = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    fact: Fact,
    read_at: u64,
}

struct Replica {
    versions: ChangeVersions,
    change_log: ChangeLog,
    read_to: u64,
    kept: Option<(Fact, u64)>,
    /// A load under way: both positions, and what was read.
    load: Option<(u64, u64, Option<Fact>)>,
    /// Writes to Redis that have not arrived.
    writes: Vec<Entry>,
    /// What was got from Redis and not judged yet.
    got: Option<Entry>,
    /// A look at the outbox under way: where it ends, and what it is counted as once it is noted.
    look: Option<(u64, Option<u64>)>,
}

struct World {
    outbox: Vec<Uuid>,
    redis: Option<Entry>,
    /// Everything that Redis ever held.
    copies: Vec<Entry>,
    replicas: Vec<Replica>,
}

/// One thing that happens; the number is a replica's.
#[derive(Clone, Copy, Debug)]
enum Step {
    Change(Uuid),
    Begin(usize),
    Read(usize),
    Keep(usize),
    Write(usize),
    Get(usize),
    Believe(usize),
    Ask(usize),
    Note(usize),
    Follow(usize),
    /// Another replica's message arrives, about everything up to now.
    Hear(usize),
    /// Redis is put back to a copy.
    Restore(usize),
    /// Everything in Redis is gone.
    Flush,
}

impl World {
    fn new(replicas: usize) -> Self {
        let replica = |_| Replica {
            versions: ChangeVersions::new(0, Duration::from_secs(5)),
            change_log: ChangeLog::with_slots(0, 8),
            read_to: 0,
            kept: None,
            load: None,
            writes: Vec::new(),
            got: None,
            look: None,
        };
        let replicas = (0..replicas).map(replica).collect();
        Self { outbox: Vec::new(), redis: None, copies: Vec::new(), replicas }
    }

    fn fact(&self, position: u64) -> Fact {
        self.outbox.iter().take(usize::try_from(position).unwrap()).filter(|who| **who == ANN).count() as u64
    }

    fn position(&self) -> u64 {
        self.outbox.len() as u64
    }

    /// Takes a step, where it makes sense now.
    fn take(&mut self, step: Step) {
        let (now, fact) = (self.position(), self.fact(self.position()));
        match step {
            Step::Change(who) => self.outbox.push(who),
            Step::Begin(r) => {
                let replica = &mut self.replicas[r];
                replica.load = Some((replica.versions.position(), replica.change_log.position(), None));
            }
            Step::Read(r) => {
                if let Some((_, _, found @ None)) = &mut self.replicas[r].load {
                    *found = Some(fact);
                }
            }
            Step::Keep(r) => {
                let replica = &mut self.replicas[r];
                if let Some((read_at, shared_at, Some(fact))) = replica.load {
                    replica.load = None;
                    if replica.keep(fact, read_at) {
                        replica.writes.push(Entry { fact, read_at: shared_at });
                    }
                }
            }
            Step::Write(r) => {
                if let Some(entry) = self.replicas[r].writes.pop() {
                    self.redis = Some(entry);
                    self.copies.push(entry);
                }
            }
            Step::Get(r) => self.replicas[r].got = self.redis,
            Step::Believe(r) => {
                let replica = &mut self.replicas[r];
                if let Some(entry) = replica.got.take() {
                    let read_at = replica.versions.position();
                    if replica.change_log.believes(entry.read_at, 0, [ANN, ANN]) {
                        replica.keep(entry.fact, read_at);
                    }
                }
            }
            Step::Ask(r) => self.replicas[r].look = Some((now, None)),
            Step::Note(r) => {
                let from = usize::try_from(self.replicas[r].read_to).unwrap();
                let Some((to, None)) = self.replicas[r].look else { return };
                let changed = self.outbox[from..usize::try_from(to).unwrap()].to_vec();
                let replica = &self.replicas[r];
                let position = replica.versions.position() + to.saturating_sub(replica.read_to);
                for who in changed {
                    replica.versions.user_changed(UserId(who), position);
                    replica.change_log.changed(who, to);
                }
                self.replicas[r].look = Some((to, Some(position)));
            }
            Step::Follow(r) => {
                let replica = &mut self.replicas[r];
                if let Some((to, Some(position))) = replica.look {
                    replica.look = None;
                    replica.change_log.followed(to);
                    replica.read_to = to;
                    replica.versions.caught_up(position, crate::clock::monotonic());
                }
            }
            Step::Hear(r) => {
                let replica = &self.replicas[r];
                // One task notes what is heard and what is looked up: while an answer is waited for, but not in the midst of
                // noting it.
                if !matches!(replica.look, Some((_, Some(_)))) {
                    let position = replica.versions.position() + 1;
                    replica.versions.user_changed(UserId(ANN), position);
                    replica.change_log.changed(ANN, now);
                    replica.versions.advance(position);
                }
            }
            Step::Restore(copy) => {
                if let Some(entry) = self.copies.get(copy % self.copies.len().max(1)) {
                    self.redis = Some(*entry);
                }
            }
            Step::Flush => self.redis = None,
        }
    }

    /// Nobody uses anything that is older than what they have followed.
    fn holds(&self) -> bool {
        self.replicas.iter().all(|replica| replica.used().is_none_or(|fact| fact >= self.fact(replica.read_to)))
    }
}

impl Replica {
    fn slots() -> [Slot; 2] {
        [ChangeVersions::slot(ANN), ChangeVersions::slot(ANN)]
    }

    fn keep(&mut self, fact: Fact, read_at: u64) -> bool {
        let holds = self.versions.holds(Self::slots(), read_at);
        if holds {
            self.kept = Some((fact, read_at));
        }
        holds
    }

    fn used(&self) -> Option<Fact> {
        self.kept.filter(|(_, read_at)| self.versions.holds(Self::slots(), *read_at)).map(|(fact, _)| fact)
    }
}

/// Every interleaving of these threads; how many there were.
fn every_interleaving(replicas: usize, threads: &[&[Step]]) -> usize {
    fn go(replicas: usize, threads: &[&[Step]], at: &mut Vec<usize>, way: &mut Vec<Step>, count: &mut usize) {
        let mut ended = true;
        for thread in 0..threads.len() {
            let Some(step) = threads[thread].get(at[thread]) else { continue };
            ended = false;
            at[thread] += 1;
            way.push(*step);
            go(replicas, threads, at, way, count);
            way.pop();
            at[thread] -= 1;
        }
        if ended {
            *count += 1;
            let mut world = World::new(replicas);
            for (done, step) in way.iter().enumerate() {
                world.take(*step);
                assert!(world.holds(), "after {:?}", &way[..=done]);
            }
        }
    }
    let mut count = 0;
    go(replicas, threads, &mut vec![0; threads.len()], &mut Vec::new(), &mut count);
    count
}

#[test]
fn a_load_and_a_change_in_one_replica() {
    let count = every_interleaving(
        1,
        &[
            &[Step::Change(ANN), Step::Change(ANN)],
            &[Step::Begin(0), Step::Read(0), Step::Keep(0)],
            &[Step::Ask(0), Step::Note(0), Step::Follow(0)],
        ],
    );
    assert_eq!(count, 560);
}

#[test]
fn what_one_replica_writes_another_finds_in_every_order() {
    let count = every_interleaving(
        2,
        &[
            &[Step::Change(ANN)],
            &[Step::Begin(0), Step::Read(0), Step::Keep(0), Step::Write(0)],
            &[Step::Ask(1), Step::Note(1), Step::Follow(1)],
            &[Step::Get(1), Step::Believe(1)],
        ],
    );
    assert_eq!(count, 12_600);
}

#[test]
fn a_message_of_a_change_comes_at_any_time() {
    let count = every_interleaving(
        1,
        &[
            &[Step::Change(ANN), Step::Hear(0)],
            &[Step::Begin(0), Step::Read(0), Step::Keep(0)],
            &[Step::Ask(0), Step::Note(0), Step::Follow(0)],
        ],
    );
    assert_eq!(count, 560);
}

fn step() -> impl Strategy<Value = Step> {
    let of = |make: fn(usize) -> Step| (0..3_usize).prop_map(make);
    prop_oneof![
        3 => Just(Step::Change(ANN)),
        1 => Just(Step::Change(BOB)),
        2 => of(Step::Begin),
        2 => of(Step::Read),
        2 => of(Step::Keep),
        2 => of(Step::Write),
        2 => of(Step::Get),
        2 => of(Step::Believe),
        2 => of(Step::Ask),
        2 => of(Step::Note),
        2 => of(Step::Follow),
        1 => of(Step::Hear),
        1 => (0..50_usize).prop_map(Step::Restore),
        1 => Just(Step::Flush),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn three_replicas_in_any_order(steps in proptest::collection::vec(step(), 1..200)) {
        let mut world = World::new(3);
        for (done, step) in steps.iter().enumerate() {
            world.take(*step);
            prop_assert!(world.holds(), "after {:?}", &steps[..=done]);
        }
    }
}

/// The model can see a mistake: a change log that notes nothing lets an old entry in.
#[test]
fn the_model_is_not_blind() {
    let mut world = World::new(2);
    let steps = [Step::Begin(0), Step::Read(0), Step::Keep(0), Step::Write(0), Step::Change(ANN), Step::Get(1)];
    steps.into_iter().for_each(|step| world.take(step));
    world.replicas[1].read_to = 1;
    world.replicas[1].change_log.followed(1);
    world.take(Step::Believe(1));
    assert!(!world.holds());
}
