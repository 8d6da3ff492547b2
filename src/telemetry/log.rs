//! Operational log lines (not access lines): on standard error, for people or as JSON.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether somebody who wants colours sees this stream (<https://no-color.org>).
#[must_use]
pub fn takes_colour(stream: &impl IsTerminal) -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    stream.is_terminal() && !is_dumb && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether standard error takes colours.
#[must_use]
pub fn colour() -> bool {
    takes_colour(&std::io::stderr())
}

/// Starts logging; the level comes from `POSTERN_LOG` (as `RUST_LOG` is written), otherwise `info`.
pub fn start(format: Format) {
    let wanted = std::env::var("POSTERN_LOG").ok().filter(|text| !text.is_empty());
    let wanted = wanted.map(|text| EnvFilter::try_new(&text).map_err(|error| (text, error))).transpose();
    let (filter, refused) = match wanted {
        Ok(filter) => (filter.unwrap_or_else(|| EnvFilter::new("info")), None),
        Err(refused) => (EnvFilter::new("info"), Some(refused)),
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    // Nobody reads: it would say so in the same place, and panic.
    let layer = layer.log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(filter);
    // A second start (tests in one process) keeps the first.
    let _ = match format {
        Format::Text => registry.with(layer.with_ansi(colour())).try_init(),
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    if let Some((text, error)) = refused {
        tracing::warn!(%error, "POSTERN_LOG is not understood: {text:?}; `info` counts");
    }
}
