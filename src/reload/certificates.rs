//! Certificates, towards clients and towards upstreams, read again when their files change.

use super::{Reloadable, Swap, Trouble};
use crate::config::Config;
use crate::net::tls::Tls;
use crate::upstream::Destinations;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reloads the authorities and client certificates of the destinations in use.
pub struct UpstreamCertificates(pub Arc<Destinations>);

impl Reloadable for UpstreamCertificates {
    fn name(&self) -> &'static str {
        "upstream_tls"
    }

    fn keys(&self) -> &'static [&'static str] {
        // The files alone; another configuration of them is another upstream.
        &[]
    }

    fn files(&self, config: &Config) -> Vec<PathBuf> {
        config.upstreams.iter().flat_map(|upstream| upstream.tls.files()).map(Path::to_owned).collect()
    }

    fn load(&mut self, _: &Config) -> Result<Option<Swap>, Trouble> {
        let mut changed = Vec::new();
        for destination in self.0.all() {
            if let Some(tls) = &destination.dial().tls
                && let Some(loaded) = tls.read_again().map_err(Trouble::new)?
            {
                changed.push((Arc::clone(tls), loaded));
            }
        }
        if changed.is_empty() {
            return Ok(None);
        }
        Ok(Some(Box::new(move || changed.into_iter().for_each(|(tls, loaded)| tls.activate(loaded)))))
    }
}

/// Reloads what the data port shows, and whose certificates it takes.
pub struct Certificates(pub Arc<Tls>);

impl Reloadable for Certificates {
    fn name(&self) -> &'static str {
        "tls"
    }

    fn keys(&self) -> &'static [&'static str] {
        &["tls"]
    }

    fn files(&self, config: &Config) -> Vec<PathBuf> {
        config.tls.iter().flat_map(|files| files.all()).map(Path::to_owned).collect()
    }

    fn load(&mut self, config: &Config) -> Result<Option<Swap>, Trouble> {
        // Never from TLS to plain text while clients come.
        let files = config.tls.as_ref().ok_or_else(|| Trouble::new("TLS ends with a restart alone"))?;
        let Some(loaded) = self.0.read_again(files).map_err(Trouble::new)? else { return Ok(None) };
        let tls = Arc::clone(&self.0);
        Ok(Some(Box::new(move || tls.activate(loaded))))
    }
}
