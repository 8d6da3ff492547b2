//! How a cluster does, as metrics: read at each scrape.

use super::Cluster;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::sync::Arc;

/// What is said of each cluster that `list` gives.
pub struct Report<F>(pub F);

impl<F> fmt::Debug for Report<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Report")
    }
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct OfAddress {
    upstream: String,
    address: String,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct OfUpstream {
    upstream: String,
}

type Samples<L> = Vec<(L, u32)>;

fn write<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    samples: Samples<L>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

impl<F: Fn() -> Vec<Arc<Cluster>> + Send + Sync + 'static> Collector for Report<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let clusters = (self.0)();
        let (mut healthy, mut ejected, mut pending) = (Samples::new(), Samples::new(), Samples::new());
        for cluster in &clusters {
            let upstream = cluster.upstream().name.to_string();
            for endpoint in cluster.endpoints() {
                let labels = OfAddress { upstream: upstream.clone(), address: endpoint.address.to_string() };
                healthy.push((labels.clone(), u32::from(endpoint.is_healthy())));
                ejected.push((labels, u32::from(cluster.is_ejected(&endpoint))));
            }
            pending.push((OfUpstream { upstream }, u32::try_from(cluster.admission.waiting()).unwrap_or(u32::MAX)));
        }
        let of = ("postern_upstream_healthy", "Active checks find the upstream's address well");
        write(&mut encoder, of, healthy)?;
        let of = ("postern_upstream_ejected", "The upstream's address is left out for its failures");
        write(&mut encoder, of, ejected)?;
        let of = ("postern_upstream_pending", "Requests that wait for a place at the upstream");
        write(&mut encoder, of, pending)
    }
}
