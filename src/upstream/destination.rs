//! An upstream made ready: what its connections need is loaded, and its cluster, if it is one, is being watched.

use super::cluster::Cluster;
use super::dial::Dial;
use super::tls::{Tls, TlsError};
use super::Upstream;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// One upstream as it is used; shared by all workers. When the last user lets go of it, it is watched no more.
pub struct Destination {
    upstream: Arc<Upstream>,
    dial: Dial,
    watched: Option<(Arc<Cluster>, watch::Sender<bool>)>,
}

impl Destination {
    /// Loads what the upstream needs and finds its addresses; they are watched on `control` from then on.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub async fn open(upstream: Upstream, control: &Handle) -> Result<Arc<Self>, TlsError> {
        let upstream = Arc::new(upstream);
        let tls = upstream.is_secure().then(|| Tls::load(upstream.tls.clone())).transpose()?;
        let dial = Dial { tls: tls.map(Arc::new) };
        let mut watched = None;
        if let Some(settings) = upstream.cluster.clone() {
            let cluster = Cluster::new(&upstream, settings, dial.clone());
            cluster.find().await;
            let (stop, stopped) = watch::channel(false);
            control.spawn(Arc::clone(&cluster).run(stopped));
            watched = Some((cluster, stop));
        }
        Ok(Arc::new(Self { upstream, dial, watched }))
    }

    /// What the configuration says of it.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// What its connections need.
    #[must_use]
    pub fn dial(&self) -> &Dial {
        &self.dial
    }

    /// Its cluster, where it is one.
    #[must_use]
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.watched.as_ref().map(|(cluster, _)| cluster)
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if let Some((_, stop)) = &self.watched {
            stop.send_replace(true);
        }
    }
}
