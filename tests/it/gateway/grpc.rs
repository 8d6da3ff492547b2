//! gRPC from end to end: a real server and a real client (tonic) with the gate between them, in the clear and within TLS.

use crate::support::tls::Authority;
use crate::support::{Options, Postern, Who, World, eventually};
use bytes::{Buf, BufMut, Bytes};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use http::uri::PathAndQuery;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Runtime;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status, Streaming};

const ROUTES: &str = "version: 1\nupstream: echo\ndefaults: { inject: { X-Postern-User: user.username } }\nroutes:\n  \
                      /echo.Echo/**: authenticated\n  /echo.Admin/**: superuser\n  /echo.Hasty/**: { level: authenticated, rewrite: \
                      { strip_prefix: /echo.Hasty, add_prefix: /echo.Echo }, timeout: { first_byte: 500ms } }\n";

/// Messages are bytes as they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// The service: each of the four kinds of call, and one that never ends.
#[derive(Clone, Default)]
struct Echo {
    calls: Arc<AtomicUsize>,
    cancelled: Arc<AtomicUsize>,
}

/// Counts a call that is given up before it has ended.
struct Unfinished(Arc<AtomicUsize>, bool);

impl Unfinished {
    fn finish(&mut self) {
        self.1 = false;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.1 {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl tonic::server::NamedService for Echo {
    const NAME: &'static str = "echo.Echo";
}

impl<B> tower::Service<http::Request<B>> for Echo
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, asked: http::Request<B>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let (mut grpc, cancelled) = (tonic::server::Grpc::new(Raw), Arc::clone(&self.cancelled));
        assert_eq!(asked.headers()["te"], "trailers");
        let method = asked.uri().path().rsplit('/').next().unwrap().to_owned();
        Box::pin(async move {
            Ok(match method.as_str() {
                "Unary" => grpc.unary(tower::service_fn(unary), asked).await,
                "Sleep" => {
                    let sleep = move |_: Request<Bytes>| {
                        let unfinished = Unfinished(Arc::clone(&cancelled), true);
                        async move {
                            let _unfinished = unfinished;
                            tokio::time::sleep(Duration::from_secs(30)).await;
                            Ok(Response::new(Bytes::new()))
                        }
                    };
                    grpc.unary(tower::service_fn(sleep), asked).await
                }
                "Down" => {
                    let down = move |asked: Request<Bytes>| {
                        let unfinished = Unfinished(Arc::clone(&cancelled), true);
                        async move { Ok(Response::new(down(asked.into_inner(), unfinished))) }
                    };
                    grpc.server_streaming(tower::service_fn(down), asked).await
                }
                "Up" => grpc.client_streaming(tower::service_fn(up), asked).await,
                "Both" => grpc.streaming(tower::service_fn(both), asked).await,
                other => panic!("{other}"),
            })
        })
    }
}

async fn unary(asked: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    let user = asked.metadata().get("x-postern-user").unwrap().clone();
    if asked.get_ref() == "fail" {
        return Err(Status::failed_precondition("not today: 100 %"));
    }
    let mut answer = Response::new(asked.into_inner());
    answer.metadata_mut().insert("x-user", user);
    Ok(answer)
}

/// As many messages as were asked for; `for ever` is one every 20 ms.
fn down(asked: Bytes, unfinished: Unfinished) -> BoxStream<'static, Result<Bytes, Status>> {
    let most: Option<usize> = std::str::from_utf8(&asked).unwrap().parse().ok();
    let next = move |(at, mut unfinished): (usize, Unfinished)| async move {
        if most == Some(at) {
            unfinished.finish();
            return None;
        }
        if most.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some((Ok(Bytes::from(format!("message {at}"))), (at + 1, unfinished)))
    };
    stream::unfold((0, unfinished), next).boxed()
}

async fn up(asked: Request<Streaming<Bytes>>) -> Result<Response<Bytes>, Status> {
    let (mut messages, mut count, mut size) = (asked.into_inner(), 0, 0);
    while let Some(message) = messages.message().await? {
        (count, size) = (count + 1, size + message.len());
    }
    Ok(Response::new(Bytes::from(format!("{count} messages, {size} bytes"))))
}

async fn both(asked: Request<Streaming<Bytes>>) -> Result<Response<BoxStream<'static, Result<Bytes, Status>>>, Status> {
    let answers = asked.into_inner().map(|message| match message {
        Ok(message) if message == "fail" => Err(Status::out_of_range("enough")),
        other => other,
    });
    Ok(Response::new(answers.boxed()))
}

/// A server, the gate and a client.
struct Lane {
    runtime: Runtime,
    echo: Echo,
    postern: Postern,
    channel: Channel,
}

fn lane(authority: Option<&Authority>) -> Lane {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (echo, _guard) = (Echo::default(), runtime.enter());
    let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let port = incoming.local_addr().unwrap().port();
    let (mut server, mut options) = (Server::builder(), Options::policy(ROUTES));
    options.upstreams = Some(format!("{{ echo: \"h2c://127.0.0.1:{port}\" }}"));
    if let Some(authority) = authority {
        authority.sign("upstream", &["localhost"]);
        let pem = |name| std::fs::read(authority.file(name)).unwrap();
        let identity = Identity::from_pem(pem("upstream.crt"), pem("upstream.key"));
        server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
        let (pair, ca) = (authority.sign("api", &["api.example.com"]), authority.file("ca.pem"));
        options.config = format!("tls: {{ {pair} }}\n");
        options.upstreams =
            Some(format!("{{ echo: {{ addresses: \"https://localhost:{port}\", tls: {{ ca: {} }} }} }}", ca.display()));
    }
    runtime.spawn(server.add_service(echo.clone()).serve_with_incoming(incoming));
    let postern = Postern::start(SocketAddr::from(([127, 0, 0, 1], port)), &options);
    let channel = runtime.block_on(async {
        let data = postern.data;
        let endpoint = match authority {
            None => Endpoint::from_shared(format!("http://{data}")).unwrap(),
            Some(authority) => {
                let ca = Certificate::from_pem(std::fs::read(authority.file("ca.pem")).unwrap());
                let tls = ClientTlsConfig::new().ca_certificate(ca).domain_name("api.example.com");
                Endpoint::from_shared(format!("https://{data}")).unwrap().tls_config(tls).unwrap()
            }
        };
        endpoint.connect().await.unwrap()
    });
    Lane { runtime, echo, postern, channel }
}

fn asked<T>(who: Who, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = World::get().token(who) {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    request
}

impl Lane {
    fn client(&self) -> tonic::client::Grpc<Channel> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        self.runtime.block_on(client.ready()).unwrap();
        client
    }

    fn unary(&self, path: &'static str, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let mut client = self.client();
        self.runtime.block_on(client.unary(request, PathAndQuery::from_static(path), Raw))
    }

    fn down(&self, path: &'static str, message: &'static str) -> Result<Streaming<Bytes>, Status> {
        let (mut client, request) = (self.client(), asked(Who::uA, Bytes::from_static(message.as_bytes())));
        let path = PathAndQuery::from_static(path);
        self.runtime.block_on(client.server_streaming(request, path, Raw)).map(Response::into_inner)
    }

    fn both(&self, messages: impl Stream<Item = Bytes> + Send + 'static) -> Result<Streaming<Bytes>, Status> {
        let (mut client, path) = (self.client(), PathAndQuery::from_static("/echo.Echo/Both"));
        let answered = client.streaming(asked(Who::uA, messages), path, Raw);
        self.runtime.block_on(answered).map(Response::into_inner)
    }

    fn cancelled(&self) -> usize {
        self.echo.cancelled.load(Ordering::SeqCst)
    }
}

/// What comes of messages, in order.
fn all(lane: &Lane, mut messages: Streaming<Bytes>) -> (Vec<String>, Result<(), Status>) {
    lane.runtime.block_on(async move {
        let mut all = Vec::new();
        loop {
            match messages.message().await {
                Ok(Some(message)) => all.push(String::from_utf8(message.to_vec()).unwrap()),
                Ok(None) => return (all, Ok(())),
                Err(status) => return (all, Err(status)),
            }
        }
    })
}

fn each_kind_of_call_passes(lane: &Lane) {
    let answer = lane.unary("/echo.Echo/Unary", asked(Who::uA, Bytes::from_static(b"hello"))).unwrap();
    assert_eq!(
        (answer.get_ref().as_ref(), answer.metadata().get("x-user").unwrap().to_str().unwrap()),
        (&b"hello"[..], "uA")
    );
    let large = Bytes::from(vec![7; 3_000_000]);
    assert_eq!(lane.unary("/echo.Echo/Unary", asked(Who::uA, large.clone())).unwrap().into_inner(), large);

    let (messages, end) = all(lane, lane.down("/echo.Echo/Down", "1000").unwrap());
    assert_eq!((messages.len(), messages[999].as_str(), end.is_ok()), (1000, "message 999", true));

    let up = stream::iter((0..1000).map(|at| Bytes::from(vec![1; at])));
    let (mut client, path) = (lane.client(), PathAndQuery::from_static("/echo.Echo/Up"));
    let answer = lane.runtime.block_on(client.client_streaming(asked(Who::uA, up), path, Raw)).unwrap();
    assert_eq!(answer.get_ref(), "1000 messages, 499500 bytes");

    // A conversation: each message is sent when the answer to the one before is there.
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let said = stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|next| (next, receive)) });
    let mut heard = lane.both(said).unwrap();
    lane.runtime.block_on(async {
        for at in 0..100 {
            let message = Bytes::from(format!("{at}"));
            send.send(message.clone()).await.unwrap();
            assert_eq!(heard.message().await.unwrap(), Some(message));
        }
        drop(send);
        assert_eq!(heard.message().await.unwrap(), None);
    });
}

fn failures_are_the_server_s_own_words(lane: &Lane) {
    let status = lane.unary("/echo.Echo/Unary", asked(Who::uA, Bytes::from_static(b"fail"))).unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "not today: 100 %"));
    let said = stream::iter(["a", "fail"].map(Bytes::from));
    let (messages, end) = all(lane, lane.both(said).unwrap());
    let status = end.unwrap_err();
    assert_eq!((messages, status.code(), status.message()), (vec!["a".to_owned()], Code::OutOfRange, "enough"));
}

fn refusals_never_reach_the_server(lane: &Lane) {
    let before = lane.echo.calls.load(Ordering::SeqCst);
    for (who, path, code, reason) in [
        (Who::nobody, "/echo.Echo/Unary", Code::Unauthenticated, "credentials_missing"),
        (Who::uA, "/echo.Admin/Unary", Code::PermissionDenied, "superuser_only"),
        (Who::uA, "/echo.Other/Unary", Code::Unimplemented, "no_route"),
    ] {
        let status = lane.unary(path, asked(who, Bytes::from_static(b"hello"))).unwrap_err();
        assert_eq!(status.code(), code, "{path}");
        assert!(status.message().starts_with(reason), "{status:?}");
    }
    assert_eq!(lane.echo.calls.load(Ordering::SeqCst), before);
}

fn a_call_that_is_given_up_is_given_up_at_the_server(lane: &Lane) {
    // The client's own deadline.
    let mut request = asked(Who::uA, Bytes::new());
    request.set_timeout(Duration::from_millis(300));
    let status = lane.unary("/echo.Echo/Sleep", request).unwrap_err();
    assert!(matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded), "{status:?}");
    eventually("the server was told", || (lane.cancelled() == 1).then_some(()));
    // A stream that the client no longer reads.
    let mut messages = lane.down("/echo.Echo/Down", "for ever").unwrap();
    lane.runtime.block_on(async {
        assert_eq!(messages.message().await.unwrap(), Some(Bytes::from_static(b"message 0")));
        drop(messages);
    });
    eventually("the server was told again", || (lane.cancelled() == 2).then_some(()));
    // The route's deadline: the status that says so, and the server is told.
    let status = lane.unary("/echo.Hasty/Sleep", asked(Who::uA, Bytes::new())).unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    eventually("the server was told a third time", || (lane.cancelled() == 3).then_some(()));
}

#[test]
fn calls_pass_in_the_clear() {
    let lane = lane(None);
    each_kind_of_call_passes(&lane);
    failures_are_the_server_s_own_words(&lane);
    refusals_never_reach_the_server(&lane);
    a_call_that_is_given_up_is_given_up_at_the_server(&lane);
    let of_last = |line: serde_json::Value| (line["path"] == "/echo.Hasty/Sleep").then(|| line["status"].as_u64());
    let status = eventually("its line", || lane.postern.access_lines_now().into_iter().find_map(of_last));
    assert_eq!(status, Some(504));
}

#[test]
fn calls_pass_within_tls_on_both_sides() {
    let authority = Authority::new();
    let lane = lane(Some(&authority));
    each_kind_of_call_passes(&lane);
    failures_are_the_server_s_own_words(&lane);
    refusals_never_reach_the_server(&lane);
    a_call_that_is_given_up_is_given_up_at_the_server(&lane);
}

/// A client that only listens is not late, however long it is silent.
#[test]
fn a_listener_s_silence_is_no_stall() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _guard = runtime.enter();
    let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let port = incoming.local_addr().unwrap().port();
    runtime.spawn(Server::builder().add_service(Echo::default()).serve_with_incoming(incoming));
    let mut options = Options::policy(ROUTES).set("timeouts.stall", "1s");
    options.upstreams = Some(format!("{{ echo: \"h2c://127.0.0.1:{port}\" }}"));
    let postern = Postern::start(SocketAddr::from(([127, 0, 0, 1], port)), &options);
    runtime.block_on(async {
        let channel = Endpoint::from_shared(format!("http://{}", postern.data)).unwrap().connect().await.unwrap();
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.unwrap();
        let (send, receive) = tokio::sync::mpsc::channel(1);
        let said =
            stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|next| (next, receive)) });
        let path = PathAndQuery::from_static("/echo.Echo/Both");
        send.send(Bytes::from_static(b"first")).await.unwrap();
        let mut heard = client.streaming(asked(Who::uA, said), path, Raw).await.unwrap().into_inner();
        assert_eq!(heard.message().await.unwrap(), Some(Bytes::from_static(b"first")));
        tokio::time::sleep(Duration::from_millis(2500)).await;
        send.send(Bytes::from_static(b"second")).await.unwrap();
        assert_eq!(heard.message().await.unwrap(), Some(Bytes::from_static(b"second")));
        drop(send);
        assert_eq!(heard.message().await.unwrap(), None);
    });
}
