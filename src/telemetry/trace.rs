//! Traces: spans of sampled requests, sent to an OpenTelemetry collector by OTLP over gRPC.
//!
//! Whether a request is sampled is decided once, at its head: by the `traceparent` of a trusted caller, else by its trace id and
//! the configured ratio, as OpenTelemetry's ratio sampler does it, so that services with the same ratio decide alike.
//! Workers put spans into a bounded queue; one task of the control plane sends them in batches. Where the collector cannot
//! keep up, or is away, spans are dropped and counted, and no request waits.

use super::metrics::Shard;
use opentelemetry::InstrumentationScope;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Spans that may wait for the collector; about 4 MiB.
const QUEUE: usize = 4096;
/// Spans that go out together.
const BATCH: usize = 512;
/// How long a batch waits for more.
const DELAY: Duration = Duration::from_millis(500);
/// What one batch may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the last spans may take when the process ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// Where spans go, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The collector: `http://HOST:PORT` or `https://HOST:PORT`.
    pub otlp: String,
    /// A file with certificates that an https collector's is checked against, instead of Mozilla's.
    pub ca: Option<PathBuf>,
    /// The part of the traces that begin here.
    pub sample: Ratio,
    pub service: String,
}

/// A part of all traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio(u64);

impl Ratio {
    pub const ALL: Self = Self(1 << 63);

    /// Reads a decimal number from 0 to 1.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let ratio = text.parse::<f64>().ok().filter(|ratio| digits && (0.0..=1.0).contains(ratio))?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        Some(Self((ratio * (1_u64 << 63) as f64) as u64))
    }

    /// Whether a trace is among them, by the last eight bytes of its id.
    #[must_use]
    pub const fn has(self, trace: u64) -> bool {
        trace >> 1 < self.0
    }
}

/// Why spans cannot be sent.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The certificates cannot be read.
    #[error("cannot read `tracing.ca` {0}: {1}")]
    Ca(PathBuf, std::io::Error),
    /// The exporter does not take the address.
    #[error("`tracing.otlp` {0}: {1}")]
    Exporter(String, ExporterBuildError),
}

/// The sending side, for workers.
#[derive(Clone, Debug)]
pub struct Tracer {
    ratio: Ratio,
    queue: mpsc::Sender<SpanData>,
    pub scope: InstrumentationScope,
}

impl Tracer {
    /// Whether a trace that begins here is sampled, by the last eight bytes of its id.
    #[must_use]
    pub const fn samples(&self, trace: u64) -> bool {
        self.ratio.has(trace)
    }

    /// Hands a span over; `false` where there is no room.
    #[must_use]
    pub fn send(&self, span: SpanData) -> bool {
        self.queue.try_send(span).is_ok()
    }
}

#[derive(Debug)]
pub struct Exporting {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Exporting {
    /// Starts it on the control plane. The collector need not be there yet.
    ///
    /// # Errors
    /// See [`TraceError`].
    pub fn start(settings: &Settings, counts: Arc<Shard>, control: &Handle) -> Result<(Tracer, Self), TraceError> {
        let _within = control.enter();
        let mut builder = SpanExporter::builder().with_tonic().with_endpoint(&*settings.otlp).with_timeout(PATIENCE);
        if settings.otlp.starts_with("https:") {
            let tls = match &settings.ca {
                None => ClientTlsConfig::new().with_webpki_roots(),
                Some(file) => {
                    let pem = std::fs::read(file).map_err(|error| TraceError::Ca(file.clone(), error))?;
                    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
                }
            };
            builder = builder.with_tls_config(tls);
        }
        let built = builder.build().map_err(|error| TraceError::Exporter(settings.otlp.clone(), error));
        let mut exporter = built?;
        // OTEL_RESOURCE_ATTRIBUTES adds what only the deployment knows, such as the Pod's name.
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name(settings.service.clone()).with_attribute(version);
        exporter.set_resource(&resource.build());

        let (queue, spans) = mpsc::channel(QUEUE);
        let (stop, stopped) = oneshot::channel();
        let task = control.spawn(export(exporter, spans, stopped, counts));
        let scope = InstrumentationScope::builder("postern").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok((Tracer { ratio: settings.sample, queue, scope }, Self { stop, task }))
    }

    /// Sends what is left, for a few seconds at most.
    pub async fn finish(self) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(FAREWELL, self.task).await;
    }
}

async fn export(
    exporter: SpanExporter,
    mut spans: mpsc::Receiver<SpanData>,
    mut stopped: oneshot::Receiver<()>,
    counts: Arc<Shard>,
) {
    let mut failing = false;
    let mut stopping = false;
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        if !stopping {
            tokio::select! {
                _ = spans.recv_many(&mut batch, BATCH) => {}
                _ = &mut stopped => stopping = true,
            }
        }
        if stopping {
            spans.close();
        }
        // Whoever comes a moment later goes along.
        let full = async { while batch.len() < BATCH && spans.recv_many(&mut batch, BATCH).await > 0 {} };
        if stopping {
            full.await;
        } else {
            tokio::select! {
                _ = tokio::time::timeout(DELAY, full) => {}
                _ = &mut stopped => stopping = true,
            }
        }
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        match tokio::time::timeout(PATIENCE, exporter.export(batch)).await {
            Ok(Ok(())) => {
                if std::mem::replace(&mut failing, false) {
                    tracing::info!("the trace collector takes spans again");
                }
                counts.spans.add_shared(count);
            }
            failed => {
                counts.spans_dropped.add_shared(count);
                // Said once, not once a batch.
                if !std::mem::replace(&mut failing, true) {
                    let error = failed.map_or_else(|late| late.to_string(), |done| format!("{done:?}"));
                    tracing::warn!(error, "the trace collector does not take spans");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ratio;

    #[test]
    fn a_ratio_is_a_decimal_number_from_0_to_1() {
        for text in ["", "-0.1", "1.1", "2", "NaN", "inf", "1e-3", "10%", "+1"] {
            assert_eq!(Ratio::parse(text), None, "{text}");
        }
        assert_eq!(Ratio::parse("1"), Some(Ratio::ALL));
        let ids: Vec<u64> = (0..10_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let of = |text: &str| ids.iter().filter(|id| Ratio::parse(text).unwrap().has(**id)).count();
        assert_eq!((of("0"), of("0.0"), of("1")), (0, 0, ids.len()));
        assert!((900..1100).contains(&of("0.1")), "{}", of("0.1"));
        // Who samples less keeps what who samples more keeps.
        assert!(ids.iter().all(|id| !Ratio::parse("0.1").unwrap().has(*id) || Ratio::parse("0.5").unwrap().has(*id)));
    }
}
