//! Proxies on either side: nginx, HAProxy and Envoy before the gate, over HTTP/1.1, HTTP/2 and with the PROXY protocol, and behind it.

use super::{Server, http, postern, python, service, succeeds};
use crate::gateway::websockets::echo;
use crate::support::tls::Authority;
use crate::support::{Postern, Upstream, Who, World, free_port};
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// What answers requests, and what takes WebSockets.
struct Behind {
    service: Upstream,
    sockets: SocketAddr,
}

impl Behind {
    fn new() -> Self {
        Self { service: service(), sockets: echo() }
    }

    fn postern(&self, config: &str) -> Postern {
        postern(&http(self.service.address()), &http(self.sockets), config)
    }
}

fn curl(who: Who, arguments: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "20"]).args(arguments);
    if let Some(token) = World::get().token(who) {
        curl.args(["-H", &format!("Authorization: Bearer {token}")]);
    }
    succeeds(&mut curl)
}

/// What an application does, by way of the port of a proxy or of a gate. Gives what the service saw as the client's address.
fn journey(port: u16, websockets: bool) -> String {
    let base = format!("http://127.0.0.1:{port}");
    let status = ["-o", "/dev/null", "-w", "%{http_code}"];
    let seen = curl(Who::mA, &[&format!("{base}/me/x?a=b")]);
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap_or_else(|_| panic!("{seen}"));
    assert_eq!((seen["target"].as_str(), seen["user"][0].as_str()), (Some("/me/x?a=b"), Some("mA")), "{seen}");
    assert_eq!(curl(Who::nobody, &[&status[..], &[&format!("{base}/me/x")]].concat()), "401");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("large");
    std::fs::write(&file, vec![b'x'; 3_000_000]).unwrap();
    let (large, org) = (format!("@{}", file.display()), format!("{base}/api/v1/org/a/x"));
    for coding in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
        let upload = curl(Who::mA, &[coding, &["--data-binary", &large, &org]].concat());
        assert!(upload.contains("\"size\":3000000"), "{upload}");
        let upload = [coding, &["-H", "Expect:", "--data-binary", &large, &org], &status].concat();
        assert_eq!(curl(Who::uB, &upload), "403");
    }
    let many = curl(Who::mA, &["-Z", "-o", "/dev/null", "-w", "%{http_code} ", &format!("{base}/me/[1-100]")]);
    assert_eq!(many, "200 ".repeat(100));
    if websockets {
        let mut request = format!("ws://127.0.0.1:{port}/ws/x").into_client_request().unwrap();
        let token = format!("Bearer {}", World::get().token(Who::mA).unwrap());
        request.headers_mut().insert("authorization", token.parse().unwrap());
        Runtime::new().unwrap().block_on(async {
            let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
            for size in [0, 5, 300_000] {
                let message = Message::binary(vec![7; size]);
                socket.send(message.clone()).await.unwrap();
                assert_eq!(socket.next().await.unwrap().unwrap(), message);
            }
            socket.close(None).await.unwrap();
            while socket.next().await.is_some() {}
        });
    }
    seen["for"][0].as_str().unwrap_or_default().to_owned()
}

const TRUSTING: &str = "trusted_proxies: [127.0.0.1]\n";
const ANNOUNCED: &str = "trusted_proxies: [127.0.0.1]\nproxy_protocol: true\n";

pub(crate) fn nginx(configuration: &str, port: u16) -> Server {
    let frame = "daemon off; master_process off; pid HOME/pid; error_log stderr warn; events {}\n";
    let stream = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n";
    let module = if configuration.starts_with("stream") { stream } else { "" };
    let program = if std::path::Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let temporary = "access_log off; client_max_body_size 0; client_body_temp_path HOME/b; proxy_temp_path HOME/p; \
                     fastcgi_temp_path HOME/f; uwsgi_temp_path HOME/u; scgi_temp_path HOME/s; \
                     map $http_upgrade $upgraded { default upgrade; '' ''; }";
    let configuration = configuration.replace("http {", &format!("http {{ {temporary}"));
    Server::start(
        program,
        &["-p", "HOME", "-c", "HOME/configuration"],
        &format!("{module}{frame}{configuration}"),
        port,
    )
}

/// Passes on over kept connections of HTTP/1.1, WebSockets too.
const PASS: &str = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $upgraded; \
                    proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; \
                    proxy_buffering off; proxy_request_buffering off;";

#[test]
fn nginx_before_the_gate() {
    let behind = Behind::new();
    let gate = behind.postern(TRUSTING);
    let port = free_port();
    let configuration = format!(
        "http {{ upstream gate {{ server {}; keepalive 8; }} server {{ listen 127.0.0.1:{port}; \
         location / {{ proxy_pass http://gate; {PASS} }} }} }}",
        gate.data
    );
    let _nginx = nginx(&configuration, port);
    assert_eq!(journey(port, true), "127.0.0.1, 127.0.0.1");
    let gate = behind.postern(ANNOUNCED);
    let port = free_port();
    let configuration =
        format!("stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass {}; proxy_protocol on; }} }}", gate.data);
    let _stream = nginx(&configuration, port);
    assert_eq!(journey(port, true), "127.0.0.1");
}

#[test]
fn nginx_behind_the_gate() {
    let (behind, authority) = (Behind::new(), Authority::new());
    authority.sign("nginx", &["localhost"]);
    let (port, secure) = (free_port(), free_port());
    let configuration = format!(
        "http {{ server {{ listen 127.0.0.1:{port}; listen 127.0.0.1:{secure} ssl http2; \
         ssl_certificate {}; ssl_certificate_key {}; keepalive_requests 7; \
         location / {{ proxy_pass http://{}; {PASS} }} location /ws {{ proxy_pass http://{}; {PASS} }} }} }}",
        authority.file("nginx.crt").display(),
        authority.file("nginx.key").display(),
        behind.service.address(),
        behind.sockets
    );
    let _nginx = nginx(&configuration, port);
    let plain = http(SocketAddr::from(([127, 0, 0, 1], port)));
    journey(postern(&plain, &plain, "").data.port(), true);
    let tls = authority.file("ca.pem").display().to_string();
    let secure = format!("{{ addresses: [\"https://localhost:{secure}\"], tls: {{ ca: {tls} }} }}");
    journey(postern(&secure, &secure, "").data.port(), true);
}

/// HAProxy's program.
pub(crate) fn haproxy_program() -> &'static str {
    if std::path::Path::new("/usr/sbin/haproxy").exists() { "/usr/sbin/haproxy" } else { "haproxy" }
}

fn haproxy(configuration: &str, port: u16) -> Server {
    let frame =
        "global\n maxconn 200\ndefaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n";
    Server::start(haproxy_program(), &["-db", "-f", "HOME/configuration"], &format!("{frame}{configuration}"), port)
}

#[test]
fn haproxy_before_the_gate() {
    let behind = Behind::new();
    let (gate, announced) = (behind.postern(TRUSTING), behind.postern(ANNOUNCED));
    let ports = [free_port(), free_port(), free_port(), free_port()];
    let [h1, h2, v2, both] = ports;
    let (gate, announced) = (gate.data, announced.data);
    let configuration = format!(
        "listen h1\n option forwardfor\n bind 127.0.0.1:{h1}\n server s {gate} check\n\
         listen h2\n option forwardfor\n bind 127.0.0.1:{h2}\n server s {gate} proto h2\n\
         listen v2\n mode tcp\n bind 127.0.0.1:{v2}\n server s {announced} send-proxy-v2 check\n\
         listen both\n bind 127.0.0.1:{both}\n unique-id-format %ci\n \
         server s {announced} proto h2 send-proxy-v2 proxy-v2-options unique-id,crc32c\n"
    );
    let _haproxy = haproxy(&configuration, h1);
    let seen = ports.map(|port| journey(port, true));
    assert_eq!(seen, ["127.0.0.1, 127.0.0.1", "127.0.0.1, 127.0.0.1", "127.0.0.1", "127.0.0.1"]);
}

#[test]
fn haproxy_behind_the_gate() {
    let behind = Behind::new();
    let port = free_port();
    let configuration = format!(
        "frontend f\n bind 127.0.0.1:{port}\n use_backend sockets if {{ path_beg /ws }}\n default_backend service\n\
         backend service\n server s {}\nbackend sockets\n server s {}\n",
        behind.service.address(),
        behind.sockets
    );
    let _haproxy = haproxy(&configuration, port);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    journey(postern(&http(address), &http(address), "").data.port(), true);
    journey(postern(&format!("\"h2c://{address}\""), &http(behind.sockets), "").data.port(), true);
}

/// Envoy's binary: that of its package, or what `ENVOY` names.
pub(crate) fn envoy(configuration: &str, port: u16) -> Server {
    let package = || {
        let library = succeeds(Command::new(python()).args(["-c", "import envoy; print(envoy.__path__[0])"]));
        PathBuf::from(library.trim()).join("_bin/envoy")
    };
    let program = std::env::var_os("ENVOY").map_or_else(package, PathBuf::from);
    let arguments = ["-c", "HOME/configuration.yaml", "--disable-hot-restart", "--concurrency", "1", "-l", "error"];
    // It goes by the file's name.
    let shell = "ln -s configuration HOME/configuration.yaml && exec \"$0\" \"$@\"";
    let arguments = [&["-c", shell, program.to_str().unwrap()], &arguments[..]].concat();
    Server::start("sh", &arguments, configuration, port)
}

/// A listener of both versions before one cluster. `options`: of the cluster's protocol; `transport`: of its connections.
fn envoy_configuration(port: u16, upstream: SocketAddr, options: &str, transport: &str) -> String {
    let types = "type.googleapis.com/envoy.extensions";
    let host = upstream.port();
    format!(
        r#"
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {types}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: x
          use_remote_address: true
          http2_protocol_options: {{ allow_connect: true }}
          upgrade_configs: [ {{ upgrade_type: websocket }} ]
          route_config:
            virtual_hosts:
            - {{ name: all, domains: ["*"], routes: [ {{ match: {{ prefix: / }}, route: {{ cluster: gate, timeout: 30s }} }} ] }}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": {types}.filters.http.router.v3.Router }}
  clusters:
  - name: gate
    connect_timeout: 2s
    load_assignment:
      cluster_name: gate
      endpoints:
      - lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {host} }} }} }} }} ]
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": {types}.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ {options} }}
    {transport}
"#
    )
}

const HTTP1: &str = "http_protocol_options: {}";
const HTTP2: &str = "http2_protocol_options: { allow_connect: true }";

/// Its WebSockets come as extended CONNECT where it speaks HTTP/2.
#[test]
fn envoy_before_the_gate() {
    let behind = Behind::new();
    let (gate, announced) = (behind.postern(TRUSTING), behind.postern(ANNOUNCED));
    let types = "type.googleapis.com/envoy.extensions.transport_sockets";
    let proxy = format!(
        "transport_socket: {{ name: proxy, typed_config: {{ \"@type\": {types}.proxy_protocol.v3.ProxyProtocolUpstreamTransport, \
         config: {{ version: V2 }}, transport_socket: {{ name: raw, typed_config: {{ \"@type\": {types}.raw_buffer.v3.RawBuffer }} }} }} }}"
    );
    for (address, options, transport) in
        [(gate.data, HTTP1, ""), (gate.data, HTTP2, ""), (announced.data, HTTP1, proxy.as_str())]
    {
        let port = free_port();
        let _envoy = envoy(&envoy_configuration(port, address, options, transport), port);
        // Of a client on its own machine it says the machine's address.
        let seen = journey(port, true);
        assert!(seen.ends_with("127.0.0.1"), "{seen}");
    }
}

#[test]
fn envoy_behind_the_gate() {
    let behind = Behind::new();
    let port = free_port();
    let _envoy = envoy(&envoy_configuration(port, behind.service.address(), HTTP1, ""), port);
    let sockets = http(behind.sockets);
    for upstream in [format!("\"http://127.0.0.1:{port}\""), format!("\"h2c://127.0.0.1:{port}\"")] {
        journey(postern(&upstream, &sockets, "").data.port(), true);
    }
    // It takes WebSockets over HTTP/2 as well.
    let port = free_port();
    let _sockets = envoy(&envoy_configuration(port, behind.sockets, HTTP1, ""), port);
    let (service, sockets) = (http(behind.service.address()), format!("\"h2c://127.0.0.1:{port}\""));
    journey(postern(&service, &sockets, "").data.port(), true);
}
