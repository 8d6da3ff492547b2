//! Objects that requests name, over both versions of HTTP: whose they are, what tells them from others, and lists of them.

use crate::lookups::{Legacy, MISSING, OF_A, OF_B, OF_GONE, SHARED};
use crate::support::h2::{Ask, H2};
use crate::support::{Answer, Gate, ORG_A, ORG_B, Options, Upstream, Who, eventually_within, request};
use postern::clock::monotonic;
use std::time::Duration;

pub(super) const POLICY: &str = r#"
version: 1
defaults: { shared: { read: manager, write: superuser } }
lookups:
  device: { sql: SELECT organization_id FROM device WHERE id = $1, args: [path.id] }
  build: { sql: SELECT d.organization_id FROM build b JOIN device d ON d.id = b.device_id WHERE b.id = $1, args: [path.number] }
  any: { sql: "SELECT organization_id FROM device WHERE id <> $1", args: [path.id] }
  slow: { sql: "SELECT organization_id FROM device, pg_sleep(3) WHERE id = $1", args: [path.id] }
  kept: { sql: SELECT organization_id FROM device WHERE id = $1, args: [path.id], cache: 1h, trigger: installed }
routes:
  /org/{org:uuid}/: { org: path.org, read: member, write: manager }
  /device/{id}/: { org: lookup.device, read: member, write: manager }
  /build/{number}/: { org: lookup.build, level: member }
  /any/{id}/: { org: lookup.any, level: member }
  /slow/{id}/: { org: lookup.slow, level: member }
  /kept/{id}/: { org: lookup.kept, level: member }
"#;

/// A client of each version.
struct Both<'g> {
    gate: &'g Gate,
    h2: H2,
}

impl<'g> Both<'g> {
    fn of(gate: &'g Gate) -> Self {
        Self { gate, h2: H2::plain(gate.postern.data) }
    }

    fn ask(&mut self, who: Who, method: &str, target: &str) -> [Answer; 2] {
        let ask = Ask { method, target, ..Ask::default() };
        [self.gate.send(request(who, method, target, &[], "")), self.h2.ask(who, &ask)]
    }

    fn comes_to(&mut self, who: Who, method: &str, target: &str, expected: (u16, &str)) {
        for (answer, version) in self.ask(who, method, target).iter().zip(["HTTP/1.1", "HTTP/2"]) {
            let code = if answer.status == 200 { String::new() } else { answer.code() };
            assert_eq!((answer.status, &*code), expected, "{who:?} {method} {target} over {version}");
        }
    }
}

/// All that is said but when, and to which request.
fn told(answer: &Answer) -> (u16, String, Vec<(String, String)>) {
    let headers = answer.headers.iter().filter(|(name, _)| name != "x-request-id" && name != "date").cloned();
    (answer.status, answer.text(), headers.collect())
}

/// Attacks 75 and 76.
#[test]
pub(super) fn members_read_managers_write_and_nobody_enters_a_disabled_organization() {
    let legacy = Legacy::with(POLICY);
    let mut both = Both::of(&legacy.gate);
    let foreign = (403, "org_foreign");
    for (who, read, write) in [
        (Who::uA, (200, ""), (403, "org_level_missing")),
        (Who::mA, (200, ""), (200, "")),
        (Who::oA, (200, ""), (200, "")),
        (Who::su, (200, ""), (200, "")),
        (Who::uB, foreign, foreign),
    ] {
        both.comes_to(who, "GET", &format!("/org/{ORG_A}/"), read);
        both.comes_to(who, "POST", &format!("/org/{ORG_A}/"), write);
    }
    let gone = format!("/org/{}/", crate::support::ORG_GONE);
    for who in [Who::gone, Who::uA, Who::mA, Who::oA, Who::both] {
        both.comes_to(who, "GET", &gone, foreign);
        both.comes_to(who, "POST", &gone, foreign);
        both.comes_to(who, "GET", &format!("/device/{OF_GONE}/"), (404, "no_route"));
    }
}

/// Attack 77.
#[test]
pub(super) fn what_is_shared_is_read_by_managers_and_written_by_superusers() {
    let legacy = Legacy::with(POLICY);
    let mut both = Both::of(&legacy.gate);
    let (target, denied) = (format!("/device/{SHARED}/"), (403, "shared_denied"));
    for (who, read, write) in [
        (Who::uA, denied, denied),
        (Who::mA, (200, ""), denied),
        (Who::oA, (200, ""), denied),
        (Who::gone, denied, denied),
        (Who::su, (200, ""), (200, "")),
    ] {
        both.comes_to(who, "GET", &target, read);
        both.comes_to(who, "PUT", &target, write);
    }
}

/// Attacks 78 and 79: neither a byte nor the time tells an object of somebody else from one that is not there.
#[test]
pub(super) fn a_foreign_object_a_missing_one_and_a_statement_are_told_alike_in_alike_time() {
    let legacy = Legacy::with(POLICY);
    let mut both = Both::of(&legacy.gate);
    let missing = both.ask(Who::mA, "GET", &format!("/device/{MISSING}/")).map(|answer| told(&answer));
    assert_eq!([missing[0].0, missing[1].0], [404, 404]);
    assert_eq!(missing[0].1, missing[1].1);
    for id in
        [OF_B, OF_GONE, "x", "17", "1%20OR%201=1", "%27%20OR%20%27%27=%27", "%27;DROP%20TABLE%20device--", "00000000"]
    {
        if id.contains(';') {
            both.comes_to(Who::mA, "GET", &format!("/device/{id}/"), (400, "bad_target"));
            continue;
        }
        let answers = both.ask(Who::mA, "GET", &format!("/device/{id}/")).map(|answer| told(&answer));
        assert_eq!(answers, missing, "{id}");
    }
    for number in ["18", "99", "x", "99999999999999999999", "1.5", "-1", "17%20OR%20true", "17--"] {
        let answers = both.ask(Who::mA, "GET", &format!("/build/{number}/")).map(|answer| told(&answer));
        assert_eq!(answers, missing, "{number}");
    }
    legacy.gate.upstream.assert_untouched("what is not theirs");
    // Both are one question to the database, and nothing else: the medians of many lie close to each other.
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..60 {
        for (id, times) in [MISSING, OF_B].into_iter().zip(&mut times) {
            let begun = monotonic();
            both.ask(Who::mA, "GET", &format!("/device/{id}/"));
            times.push(begun.elapsed());
        }
    }
    let [missing, foreign] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    let apart = missing.abs_diff(foreign);
    assert!(apart < missing.max(foreign) / 2 + Duration::from_millis(3), "missing {missing:?}, foreign {foreign:?}");
}

/// Attack 79: a database that says two things, or none in time, says nothing. (Services that are asked: `lookups::http`.)
#[test]
pub(super) fn two_rows_and_no_answer_in_time_are_no_object_of_anybody() {
    let legacy = Legacy::with(POLICY);
    let mut both = Both::of(&legacy.gate);
    for lookup in ["any", "slow"] {
        for who in [Who::mA, Who::su] {
            both.comes_to(who, "GET", &format!("/{lookup}/{OF_A}/"), (503, "lookup_failed"));
        }
    }
    legacy.gate.upstream.assert_untouched("what nobody knows");
}

/// Attack 80: once the change is known, nobody is judged by what was before.
#[test]
fn an_object_that_moves_is_the_others_though_its_answer_was_kept() {
    let legacy = Legacy::with(POLICY);
    let mut both = Both::of(&legacy.gate);
    let trigger = legacy.gate.postern.cli(&["lookup", "trigger", "kept", "--table", "device", "--key", "id"]);
    legacy.sql(&trigger);
    let target = format!("/kept/{OF_A}/");
    let asked = || legacy.gate.postern.metric("postern_lookups_total");
    eventually_within(Duration::from_secs(10), "the answer is kept", || {
        let once = asked();
        both.comes_to(Who::uA, "GET", &target, (200, ""));
        (asked() - once < 0.5).then_some(())
    });
    legacy.sql(&format!("UPDATE device SET organization_id = '{ORG_B}' WHERE id = '{OF_A}'"));
    eventually_within(Duration::from_secs(5), "the change is known", || {
        (both.ask(Who::uB, "GET", &target).iter().all(|answer| answer.status == 200)).then_some(())
    });
    for _ in 0..5 {
        both.comes_to(Who::uA, "GET", &target, (404, "no_route"));
        both.comes_to(Who::uB, "GET", &target, (200, ""));
    }
}

const LISTS: &str = r#"
version: 1
routes:
  /device/: { GET: { level: member, list: { items: /results, org: /organization } } }
  /pushed/: { GET: { level: member, list: { items: /results, org: /organization, shared: hide, push: organization } } }
"#;

/// A service that searches, orders and filters, with everybody's devices.
fn service() -> Upstream {
    Upstream::with(|exchange| {
        let query = exchange.request.target.split_once('?').map_or("", |(_, query)| query).to_owned();
        let asks = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        let all = [("lamp", ORG_A), ("sesame", ORG_B), ("table", ORG_A), ("zebra", ORG_B)];
        let is_found = |(name, organization): &&(&str, &str)| {
            asks("search").is_none_or(|text| name.contains(&text))
                && asks("organization").is_none_or(|ids| ids.split([',', '%']).any(|id| id == *organization))
        };
        let mut found: Vec<_> = all.iter().filter(is_found).collect();
        if asks("ordering").is_some_and(|by| by.starts_with('-')) {
            found.reverse();
        }
        let items = found.iter().map(|(name, id)| format!(r#"{{"name": "{name}", "organization": "{id}"}}"#));
        let items: Vec<_> = items.collect();
        let body = format!(r#"{{"count": {}, "next": null, "results": [{}]}}"#, items.len(), items.join(", "));
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        exchange.write(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
    })
}

/// Attack 84: what a service searches, orders and filters by tells nothing of what the caller does not see. The time that it needs for
/// that is its own, and may: nobody behind it can take that away.
#[test]
fn searching_ordering_and_filtering_tell_nothing_of_what_is_others() {
    let gate = Gate::before(service(), &Options::policy(LISTS));
    let mut both = Both::of(&gate);
    let names = |both: &mut Both<'_>, who, target: &str| {
        both.ask(who, "GET", target).map(|answer| {
            assert_eq!(answer.status, 200, "{target}: {}", answer.text());
            assert!(answer.header("content-length").is_none_or(|length| length.parse() == Ok(answer.body.len())));
            let json = answer.json();
            let items = json["results"].as_array().unwrap().iter();
            items.map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        })
    };
    for list in ["/device/", "/pushed/"] {
        for (query, left) in [
            ("", &["lamp", "table"][..]),
            ("?ordering=name", &["lamp", "table"]),
            ("?ordering=-name", &["table", "lamp"]),
            ("?search=a", &["lamp", "table"]),
            ("?search=lamp", &["lamp"]),
            ("?search=sesame", &[]),
            ("?search=nothing", &[]),
        ] {
            assert_eq!(names(&mut both, Who::uA, &format!("{list}{query}")), [left, left], "{list}{query}");
        }
        assert_eq!(
            names(&mut both, Who::uA, &format!("{list}?organization={ORG_A}")),
            [["lamp", "table"], ["lamp", "table"]]
        );
        assert_eq!(names(&mut both, Who::uA, &format!("{list}?organization={ORG_B}")), [[""; 0], [""; 0]]);
        assert_eq!(names(&mut both, Who::uB, &format!("{list}?search=sesame")), [["sesame"], ["sesame"]]);
        // What is somebody else's and what is nowhere is the same answer, head and all.
        let [nothing, nothing_2] =
            both.ask(Who::uA, "GET", &format!("{list}?search=nothing")).map(|answer| told(&answer));
        assert!(!nothing.1.contains("count") || list == "/pushed/", "{}", nothing.1);
        for query in ["?search=sesame", "?search=zeb"] {
            let answers = both.ask(Who::uA, "GET", &format!("{list}{query}")).map(|answer| told(&answer));
            assert_eq!(answers, [nothing.clone(), nothing_2.clone()], "{list}{query}");
        }
        let all = both.ask(Who::both, "GET", list).map(|answer| answer.json()["results"].as_array().unwrap().len());
        assert_eq!(all, [4, 4]);
    }
}
