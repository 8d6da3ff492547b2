//! An OpenWISP data set, imported and served as the reference serves it: what it recorded is played against postern.

use crate::identity::python;
use crate::support::{Answer, PATIENCE, Raw, Upstream, eventually};
use postern::password::{Algorithm, Hasher};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference")
}

/// Of a password's hash here; a million of them, as Django's, are half a second each in a debug build.
const ITERATIONS: u32 = 1000;

/// The same people with the same passwords, `NAME-Pw1!`, at a thousandth of the cost.
fn cheap(dump: &str) -> String {
    let hasher = Hasher::new(Algorithm::Pbkdf2Sha256 { iterations: ITERATIONS }, false);
    let line = |line: &str| {
        let begin = "INSERT INTO public.openwisp_users_user VALUES ('pbkdf2_sha256$1000000$";
        let Some((_, rest)) = line.strip_prefix(begin).and_then(|rest| rest.split_once("', ")) else {
            return line.to_owned();
        };
        let name = rest.split(", ").nth(2).unwrap().trim_matches('\'');
        let hash = hasher.hash(&format!("{name}-Pw1!")).unwrap();
        format!("INSERT INTO public.openwisp_users_user VALUES ('{}', {rest}", hash.expose())
    };
    dump.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// `tests/reference/serve.sh`, running.
pub(super) struct Reference {
    child: Child,
    address: SocketAddr,
    home: TempDir,
}

impl Reference {
    fn start() -> Self {
        Self::with(&[])
    }

    pub(super) fn with(more: &[&str]) -> Self {
        let home = TempDir::new().unwrap();
        let seed = home.path().join("seed");
        std::fs::create_dir(&seed).unwrap();
        let people = std::fs::read_to_string(here().join("seed_core_inserts.sql")).unwrap();
        std::fs::write(seed.join("seed.sql"), cheap(&people)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Self::script(&home, port);
        command.arg("--seed").arg(&seed).args(["--secret-key", "a secret"]).args(more);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut reference = Self { child, address, home };
        eventually("the data set is served", || {
            assert!(reference.child.try_wait().unwrap().is_none(), "serve.sh has ended");
            reference.started().filter(|started| *started > 0)
        });
        reference
    }

    fn script(home: &TempDir, port: u16) -> Command {
        let mut command = Command::new("bash");
        command.arg(here().join("serve.sh")).args(["--port", &port.to_string()]);
        command.env("POSTERN_BIN", env!("CARGO_BIN_EXE_postern")).env("POSTERN_REFERENCE_DIR", home.path());
        command.env("POSTERN_REFERENCE_ITERATIONS", ITERATIONS.to_string());
        command
    }

    fn started(&self) -> Option<u32> {
        let file = self.home.path().join(self.address.port().to_string()).join("started");
        std::fs::read_to_string(file).ok()?.trim().parse().ok()
    }

    pub(super) fn reset(&self) {
        let done = Self::script(&self.home, self.address.port()).arg("--reset").status().unwrap();
        assert!(done.success());
    }

    pub(super) fn send(&self, request: &Value) -> Answer {
        let mut raw = Raw::connect(self.address);
        raw.send(bytes(request));
        if request["method"] == "HEAD" { raw.answer_to_head() } else { raw.answer() }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let ended = postern::clock::monotonic();
        while self.child.try_wait().unwrap().is_none() && ended.elapsed() < PATIENCE {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = self.child.kill();
    }
}

/// A recorded request as it goes over the wire.
fn bytes(request: &Value) -> Vec<u8> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let encode = |value: &Value| {
        percent_encoding::utf8_percent_encode(&text(value), percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let pairs = || request["body"].as_object().unwrap().iter();
    let method = request["method"].as_str().unwrap();
    let body = match request["body_kind"].as_str() {
        Some("json") => Some(request["body"].to_string()),
        Some("form") => {
            Some(pairs().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&"))
        }
        Some("multipart") => {
            let part = |(name, value): (&String, &Value)| {
                format!("--BoUnDaRy\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{}\r\n", text(value))
            };
            Some(pairs().map(part).collect::<String>() + "--BoUnDaRy--\r\n")
        }
        Some("raw") => Some(text(&request["body"])),
        _ => ["POST", "PUT", "PATCH"].contains(&method).then(String::new),
    };
    let mut message = format!("{method} {} HTTP/1.1\r\nHost: localhost\r\n", request["path"].as_str().unwrap());
    if request["headers"].get("Accept").is_none() {
        message += "Accept: */*\r\n";
    }
    for (name, value) in request["headers"].as_object().unwrap() {
        message += &format!("{name}: {}\r\n", text(value));
    }
    if let Some(body) = &body {
        message += &format!("Content-Length: {}\r\n", body.len());
    }
    (message + "\r\n" + body.as_deref().unwrap_or_default()).into_bytes()
}

fn scenario(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/api").join(name);
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["exchanges"].as_array().unwrap().clone()
}

/// What differs from what was recorded.
fn differences(exchange: &Value, answer: &Answer, all: bool) -> Vec<String> {
    let recorded = &exchange["response"];
    let mut found = Vec::new();
    if u64::from(answer.status) != recorded["status"].as_u64().unwrap() {
        found.push(format!("status {} instead of {}: {}", answer.status, recorded["status"], answer.text()));
    }
    if !all {
        return found;
    }
    match recorded["body_kind"].as_str().unwrap() {
        "json" => {
            let recorded = recorded["body"].clone();
            let got: Value = serde_json::from_str(&answer.text()).unwrap_or(Value::Null);
            if got != recorded && !both_parse_errors(&got, &recorded) {
                found.push(format!("body {got} instead of {recorded}"));
            }
        }
        "empty" if !answer.body.is_empty() => found.push(format!("a body: {}", answer.text())),
        _ => {}
    }
    for name in ["Content-Type", "Allow", "WWW-Authenticate", "Location", "Vary"] {
        let recorded = recorded["headers"][name].as_str();
        if answer.header(name) != recorded {
            found.push(format!("{name}: {:?} instead of {recorded:?}", answer.header(name)));
        }
    }
    found
}

/// What a parser says behind this prefix is its own business.
fn both_parse_errors(got: &Value, recorded: &Value) -> bool {
    [got, recorded].into_iter().all(|body| {
        let detail = body["detail"].as_str();
        body.as_object().is_some_and(|fields| fields.len() == 1)
            && detail.is_some_and(|d| d.starts_with("JSON parse error - "))
    })
}

/// Plays the token endpoint's scenario: what differs from what was recorded.
fn token_differs(reference: &Reference) -> Vec<String> {
    let token = scenario("01_token.json");
    assert!(token.len() > 60);
    let differ = |exchange: &Value| {
        let found = differences(exchange, &reference.send(&exchange["request"]), true);
        found
            .into_iter()
            .map(|f| format!("01_token #{} ({}): {f}", exchange["n"], exchange["note"]))
            .collect::<Vec<_>>()
    };
    token.iter().flat_map(differ).collect()
}

/// The same from PostgreSQL, whose copies take no longer.
#[test]
fn what_the_reference_recorded_is_answered_alike_from_postgresql() {
    let reference = Reference::with(&["--store", "postgres"]);
    let wrong = token_differs(&reference);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let quick = (0..10).any(|_| {
        // What can be made ahead is made between two of them.
        std::thread::sleep(std::time::Duration::from_millis(500));
        let start = postern::clock::monotonic();
        reference.reset();
        start.elapsed() < std::time::Duration::from_secs(1)
    });
    assert!(quick, "a reset takes less than a second");
}

#[test]
fn what_the_reference_recorded_is_answered_alike() {
    let upstream = Upstream::echo();
    let reference = Reference::with(&["--upstream", &format!("http://{}", upstream.address())]);
    let mut wrong = token_differs(&reference);
    let mut play = |name: &str, exchange: &Value, all: bool| {
        // What is not under this path is a helper of the reference's own; here, whatever the gate lets through.
        let all = all && exchange["request"]["path"].as_str().unwrap().starts_with("/api/v1/users/");
        let found = differences(exchange, &reference.send(&exchange["request"]), all);
        wrong.extend(found.into_iter().map(|f| format!("{name} #{} ({}): {f}", exchange["n"], exchange["note"])));
    };
    // Names are the same whatever their case; there are clients that do not know it.
    let names = reference.send(&scenario("01_token.json")[0]["request"]).headers;
    assert!(names.iter().any(|(name, _)| name == "Content-Type"), "{names:?}");
    reference.reset();
    // The limit is shared with no other path.
    for (path, status) in
        [("/api/v1/users/user/", 401), ("/api/v1/users/organization/", 401), ("/api/v1/users/nothing/", 404)]
    {
        let request =
            serde_json::json!({ "method": "GET", "path": path, "headers": { "X-Forwarded-For": "10.1.1.1" } });
        assert_eq!(reference.send(&request).status, status, "{path}");
    }
    // Of the limits, the statuses: seconds are a cell rate's.
    let throttle = scenario("02_throttle.json");
    assert!(throttle.len() > 25);
    throttle.iter().for_each(|exchange| play("02_throttle", exchange, false));
    reference.reset();
    let change = scenario("33_password_change.json");
    assert!(change.len() > 15);
    change.iter().for_each(|exchange| play("33_password_change", exchange, true));
    reference.reset();
    // Paths that are no endpoint of anybody, whatever the identity API will have.
    for exchange in &scenario("03_bearer.json") {
        if exchange["response"]["status"] == 404
            && exchange["request"]["path"].as_str().unwrap().starts_with("/api/v1/users/user/")
        {
            let answer = reference.send(&exchange["request"]);
            assert_eq!(answer.status, 404, "{}", exchange["note"]);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Links that the old installation has sent are good here: for who they are, once, and in every spelling of the user's id.
#[test]
fn a_link_of_the_real_django_is_used_as_the_reference_lets_it() {
    let reference = Reference::start();
    let (id, hash) = hash_of(&reference, "alpha_member");
    let seed = std::fs::read_to_string(reference.home.path().join("seed/seed.sql")).unwrap();
    let line = seed.lines().find(|line| line.contains(&id) && line.contains("openwisp_users_user VALUES")).unwrap();
    let email = line.split('\'').find(|part| part.contains('@')).unwrap();
    let emails: Vec<&str> = seed
        .lines()
        .filter(|line| line.contains("account_emailaddress VALUES") && line.contains(&id))
        .map(|line| line.split('\'').find(|part| part.contains('@')).unwrap())
        .collect();
    let make = |key: &str| {
        let user = serde_json::json!({ "id": id, "password": hash, "email": email, "emails": emails });
        let asked = serde_json::json!({ "settings": { "SECRET_KEY": key }, "user": user, "make": 1 });
        python("reset_tokens.py", &asked)["made"][0].as_str().unwrap().to_owned()
    };
    let (good, foreign) = (make("a secret"), make("another secret"));
    let confirm = |uid: &str, token: &str, one: &str, two: &str| {
        let body = serde_json::json!({ "uid": uid, "token": token, "new_password1": one, "new_password2": two });
        let answer = reference.send(&serde_json::json!({
            "method": "POST", "path": "/api/v1/users/password/reset/confirm/", "body_kind": "json", "body": body,
            "headers": { "Content-Type": "application/json" },
        }));
        (answer.status, answer.text())
    };
    let invalid = |field: &str, text: &str| (400, format!("{{\"{field}\":[\"{text}\"]}}"));
    let short = id.replace('-', "");
    assert_eq!(confirm("zzz", &good, "a", "a"), invalid("non_field_errors", "“zzz” is not a valid UUID."));
    let nobody = "00000000-0000-0000-0000-000000000000";
    assert_eq!(confirm(nobody, &good, "a", "a"), invalid("uid", "Invalid value"));
    assert_eq!(confirm(&id, &foreign, "a", "a"), invalid("token", "Invalid value"));
    assert_eq!(confirm(&short, &good, "a", "b"), invalid("new_password2", "The two password fields didn’t match."));
    let again = "You cannot re-use your current password. Enter a new password.";
    assert_eq!(confirm(&id, &good, "alpha_member-Pw1!", "alpha_member-Pw1!"), invalid("new_password2", again));
    let (status, text) = confirm("", "", "", "");
    let blank = |field: &str| format!("\"{field}\":[\"This field may not be blank.\"]");
    let all = ["new_password1", "new_password2", "uid", "token"].map(blank).join(",");
    assert_eq!((status, text), (400, format!("{{{all}}}")));
    let done = r#"{"detail":"Password has been reset with the new password."}"#.to_owned();
    assert_eq!(confirm(&short, &good, " one two ", "one two"), (200, done), "blanks around it are dropped");
    assert_eq!(confirm(&short, &good, "three", "three"), invalid("token", "Invalid value"), "once");
    let login = |password: &str| {
        let body = serde_json::json!({ "username": "alpha_member", "password": password });
        reference.send(&serde_json::json!({
            "method": "POST", "path": "/api/v1/users/token/", "body_kind": "json", "body": body,
            "headers": { "Content-Type": "application/json" },
        }))
    };
    assert_eq!((login("one two").status, login("alpha_member-Pw1!").status), (200, 400));
}

/// The usual classes of the reference: a session, then Basic with a password; a bearer token is none of theirs.
#[test]
fn whoever_shows_a_wrong_password_is_refused_a_link() {
    let reference = Reference::start();
    let ask = |method: &str, path: &str, authorization: &str| {
        let mut headers = serde_json::json!({ "Content-Type": "application/json" });
        if !authorization.is_empty() {
            headers["Authorization"] = authorization.into();
        }
        let body = serde_json::json!({ "input": "nobody" });
        let request = serde_json::json!({ "method": method, "path": path, "headers": headers, "body_kind": "json", "body": body });
        reference.send(&request)
    };
    let reset = "/api/v1/users/password/reset/";
    let basic = |text: &str| format!("Basic {}", data_encoding::BASE64.encode(text.as_bytes()));
    for (authorization, said) in [
        (basic("alpha_member:wrong"), "Invalid username/password."),
        (basic("inactive:inactive-Pw1!"), "Invalid username/password."),
        ("basic".to_owned(), "Invalid basic header. No credentials provided."),
        ("Basic a b".to_owned(), "Invalid basic header. Credentials string should not contain spaces."),
        ("Basic !".to_owned(), "Invalid basic header. Credentials not correctly base64 encoded."),
        (basic("nobody"), "Invalid basic header. Credentials not correctly base64 encoded."),
    ] {
        let answer = ask("POST", reset, &authorization);
        assert_eq!((answer.status, answer.text()), (403, format!("{{\"detail\":\"{said}\"}}")));
        assert_eq!((answer.header("Allow"), answer.header("WWW-Authenticate")), (Some("POST, OPTIONS"), None));
    }
    for authorization in [String::new(), "Bearer whatever".to_owned(), basic("alpha_member:alpha_member-Pw1!")] {
        let answer = ask("POST", reset, &authorization);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, r#"{"detail":"Password reset e-mail has been sent."}"#)
        );
    }
    for (path, name, fields) in [
        (reset, "Password Reset", &["input"][..]),
        (
            "/api/v1/users/password/reset/confirm/",
            "Password Reset Confirm",
            &["new_password1", "new_password2", "uid", "token"],
        ),
    ] {
        let told = ask("OPTIONS", path, "").json();
        assert_eq!(told["name"], name);
        let known = told["actions"]["POST"].as_object().unwrap();
        assert!(known.len() == fields.len() && fields.iter().all(|field| known.contains_key(*field)), "{told}");
        assert_eq!(ask("GET", path, "").text(), r#"{"detail":"Method \"GET\" not allowed."}"#);
    }
    // Pages where the reference has them, whatever the policy says of these paths.
    let page = ask("GET", "/accounts/password/reset/key/x-y/", "");
    assert_eq!((page.status, page.text().contains("This link is not good")), (404, true));
}

/// Bodies, types and representations that only somebody's own client sends, or somebody who tries things out.
#[test]
fn odd_requests_are_answered_as_the_reference_answers_them() {
    let reference = Reference::start();
    let exchanges = scenario("04_bodies.json");
    assert!(exchanges.len() > 500);
    let wrong: Vec<String> = exchanges.iter().filter_map(|exchange| odd(&reference, exchange)).collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Plays one of them, whose body is recorded byte by byte: what differs.
fn odd(reference: &Reference, exchange: &Value) -> Option<String> {
    let (request, recorded) = (&exchange["request"], &exchange["response"]);
    let (method, path) = (request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
    // Each from an address of its own: there is a limit.
    let n = exchange["n"].as_u64().unwrap();
    let from = format!("10.7.{}.{}", n / 200, n % 200);
    let mut message = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {from}\r\n");
    for (name, value) in request["headers"].as_object().unwrap() {
        message += &format!("{name}: {}\r\n", value.as_str().unwrap());
    }
    let byte = |c: char| u8::try_from(u32::from(c)).unwrap();
    let body: Option<Vec<u8>> = request["bytes"].as_str().map(|text| text.chars().map(byte).collect());
    if let Some(body) = &body {
        message += &format!("Content-Length: {}\r\n", body.len());
    }
    let mut raw = Raw::connect(reference.address);
    raw.send([message.as_bytes(), b"\r\n", &body.unwrap_or_default()].concat());
    let answer = if method == "HEAD" { raw.answer_to_head() } else { raw.answer() };
    let mut found = Vec::new();
    if u64::from(answer.status) != recorded["status"].as_u64().unwrap() {
        found.push(format!("status {} instead of {}", answer.status, recorded["status"]));
    }
    if let Some(body) = recorded["body"].as_str()
        && answer.text() != body
        && !both_parse_errors(
            &serde_json::from_str(&answer.text()).unwrap_or_default(),
            &serde_json::from_str(body).unwrap_or_default(),
        )
    {
        found.push(format!("{} instead of {body}", answer.text()));
    }
    for name in ["Content-Type", "Allow", "Vary", "Location"] {
        if answer.header(name) != recorded["headers"][name].as_str() {
            found.push(format!("{name}: {:?} instead of {}", answer.header(name), recorded["headers"][name]));
        }
    }
    (!found.is_empty()).then(|| format!("#{n} {request}: {}", found.join("; ")))
}

#[test]
fn a_reset_forgets_everything_and_imported_tokens_pass_the_gate() {
    let upstream = Upstream::echo();
    let reference = Reference::with(&["--upstream", &format!("http://{}", upstream.address())]);
    let login = serde_json::json!({
        "method": "POST", "path": "/api/v1/users/token/", "headers": { "Content-Type": "application/json" },
        "body_kind": "json", "body": { "username": "nobody", "password": "x" },
    });
    let statuses = || (0..21).map(|_| reference.send(&login).status).collect::<Vec<_>>();
    let first = statuses();
    assert_eq!((first[19], first[20]), (400, 429), "{first:?}");
    let limited = reference.send(&login);
    assert!(limited.header("Retry-After").unwrap().parse::<u64>().unwrap() > 4000);
    assert!(limited.header("RateLimit").is_some() && limited.text().contains("Request was throttled."));
    reference.reset();
    assert_eq!(statuses(), first);
    // What a view that takes bearer tokens answers in the reference, a route that takes them does here.
    let mut played = 0;
    for exchange in &scenario("03_bearer.json") {
        if exchange["request"]["path"] == "/ref/auth/bearer" {
            let answer = reference.send(&exchange["request"]);
            let recorded = exchange["response"]["status"].as_u64().unwrap();
            // Bytes beyond ASCII are refused with the head, before anybody looks for a token in it.
            let is_ascii = exchange["request"]["headers"].to_string().is_ascii();
            assert_eq!(u64::from(answer.status), if is_ascii { recorded } else { 400 }, "{}", exchange["note"]);
            assert_eq!(answer.header("WWW-Authenticate").is_some(), answer.status == 401);
            played += 1;
        }
    }
    assert!(played > 20, "{played}");
}

/// The hash that a user of the seed has in the store that is served.
fn hash_of(reference: &Reference, username: &str) -> (String, String) {
    let seed = std::fs::read_to_string(reference.home.path().join("seed/seed.sql")).unwrap();
    let line = seed.lines().find(|line| line.contains(&format!(", '{username}', '"))).unwrap();
    let begin = "INSERT INTO public.openwisp_users_user VALUES ('";
    let hash = line.strip_prefix(begin).unwrap().split('\'').next().unwrap();
    let id = line.split('\'').find(|part| part.len() == 36 && part.matches('-').count() == 4).unwrap();
    (id.to_owned(), hash.to_owned())
}

/// Links that the old installation has sent stay good: the same key, the same hashes.
#[test]
fn what_the_real_django_sesame_makes_of_the_seed_s_people_passes() {
    let upstream = Upstream::echo();
    let reference = Reference::with(&["--upstream", &format!("http://{}", upstream.address())]);
    let (id, hash) = hash_of(&reference, "alpha_member");
    let make = |key: &str, settings: Value| {
        let mut settings = settings;
        settings["SECRET_KEY"] = key.into();
        let asked = serde_json::json!({ "settings": settings, "user": { "id": id, "password": hash }, "make": [""] });
        python("sesame_tokens.py", &asked)["made"][0].as_str().unwrap().to_owned()
    };
    let v1 = serde_json::json!({ "SESAME_TOKENS": ["sesame.tokens_v1"] });
    let status = |token: &str| {
        let headers = serde_json::json!({ "Authorization": format!("sesame {token}") });
        reference.send(&serde_json::json!({ "method": "GET", "path": "/x", "headers": headers })).status
    };
    let none = serde_json::json!({});
    let (good, old) = (make("a secret", none.clone()), make("a secret", v1));
    for (token, wanted) in [(&good, 200), (&old, 200), (&make("another secret", none), 401)] {
        assert_eq!(status(token), wanted);
    }
    reference.reset();
    assert_eq!(status(&good), 200);
}

#[test]
fn a_second_start_on_a_port_leaves_the_first_alone() {
    let reference = Reference::start();
    let seed = reference.home.path().join("seed");
    let second =
        Reference::script(&reference.home, reference.address.port()).arg("--seed").arg(&seed).output().unwrap();
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.code() == Some(2) && told.contains("is in use"), "{told}");
    reference.reset();
    assert_eq!(reference.send(&serde_json::json!({ "method": "GET", "path": "/x", "headers": {} })).status, 401);
}

#[test]
fn serve_sh_says_what_is_wrong_with_its_arguments() {
    for (args, part) in [
        (&["--port", "x", "--seed", "."][..], "--port"),
        (&["--port", "1"], "--seed"),
        (&["--port", "1", "--seed", ".", "--store", "mysql"], "sqlite or postgres"),
        (&["--port", "1", "--seed", "/nowhere"], "--seed"),
        (&["--port", "1", "--seed"], "--seed needs a value"),
        (&["--what"], "what is --what"),
    ] {
        let output = Command::new("bash").arg(here().join("serve.sh")).args(args).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && told.contains(part), "{args:?}: {told}");
    }
}
