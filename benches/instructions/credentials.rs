//! Requests with an opaque token and with a JWT that is remembered: from the bytes of the head to the permit, as far as no socket
//! and no clock is asked; and what a signature costs that is not remembered.

use crate::fixture::{good, member, organization_id, parsed, pass, policy_with, target};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::Method;
use http::header::HOST;
use postern::decision::RequestView;
use postern::directory::name::Text;
use postern::directory::sqlite::{Options, SqliteStore};
use postern::directory::token::Token;
use postern::directory::{Directory, NewScope, NewToken, NewUser, Viewer};
use postern::fact_cache::{Capacity, FactCache, Lookup};
use postern::gateway::headers::{Passing, Stripped};
use postern::identity::jwt::key::{Algorithm, Key};
use postern::identity::jwt::principal::Principal;
use postern::identity::jwt::{Issuer, Issuers, fixed};
use postern::identity::{Credential, Places, Presented, read};
use postern::net::framing::{Limits, Scanner};
use postern::request_target::Target;
use postern::upstream::h1::HeadWriter;
use postern::upstream::uwsgi::{Client, Packet};
use postern::upstream::{Framing, PutField};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

const ISSUER: &str = "https://id.example.com";

/// A key pair's public half in PEM, and a token that it signed, of the size that identity providers make.
fn signed() -> (String, String) {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der = pair.public_key().as_der().expect("its public half");
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(der.as_ref()));
    let header = r#"{"alg":"RS256","typ":"JWT"}"#;
    let end = postern::clock::unix_seconds() + 3600;
    let claims = format!(
        r#"{{"iss":"{ISSUER}","sub":"248289761001","aud":"postern","exp":{end},"iat":1767225600,"scope":"openid profile","azp":"app"}}"#
    );
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let message = format!("{}.{}", encode(header), encode(&claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).expect("a signature");
    (pem, format!("{message}.{}", BASE64URL_NOPAD.encode(&signature)))
}

/// Somebody's opaque token and JWT, both remembered.
struct World {
    memberships: FactCache,
    token: String,
    jwt: String,
    _home: tempfile::TempDir,
}

fn world() -> World {
    let home = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = SqliteStore::open(&home.path().join("postern.db"), Options::default()).expect("a store");
        let store = Arc::new(Directory::from(store));
        let operator = store.as_seen_by(Viewer::Operator);
        operator.create_users(vec![NewUser::named("ann").expect("a name")]).await.expect("ann");
        operator.bind_subject(&"ann".into(), ISSUER.into(), "248289761001".into()).await.expect("bound");
        let token = Token::generate(store.checksum_key()).expect("a token");
        let new = NewToken {
            user: "ann".into(),
            digest: token.digest(),
            name: Text::empty(),
            expires_at: None,
            scope: NewScope::default(),
        };
        operator.create_tokens(vec![new]).await.expect("kept");
        let position = store.position().await.expect("a position");
        // As long as the bench may take under valgrind.
        let patience = Duration::from_secs(3600);
        let memberships =
            FactCache::new(Arc::clone(&store), position, patience, Capacity::default()).expect("randomness");
        memberships.catch_up().await.expect("caught up");
        let token = token.expose().to_owned();
        assert!(matches!(memberships.load(memberships.wanted(&token)).await, Lookup::Known(_)));
        let (pem, jwt) = signed();
        let issuer = Issuer {
            name: ISSUER.into(),
            audiences: Some(Box::new(["postern".into()])),
            algorithms: Box::new([Algorithm::RS256]),
            leeway: Duration::ZERO,
            principal: Principal::Bound,
            ring: Arc::new(fixed(ISSUER, &pem, &[Algorithm::RS256]).expect("a key")),
        };
        let issuers = Issuers::start(vec![issuer], &tokio::runtime::Handle::current());
        assert!(matches!(issuers.resolve(&memberships, &store, &jwt).await, Lookup::Known(_)));
        World { memberships, token, jwt, _home: home }
    })
}

/// An opaque token, remembered.
pub fn opaque() -> Box<dyn FnMut(usize)> {
    request(|world| &world.token)
}

/// A JWT, remembered.
pub fn jwt() -> Box<dyn FnMut(usize)> {
    request(|world| &world.jwt)
}

/// An opaque token, remembered, of a request to a service of uwsgi.
pub fn opaque_to_uwsgi() -> Box<dyn FnMut(usize)> {
    const CLIENT: Client = Client { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), is_https: false };
    request_to(
        |world| &world.token,
        true,
        |target| Packet::new(&Method::GET, target, CLIENT, Vec::with_capacity(2048)).expect("a target"),
        |packet| drop(black_box(packet.framed(Framing::None).expect("it can be said").end())),
    )
}

/// The whole way of a request, as far as it is ours alone.
fn request(credential: fn(&World) -> &String) -> Box<dyn FnMut(usize)> {
    request_to(
        credential,
        false,
        |target| HeadWriter::new(Vec::with_capacity(2048), &Method::GET, target),
        |head| drop(black_box(head.end(Framing::None, false))),
    )
}

/// The same with the head that is begun and ended so.
fn request_to<H: PutField + 'static>(
    credential: fn(&World) -> &String,
    plain_names: bool,
    begin: fn(&str) -> H,
    end: fn(H),
) -> Box<dyn FnMut(usize)> {
    let world = world();
    let policy = policy_with(100, "authenticate: [bearer, jwt]\n").unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let caller = member(100);
    let raw: &'static str = target(100, organization_id(7)).leak();
    let head = format!(
        "GET {raw} HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\nAuthorization: Bearer {}\r\n\r\n",
        credential(&world)
    );
    let headers = parsed(head.as_bytes()).1;
    let now = postern::clock::monotonic();
    Box::new(move |_| {
        let limits = Limits { head_bytes: 16 << 10, headers: 100 };
        assert_eq!(black_box(Scanner::new(limits)).scan(black_box(head.as_bytes())).accepted, head.len());
        let target: Target<'_> = good(raw);
        let presented = Presented { method: &Method::GET, headers: &headers, query: target.query() };
        let schemes = &policy.routes()[98].rule(&Method::GET).expect("a rule").schemes;
        let Credential::Presented(kind, text) = read(presented, schemes, &Places::default()) else { panic!("none") };
        let found = world.memberships.remembered(kind, &text, now);
        assert!(matches!(found, Some(Lookup::Known(_))), "remembered");
        let view = RequestView::new(&Method::GET, "api.example.com", &target, &headers);
        black_box(pass(&policy, &view, &caller)).expect("a member reads");
        let host = headers.get(HOST);
        let stripped = Stripped::put(
            begin(raw),
            &headers,
            host,
            &Passing { policy: &policy, kept: &[], authorization: false, whole: false, plain_names },
        );
        end(stripped.0);
    })
}

/// A signature, with a key that was parsed before.
pub fn verify() -> Box<dyn FnMut(usize)> {
    let (pem, token) = signed();
    let key = Key::of_text(&pem, &[Algorithm::RS256]).expect("a key");
    let (message, signature) = token.rsplit_once('.').expect("a signature");
    let (message, signature) = (message.to_owned(), BASE64URL_NOPAD.decode(signature.as_bytes()).expect("base64"));
    Box::new(move |_| assert!(key.verifies(Algorithm::RS256, black_box(message.as_bytes()), &signature)))
}
