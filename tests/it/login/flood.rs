//! Five hundred logins at the same moment, each on a connection of its own: everybody is answered, few are worked
//! on, memory stays where it was, and whoever has a token does not notice.

use crate::support::{Gate, Options, PATIENCE, Postern, Raw, Who, get};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

const CLIENTS: usize = 500;
/// One password at a time, eight that wait, 48 MiB each.
const PASSWORDS: &str = "passwords: { memory: 48MiB, passes: 4, workers: 1, queue: 8 }";

/// The most memory that it ever had, in bytes.
fn peak(postern: &Postern) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", postern.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn five_hundred_at_once_are_answered_and_nobody_else_waits_for_them() {
    let mut options = Options::policy(crate::support::ROUTES);
    options.config = format!("identity: {{ api: token, token: {{ throttle: none }}, {PASSWORDS} }}\n");
    let gate = Gate::with(&options);
    let computed = || gate.postern.metric("postern_password_computations");
    // Somebody who is there already.
    let mut other = gate.raw();
    other.send(get(Who::uA, "/me/x"));
    assert_eq!(other.answer().status, 200);
    let (computed_before, memory_before) = (computed(), peak(&gate.postern));
    let connections: Vec<Raw> = (0..CLIENTS).map(|_| gate.raw()).collect();
    let (start, answered) = (Arc::new(Barrier::new(CLIENTS + 1)), AtomicUsize::new(0));
    let (statuses, meanwhile) = std::thread::scope(|scope| {
        let clients: Vec<_> = connections
            .into_iter()
            .enumerate()
            .map(|(n, mut raw)| {
                let (start, answered) = (Arc::clone(&start), &answered);
                std::thread::Builder::new()
                    .stack_size(256 * 1024)
                    .spawn_scoped(scope, move || {
                        // Names that mean nobody cost as much as others, and each has a budget of its own.
                        let body = json!({ "username": format!("nobody-{n}"), "password": "guess" }).to_string();
                        let head =
                            "POST /api/v1/users/token/ HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n";
                        let message = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                        start.wait();
                        let answer = raw.send(message).try_answer();
                        answered.fetch_add(1, Ordering::SeqCst);
                        let answer = answer.expect("nobody is lost");
                        assert_eq!(answer.header("retry-after").is_some(), answer.status != 400);
                        answer.status
                    })
                    .unwrap()
            })
            .collect();
        start.wait();
        let (mut meanwhile, began) = (0, postern::clock::monotonic());
        while answered.load(Ordering::SeqCst) < CLIENTS && began.elapsed() < PATIENCE {
            other.send(get(Who::uA, "/me/x"));
            assert_eq!(other.answer().status, 200);
            meanwhile += 1;
        }
        (clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>(), meanwhile)
    });
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((statuses.len(), count(400) + count(503)), (CLIENTS, CLIENTS), "{statuses:?}");
    assert!(count(400) >= 9, "those who were in time: {}", count(400));
    assert!(count(503) > 0, "and some were not");
    // Who was refused cost no computation, and who has a token costs none ever.
    let spent = computed() - computed_before;
    assert!((spent - count(400) as f64).abs() < f64::EPSILON, "{spent} for {}", count(400));
    // Nine take seconds on one thread; meanwhile hundreds of others are answered, not one or two between each.
    assert!(meanwhile > 5 * count(400), "{meanwhile} others while {} passwords were looked at", count(400));
    let grown = peak(&gate.postern).saturating_sub(memory_before);
    assert!(grown < 160 << 20, "one password's memory and {CLIENTS} connections, not {CLIENTS} passwords': {grown}");
    assert!(gate.postern.metric("postern_password_waiting") < 1.0);
}
