//! An upstream made ready: what its connections need is loaded, and its cluster, if it is one, is being watched.

use super::Upstream;
use super::cluster::Cluster;
use super::dial::Dial;
use super::tls::{Tls, TlsError};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
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
    async fn open(upstream: &Arc<Upstream>, control: &Handle) -> Result<Arc<Self>, TlsError> {
        let tls = upstream.is_secure().then(|| Tls::load(upstream.tls.clone())).transpose()?;
        let dial = Dial { tls: tls.map(Arc::new), protocol: upstream.protocol };
        let mut watched = None;
        if let Some(settings) = upstream.cluster.clone() {
            let cluster = Cluster::new(upstream, settings, dial.clone());
            cluster.find().await;
            let (stop, stopped) = watch::channel(false);
            control.spawn(Arc::clone(&cluster).run(stopped));
            watched = Some((cluster, stop));
        }
        Ok(Arc::new(Self { upstream: Arc::clone(upstream), dial, watched }))
    }

    /// What the configuration says of it.
    #[must_use]
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

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

/// All that are in use. An upstream that a reload leaves as it is stays the same destination, with all that it has learned.
pub struct Destinations {
    control: Handle,
    open: Mutex<Vec<Weak<Destination>>>,
}

impl Destinations {
    /// None yet; they will be watched on `control`.
    #[must_use]
    pub fn new(control: Handle) -> Arc<Self> {
        Arc::new(Self { control, open: Mutex::default() })
    }

    /// A destination for each of these, those that are open already and new ones.
    ///
    /// # Errors
    /// The files of one cannot be used.
    pub async fn open(&self, upstreams: &[Arc<Upstream>]) -> Result<Vec<Arc<Destination>>, TlsError> {
        let mut found: Vec<Arc<Destination>> = Vec::new();
        for upstream in upstreams {
            let known = found.iter().cloned().chain(self.all()).find(|known| known.upstream == *upstream);
            found.push(match known {
                Some(known) => known,
                None => Destination::open(upstream, &self.control).await?,
            });
        }
        let mut open = self.open.lock();
        let is_found =
            |known: &Weak<Destination>| found.iter().any(|new| std::ptr::eq(known.as_ptr(), Arc::as_ptr(new)));
        open.retain(|known| known.strong_count() > 0 && !is_found(known));
        open.extend(found.iter().map(Arc::downgrade));
        Ok(found)
    }

    /// The same, for a thread that may wait.
    pub fn open_blocking(&self, upstreams: &[Arc<Upstream>]) -> Result<Vec<Arc<Destination>>, TlsError> {
        self.control.block_on(self.open(upstreams))
    }

    /// Those that are in use now.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Destination>> {
        self.open.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// The one of that name that was opened last; an empty name is the only one.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<Destination>> {
        let open = self.open.lock();
        let mut alive = open.iter().rev().filter_map(Weak::upgrade);
        alive.find(|destination| name.is_empty() || *destination.upstream.name == *name)
    }

    #[must_use]
    pub fn clusters(&self) -> Vec<Arc<Cluster>> {
        self.all().iter().filter_map(|destination| destination.cluster().cloned()).collect()
    }
}
