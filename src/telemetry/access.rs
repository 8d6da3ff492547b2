//! One access line a request: JSON on standard output, written by a thread of its own.
//!
//! A worker formats lines into a buffer of its own and hands whole buffers over, when one is full or a moment has passed.
//! The queue is bounded: where the reader of our output cannot keep up, lines are dropped and counted, and no request waits.
//!
//! No line holds a credential, a query string or a body: only what is listed in [`Line`].

use super::counters::Count;
use super::metrics::Shard;
use std::cell::RefCell;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// A buffer is handed over when it has grown to this.
const FULL: usize = 32 * 1024;
/// Buffers that may wait for the writer.
const QUEUE: usize = 64;

/// What is known of a request when it ends.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// When it began, since the Unix epoch.
    pub at: Duration,
    /// Its id, as the upstream saw it.
    pub request_id: &'a str,
    /// The trace that it is part of, where that is another id.
    pub trace_id: Option<&'a str>,
    pub client: IpAddr,
    /// The method; like host and path, unknown of a head that could not be read.
    pub method: Option<&'a str>,
    pub host: Option<&'a str>,
    /// The path, without the query.
    pub path: Option<&'a str>,
    pub route: Option<&'a str>,
    pub status: u16,
    /// The reason code of a refusal.
    pub code: Option<&'a str>,
    /// What was wrong, where that can be told more closely.
    pub fault: Option<&'a str>,
    pub user: Option<&'a str>,
    pub org: Option<&'a str>,
    /// The level that let them in, `superuser` where only that flag did.
    pub level: Option<&'a str>,
    /// Only the superuser flag let this request into the organization.
    pub superuser_pass: bool,
    /// The credential was good for a part of its user's right alone.
    pub narrowed: bool,
    /// Body bytes sent to the client.
    pub sent: u64,
    /// What a rule in shadow mode says: `allow`, `not_judged`, or the reason code of what it would refuse.
    pub shadow: Option<&'a str>,
    /// Items of a list that the rule would drop, if it were not in shadow mode.
    pub would_drop: u64,
    /// Time in postern before the request went on.
    pub ours: Duration,
    /// Time from there to the answer's head.
    pub upstream: Option<Duration>,
    /// Everything, to the last byte.
    pub total: Duration,
    pub aborted: bool,
}

impl Line<'_> {
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"ts\":");
        seconds(out, self.at.as_secs(), self.at.subsec_micros());
        text(out, "request_id", Some(self.request_id));
        text(out, "trace_id", self.trace_id);
        out.extend_from_slice(b",\"client\":\"");
        let _ = write!(out, "{}", self.client);
        out.push(b'"');
        text(out, "method", self.method);
        text(out, "host", self.host);
        text(out, "path", self.path);
        text(out, "route", self.route);
        number(out, "status", u64::from(self.status));
        text(out, "code", self.code);
        text(out, "user", self.user);
        text(out, "org", self.org);
        text(out, "level", self.level);
        text(out, "fault", self.fault);
        text(out, "shadow", self.shadow);
        if self.would_drop > 0 {
            number(out, "would_drop", self.would_drop);
        }
        if self.superuser_pass {
            out.extend_from_slice(b",\"superuser_pass\":true");
        }
        if self.narrowed {
            out.extend_from_slice(b",\"narrowed\":true");
        }
        number(out, "bytes", self.sent);
        number(out, "own_us", micros(self.ours));
        if let Some(upstream) = self.upstream {
            number(out, "upstream_us", micros(upstream));
        }
        number(out, "total_us", micros(self.total));
        if self.aborted {
            out.extend_from_slice(b",\"aborted\":true");
        }
        out.extend_from_slice(b"}\n");
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn seconds(out: &mut Vec<u8>, whole: u64, micros: u32) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(digits.format(whole).as_bytes());
    out.push(b'.');
    // Six digits: a leading one keeps the zeros.
    out.extend_from_slice(digits.format(1_000_000 + micros).as_bytes().get(1..).unwrap_or_default());
}

fn number(out: &mut Vec<u8>, key: &str, value: u64) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn text(out: &mut Vec<u8>, key: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":\"");
    if value.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\' && b != 0x7f) {
        out.extend_from_slice(value.as_bytes());
    } else {
        for c in value.chars() {
            match c {
                '"' | '\\' => out.extend([b'\\', c as u8]),
                c if c.is_control() => {
                    let _ = write!(out, "\\u{:04x}", u32::from(c));
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    out.push(b'"');
}

/// The writing side, shared by all workers.
#[derive(Clone, Debug)]
pub struct AccessLog(SyncSender<Vec<u8>>);

impl AccessLog {
    /// Starts the writer thread; it ends when the last worker has gone and everything is written.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        output: impl Write + Send + 'static,
        shard: Arc<Shard>,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (sender, receiver) = sync_channel(QUEUE);
        let write = move || drain(&receiver, output, &shard.log_dropped);
        let thread = std::thread::Builder::new().name("access-log".into()).spawn(write)?;
        Ok((Self(sender), thread))
    }
}

/// Writes what comes. Where that fails, as with a reader that has gone or a disk that is full, the lines are lost and counted; the gate
/// serves on, and says so once. It is tried again with every buffer: a disk may have room later.
fn drain(receiver: &Receiver<Vec<u8>>, mut output: impl Write, dropped: &Count) {
    let mut failing = false;
    while let Ok(lines) = receiver.recv() {
        match output.write_all(&lines).and_then(|()| output.flush()) {
            Ok(()) if failing => {
                failing = false;
                tracing::info!(dropped = dropped.get(), "access lines can be written again");
            }
            Ok(()) => {}
            Err(error) => {
                dropped.add(count(&lines));
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(
                        %error,
                        "access lines cannot be written to standard output: they are dropped and counted, and requests are served on"
                    );
                }
            }
        }
    }
}

/// How many lines these are.
fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

/// One worker's lines on their way.
#[derive(Debug)]
pub struct LineBuffer {
    log: AccessLog,
    lines: RefCell<Vec<u8>>,
}

impl LineBuffer {
    #[must_use]
    pub fn new(log: AccessLog) -> Self {
        Self { log, lines: RefCell::default() }
    }

    /// Appends a line; `dropped` counts the lines of buffers that found no room.
    pub fn push(&self, line: &Line<'_>, dropped: &Count) {
        let mut lines = self.lines.borrow_mut();
        line.write(&mut lines);
        if lines.len() >= FULL {
            let full = std::mem::replace(&mut *lines, Vec::with_capacity(FULL + 1024));
            self.send(full, dropped);
        }
    }

    /// Hands over what there is; run it several times a second.
    pub fn flush(&self, dropped: &Count) {
        let lines = std::mem::take(&mut *self.lines.borrow_mut());
        if !lines.is_empty() {
            self.send(lines, dropped);
        }
    }

    fn send(&self, lines: Vec<u8>, dropped: &Count) {
        if let Err(TrySendError::Full(lines) | TrySendError::Disconnected(lines)) = self.log.0.try_send(lines) {
            dropped.add(count(&lines));
        }
    }
}

impl Drop for LineBuffer {
    /// The last lines wait for the writer: a worker ends once.
    fn drop(&mut self) {
        let lines = std::mem::take(&mut *self.lines.borrow_mut());
        if !lines.is_empty() {
            let _ = self.log.0.send(lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Count, Line, drain};
    use std::io::{self, Write};
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    /// A disk that is full for the second and the third buffer.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            if matches!(self.0, 2 | 3) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_the_next_are_tried() {
        let (sender, receiver) = sync_channel(8);
        for lines in ["a\n", "b\nc\n", "d\n", "e\n"] {
            sender.send(lines.into()).unwrap();
        }
        drop(sender);
        let (mut disk, dropped) = (Full(0), Count::default());
        drain(&receiver, &mut disk, &dropped);
        assert_eq!((disk.0, dropped.get()), (4, 3));
    }

    #[test]
    fn a_line_is_one_json_object_whatever_the_texts_hold() {
        let line = Line {
            at: Duration::new(1_700_000_000, 42_000),
            request_id: "r1",
            trace_id: None,
            client: [127, 0, 0, 1].into(),
            method: Some("GET"),
            host: Some("api.example.com"),
            path: Some("/a\"b\\c\nd\u{7f}"),
            route: Some("/{org:uuid}/**"),
            status: 403,
            code: Some("org_foreign"),
            user: Some("ann"),
            org: None,
            level: None,
            fault: None,
            shadow: None,
            would_drop: 0,
            superuser_pass: false,
            narrowed: false,
            sent: 12,
            ours: Duration::from_micros(15),
            upstream: None,
            total: Duration::from_micros(20),
            aborted: false,
        };
        let mut out = Vec::new();
        line.write(&mut out);
        assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["path"], "/a\"b\\c\nd\u{7f}");
        assert_eq!(value["code"], "org_foreign");
        assert_eq!(value["ts"].to_string(), "1700000000.000042");
        assert!(value.get("org").is_none());
    }
}
