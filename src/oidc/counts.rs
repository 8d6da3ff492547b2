//! How logins went, by provider: for `/metrics`.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    LoggedIn,
    /// Somebody may not, or what came back is not to be believed.
    Refused,
    /// The provider or the directory cannot be asked.
    Failed,
}

const NAMES: [&str; 3] = ["logged_in", "refused", "failed"];

#[derive(Debug, Default)]
pub struct Counts(Vec<(Box<str>, [AtomicU64; NAMES.len()])>);

impl Counts {
    pub(super) fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        Self(names.map(|name| (name.into(), Default::default())).collect())
    }

    /// Counts one that came back.
    pub fn count(&self, provider: &str, outcome: Outcome) {
        let counts = self.0.iter().find(|(name, _)| **name == *provider);
        if let Some(count) = counts.and_then(|(_, counts)| counts.get(outcome as usize)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Collector for Counts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Logins that came back from a provider, by how they ended";
        let mut metric = encoder.encode_descriptor("postern_provider_logins", help, None, MetricType::Counter)?;
        for (name, counts) in &self.0 {
            for (outcome, count) in NAMES.iter().zip(counts) {
                let labels = [("provider", &**name), ("outcome", *outcome)];
                ConstCounter::new(count.load(Ordering::Relaxed)).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
