//! How reloads went: for `/metrics` and `/readyz`.

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::collections::BTreeMap;
use std::fmt;

/// How one reload of one thing went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The new one is in force.
    Loaded,
    /// The new one is the one in force.
    Unchanged,
    /// It cannot be used: why, in one line.
    Failed(String),
    /// It could be used, but its change is not allowed: why, in one line.
    Refused(String),
}

impl Outcome {
    const NAMES: [&str; 4] = ["loaded", "unchanged", "failed", "refused"];

    const fn number(&self) -> usize {
        match self {
            Self::Loaded => 0,
            Self::Unchanged => 1,
            Self::Failed(_) => 2,
            Self::Refused(_) => 3,
        }
    }
}

/// The outcomes so far.
#[derive(Debug, Default)]
pub struct Status(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    things: BTreeMap<&'static str, Thing>,
    waiting: Vec<String>,
    fingerprint: String,
    routes: usize,
    wider: u64,
    narrower: u64,
}

#[derive(Debug, Default)]
struct Thing {
    counts: [u64; Outcome::NAMES.len()],
    /// Since the Unix epoch, in seconds.
    success: f64,
    problem: Option<String>,
}

impl Status {
    /// Notes an outcome. Whether something was wrong before and is not any more.
    pub fn note(&self, what: &'static str, outcome: Outcome) -> bool {
        let mut state = self.0.lock();
        let thing = state.things.entry(what).or_default();
        if let Some(count) = thing.counts.get_mut(outcome.number()) {
            *count += 1;
        }
        let was_wrong = thing.problem.is_some();
        thing.problem = match outcome {
            Outcome::Loaded | Outcome::Unchanged => {
                thing.success = crate::clock::unix().as_secs_f64();
                None
            }
            Outcome::Failed(why) => Some(format!("the running one stays: {why}")),
            Outcome::Refused(why) => Some(format!("the running one stays, the change is refused: {why}")),
        };
        was_wrong && thing.problem.is_none()
    }

    /// The keys of postern.yaml that have changed and wait for the next start.
    pub(super) fn waiting(&self, keys: Vec<String>) {
        self.0.lock().waiting = keys;
    }

    pub fn policy(&self, fingerprint: &str, routes: usize) {
        let mut state = self.0.lock();
        fingerprint.clone_into(&mut state.fingerprint);
        state.routes = routes;
    }

    /// What a policy that came into force changed.
    pub(super) fn differences(&self, wider: usize, narrower: usize) {
        let mut state = self.0.lock();
        state.wider += wider as u64;
        state.narrower += narrower as u64;
    }

    /// What is not as the files say, for `/readyz`: a name and a text each.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let state = self.0.lock();
        let problems = state.things.iter().filter_map(|(what, thing)| Some((*what, thing.problem.clone()?)));
        let mut problems: Vec<(&'static str, String)> = problems.collect();
        if let Some(first) = state.waiting.first() {
            let more = state.waiting.len() - 1;
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            problems.push(("restart", format!("`{first}`{more} of the configuration counts from the next start")));
        }
        problems
    }
}

impl Collector for Status {
    #[allow(clippy::cast_precision_loss)]
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let state = self.0.lock();
        let help = "Reloads by what was loaded and how it went";
        let mut family = encoder.encode_descriptor("postern_reload", help, None, MetricType::Counter)?;
        for (what, thing) in &state.things {
            for (outcome, count) in Outcome::NAMES.iter().zip(&thing.counts).filter(|(_, count)| **count > 0) {
                let labels = [("what", *what), ("outcome", *outcome)];
                family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
            }
        }
        type Of = fn(&Thing) -> f64;
        let gauges: [(&str, &str, Of); 2] = [
            ("postern_reload_ok", "1 when what the files say is in force", |thing| {
                f64::from(u8::from(thing.problem.is_none()))
            }),
            (
                "postern_reload_success_timestamp_seconds",
                "When what the files said was last found good, since the Unix epoch",
                |thing| thing.success,
            ),
        ];
        for (name, help, of) in gauges {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (what, thing) in &state.things {
                family.encode_family(&[("what", *what)])?.encode_gauge(&of(thing))?;
            }
        }
        let help = "Differences that policies made when they came into force";
        let mut family = encoder.encode_descriptor("postern_policy_differences", help, None, MetricType::Counter)?;
        for (direction, count) in [("wider", state.wider), ("narrower", state.narrower)] {
            family.encode_family(&[("direction", direction)])?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        let help = "The policy in force, by the fingerprint of its files";
        encoder
            .encode_descriptor("postern_policy", help, None, MetricType::Info)?
            .encode_info(&[("fingerprint", state.fingerprint.as_str())])?;
        let help = "Routes of the policy in force";
        encoder
            .encode_descriptor("postern_policy_routes", help, None, MetricType::Gauge)?
            .encode_gauge(&(state.routes as f64))?;
        let help = "Keys of the configuration that have changed and count from the next start";
        encoder
            .encode_descriptor("postern_restart_needed", help, None, MetricType::Gauge)?
            .encode_gauge(&(state.waiting.len() as f64))
    }
}
