//! The metrics that `/metrics` shows, in OpenMetrics text.
//!
//! Workers count into [`Shard`]s of their own; [`Metrics`] sums them at each scrape. What belongs to a route is allocated
//! when the route is first used, so that a policy of ten thousand routes costs what its busy ones cost.

use super::counters::{BOUNDS, Count, Latency, LatencyTotal};
use super::minutes::Refusals;
use crate::decision::{Reason, ShadowVerdict};
use http::StatusCode;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// How a request ended, as far as the gate is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Forwarded and answered by the upstream.
    Allowed,
    /// Refused, or failed, with this code.
    Refused(Reason),
}

#[derive(Clone, Debug)]
struct EachReason<T>([T; Reason::ALL.len()]);

impl<T: Default> Default for EachReason<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| T::default()))
    }
}

/// One route's counters of one worker.
#[derive(Debug, Default)]
pub struct RouteCell {
    allowed: Count,
    refused: EachReason<Count>,
    ours: Latency,
    upstream: Latency,
    /// Items of lists that an upstream sent and was not asked for.
    pub foreign_items: Count,
    /// Allocated for routes in shadow mode.
    shadow: OnceLock<Box<Shadow<Count>>>,
}

/// What became of requests of a route in shadow mode: by what would have been done with them, and by the class of the answer.
#[derive(Clone, Debug, Default)]
struct Shadow<T> {
    allowed: Classes<T>,
    not_judged: Classes<T>,
    refused: EachReason<Classes<T>>,
}

/// By class of status.
type Classes<T> = [T; CLASSES.len()];

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl<T> Shadow<T> {
    fn of(&self, verdict: &ShadowVerdict) -> Option<&Classes<T>> {
        match verdict {
            ShadowVerdict::Allowed => Some(&self.allowed),
            ShadowVerdict::NotJudged => Some(&self.not_judged),
            ShadowVerdict::Refused(denial) => self.refused.0.get(denial.reason as usize),
        }
    }

    /// By decision and reason, as labels.
    fn each(&self) -> impl Iterator<Item = (&'static str, &'static str, &Classes<T>)> {
        let refused = Reason::ALL.iter().zip(&self.refused.0).map(|(reason, counts)| ("refuse", reason.code(), counts));
        [("allow", "ok", &self.allowed), ("unknown", "not_judged", &self.not_judged)].into_iter().chain(refused)
    }
}

impl Shadow<u64> {
    fn add(&mut self, counts: &Shadow<Count>) {
        let sums = [&mut self.allowed, &mut self.not_judged].into_iter().chain(&mut self.refused.0);
        let counts = [&counts.allowed, &counts.not_judged].into_iter().chain(&counts.refused.0);
        for (sum, count) in sums.flatten().zip(counts.flatten()) {
            *sum += count.get();
        }
    }
}

impl RouteCell {
    /// Counts a request's outcome, the time it spent in postern and, where it got so far, the time the upstream took to
    /// begin its answer.
    pub fn observe(&self, outcome: Outcome, ours: std::time::Duration, upstream: Option<std::time::Duration>) {
        match outcome {
            Outcome::Allowed => self.allowed.inc(),
            Outcome::Refused(reason) => {
                if let Some(count) = self.refused.0.get(reason as usize) {
                    count.inc();
                }
            }
        }
        self.ours.observe(ours);
        if let Some(upstream) = upstream {
            self.upstream.observe(upstream);
        }
    }

    /// Counts what a rule in shadow mode says of a request, beside what was answered.
    pub fn observe_shadow(&self, verdict: &ShadowVerdict, answer: StatusCode) {
        let class = usize::from(answer.as_u16() / 100).wrapping_sub(1);
        let count = self.shadow.get_or_init(Box::default).of(verdict).and_then(|counts| counts.get(class));
        if let Some(count) = count {
            count.inc();
        }
    }
}

/// The label of requests that found no route.
const NO_ROUTE: &str = "-";

/// One worker's counters of the routes of one policy, by the routes' indexes; the last cell is for "no route".
#[derive(Debug)]
pub struct RouteShard {
    labels: Arc<[Box<str>]>,
    cells: Box<[OnceLock<Box<RouteCell>>]>,
}

impl RouteShard {
    /// The cell of a route, or of "no route".
    pub fn cell(&self, route: Option<usize>) -> Option<&RouteCell> {
        let at = route.unwrap_or(self.labels.len());
        self.cells.get(at).map(|cell| &**cell.get_or_init(Box::default))
    }

    fn add_to(&self, totals: &mut BTreeMap<String, RouteTotal>) {
        for (at, cell) in self.cells.iter().enumerate() {
            let Some(cell) = cell.get() else { continue };
            let label = self.labels.get(at).map_or(NO_ROUTE, |label| label);
            let total = totals.entry(label.to_owned()).or_default();
            total.allowed += cell.allowed.get();
            for (sum, count) in total.refused.0.iter_mut().zip(&cell.refused.0) {
                *sum += count.get();
            }
            cell.ours.add_to(&mut total.ours);
            cell.upstream.add_to(&mut total.upstream);
            total.foreign_items += cell.foreign_items.get();
            if let Some(shadow) = cell.shadow.get() {
                total.shadow.get_or_insert_default().add(shadow);
            }
        }
    }
}

macro_rules! counters {
    ($($field:ident: $kind:ident $name:literal $help:literal;)*) => {
        /// One worker's counters that belong to no route.
        #[derive(Debug, Default)]
        pub struct Shard {
            $(#[doc = $help] pub $field: Count,)*
        }

        impl Shard {
            const DESCRIBED: &[(&str, &str, MetricType, fn(&Shard) -> u64)] = &[
                $(($name, $help, MetricType::$kind, |shard| shard.$field.get()),)*
            ];
        }
    };
}

counters! {
    connections: Counter "postern_connections" "Client connections accepted";
    connections_open: Gauge "postern_connections_open" "Client connections open now";
    upstream_opened: Counter "postern_upstream_connections" "Upstream connections opened";
    upstream_reused: Counter "postern_upstream_reused" "Requests sent on an upstream connection that had served before";
    upstream_idle: Gauge "postern_upstream_connections_idle" "Idle upstream connections kept";
    cache_hits: Counter "postern_cache_hits" "Credentials answered from process memory";
    cache_misses: Counter "postern_cache_misses" "Credentials that needed the store";
    cache_refused: Counter "postern_cache_refused" "Credentials refused from process memory or by their checksum";
    redis_hits: Counter "postern_redis_hits" "Users and tokens answered from Redis";
    redis_misses: Counter "postern_redis_misses" "Users and tokens that Redis did not have, or had no answer for";
    redis_stale: Counter "postern_redis_stale" "Entries in Redis that were read before a change, and not used";
    redis_refused: Counter "postern_redis_refused" "Entries in Redis that were not postern's, or damaged";
    redis_unwritten: Counter "postern_redis_unwritten" "Entries that were not written to Redis";
    relay_heard: Counter "postern_relay_heard" "Changes that another replica told of first";
    superuser_passes: Counter "postern_superuser_passes" "Requests that only the superuser flag let into an organization";
    framing_refused: Counter "postern_framing_refused" "Requests whose head the framing scanner refused";
    websockets: Counter "postern_websockets" "WebSockets opened";
    websockets_revoked: Counter "postern_websockets_revoked" "WebSockets closed because the caller was no longer permitted";
    websockets_open: Gauge "postern_websockets_open" "WebSockets open now";
    upstream_cookies_dropped: Counter "postern_upstream_cookies_dropped" "Cookies under the names of postern's own that upstreams would have set, dropped";
    answers_aborted: Counter "postern_answers_aborted" "Answers that broke off";
    spans: Counter "postern_spans" "Spans that the trace collector took";
    spans_dropped: Counter "postern_spans_dropped" "Spans dropped because the trace collector could not keep up or was away";
    log_dropped: Counter "postern_access_log_dropped" "Access lines dropped because standard output could not be written, or not fast enough";
}

/// All shards, and what the control plane counts.
#[derive(Debug, Default)]
pub struct Metrics {
    shards: Mutex<Vec<Arc<Shard>>>,
    routes: Mutex<Routes>,
    gauges: Mutex<Vec<Gauge>>,
    others: Mutex<Vec<Other>>,
    counters: Mutex<Vec<Counter>>,
}

struct Counter {
    name: &'static str,
    help: &'static str,
    read: Box<dyn Fn() -> u64 + Send>,
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Puts metrics of another room into the registry of a scrape.
struct Other(Box<dyn Fn(&mut Registry) + Send>);

impl fmt::Debug for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Other")
    }
}

/// What is counted by route. A policy's counters outlive it where the next one has the same routes; those of routes that
/// are gone are no longer shown.
#[derive(Debug, Default)]
struct Routes {
    /// The routes of the policy in force.
    labels: Arc<[Box<str>]>,
    shards: Vec<Arc<RouteShard>>,
    /// The sums of shards that nobody counts into any more.
    closed: BTreeMap<String, RouteTotal>,
}

impl Routes {
    fn close(&mut self) {
        let Self { labels, shards, closed } = self;
        shards.retain_mut(|shard| {
            let ended = Arc::get_mut(shard).is_some();
            if ended {
                shard.add_to(closed);
            }
            !ended
        });
        let shown: HashSet<&str> = labels.iter().map(|label| &**label).chain([NO_ROUTE]).collect();
        closed.retain(|label, _| shown.contains(label.as_str()));
    }
}

struct Gauge {
    name: &'static str,
    help: &'static str,
    labels: &'static [(&'static str, &'static str)],
    read: Box<dyn Fn() -> f64 + Send>,
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Metrics {
    /// Counters for one more worker.
    pub fn shard(&self) -> Arc<Shard> {
        let shard = Arc::new(Shard::default());
        self.shards.lock().push(Arc::clone(&shard));
        shard
    }

    /// Counters for one worker and one policy, whose routes have these labels.
    pub fn route_shard(&self, labels: &Arc<[Box<str>]>) -> Arc<RouteShard> {
        let cells = (0..=labels.len()).map(|_| OnceLock::new()).collect();
        let shard = Arc::new(RouteShard { labels: Arc::clone(labels), cells });
        let mut routes = self.routes.lock();
        routes.close();
        routes.shards.push(Arc::clone(&shard));
        shard
    }

    /// Other routes are in force: only theirs are shown from now on.
    pub fn routes_are(&self, labels: &Arc<[Box<str>]>) {
        self.routes.lock().labels = Arc::clone(labels);
    }

    /// Something that is read at each scrape.
    pub fn gauge(&self, name: &'static str, help: &'static str, read: impl Fn() -> f64 + Send + 'static) {
        self.labelled(name, help, &[], read);
    }

    /// The same with labels; samples of one name follow each other.
    pub fn labelled(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [(&'static str, &'static str)],
        read: impl Fn() -> f64 + Send + 'static,
    ) {
        self.gauges.lock().push(Gauge { name, help, labels, read: Box::new(read) });
    }

    /// Metrics that another room writes itself, at each scrape.
    pub fn also(&self, collector: Arc<impl Collector>) {
        let register = move |registry: &mut Registry| registry.register_collector(Box::new(Arc::clone(&collector)));
        self.others.lock().push(Other(Box::new(register)));
    }

    /// A number that only grows, counted elsewhere, which is read at each scrape.
    pub fn counter(&self, name: &'static str, help: &'static str, read: impl Fn() -> u64 + Send + 'static) {
        self.counters.lock().push(Counter { name, help, read: Box::new(read) });
    }

    /// The whole exposition.
    ///
    /// # Errors
    /// Never for a `String`; the type is the encoder's.
    pub fn render(self: &Arc<Self>) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(self)));
        self.others.lock().iter().for_each(|other| (other.0)(&mut registry));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }

    /// How many requests were let through, and how many refused, since the start; of routes that are in force.
    #[must_use]
    pub fn outcomes(&self) -> (u64, u64) {
        let totals = self.totals();
        let allowed = totals.values().map(|total| total.allowed).sum();
        (allowed, totals.values().flat_map(|total| &total.refused.0).sum())
    }

    /// What was refused most often, by route and reason, since the start.
    #[must_use]
    pub fn refusals(&self, most: usize) -> Vec<Refusals> {
        let mut all: Vec<Refusals> = Vec::new();
        for (route, total) in self.totals() {
            let counted = Reason::ALL.iter().zip(&total.refused.0).filter(|(_, count)| **count > 0);
            all.extend(counted.map(|(reason, count)| Refusals {
                route: route.clone(),
                reason: *reason,
                count: *count,
            }));
        }
        all.sort_by_key(|refusals| std::cmp::Reverse(refusals.count));
        all.truncate(most);
        all
    }

    fn totals(&self) -> BTreeMap<String, RouteTotal> {
        let mut routes = self.routes.lock();
        routes.close();
        let mut totals = routes.closed.clone();
        for shard in &routes.shards {
            shard.add_to(&mut totals);
        }
        // Requests that began before a reload may still be counted by a policy that is no longer in force.
        let shown: HashSet<&str> = routes.labels.iter().map(|label| &**label).chain([NO_ROUTE]).collect();
        totals.retain(|label, _| shown.contains(label.as_str()));
        totals
    }
}

#[derive(Clone, Debug, Default)]
struct RouteTotal {
    allowed: u64,
    refused: EachReason<u64>,
    ours: LatencyTotal,
    upstream: LatencyTotal,
    foreign_items: u64,
    shadow: Option<Box<Shadow<u64>>>,
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let totals = self.totals();
        let mut requests = encoder.encode_descriptor(
            "postern_requests",
            "Requests by route, decision and reason",
            None,
            MetricType::Counter,
        )?;
        for (route, total) in &totals {
            if total.allowed > 0 {
                let labels = [("route", route.as_str()), ("decision", "allow"), ("reason", "ok")];
                requests.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&total.allowed, None)?;
            }
            for (reason, count) in Reason::ALL.iter().zip(&total.refused.0).filter(|(_, count)| **count > 0) {
                let labels = [("route", route.as_str()), ("decision", "refuse"), ("reason", reason.code())];
                requests.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
            }
        }
        let mut foreign = encoder.encode_descriptor(
            "postern_upstream_foreign_items",
            "Items of lists that upstreams sent although the request was narrowed to the caller's, dropped",
            None,
            MetricType::Counter,
        )?;
        for (route, total) in &totals {
            let labels = [("route", route.as_str())];
            foreign.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&total.foreign_items, None)?;
        }
        let help = "Requests of routes in shadow mode by route, by the decision that would be enforced, its reason, and the class of the answer";
        let mut shadow = encoder.encode_descriptor("postern_shadow", help, None, MetricType::Counter)?;
        for (route, total) in &totals {
            for (decision, reason, counts) in total.shadow.iter().flat_map(|shadow| shadow.each()) {
                for (answer, count) in CLASSES.iter().zip(counts).filter(|(_, count)| **count > 0) {
                    let labels =
                        [("route", route.as_str()), ("decision", decision), ("reason", reason), ("answer", *answer)];
                    shadow.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
                }
            }
        }
        type Of = fn(&RouteTotal) -> &LatencyTotal;
        let histograms: [(&str, &str, Of); 2] = [
            ("postern_own_seconds", "Time spent in postern before the request went on or was refused", |t| &t.ours),
            ("postern_upstream_seconds", "Time from handing a request to the upstream to its answer's head", |t| {
                &t.upstream
            }),
        ];
        for (name, help, of) in histograms {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            for (route, total) in &totals {
                encode_latency(&mut family, route, of(total))?;
            }
        }
        let shards = self.shards.lock();
        for (name, help, kind, read) in Shard::DESCRIBED {
            let sum: u64 = shards.iter().map(|shard| read(shard)).sum();
            let mut metric = encoder.encode_descriptor(name, help, None, *kind)?;
            match kind {
                MetricType::Gauge => metric.encode_gauge(&i64::try_from(sum).unwrap_or(i64::MAX))?,
                _ => metric.encode_counter::<NoLabelSet, _, u64>(&sum, None)?,
            }
        }
        drop(shards);
        for counter in self.counters.lock().iter() {
            let mut metric = encoder.encode_descriptor(counter.name, counter.help, None, MetricType::Counter)?;
            metric.encode_counter::<NoLabelSet, _, u64>(&(counter.read)(), None)?;
        }
        for gauge in self.gauges.lock().iter() {
            let mut metric = encoder.encode_descriptor(gauge.name, gauge.help, None, MetricType::Gauge)?;
            let value = (gauge.read)();
            if gauge.labels.is_empty() {
                metric.encode_gauge(&value)?;
            } else {
                metric.encode_family(&gauge.labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss)]
fn encode_latency(
    family: &mut prometheus_client::encoding::MetricEncoder<'_>,
    route: &str,
    total: &LatencyTotal,
) -> Result<(), fmt::Error> {
    if total.count() == 0 {
        return Ok(());
    }
    let mut buckets: Vec<(f64, u64)> =
        BOUNDS.iter().zip(total.buckets).map(|(bound, count)| (*bound as f64 / 1e6, count)).collect();
    buckets.push((f64::INFINITY, total.above));
    let labels = [("route", route)];
    family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
        total.sum_ns as f64 / 1e9,
        total.count(),
        &buckets,
        None,
    )
}
