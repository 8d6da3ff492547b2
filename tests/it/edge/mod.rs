//! The network's edge: TLS, HTTP/2, Unix sockets, the PROXY protocol, and peers that abuse them.

mod abuse;
mod conformance;
mod grpc;
mod hibernated;
mod hostile;
mod http2;
mod matrix;
mod proxy;
mod tls;
mod unix;

use crate::support::tls::Authority;
use crate::support::{Gate, Options, ROUTES, Upstream};

/// The tests' policy behind TLS with a certificate for `api.example.com`.
fn secure(authority: &Authority) -> Options {
    let pair = authority.sign("api", &["api.example.com"]);
    let mut options = Options::policy(ROUTES);
    options.config = format!("tls: {{ {pair} }}\n");
    options
}

/// The same in front of an echo.
fn secure_gate(authority: &Authority) -> Gate {
    Gate::before(Upstream::echo(), &secure(authority))
}
