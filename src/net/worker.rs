//! Data-plane workers: threads with a current-thread runtime each, and nothing shared between them on the hot path.
//!
//! The first worker accepts and hands every connection to the worker that has the fewest; the others only take.

mod drive;
mod open;

use super::connection::Timeouts;
use super::counts::Counts;
use super::deadline::Ticker;
use super::drain::{Follower, Stage, reached};
use super::framing::Limits;
use super::http2;
use super::io::Scratch;
use super::listen::Listener;
use super::per_address_limit::PerAddressLimit;
use super::serve::Serve;
use super::stream::Detached;
use super::tls::Tls;
use hyper::server::conn::http1;
use ipnet::IpNet;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// Bytes that one read of a client's socket takes at most.
const SCRATCH: usize = 64 * 1024;

/// Limits and times of client connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connections in all; further ones wait in the kernel's queue.
    pub connections: usize,
    pub per_address: usize,
    pub head: Limits,
    pub timeouts: Timeouts,
    pub http2: http2::Limits,
    /// TLS, where the port speaks it.
    pub tls: Option<Arc<Tls>>,
    /// Whose connections are not limited by address, and whose begin with a PROXY header, where that is asked for.
    pub proxies: Arc<[IpNet]>,
    /// Connections of these proxies must begin with a PROXY header.
    pub proxy_protocol: bool,
    /// Header names of answers over HTTP/1.1 begin their words with capitals: for clients that read names by the letter.
    pub title_case: bool,
    pub counts: Arc<Counts>,
}

/// Open connections of one worker, by which the least loaded is found.
type Load = Arc<AtomicUsize>;

/// Counts one connection in a worker's load, for as long as it is held.
struct LoadPermit(Load);

impl LoadPermit {
    fn take(load: &Load) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for LoadPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A socket on its way to a worker.
struct Handover {
    stream: Detached,
    peer: SocketAddr,
    permit: LoadPermit,
}

struct WorkerHandle {
    load: Load,
    queue: mpsc::UnboundedSender<Handover>,
}

pub struct Workers {
    threads: Vec<std::thread::JoinHandle<()>>,
    loads: Vec<Load>,
}

impl Workers {
    #[must_use]
    pub fn open(&self) -> usize {
        self.loads.iter().map(|load| load.load(Ordering::Relaxed)).sum()
    }

    /// Waits for all threads; they end when the connections are gone or the drain limit has passed.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker thread panicked");
            }
        }
    }
}

/// Starts `count` workers on `listener`. `serve` makes each worker's state, on the worker's own thread.
///
/// # Errors
/// A thread or its runtime cannot be started.
pub fn start<S: Serve>(
    count: usize,
    listener: Listener,
    settings: Settings,
    drain_limit: Duration,
    stage: &Follower,
    serve: impl Fn(usize, &Ticker) -> std::io::Result<S> + Send + Sync + 'static,
) -> std::io::Result<Workers> {
    let serve = Arc::new(serve);
    let mut handles = Vec::new();
    let mut queues = Vec::new();
    for _ in 0..count.max(1) {
        let (sender, receiver) = mpsc::unbounded_channel();
        handles.push(WorkerHandle { load: Load::default(), queue: sender });
        queues.push(receiver);
    }
    let loads: Vec<Load> = handles.iter().map(|handle| Arc::clone(&handle.load)).collect();
    let per_address = PerAddressLimit::new(settings.per_address);
    let mut accepting = Some((listener, handles));
    let mut threads = Vec::new();
    for (index, queue) in queues.into_iter().enumerate() {
        let (serve, stage, accepting) = (Arc::clone(&serve), stage.clone(), accepting.take());
        let (settings, per_address) = (settings.clone(), Arc::clone(&per_address));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            LocalSet::new().block_on(&runtime, async move {
                let ticker = Ticker::default();
                let serve = match serve(index, &ticker) {
                    Ok(serve) => serve,
                    Err(error) => return tracing::error!(%error, index, "a worker could not be started"),
                };
                let scratch = Rc::new(RefCell::new(vec![0; SCRATCH].into_boxed_slice()));
                let http = builder(&settings);
                let worker = Rc::new(Worker { serve: Rc::new(serve), ticker, settings, http, scratch, per_address });
                worker.run(queue, accepting, stage, drain_limit).await;
            });
        })?;
        threads.push(thread);
    }
    Ok(Workers { threads, loads })
}

fn builder(settings: &Settings) -> http1::Builder {
    let mut http = http1::Builder::new();
    // The scanner's limits are the ones that count; the parser's are a little wider, so that it never answers by itself.
    http.max_headers(settings.head.headers + 1)
        .max_buf_size((settings.head.head_bytes + 1024).max(64 * 1024))
        .title_case_headers(settings.title_case)
        .auto_date_header(false)
        .half_close(true);
    http
}

struct Worker<S> {
    serve: Rc<S>,
    ticker: Ticker,
    settings: Settings,
    http: http1::Builder,
    scratch: Scratch,
    per_address: Arc<PerAddressLimit>,
}

impl<S: Serve> Worker<S> {
    async fn run(
        self: Rc<Self>,
        mut queue: mpsc::UnboundedReceiver<Handover>,
        accepting: Option<(Listener, Vec<WorkerHandle>)>,
        mut stage: Follower,
        drain_limit: Duration,
    ) {
        tokio::task::spawn_local(self.ticker.clone().run());
        if let Some((listener, handles)) = accepting {
            tokio::task::spawn_local(accept(Rc::clone(&self), listener, handles, stage.clone()));
        }
        loop {
            tokio::select! {
                biased;
                handed = queue.recv() => match handed {
                    Some(handed) => match handed.stream.attach() {
                        Ok(stream) => self.spawn(stream, handed.peer, handed.permit),
                        Err(error) => tracing::warn!(%error, "an accepted connection could not be registered"),
                    },
                    None => break,
                },
                () = reached(&mut stage, Stage::Draining) => break,
            }
        }
        self.ticker.drain();
        let finished = async {
            while self.ticker.watched() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(drain_limit, finished).await.is_err() {
            tracing::warn!(connections = self.ticker.watched(), "the drain limit has passed: closing what is left");
        }
    }
}

/// Accepts until the process drains, and hands over to the least loaded worker.
async fn accept<S: Serve>(own: Rc<Worker<S>>, listener: Listener, handles: Vec<WorkerHandle>, mut stage: Follower) {
    let listener = match listener.register() {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the listener could not be registered"),
    };
    let (mut full, mut failing) = (false, false);
    loop {
        let open: usize = handles.iter().map(|handle| handle.load.load(Ordering::Relaxed)).sum();
        if open >= own.settings.connections {
            if !full {
                full = true;
                own.settings.counts.paused.add_shared(1);
                tracing::warn!(open, "the limit on connections is reached: further ones wait");
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(20)) => continue,
                () = reached(&mut stage, Stage::Draining) => return,
            }
        }
        full = false;
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = reached(&mut stage, Stage::Draining) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors or memory: wait for some to come back instead of spinning. Said once until it works again.
                own.settings.counts.accept_failed.add_shared(1);
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "connections cannot be accepted: trying again ten times a second");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        failing = false;
        let Some((index, handle)) =
            handles.iter().enumerate().min_by_key(|(_, handle)| handle.load.load(Ordering::Relaxed))
        else {
            return;
        };
        let permit = LoadPermit::take(&handle.load);
        if index == 0 {
            own.spawn(stream, peer, permit);
        } else if let Ok(stream) = stream.detach() {
            // A worker that has ended drops the socket, which closes it.
            let _ = handle.queue.send(Handover { stream, peer, permit });
        }
    }
}
