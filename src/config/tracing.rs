//! `tracing:` — where spans go.

use super::keys::{FILE, Reader, Section, Shape, TEXT, custom, keys};
use crate::address::Url;
use crate::telemetry::trace::{Ratio, Settings};
use crate::yaml::{Node, Value};
use std::path::PathBuf;

keys! {
    struct Tracing {
        otlp: Option<String> = None, custom(Shape::Text, collector),
            "The collector, `http://HOST:PORT` or `https://HOST:PORT`, or `off`. [off]";
        sample: Ratio = Ratio::ALL, custom(Shape::Ratio, ratio), "The part of the traces that begin here. [1]";
        service: String = "postern".to_owned(), TEXT, "`service.name` of the spans. [postern]";
        ca: Option<PathBuf> = None, FILE, "PEM: certificates that an https collector is verified by. [Mozilla's]";
    }
}

pub(super) const SHAPE: Shape = Shape::Map(Tracing::KEYS, 0);

/// Reads the section; `None` where there is no collector.
pub(super) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Settings> {
    let map = node.expect_map("`tracing`", reader.findings)?;
    let Tracing { otlp, sample, service, ca } = reader.read::<Tracing>(key, "`tracing`", map);
    Some(Settings { otlp: otlp?, ca, sample, service })
}

fn ratio(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Ratio> {
    let written = if let Value::Scalar(scalar) = &node.value { scalar.text.as_str() } else { "a list or a map" };
    let ratio = Ratio::parse(written);
    if ratio.is_none() {
        let message = format!("`sample` must be a number from 0 to 1, not `{written}`");
        reader.findings.error("wrong_value", node.span, message).help("write `0.1` for one trace in ten");
    }
    ratio
}

fn collector(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<String> {
    if node.is_off() {
        return None;
    }
    let otlp = node.expect_str("`otlp`", reader.findings)?;
    let is_collector = |url: &Url<'_>| {
        (url.has_scheme("http") || url.has_scheme("https")) && url.server.port.is_some() && url.is_origin()
    };
    let url = Url::parse(otlp);
    if url.as_ref().is_ok_and(is_collector) {
        return Some(otlp.to_owned());
    }
    let why = url.err().map(|error| format!(": {error}")).unwrap_or_default();
    let message = format!("`otlp` must be scheme, host and port of a collector{why}");
    reader.findings.error("wrong_value", node.span, message).help("write `http://collector:4317`, or `off`");
    None
}
