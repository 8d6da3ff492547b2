//! Clusters of real sockets: selection, checks, ejection.

use super::{Balance, Cluster, Eject, Endpoint, Probe, ResolvedAddress, Settings};
use crate::upstream::dial::Dial;
use crate::upstream::{Address, HostHeader, Protocol, Upstream, tls};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

fn upstream(urls: &[String]) -> Arc<Upstream> {
    let addresses = urls.iter().map(|url| Address::parse(url).unwrap()).collect();
    let (host, protocol, tls) = (HostHeader::Preserve, Protocol::Auto, tls::Settings::default());
    Arc::new(Upstream { name: "u".into(), addresses, host, protocol, title_case: false, tls, cluster: None })
}

async fn cluster(urls: &[String], settings: Settings) -> Arc<Cluster> {
    let cluster = Cluster::new(&upstream(urls), settings, Dial::default());
    cluster.find().await;
    cluster
}

fn three() -> [String; 3] {
    [1, 2, 3].map(|last| format!("http://127.0.0.{last}:80"))
}

fn choose(cluster: &Cluster, key: &str, tried: &[Arc<Endpoint>]) -> Option<Arc<Endpoint>> {
    cluster.choose(key.as_bytes(), tried, crate::clock::monotonic())
}

fn shares(cluster: &Cluster, choices: usize) -> HashMap<ResolvedAddress, usize> {
    let mut shares = HashMap::new();
    for _ in 0..choices {
        *shares.entry(choose(cluster, "", &[]).unwrap().address.clone()).or_default() += 1;
    }
    shares
}

#[tokio::test]
async fn round_robin_gives_each_its_weight() {
    let mut upstream = Arc::unwrap_or_clone(upstream(&three()));
    upstream.addresses[0].weight = 3;
    let cluster = Cluster::new(&Arc::new(upstream), Settings::default(), Dial::default());
    assert!(choose(&cluster, "", &[]).is_none(), "nothing is resolved yet");
    cluster.find().await;
    let mut counts: Vec<_> = shares(&cluster, 50).into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [10, 10, 30]);
}

#[tokio::test]
async fn one_that_was_tried_is_not_chosen_again() {
    let cluster = cluster(&three(), Settings::default()).await;
    let mut tried = Vec::new();
    while let Some(endpoint) = choose(&cluster, "", &tried) {
        tried.push(endpoint);
        assert!(tried.len() <= 3);
    }
    assert_eq!(tried.len(), 3);
}

#[tokio::test]
async fn a_consistent_balance_keeps_a_user_at_one_address() {
    let settings = Settings { balance: Balance::User, ..Settings::default() };
    let whole = cluster(&three(), settings.clone()).await;
    let less = cluster(&three()[..2], settings).await;
    let keys: Vec<String> = (0..300).map(|at| format!("user {at}")).collect();
    let of = |cluster: &Cluster, key: &str| choose(cluster, key, &[]).unwrap().address.clone();
    let gone = ResolvedAddress::Inet(SocketAddr::from(([127, 0, 0, 3], 80)));
    let mut moved = 0;
    for key in &keys {
        let before = of(&whole, key);
        assert_eq!(before, of(&whole, key));
        if before == gone {
            moved += 1;
        } else {
            assert_eq!(before, of(&less, key), "only those of the address that went away move");
        }
    }
    assert!((50..150).contains(&moved), "{moved}");
}

#[tokio::test]
async fn failures_leave_an_address_out_until_there_is_no_other() {
    let eject = Eject { after: 2, time: Duration::from_secs(60) };
    let cluster = cluster(&three()[..2], Settings { eject, ..Settings::default() }).await;
    let bad = choose(&cluster, "", &[]).unwrap();
    cluster.failed(&bad);
    assert!(!cluster.is_ejected(&bad));
    cluster.failed(&bad);
    assert!(cluster.is_ejected(&bad));
    assert!(!shares(&cluster, 20).contains_key(&bad.address));
    let other = choose(&cluster, "", &[]).unwrap();
    let last = choose(&cluster, "", &[other]).unwrap();
    assert_eq!(last.address, bad.address, "better than none");
}

async fn serve(listener: TcpListener, answer: &'static str) {
    while let Ok((mut socket, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut head = [0; 1024];
            let read = socket.read(&mut head).await.unwrap_or(0);
            assert!(read == 0 || head.starts_with(b"GET /ok HTTP/1.1\r\n"), "{:?}", String::from_utf8_lossy(&head));
            let _ = socket.write_all(answer.as_bytes()).await;
        });
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within five seconds: {what}");
}

#[tokio::test]
async fn checks_take_an_address_out_and_back_in() {
    let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let changing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bad_address = changing.local_addr().unwrap();
    let urls = [&good, &changing].map(|listener| format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(serve(good, "HTTP/1.1 204 No Content\r\n\r\n"));
    let bad = tokio::spawn(serve(changing, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"));
    let every = Duration::from_millis(20);
    let probe = Probe { path: Some("/ok".into()), every, timeout: Duration::from_secs(2), healthy: 2, unhealthy: 2 };
    let cluster = cluster(&urls, Settings { health: Some(probe), ..Settings::default() }).await;
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(Arc::clone(&cluster).run(stopped));
    let find = || cluster.endpoints().into_iter().find(|e| e.address == ResolvedAddress::Inet(bad_address)).unwrap();
    until("the one that answers 500 is out", || !find().is_healthy()).await;
    assert!(!shares(&cluster, 10).contains_key(&ResolvedAddress::Inet(bad_address)));
    let other = choose(&cluster, "", &[]).unwrap();
    assert!(choose(&cluster, "", &[other]).is_none(), "an unhealthy address is never chosen");
    bad.abort();
    let _ = bad.await;
    let again = TcpListener::bind(bad_address).await.unwrap();
    tokio::spawn(serve(again, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    until("it is back", || find().is_healthy()).await;
    until("it serves", || shares(&cluster, 10).contains_key(&ResolvedAddress::Inet(bad_address))).await;
    stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_leaves_the_others() {
    let urls = ["http://name.invalid:80".to_owned(), "http://localhost:80".to_owned()];
    let cluster = cluster(&urls, Settings::default()).await;
    let chosen = choose(&cluster, "", &[]).unwrap();
    assert_eq!(chosen.origin, 1);
    assert!(matches!(&chosen.address, ResolvedAddress::Inet(address) if address.ip().is_loopback()));
}
