//! The service behind the gate: records every byte that reaches it, and answers as the test says.

use super::PATIENCE;
use super::http::{BodyReader, Framing, Recorded, framing, head, parse};
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

type Handler = dyn Fn(&mut Exchange) -> io::Result<()> + Send + Sync;

/// What all connections share.
#[derive(Default)]
struct State {
    recorded: Mutex<Vec<Recorded>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

/// A started service. It ends when dropped.
pub struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
}

/// One request and the connection that it came on.
pub struct Exchange {
    /// The request's head; its body is read by [`Exchange::piece`] or [`Exchange::body`].
    pub request: Recorded,
    stream: BufReader<TcpStream>,
    body: BodyReader,
    state: Arc<State>,
    number: usize,
    again: bool,
}

impl Upstream {
    /// A service that reads the body and answers 200 with the request's target.
    pub fn echo() -> Self {
        Self::with(|exchange| {
            exchange.body()?;
            let text = format!("{} {}\n", exchange.request.method, exchange.request.target);
            exchange.answer("200 OK", &[("Content-Type", "text/plain")], text.as_bytes())
        })
    }

    /// A service that gives every request to `handle`; the connection closes where that fails.
    pub fn with(handle: impl Fn(&mut Exchange) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(handle))
    }

    /// A service that answers everything with these bytes and hangs up.
    pub fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::with(move |exchange| {
            exchange.body()?;
            exchange.write(&bytes)?;
            exchange.hang_up();
            Ok(())
        })
    }

    fn on(listener: TcpListener, handle: Arc<Handler>) -> Self {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (state, handle) = (Arc::clone(&shared), Arc::clone(&handle));
                std::thread::spawn(move || serve(stream, &state, &*handle));
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far, in the order in which their heads came.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.state.recorded.lock().unwrap().clone()
    }

    /// The last request; there must be one.
    pub fn last(&self) -> Recorded {
        self.recorded().pop().expect("the upstream was asked")
    }

    /// Forgets what was recorded.
    pub fn forget(&self) {
        self.state.recorded.lock().unwrap().clear();
    }

    /// Connections that were opened to it.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Fails when anything has reached it.
    pub fn assert_untouched(&self, why: &str) {
        let recorded = self.recorded();
        let heads: Vec<_> = recorded.iter().map(|r| String::from_utf8_lossy(&r.head).into_owned()).collect();
        assert!(heads.is_empty(), "{why}: the upstream was asked: {heads:#?}");
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, state: &Arc<State>, handle: &Handler) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let _ = stream.set_write_timeout(Some(PATIENCE));
    let mut stream = BufReader::new(stream);
    while let Ok(Some(head)) = head(&mut stream) {
        let (line, headers) = parse(&head);
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let request = Recorded { method: word(), target: word(), head, headers, ..Recorded::default() };
        let body = BodyReader::new(framing(&request.headers, Framing::Length(0)));
        let number = {
            let mut recorded = state.recorded.lock().unwrap();
            recorded.push(request.clone());
            recorded.len() - 1
        };
        let mut exchange = Exchange { request, stream, body, state: Arc::clone(state), number, again: true };
        if handle(&mut exchange).is_err() || !exchange.again {
            return;
        }
        stream = exchange.stream;
    }
}

impl Exchange {
    /// The next piece of the request's body, recorded; `None` at its end.
    pub fn piece(&mut self) -> io::Result<Option<usize>> {
        let piece = self.body.next(&mut self.stream)?;
        if let Some(request) = self.state.recorded.lock().unwrap().get_mut(self.number) {
            match &piece {
                // Large bodies are counted elsewhere, not kept.
                Some(piece) if request.body.len() < 1 << 20 => request.body.extend(piece),
                Some(_) => {}
                None => (request.complete, request.trailers) = (true, self.body.trailers.clone()),
            }
        }
        Ok(piece.map(|piece| piece.len()))
    }

    /// The whole body: how many bytes.
    pub fn body(&mut self) -> io::Result<usize> {
        let mut size = 0;
        while let Some(piece) = self.piece()? {
            size += piece;
        }
        Ok(size)
    }

    /// Answers with a `Content-Length`.
    pub fn answer(&mut self, status: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let mut bytes = (head + "\r\n").into_bytes();
        if self.request.method != "HEAD" {
            bytes.extend_from_slice(body);
        }
        self.write(&bytes)
    }

    /// Sends any bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Closes the connection behind this exchange.
    pub fn hang_up(&mut self) {
        self.again = false;
    }
}
