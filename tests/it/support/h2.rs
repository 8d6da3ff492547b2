//! A client of HTTP/2 that does it right, with or without TLS.

use super::http::Answer;
use super::tls::Authority;
use super::{PATIENCE, Who, World};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// One connection.
pub struct H2 {
    runtime: Runtime,
    send: SendRequest<Bytes>,
    scheme: &'static str,
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Ask<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub headers: Vec<(&'a str, &'a str)>,
    pub body: &'a [u8],
    pub trailers: Vec<(&'a str, &'a str)>,
}

impl<'a> Ask<'a> {
    pub fn get(target: &'a str) -> Self {
        Self { method: "GET", target, ..Self::default() }
    }

    pub fn post(target: &'a str, body: &'a [u8]) -> Self {
        Self { method: "POST", target, body, ..Self::default() }
    }

    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl H2 {
    /// With prior knowledge.
    pub fn plain(address: SocketAddr) -> Self {
        let runtime = runtime();
        let send = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (send, connection) = h2::client::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            send
        });
        Self { runtime, send, scheme: "http" }
    }

    /// Over TLS, where `h2` must have been agreed on.
    pub fn tls(address: SocketAddr, authority: &Authority) -> Self {
        Self::tls_as(address, authority.client(&["h2"], None))
    }

    /// Over TLS, as this client.
    pub fn tls_as(address: SocketAddr, client: Arc<ClientConfig>) -> Self {
        let runtime = runtime();
        let send = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.unwrap();
            let connector = tokio_rustls::TlsConnector::from(client);
            let stream = connector.connect("api.example.com".try_into().unwrap(), stream).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let (send, connection) = h2::client::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            send
        });
        Self { runtime, send, scheme: "https" }
    }

    /// Asks, and reads the whole answer and its trailers; what breaks off is an error.
    pub fn try_ask(&mut self, who: Who, ask: &Ask<'_>) -> Result<(Answer, HeaderMap), h2::Error> {
        let mut request = Request::builder().method(ask.method).version(http::Version::HTTP_2);
        request = request.uri(format!("{}://api.example.com{}", self.scheme, ask.target));
        if let Some(token) = World::get().token(who) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let send = self.send.clone();
        let (body, trailers) = (Bytes::copy_from_slice(ask.body), headers(&ask.trailers));
        let answered = async {
            let mut send = send.ready().await?;
            let last = body.is_empty() && trailers.is_empty();
            let (answer, mut stream) = send.send_request(request, last)?;
            if !last {
                // The gate may answer and reset before it has seen it all.
                let _ = stream.send_data(body, trailers.is_empty());
                if !trailers.is_empty() {
                    let _ = stream.send_trailers(trailers);
                }
            }
            let (head, mut incoming) = answer.await?.into_parts();
            let mut answer = Answer { status: head.status.as_u16(), ..Answer::default() };
            for (name, value) in &head.headers {
                answer.headers.push((name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
            }
            while let Some(piece) = incoming.data().await {
                let piece = piece?;
                incoming.flow_control().release_capacity(piece.len())?;
                answer.body.extend(piece);
            }
            let trailers = incoming.trailers().await?.unwrap_or_default();
            Ok((answer, trailers))
        };
        let timed = async { tokio::time::timeout(PATIENCE, answered).await.expect("the gate is silent") };
        self.runtime.block_on(timed)
    }

    /// Asks, and reads the whole answer.
    pub fn ask(&mut self, who: Who, ask: &Ask<'_>) -> Answer {
        self.try_ask(who, ask).unwrap_or_else(|error| panic!("{ask:?}: {error}")).0
    }
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    headers
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
