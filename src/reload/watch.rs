//! When a file has changed, and is written to its end.
//!
//! Directories are watched, not files: Kubernetes exchanges the link `..data` beside them, editors put a new file in the old
//! one's place. What an event says is not believed, only that something happened; then the files themselves are looked at.
//! They are looked at every few seconds too, since not every file system tells (network mounts; the limit on watches).

use notify::event::{AccessKind, AccessMode, Event, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The files are looked at this often where nothing tells of changes.
const LOOK: Duration = Duration::from_secs(3);
/// Nothing may happen for so long before a change counts: several files are often written one after the other.
const QUIET: Duration = Duration::from_millis(100);
/// A file that somebody holds open for writing is waited for, this many times [`QUIET`] at most.
const PATIENCE: u32 = 100;
/// Links are followed so far.
const LINKS: usize = 16;

/// What tells one state of a file from another, without reading it: device, inode, size, and the times of its last change.
type Stamp = Option<(u64, u64, u64, i64, i64, i64)>;

/// What the watcher's thread knows.
#[derive(Debug, Default)]
struct Seen {
    /// Every name by which one of the files goes.
    names: HashSet<PathBuf>,
    /// Names that were written to and not closed.
    open: HashSet<PathBuf>,
}

/// A watch over some files.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    directories: BTreeSet<PathBuf>,
    files: Vec<PathBuf>,
    stamps: Vec<Stamp>,
    seen: Arc<Mutex<Seen>>,
    event: Arc<Notify>,
}

impl Watch {
    /// A watch over nothing yet.
    pub(super) fn new() -> Self {
        let (seen, event) = (Arc::new(Mutex::new(Seen::default())), Arc::new(Notify::new()));
        let watcher = {
            let (seen, event) = (Arc::clone(&seen), Arc::clone(&event));
            notify::recommended_watcher(move |told: notify::Result<Event>| {
                if told.is_ok_and(|told| matters(&told, &mut seen.lock())) {
                    event.notify_one();
                }
            })
        };
        let watcher = watcher.inspect_err(unwatched).ok();
        Self { watcher, directories: BTreeSet::new(), files: Vec::new(), stamps: Vec::new(), seen, event }
    }

    /// Watches these files from now on; what they are now is no change.
    pub(super) fn follow(&mut self, files: &[PathBuf]) {
        let names: HashSet<PathBuf> = files.iter().flat_map(|file| names(file)).collect();
        let directories: BTreeSet<PathBuf> = names.iter().map(|name| directory(name)).collect();
        if let Some(watcher) = &mut self.watcher {
            for gone in self.directories.difference(&directories) {
                // It may not be there any more, as after an exchange of links.
                let _ = watcher.unwatch(gone);
            }
            // Watched again even where it was before: a directory may have been made anew under its name.
            for directory in &directories {
                if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive)
                    && !self.directories.contains(directory)
                {
                    unwatched(&error);
                }
            }
        }
        let mut seen = self.seen.lock();
        seen.open.retain(|name| names.contains(name));
        seen.names = names;
        drop(seen);
        self.directories = directories;
        self.files = files.to_vec();
        self.stamps = self.stamps_now();
    }

    /// Waits until one of the files has changed and nothing more happens to them.
    pub(super) async fn changed(&mut self) {
        loop {
            let _ = tokio::time::timeout(LOOK, self.event.notified()).await;
            if self.stamps_now() == self.stamps && self.seen.lock().open.is_empty() {
                continue;
            }
            if self.quiet().await != self.stamps {
                return;
            }
        }
    }

    /// Waits until nothing happens to the files, and tells what they are then.
    pub(super) async fn quiet(&self) -> Vec<Stamp> {
        let mut stamps = self.stamps_now();
        for _ in 0..PATIENCE {
            tokio::time::sleep(QUIET).await;
            let again = self.stamps_now();
            let is_quiet = again == stamps && self.seen.lock().open.is_empty();
            stamps = again;
            if is_quiet {
                break;
            }
        }
        self.seen.lock().open.clear();
        stamps
    }

    fn stamps_now(&self) -> Vec<Stamp> {
        self.files.iter().map(|file| stamp(file)).collect()
    }
}

/// Whether an event may be about one of the files; keeps account of who is being written.
fn matters(event: &Event, seen: &mut Seen) -> bool {
    let is_ours = event.paths.iter().any(|path| seen.names.contains(path));
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
            seen.open.retain(|path| !event.paths.contains(path));
            is_ours
        }
        // Reading is no change; we do it ourselves.
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => {
            let ours: Vec<PathBuf> = event.paths.iter().filter(|path| seen.names.contains(*path)).cloned().collect();
            seen.open.extend(ours);
            is_ours
        }
        // Something else appeared, went or was renamed there: a link on the way perhaps.
        _ => {
            seen.open.retain(|path| !event.paths.contains(path));
            true
        }
    }
}

fn unwatched(error: &notify::Error) {
    tracing::warn!(%error, every = ?LOOK, "changed files cannot be watched for; they are looked at instead");
}

/// Every name by which a file goes: its own, and that of each link on the way, made absolute.
fn names(file: &Path) -> Vec<PathBuf> {
    let Ok(mut name) = std::path::absolute(file) else { return Vec::new() };
    let mut names = vec![name.clone()];
    while names.len() < LINKS
        && let Ok(target) = std::fs::read_link(&name)
    {
        name = directory(&name).join(target);
        names.push(name.clone());
    }
    names
}

fn directory(name: &Path) -> PathBuf {
    name.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

fn stamp(file: &Path) -> Stamp {
    let about = std::fs::metadata(file).ok()?;
    Some((about.dev(), about.ino(), about.size(), about.mtime(), about.mtime_nsec(), about.ctime_nsec()))
}
