//! A service behind the gate that speaks HTTP/2 and nothing else, or whatever a handshake agrees on.

use super::PATIENCE;
use super::tls::Authority;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// What becomes of a request.
pub type Handled = Pin<Box<dyn Future<Output = Result<(), h2::Error>> + Send>>;
type Handler = Arc<dyn Fn(Request<RecvStream>, SendResponse<Bytes>, Arc<State>) -> Handled + Send + Sync>;

/// One request as it was read.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub uri: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: HeaderMap,
    /// How it broke off, if it did.
    pub broken: Option<String>,
}

impl Seen {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What its connections share.
#[derive(Default)]
pub struct State {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

impl State {
    /// Reads a request to its end, and remembers it.
    pub async fn read(&self, request: Request<RecvStream>) -> Seen {
        let (parts, mut incoming) = request.into_parts();
        let (method, uri, headers) = (parts.method.to_string(), parts.uri.to_string(), parts.headers);
        let (trailers, body) = (HeaderMap::new(), Vec::new());
        let mut seen = Seen { method, uri, headers, body, trailers, broken: None };
        while let Some(piece) = incoming.data().await {
            match piece {
                Ok(piece) => {
                    let _ = incoming.flow_control().release_capacity(piece.len());
                    seen.body.extend(piece);
                }
                Err(error) => {
                    seen.broken = Some(error.to_string());
                    break;
                }
            }
        }
        if seen.broken.is_none() {
            seen.trailers = incoming.trailers().await.ok().flatten().unwrap_or_default();
        }
        self.seen.lock().unwrap().push(seen.clone());
        seen
    }
}

/// A started service. It ends when dropped.
pub struct H2Upstream {
    address: SocketAddr,
    state: Arc<State>,
    runtime: Option<Runtime>,
}

impl H2Upstream {
    /// Reads each request, and says what it was.
    pub fn echo() -> Self {
        Self::with(h2::server::Builder::new(), echo)
    }

    /// Gives each request to `handle`.
    pub fn with<F>(
        builder: h2::server::Builder,
        handle: impl Fn(Request<RecvStream>, SendResponse<Bytes>, Arc<State>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), h2::Error>> + Send + 'static,
    {
        Self::start(builder, None, Arc::new(move |request, respond, state| Box::pin(handle(request, respond, state))))
    }

    /// An echo within TLS, which must agree on `h2`.
    pub fn secure(authority: &Authority) -> Self {
        let handle: Handler = Arc::new(|request, respond, state| Box::pin(echo(request, respond, state)));
        Self::start(h2::server::Builder::new(), Some(acceptor(authority, &["h2"])), handle)
    }

    fn start(builder: h2::server::Builder, tls: Option<TlsAcceptor>, handle: Handler) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(State::default()));
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (builder, tls, handle, state) =
                    (builder.clone(), tls.clone(), Arc::clone(&handle), Arc::clone(&shared));
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &builder, handle, state).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                                serve(stream, &builder, handle, state).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, state, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests that were read so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The last request; there must be one.
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the upstream was asked")
    }

    /// Connections that were opened to it.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for H2Upstream {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve<S>(stream: S, builder: &h2::server::Builder, handle: Handler, state: Arc<State>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let handled = handle(request, respond, Arc::clone(&state));
        tokio::spawn(async move {
            // What the gate resets is none of our failures.
            let _ = tokio::time::timeout(PATIENCE * 2, handled).await;
        });
    }
}

/// Reads the request, and says what it was.
pub async fn echo(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    state: Arc<State>,
) -> Result<(), h2::Error> {
    let seen = state.read(request).await;
    let text = format!("{} {} {}\n", seen.method, seen.uri, seen.body.len());
    let answer = Response::builder().header("content-type", "text/plain").body(()).unwrap();
    respond.send_response(answer, false)?.send_data(text.into(), true)
}

/// A server's side of TLS with a certificate for `localhost`, which speaks these.
pub fn acceptor(authority: &Authority, alpn: &[&str]) -> TlsAcceptor {
    authority.sign("upstream", &["localhost"]);
    let chain = CertificateDer::pem_file_iter(authority.file("upstream.crt")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(authority.file("upstream.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(postern::net::tls::provider());
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}
