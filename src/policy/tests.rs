//! Which route wins, what defaults mean, and that both agree with a matcher too simple to be wrong.

use super::*;
use crate::facts::Level;
use crate::yaml::{Finding, Severity};
use http::Method;
use proptest::prelude::*;

fn policy(text: &str) -> Policy {
    load(&[("routes.yaml", text)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()))
}

/// Routes of `public`, in one file for each list.
fn patterns(files: &[&[&str]]) -> Result<Policy, Findings> {
    let text = |patterns: &&[&str]| {
        let routes: String = patterns.iter().map(|p| format!("  \"{p}\": public\n")).collect();
        format!("version: 1\nroutes:\n{routes}")
    };
    let files: Vec<_> = files.iter().map(|f| ("f.yaml", text(f))).collect();
    load(&files, None)
}

fn winner<'p>(policy: &'p Policy, path: &str) -> Option<&'p str> {
    policy.find("h", path).map(|found| &*found.route.pattern)
}

fn errors(findings: &Findings) -> Vec<&Finding> {
    findings.list().iter().filter(|f| f.severity == Severity::Error).collect()
}

const ORG: &str = "01234567-89ab-CDEF-0123-456789abcdef";

#[test]
fn the_most_specific_pattern_wins_segment_by_segment() {
    let policy = patterns(&[&[
        "/**",
        "/x/**",
        "/x/{v}/c",
        "/x/b/d",
        "/x/{n:int}/**",
        "/x/{n:int}/e",
        "/x/{id:uuid}",
        "/y/",
        "/z",
        "/z/{v}",
    ]])
    .unwrap();
    for (path, pattern) in [
        ("/", "/**"),
        ("/other", "/**"),
        ("/x", "/x/**"),
        ("/x/", "/x/**"),
        ("/x/a/b", "/x/**"),
        ("/x/b/d", "/x/b/d"),
        // The literal leads nowhere: the variable does.
        ("/x/b/c", "/x/{v}/c"),
        ("/x/7", "/x/{n:int}/**"),
        ("/x/7/c", "/x/{n:int}/**"),
        ("/x/7/e", "/x/{n:int}/e"),
        ("/x/07/c", "/x/{v}/c"),
        (&format!("/x/{ORG}"), "/x/{id:uuid}"),
        (&format!("/x/{ORG}/"), "/x/**"),
        // `/y` and `/y/` are two paths; an empty variable does not match.
        ("/y", "/**"),
        ("/y/", "/y/"),
        ("/z/", "/**"),
        ("/z/a", "/z/{v}"),
    ] {
        assert_eq!(winner(&policy, path), Some(pattern), "{path}");
    }
}

#[test]
fn types_match_what_they_say() {
    let no_dashes = ORG.replace('-', "");
    for (kind, yes, no) in [
        (
            Kind::Uuid,
            vec![ORG, "00000000-0000-0000-0000-000000000000"],
            vec!["", &no_dashes, &ORG[1..], "{01234567-89ab-cdef-0123-456789abcdef}"],
        ),
        (Kind::Int, vec!["0", "7", "1234567890123456789012345"], vec!["", "00", "07", "-1", "+1", "1a", "\u{0661}"]),
        (Kind::Slug, vec!["a", "A-b_9", "-"], vec!["", "a.b", "a b", "\u{e9}"]),
        (Kind::Any, vec!["a", "a.b", "\u{e9}"], vec![""]),
    ] {
        for text in yes {
            assert!(kind.matches(text), "{kind:?} {text}");
        }
        for text in no {
            assert!(!kind.matches(text), "{kind:?} {text}");
        }
    }
}

#[test]
fn types_that_can_both_match_do_not_stand_in_one_place() {
    for pair in [
        ["/{a:slug}", "/{b:uuid}"],
        ["/{a:int}/x", "/{b:slug}/y"],
        ["/{a:str}", "/{b:uuid}"],
        ["/x/{a:uuid}", "/x/{b:str}/y"],
    ] {
        let mut found = Vec::new();
        for order in [pair, [pair[1], pair[0]]] {
            found.push(errors(&patterns(&[&order]).unwrap_err())[0].code);
        }
        assert_eq!(found, ["type_overlap", "type_overlap"], "{pair:?}");
    }
    for pair in [["/{a:uuid}", "/{b:int}"], ["/{a:uuid}", "/{b}"], ["/x/{a:slug}", "/{b:uuid}"]] {
        assert!(patterns(&[&pair]).is_ok(), "{pair:?}");
    }
}

#[test]
fn a_path_stands_once_over_all_files_and_the_other_place_is_shown() {
    let findings = patterns(&[&["/a", "/x/{a}"], &["/b", "/x/{b}"]]).unwrap_err();
    let finding = errors(&findings)[0];
    assert_eq!((finding.code, finding.place.line, finding.related[0].place.line), ("conflict", 4, 4));
    assert_ne!(finding.span.unwrap().file, finding.related[0].span.file);
}

#[test]
fn a_host_is_looked_at_before_the_path_and_other_hosts_routes_are_not_there() {
    let files = [
        ("a", "version: 1\nhosts: [api.example.com]\nroutes: { /x: public, /only: public }\n"),
        ("b", "version: 1\nhosts: [\"{t}.example.com\", \"[::1]\"]\nroutes: { /x: public, /**: public }\n"),
        ("c", "version: 1\nroutes: { /x: public, /healthz: public }\n"),
    ];
    let policy = load(&files, None).unwrap();
    for (host, path, file) in [
        ("api.example.com", "/x", Some("a")),
        ("api.example.com", "/other", Some("b")),
        ("t.example.com", "/x", Some("b")),
        ("t.example.com", "/healthz", Some("b")),
        ("[::1]", "/x", Some("b")),
        ("example.com", "/x", Some("c")),
        ("example.com", "/only", None),
        ("", "/healthz", Some("c")),
    ] {
        assert_eq!(policy.find(host, path).map(|f| &*f.route.file), file, "{host}{path}");
    }
}

#[test]
fn a_variable_of_the_host_is_the_same_one_in_every_host() {
    let text = |hosts: &str| {
        format!("version: 1\nhosts: {hosts}\nroutes: {{ /x: {{ org: host.t as slug, level: member }} }}\n")
    };
    assert!(load(&[("f", text("[\"{t}.a.com\", \"{t}.{e}.b.com\"]"))], None).is_ok());
    let findings = load(&[("f", text("[\"{t}.a.com\", \"{e}.{t}.b.com\"]"))], None).unwrap_err();
    assert_eq!(errors(&findings)[0].message, "`t` is not the same variable in every host");
}

#[test]
fn trailing_slash_either_makes_two_paths_one_route() {
    let policy = policy(
        "version: 1
defaults: { trailing_slash: either }
routes:
  /x: public
  /y/: public
  /z/{v}: { level: public, inject: { X-V: path.v } }
  /e: { level: public, trailing_slash: exact }
  /: public
",
    );
    for (path, pattern) in [
        ("/x", Some("/x")),
        ("/x/", Some("/x")),
        ("/y", Some("/y/")),
        ("/y/", Some("/y/")),
        ("/z/a/", Some("/z/{v}")),
        ("/z/", None),
        ("/e/", None),
        ("/", Some("/")),
    ] {
        assert_eq!(winner(&policy, path), pattern, "{path}");
    }
}

#[test]
fn methods_inherit_the_route_and_the_route_the_defaults() {
    let policy = policy(
        "version: 1
defaults: { level: staff, foreign: 404, inject: { X-A: user.id, X-B: user.id } }
routes:
  /default: {}
  /x:
    org: query.o
    inject: { x_b: user.email, X-C: request.id }
    read: member
    POST: { org: header.X-Org as slug, forward_authorization: true, inject: { X-C: org.id } }
    write: { level: owner, foreign: 403 }
",
    );
    let route = |path: &str| policy.find("h", path).unwrap().route;
    assert_eq!(route("/default").rule(&Method::DELETE).unwrap().access, Access::Staff);
    let names = |rule: &Rule| rule.inject.iter().map(|i| i.name.as_str().to_owned()).collect::<Vec<_>>();
    let get = route("/x").rule(&Method::GET).unwrap();
    assert_eq!((get.access, get.foreign, get.origin.len()), (Access::In(Level::Member), Foreign::NotFound, 1));
    assert_eq!(names(get), ["x-a", "x_b", "x-c"]);
    let post = route("/x").rule(&Method::POST).unwrap();
    assert_eq!((post.access, post.forward_authorization), (Access::Staff, true));
    assert!(matches!(&*post.origin[0].sources, [Source::Header(name, By::Slug)] if name == "x-org"));
    assert_eq!(names(post), ["x-a", "x_b", "x-c"]);
    assert!(matches!(post.inject[2].value, InjectValue::OrgId));
    let put = route("/x").rule(&Method::PUT).unwrap();
    assert_eq!((put.access, put.foreign), (Access::In(Level::Owner), Foreign::Forbidden));
    assert!(route("/x").rule(&Method::TRACE).is_none() && route("/x").rule(&Method::CONNECT).is_none());
}

#[test]
fn a_route_knows_its_place_and_its_upstream() {
    let text = "version: 1\nupstream: b\nroutes:\n  /x: public\n  /y: { level: public, upstream: a }\n";
    let names = Names::new(["a", "b"]);
    let policy = load(&[("r.yaml", text)], Some(&names)).unwrap();
    let routes: Vec<_> = policy.routes().iter().map(|r| (r.index, &*r.pattern, &*r.file, r.line, r.upstream)).collect();
    assert_eq!(routes, [(0, "/x", "r.yaml", 4, 1), (1, "/y", "r.yaml", 5, 0)]);
    assert_eq!(policy.upstreams().iter().map(|u| &**u).collect::<Vec<_>>(), ["a", "b"]);
    let one = load(&[("r.yaml", "version: 1\nroutes: { /x: public }\n")], Some(&Names::new(["only"]))).unwrap();
    assert_eq!((one.routes()[0].upstream, &*one.upstreams()[0]), (0, "only"));
    let none = load(&[("r.yaml", "version: 1\nroutes: { /x: public }\n")], None).unwrap();
    assert_eq!(&*none.upstreams()[0], "");
}

#[test]
fn no_file_is_no_policy() {
    let findings = load(&[] as &[(&str, &str)], None).unwrap_err();
    assert_eq!(findings.list()[0].code, "no_routes");
    assert!(findings.to_text(false).starts_with("error[no_routes]"), "{}", findings.to_text(false));
}

#[test]
fn ten_thousand_routes_load_and_match_quickly() {
    let mut text = String::from("version: 1\ndefaults: { inject: { X-User: user.id } }\nroutes:\n");
    for n in 0..10_000 {
        text.push_str(&format!(
            "  /api/v{}/thing{n}/{{org:uuid}}/**: {{ org: path.org, read: member, write: manager }}\n",
            n % 7
        ));
    }
    let begin = crate::clock::monotonic();
    let policy = policy(&text);
    let loaded = begin.elapsed();
    for n in 0..10_000 {
        let path = format!("/api/v{}/thing{n}/{ORG}/a/b/c", n % 7);
        assert_eq!(policy.find("h", &path).unwrap().route.index, n);
    }
    let limit = if cfg!(debug_assertions) { 10 } else { 1 };
    assert!(loaded.as_secs() < limit, "{loaded:?}");
}

/// A matcher by definition: the ranks of a pattern along a path, the greater the more specific; `None`: no match.
fn ranks(pattern: &str, path: &str) -> Option<Vec<u8>> {
    let mut ranks = Vec::new();
    let mut segments = path[1..].split('/');
    for part in pattern[1..].split('/') {
        if part == "**" {
            ranks.push(0);
            return Some(ranks);
        }
        let segment = segments.next()?;
        let (kind, rank) = match part {
            "{v}" => (Kind::Any, 1),
            "{v:int}" => (Kind::Int, 2),
            "{v:uuid}" => (Kind::Uuid, 2),
            "{v:slug}" => (Kind::Slug, 2),
            literal if literal == segment => {
                ranks.push(3);
                continue;
            }
            _ => return None,
        };
        if !kind.matches(segment) {
            return None;
        }
        ranks.push(rank);
    }
    // The end is more specific than `**` matching nothing.
    ranks.push(1);
    segments.next().is_none().then_some(ranks)
}

fn any_pattern() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "7", "{v}", "{v:int}", "{v:uuid}", "{v:slug}"]);
    let end = prop::sample::select(vec!["", "/", "/**"]);
    // A variable stands once in a pattern, so later ones are made literals.
    (prop::collection::vec(part, 0..4), end).prop_map(|(parts, end)| {
        let mut seen = 0;
        let once = |part: &'static str| {
            seen += usize::from(part.starts_with('{'));
            if seen > 1 && part.starts_with('{') { "/a".to_owned() } else { format!("/{part}") }
        };
        let parts: String = parts.into_iter().map(once).collect();
        if parts.is_empty() && end.is_empty() { "/".to_owned() } else { format!("{parts}{end}") }
    })
}

fn any_path() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "7", "07", "x.y", ORG]);
    (prop::collection::vec(part, 0..5), any::<bool>()).prop_map(|(parts, slash)| {
        let path: String = parts.iter().map(|p| format!("/{p}")).collect();
        if slash || path.is_empty() { format!("{path}/") } else { path }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The trie's winner is the most specific pattern by definition, that one is alone, and neither the order of routes nor
    /// how they are spread over files matters.
    #[test]
    fn the_winner_is_the_most_specific_one_in_any_order(
        offered in prop::collection::vec(any_pattern(), 1..12),
        paths in prop::collection::vec(any_path(), 1..8),
        cut in 0_usize..12,
    ) {
        let mut kept: Vec<&str> = Vec::new();
        for pattern in &offered {
            kept.push(pattern);
            if kept.iter().filter(|p| *p == pattern).count() > 1 || patterns(&[&kept]).is_err() {
                kept.pop();
            }
        }
        let one = patterns(&[&kept]).unwrap();
        let reversed: Vec<&str> = kept.iter().rev().copied().collect();
        let (left, right) = reversed.split_at(cut.min(reversed.len()));
        let files: Vec<&[&str]> = [left, right].into_iter().filter(|f| !f.is_empty()).collect();
        let other = patterns(&files).unwrap();
        for path in &paths {
            let mut matching: Vec<_> = kept.iter().filter_map(|p| Some((ranks(p, path)?, *p))).collect();
            matching.sort();
            let best = matching.last().map(|(_, p)| *p);
            prop_assert_eq!(winner(&one, path), best, "{} in {:?}", path, kept);
            prop_assert_eq!(winner(&other, path), best, "{} in {:?}, reversed", path, kept);
            if let [.., (second, _), (first, _)] = matching.as_slice() {
                prop_assert!(first != second, "{path} is matched twice alike: {matching:?}");
            }
        }
    }

    /// Whatever stands in quotes: pieces that mean something to the parser, in any order, and any text.
    #[test]
    fn any_expression_is_a_condition_or_has_findings(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "user", "org", "path", "request", ".", "is_staff", "groups", "headers", "[", "]", "(", ")", "{", "}", "\"x\"", "1",
                "-", "!", "&&", "||", "==", "in", "?", ":", "exists", "has", "a", ",", "1.5e", "0x", "r'", "\\", "\u{e9}", "b\"", "\"\"\"", "null", "//",
            ]),
            0..24,
        ),
        glue in "( |\\PC){0,2}",
    ) {
        let text = pieces.join(&glue).replace('\'', "\'\'");
        let routes = format!("version: 1\nroutes:\n  /x/{{a}}: {{ org: path.a, level: member, when: '{text}' }}\n");
        if let Err(findings) = load(&[("r.yaml", routes)], None) {
            prop_assert!(findings.has_errors());
        }
    }


    /// No text makes the loader panic, and what is refused says why.
    #[test]
    fn any_text_is_a_policy_or_has_findings(
        body in "([a-z{}:/*\\[\\], \n]|routes:|level|member|org: |path\\.|inject|  /x|\\{ ){0,60}",
    ) {
        let text = format!("version: 1\nroutes:\n  {body}\n");
        if let Err(findings) = load(&[("f", text)], None) {
            prop_assert!(findings.has_errors());
            prop_assert!(!findings.to_text(false).is_empty());
        }
    }
}

/// A group is a shorter way to write its routes, and nothing else.
#[test]
fn a_group_s_routes_are_what_they_would_be_written_out() {
    let grouped = policy(
        "version: 1
defaults: { inject: { X-User: user.id }, timeout: { total: 1s } }
groups:
  - prefix: /api/{org:uuid}
    org: path.org
    level: member
    inject: { X-Org: org.id }
    timeout: { connect: 2s }
    routes:
      /: { read: manager }
      /**: { write: owner, inject: { X-User: user.email } }
      /public: public
      /n/{n:int}: { level: member, inject: { X-N: path.n } }
  - { foreign: 404, routes: { '/plain/{org:slug}': { org: path.org as slug, level: member } } }
routes:
  /healthz: { GET: public }
",
    );
    let written = policy(
        "version: 1
defaults: { inject: { X-User: user.id }, timeout: { total: 1s } }
routes:
  /healthz: { GET: public }
  /api/{org:uuid}/:
    { org: path.org, read: manager, inject: { X-Org: org.id }, timeout: { connect: 2s } }
  /api/{org:uuid}/**:
    { org: path.org, write: owner, inject: { X-User: user.email, X-Org: org.id }, timeout: { connect: 2s } }
  /api/{org:uuid}/public: { level: public, timeout: { connect: 2s } }
  /api/{org:uuid}/n/{n:int}:
    { org: path.org, level: member, inject: { X-Org: org.id, X-N: path.n }, timeout: { connect: 2s } }
  /plain/{org:slug}: { org: path.org as slug, level: member, foreign: 404 }
",
    );
    let comparison = crate::tools::matrix::compare(&written, &grouped);
    let difference = |d: &crate::tools::matrix::Difference| d.to_string();
    // What a group says is for those that can use it: an open rule is told no organization, and a header of it is none.
    let told: Vec<String> = comparison.wider.iter().chain(&comparison.narrower).map(difference).collect();
    assert!(told.iter().all(|line| line.contains("/public") && line.contains("inject: x-org")), "{told:#?}");
    let org = format!("/api/{ORG}");
    for (path, pattern, line) in [
        (format!("{org}/"), "/api/{org:uuid}/", 10),
        (org.clone(), "/api/{org:uuid}/**", 11),
        (format!("{org}/x/y"), "/api/{org:uuid}/**", 11),
        (format!("{org}/n/7"), "/api/{org:uuid}/n/{n:int}", 13),
        ("/plain/acme".to_owned(), "/plain/{org:slug}", 14),
        ("/healthz".to_owned(), "/healthz", 16),
    ] {
        let found = grouped.find("h", &path).unwrap();
        assert_eq!((&*found.route.pattern, found.route.line), (pattern, line), "{path}");
    }
}
