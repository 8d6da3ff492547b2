//! What the pages say of a running postern.

use super::{blocks, read, rows};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const POSTERN: &str = env!("CARGO_BIN_EXE_postern");

/// A command in a directory of its own, which finds postern by its name and keeps its data there.
fn command(program: &str, home: &Path) -> Command {
    let bin = Path::new(POSTERN).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(program);
    command.current_dir(home).env("PATH", path).env("HOME", home).env("NO_COLOR", "1");
    for name in ["XDG_DATA_HOME", "POSTERN_CONFIG", "POSTERN_LOG"] {
        command.env_remove(name);
    }
    command.env("POSTERN_DATA_DIR", home.join("data"));
    command
}

/// A started process; killed when dropped.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A started `postern serve`.
struct Serving {
    _process: Started,
    data: SocketAddr,
    admin: SocketAddr,
}

impl Serving {
    /// Starts it on free ports with the given words, which begin with `postern`.
    fn start(words: &[&str], home: &Path) -> Self {
        let (program, arguments) = words.split_first().unwrap();
        let mut command = command(program, home);
        command.args(arguments).args(["--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"]);
        let mut process = Started(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
        let mut lines = BufReader::new(process.0.stderr.take().unwrap()).lines();
        let address = |line: &str, key: &str| -> Option<SocketAddr> {
            line.split_once(key)?.1.split_whitespace().next()?.parse().ok()
        };
        let mut said = Vec::new();
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let (Some(data), Some(admin)) = (address(&line, " address="), address(&line, " management=")) {
                // Nobody stops reading: a full pipe would stop the process.
                std::thread::spawn(move || lines.for_each(drop));
                return Self { _process: process, data, admin };
            }
            said.push(line);
        }
        panic!("postern did not start:\n{}", said.join("\n"));
    }
}

/// Sends a request and reads the answer to its end.
fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A service that answers every request with the head that it got.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).unwrap() > 2 {}
            let length = head.len();
            let _ = write!(
                reader.get_mut(),
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{head}"
            );
        }
    });
    address
}

fn block(page: &str, info: &str) -> String {
    let text = blocks(&read(page)).into_iter().find(|(kind, _)| kind == info).map(|(_, text)| text);
    text.unwrap_or_else(|| panic!("{page} has no ```{info}"))
}

/// Runs shell commands as a reader pastes them, and returns what they print.
fn shell(script: &str, home: &Path) -> String {
    let done = command("sh", home).args(["-euc", script]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{script}\n{said}");
    String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn the_readme_s_first_policy_does_what_the_readme_says() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::write(home.join("routes.yaml"), block("README.md", "yaml routes")).unwrap();
    assert_eq!(shell(&block("README.md", "sh check"), home), "ok: 3 routes in 1 file");
    let setup = block("README.md", "sh setup");
    let printed = shell(&format!("{setup}\nprintf '%s\\n' \"$TOKEN\""), home);
    let token = printed.lines().last().unwrap();

    let serve = block("README.md", "sh serve").replace("http://127.0.0.1:8000", &format!("http://{}", echo()));
    let serving = Serving::start(&serve.split_whitespace().collect::<Vec<_>>(), home);
    let bob = format!("Authorization: Bearer {token}\r\nX_Postern_Role: owner\r\n");
    let asked = |method: &str, path: &str| ask(serving.data, method, path, &bob);

    let allowed = asked("GET", "/api/org/acme/devices");
    assert!(allowed.starts_with("HTTP/1.1 200"), "{allowed}");
    for header in ["x-postern-user: bob", "x-postern-organization: acme", "x-postern-role: member"] {
        assert!(allowed.contains(header), "{header}\n{allowed}");
    }
    assert!(!allowed.contains("owner") && !allowed.contains("Bearer"), "{allowed}");
    for (method, path, status, code) in [
        ("POST", "/api/org/acme/devices", "403", "org_level_missing"),
        ("GET", "/api/org/bolt/devices", "403", "org_foreign"),
        ("POST", "/healthz", "405", "method_not_allowed"),
        ("GET", "/elsewhere", "404", "no_route"),
    ] {
        let refused = asked(method, path);
        let told = refused.starts_with(&format!("HTTP/1.1 {status}")) && refused.contains(code);
        assert!(told, "{method} {path}: {refused}");
    }
    assert!(ask(serving.data, "GET", "/healthz", "").starts_with("HTTP/1.1 200"));

    // "takes effect in the running process"
    let command = read("README.md");
    let command = command.split('`').find(|code| code.starts_with("postern member edit")).unwrap();
    shell(command, home);
    let since = postern::clock::monotonic();
    while !asked("POST", "/api/org/acme/devices").starts_with("HTTP/1.1 200") {
        assert!(postern::clock::monotonic().duration_since(since) < Duration::from_secs(5), "bob is no manager yet");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_metrics_of_a_running_process_are_those_of_the_reference() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("postern.yaml"), "identity: { api: token }\n").unwrap();
    let serving =
        Serving::start(&["postern", "serve", "--any-authenticated", "--upstream", "http://127.0.0.1:9"], home.path());
    let answer = ask(serving.admin, "GET", "/metrics", "");
    let mut shown: Vec<(String, String)> = answer
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| {
            (if kind == "counter" { format!("{name}_total") } else { name.to_owned() }, kind.to_owned())
        })
        .collect();
    let rows = rows(&read("docs/reference/metrics.md"));
    let mut listed: Vec<(String, String)> = rows.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    shown.sort();
    listed.sort();
    assert_eq!(shown, listed);
}

#[test]
fn every_command_is_in_the_reference() {
    let help = shell("postern --help", &std::env::temp_dir());
    let page = read("docs/reference/cli.md");
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A line that goes on with a description is indented further.
    let names: Vec<&str> =
        commands.filter(|l| !l.starts_with("   ")).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names.iter().filter(|name| **name != "help") {
        assert!(page.contains(&format!("`postern {name}`")), "postern {name} is not in docs/reference/cli.md");
    }
}

/// The words of a shell command, as far as the demo's need it: quotes and variables.
fn words(command: &str, variables: &[(String, String)]) -> Vec<String> {
    let mut words = Vec::new();
    for (at, piece) in command.split('"').enumerate() {
        if at % 2 == 0 {
            words.extend(piece.split_whitespace().map(str::to_owned));
        } else {
            let value = variables.iter().fold(piece.to_owned(), |text, (name, value)| text.replace(name, value));
            words.push(value);
        }
    }
    words
}

#[test]
fn the_demo_s_requests_end_as_it_says() {
    let home = tempfile::tempdir().unwrap();
    let mut command = command("postern", home.path());
    let demo = command
        .args(["demo", "--listen", "127.0.0.1:0"])
        .env("TMPDIR", home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut demo = Started(demo.spawn().unwrap());
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let story: Vec<String> = lines.by_ref().take_while(|line| !line.starts_with("Below, one line")).collect();
    std::thread::spawn(move || lines.for_each(drop));

    let assigned = |line: &String| line.trim().split_once("=pst_").map(|(n, t)| (format!("${n}"), format!("pst_{t}")));
    let tokens: Vec<_> = story.iter().filter_map(assigned).collect();
    assert_eq!(tokens.len(), 2, "{story:?}");
    let mut asked = 0;
    for pair in story.windows(2).filter(|pair| pair[1].trim().starts_with("curl ")) {
        let words = words(&pair[1], &tokens);
        let after = |flag: &str| -> Vec<String> {
            words.windows(2).filter(|pair| pair[0] == flag).map(|pair| pair[1].clone()).collect()
        };
        let headers: String = after("-H").iter().map(|header| format!("{header}\r\n")).collect();
        let url = words.last().unwrap().strip_prefix("http://").unwrap();
        let (address, path) = url.split_once('/').unwrap();
        let method = after("-X").pop().unwrap_or_else(|| "GET".to_owned());
        let answer = ask(address.parse().unwrap(), &method, &format!("/{path}"), &headers);
        // "# 2. a foreign tenant: 403 org_foreign", or what is allowed.
        let told = pair[0].rsplit(": ").next().and_then(|end| end.split_once(' '));
        let told = told.filter(|(status, _)| status.parse::<u16>().is_ok());
        let (status, code) = told.unwrap_or(("200", ""));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(code), "{}\n{answer}", pair[0]);
        assert!(!headers.contains("Role: owner") || answer.contains("x-postern-role: member"), "{answer}");
        asked += 1;
    }
    assert_eq!(asked, 6, "{story:?}");

    // "Ctrl-C ends the demo; nothing of it stays."
    let entries = || std::fs::read_dir(home.path()).unwrap().count();
    assert!(entries() > 0, "the demo keeps its store somewhere else");
    shell(&format!("kill -INT {}", demo.0.id()), home.path());
    assert!(demo.0.wait().unwrap().success());
    assert_eq!(entries(), 0);
}

/// Runs a command at a terminal of its own until a line says `last`; what was shown by then.
fn at_a_terminal(line: &str, home: &Path, wants: &[(&str, &str)], last: &str) -> (Started, String) {
    let mut script = command("script", home);
    script.env_remove("NO_COLOR");
    // `exec`: what the terminal's end reaches is postern itself.
    script.args(["-q", "-e", "-c", &format!("exec {line}"), "/dev/null"]).env("TERM", "xterm").env("SHELL", "/bin/sh");
    script.envs(wants.iter().copied());
    let mut script = Started(script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut shown = String::new();
    for line in BufReader::new(script.0.stdout.as_mut().unwrap()).lines() {
        shown += &(line.unwrap() + "\n");
        assert!(!shown.contains("panicked"), "{shown}");
        if shown.contains(last) {
            return (script, shown);
        }
    }
    panic!("it ended: {shown}");
}

#[test]
fn at_a_terminal_there_are_colours_for_who_wants_them() {
    let home = tempfile::tempdir().unwrap();
    let serve =
        "postern serve --any-authenticated --listen 127.0.0.1:0 --management 127.0.0.1:0 --upstream http://127.0.0.1:9";
    let none: [&[(&str, &str)]; 2] = [&[("NO_COLOR", "1")], &[("TERM", "dumb")]];
    for wants in [&[][..], &[("NO_COLOR", "")], none[0], none[1]] {
        let (mut script, shown) = at_a_terminal(serve, home.path(), wants, "serving");
        assert_eq!(shown.contains('\x1b'), !none.contains(&wants), "{wants:?} {shown:?}");
        // Ctrl-C: closing the terminal would only have it read its files again.
        script.0.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
        let since = postern::clock::monotonic();
        while script.0.try_wait().unwrap().is_none() {
            assert!(postern::clock::monotonic().duration_since(since) < Duration::from_secs(20), "Ctrl-C is not heard");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn the_demo_ends_with_its_terminal() {
    let home = tempfile::tempdir().unwrap();
    let demo = format!("env TMPDIR={} postern demo --listen 127.0.0.1:0", home.path().display());
    let (script, shown) = at_a_terminal(&demo, home.path(), &[("NO_COLOR", "1")], "serving");
    assert!(shown.contains("Ctrl-C ends the demo"), "{shown}");
    let entries = || std::fs::read_dir(home.path()).unwrap().count();
    assert!(entries() > 0);
    drop(script);
    let since = postern::clock::monotonic();
    while entries() > 0 {
        assert!(postern::clock::monotonic().duration_since(since) < Duration::from_secs(20), "it goes on without one");
        std::thread::sleep(Duration::from_millis(20));
    }
}
