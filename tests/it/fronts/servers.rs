//! nginx, Caddy, HAProxy and Envoy themselves, on what `postern integrate` prints for a policy.

use super::Asked;
use crate::interop::{Server, envoy, haproxy_program, nginx, python};
use crate::support::free_port;
use std::net::SocketAddr;
use tempfile::TempDir;

/// The fronts that are run.
pub(super) const RUN: [&str; 5] = ["nginx", "caddy", "haproxy", "envoy", "envoy-grpc"];

/// A front that asks, and forwards to the service of its postern's configuration.
pub(super) struct Front {
    _server: Server,
    /// What HAProxy loads.
    _beside: TempDir,
    pub(super) address: SocketAddr,
}

impl Front {
    /// The one that this postern is asked by, as it is printed for its policy.
    pub(super) fn before(asked: &Asked) -> Self {
        Self::with(asked, |text| text)
    }

    /// The same, with something added.
    pub(super) fn with(asked: &Asked, edit: impl FnOnce(String) -> String) -> Self {
        Self::printed_as(asked.front, asked, edit)
    }

    /// One of which there are several kinds.
    pub(super) fn printed_as(form: &str, asked: &Asked, edit: impl FnOnce(String) -> String) -> Self {
        let printed = |form: &str| {
            let text = asked.postern.cli(&["integrate", form]);
            // The tests' postern says where it listens once it does.
            text.replace("127.0.0.1:0", &asked.postern.data.to_string()).replace(
                "address: \"127.0.0.1\", port_value: 0 ",
                &format!("address: \"127.0.0.1\", port_value: {} ", asked.postern.data.port()),
            )
        };
        let (beside, port) = (TempDir::new().unwrap(), free_port());
        let text = edit(printed(form));
        let server = match asked.front {
            "nginx" => {
                let text = put(&text, "listen 80;", &format!("listen 127.0.0.1:{port};"));
                nginx(&format!("http {{ {text} }}"), port)
            }
            "caddy" => {
                let text = put(&text, ":80 {", &format!("http://:{port} {{\n\tbind 127.0.0.1"));
                let global = "{\n\tadmin off\n\tpersist_config off\n\tstorage file_system HOME/storage\n}\n";
                let program = python().with_file_name("caddy");
                let arguments = ["run", "--config", "HOME/configuration", "--adapter", "caddyfile"];
                Server::start(program.to_str().unwrap(), &arguments, &format!("{global}{text}"), port)
            }
            "haproxy" => {
                let lua = beside.path().join("postern.lua");
                std::fs::write(&lua, printed("haproxy-lua")).unwrap();
                let text = put(&text, "lua-load postern.lua", &format!("lua-load {}", lua.display()));
                let text = put(&text, "bind :80", &format!("bind 127.0.0.1:{port}"));
                Server::start(haproxy_program(), &["-db", "-f", "HOME/configuration"], &text, port)
            }
            _ => {
                let text = put(
                    &text,
                    "address: 0.0.0.0, port_value: 80 ",
                    &format!("address: 127.0.0.1, port_value: {port} "),
                );
                envoy(&text, port)
            }
        };
        Self { _server: server, _beside: beside, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }
}

/// Puts one text in the place of another, which must be there.
fn put(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old}: {text}");
    text.replacen(old, new, 1)
}
