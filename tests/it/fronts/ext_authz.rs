//! `ext_authz`: what a client of gRPC that others wrote (tonic, with the types of envoy-types) is told, question by question.

mod calls;
mod questions;

use crate::support::{Options, Postern, Who, World, free_port};
use envoy_types::pb::envoy::config::core::v3::{
    Address, HeaderMap, HeaderValue, HeaderValueOption, SocketAddress, address::Address as Place,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use std::net::SocketAddr;
use tokio::runtime::Runtime;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// A postern that Envoy asks over gRPC, in front of nothing.
struct Grpc {
    postern: Postern,
    /// Where it is asked.
    address: SocketAddr,
    runtime: Runtime,
    channel: Channel,
}

impl Grpc {
    fn new(policy: &str) -> Self {
        Self::with(policy, "trusted_proxies: [127.0.0.1]\n")
    }

    fn with(policy: &str, config: &str) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut options = Options::policy(policy);
        options.config = format!("ext_authz: {{ listen: \"{address}\" }}\n{config}");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let postern = Postern::start(nowhere, &options);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = runtime.block_on(async { endpoint.connect_lazy() });
        Self { postern, address, runtime, channel }
    }

    fn put(&self, question: CheckRequest) -> Result<Told, Status> {
        let mut client = AuthorizationClient::new(self.channel.clone());
        self.runtime.block_on(client.check(question)).map(|told| Told(told.into_inner()))
    }

    fn ask(&self, question: HttpRequest) -> Told {
        self.put(about(question)).unwrap()
    }
}

/// The answer.
#[derive(Debug)]
struct Told(CheckResponse);

impl Told {
    fn code(&self) -> i32 {
        self.0.status.as_ref().map_or(0, |status| status.code)
    }

    /// The values that go into the request under a name.
    fn header(&self, name: &str) -> Vec<String> {
        match &self.0.http_response {
            Some(HttpResponse::OkResponse(allowed)) => values(&allowed.headers, name),
            _ => panic!("it is refused: {self:?}"),
        }
    }

    fn removed(&self) -> &[String] {
        match &self.0.http_response {
            Some(HttpResponse::OkResponse(allowed)) => &allowed.headers_to_remove,
            _ => panic!("it is refused: {self:?}"),
        }
    }

    /// What goes into the answer of a request that passes.
    fn besides(&self, name: &str) -> Vec<String> {
        match &self.0.http_response {
            Some(HttpResponse::OkResponse(allowed)) => values(&allowed.response_headers_to_add, name),
            _ => panic!("it is refused: {self:?}"),
        }
    }

    /// What the client is told: status, code of the problem, headers under a name.
    fn denied(&self, name: &str) -> (i32, String, Vec<String>) {
        let Some(HttpResponse::DeniedResponse(denied)) = &self.0.http_response else { panic!("it passes: {self:?}") };
        let problem: serde_json::Value = serde_json::from_str(&denied.body).unwrap_or_default();
        let code = problem["code"].as_str().unwrap_or_default().to_owned();
        (denied.status.as_ref().unwrap().code, code, values(&denied.headers, name))
    }

    fn refusal(&self) -> (i32, String) {
        let (status, code, _) = self.denied("");
        assert_ne!(self.code(), 0, "{self:?}");
        (status, code)
    }

    fn metadata(&self, name: &str) -> Option<String> {
        use envoy_types::pb::google::protobuf::value::Kind;
        match self.0.dynamic_metadata.as_ref()?.fields.get(name)?.kind.as_ref()? {
            Kind::StringValue(text) => Some(text.clone()),
            _ => None,
        }
    }
}

fn values(headers: &[HeaderValueOption], name: &str) -> Vec<String> {
    let headers = headers.iter().filter_map(|option| option.header.as_ref());
    headers.filter(|header| header.key == name).map(|header| header.value.clone()).collect()
}

/// A question about this request, as Envoy asks it for somebody on this machine.
fn about(http: HttpRequest) -> CheckRequest {
    let socket = SocketAddress { address: "127.0.0.1".to_owned(), ..SocketAddress::default() };
    let address = Address { address: Some(Place::SocketAddress(socket)) };
    let source = Peer { address: Some(address), ..Peer::default() };
    let request = Request { http: Some(http), ..Request::default() };
    let attributes = AttributeContext { source: Some(source), request: Some(request), ..AttributeContext::default() };
    CheckRequest { attributes: Some(attributes) }
}

/// What Envoy tells of a request: headers in a map, or one after the other as they came.
fn http(is_raw: bool, who: Who, method: &str, target: &str, headers: &[(&str, &str)]) -> HttpRequest {
    let mut all = vec![
        (":authority".to_owned(), "api.example.com".to_owned()),
        (":path".to_owned(), target.to_owned()),
        (":method".to_owned(), method.to_owned()),
        (":scheme".to_owned(), "http".to_owned()),
    ];
    all.extend(World::get().token(who).map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
    all.extend(headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())));
    let mut http = HttpRequest {
        method: method.to_owned(),
        path: target.to_owned(),
        host: "api.example.com".to_owned(),
        scheme: "http".to_owned(),
        size: -1,
        protocol: "HTTP/1.1".to_owned(),
        ..HttpRequest::default()
    };
    if is_raw {
        let told =
            |(key, value): (String, String)| HeaderValue { key, raw_value: value.into(), ..HeaderValue::default() };
        http.header_map = Some(HeaderMap { headers: all.into_iter().map(told).collect() });
        return http;
    }
    for (name, value) in all {
        let joined = http.headers.entry(name).or_default();
        *joined = if joined.is_empty() { value } else { format!("{joined},{value}") };
    }
    http
}

/// Both ways to tell headers.
const BOTH: [bool; 2] = [false, true];
