//! docs/uwsgi.md as it stands: nginx before postern before uWSGI, and WebSockets beside it.

use super::{Service, with};
use crate::gateway::websockets::echo;
use crate::interop::nginx;
use crate::support::{Options, Raw, Who, World, free_port, request};
use std::net::SocketAddr;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::connect;

/// The page's block of this kind.
fn block(kind: &str) -> String {
    let manual = include_str!("../../../docs/uwsgi.md");
    let block = manual.split(&format!("```{kind}\n")).nth(1).and_then(|rest| rest.split("```").next());
    block.unwrap().to_owned()
}

fn postern(service: &Service, sockets: SocketAddr) -> crate::support::Postern {
    let mut options = Options::policy(block("yaml routes"));
    options.config = "trusted_proxies: [127.0.0.1]\n".into();
    with(&options, &format!("\"{}\", app: \"{}\", daphne: \"http://{sockets}\"", service.url, service.url))
}

#[test]
fn postern_goes_between_nginx_and_uwsgi() {
    let service = Service::start();
    let sockets = echo();
    let postern = postern(&service, sockets);
    let port = free_port();
    let front = SocketAddr::from(([127, 0, 0, 1], port));
    let address = service.url.trim_start_matches("uwsgi://");
    let configuration = |text: &str| {
        let text = text.replace("127.0.0.1:8081", &front.to_string()).replace("127.0.0.1:8000", address);
        let text = text.replace("include uwsgi_params;", "include /etc/nginx/uwsgi_params;");
        format!("http {{ {} }}", text.replace("127.0.0.1:8080", &postern.data.to_string()))
    };
    let send = |who: Who| {
        let spoofed = [("X-Postern-User", "su"), ("X-Forwarded-For", "6.6.6.6"), ("X_Postern_User", "su")];
        Raw::connect(front).send(request(who, "POST", "/caf%C3%A9?x=1", &spoofed, "hello")).answer()
    };
    let pass = "proxy_pass http://postern;                      # to roll back: uwsgi_pass 127.0.0.1:8000;";
    let text = block("nginx");
    assert!(text.contains(pass), "{text}");
    {
        let _nginx = nginx(&configuration(&text), port);
        let seen = send(Who::uA).json();
        let environ = &seen["environ"];
        assert_eq!((&environ["HTTP_X_POSTERN_USER"], &environ["REMOTE_ADDR"]), (&"uA".into(), &"127.0.0.1".into()));
        assert_eq!((&seen["path"], &seen["length"]), (&"/caf\u{e9}".into(), &5.into()));
        assert_eq!(send(Who::nobody).status, 401);
        let mut asked = format!("ws://{front}/ws/x").into_client_request().unwrap();
        let bearer = format!("Bearer {}", World::get().token(Who::uA).unwrap());
        asked.headers_mut().insert("authorization", bearer.parse().unwrap());
        let (mut socket, _) = connect(asked).unwrap();
        socket.send("hello".into()).unwrap();
        assert_eq!(socket.read().unwrap().to_text().unwrap(), "hello");
    }
    // Back: the service is what it was, and nobody is asked.
    let _nginx = nginx(&configuration(&text.replace(pass, "uwsgi_pass 127.0.0.1:8000;")), port);
    let seen = send(Who::nobody).json();
    assert_eq!((&seen["path"], &seen["length"]), (&"/caf\u{e9}".into(), &5.into()));
}
