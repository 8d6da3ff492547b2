//! The table of a small policy, and edits that open or close a door.

use super::{COLUMNS, Comparison, Matrix, Person, compare};
use crate::policy::{Policy, load};
use crate::tools::suite::read_world;
use crate::yaml::Findings;

fn policy(routes: &str) -> Policy {
    let text = format!("version: 1\n{routes}");
    load(&[("routes.yaml", text)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()))
}

/// `pattern methods: column=status …`, allowed columns without a status.
fn rows(policy: &Policy) -> Vec<String> {
    let matrix = Matrix::of(policy);
    let row = |row: &super::Row<'_>| {
        let cells = row.cells.iter().map(|cell| cell.map_or("-".to_owned(), |v| v.to_string()));
        let cells: Vec<String> = cells.map(|c| c.split(' ').next().unwrap().to_owned()).collect();
        format!("{} {}: {}", row.route.pattern, row.methods, cells.join(" "))
    };
    let unreachable = matrix.unreachable.iter().map(|route| format!("{} unreachable", route.pattern));
    matrix.rows.iter().map(row).chain(unreachable).collect()
}

#[test]
fn every_kind_of_person_is_judged_in_their_own_and_a_foreign_organization() {
    let names: Vec<String> = COLUMNS.iter().map(|c| super::told(*c)).collect();
    assert_eq!(
        names.join(" "),
        "anonymous outsider member manager owner foreign member foreign manager foreign owner staff superuser"
    );
    assert_eq!(
        rows(&policy(
            "routes:
  /healthz: { GET: public }
  /me: authenticated
  /staff: staff
  /o/{org:uuid}/**: { org: path.org, read: member, write: manager, DELETE: { level: owner, foreign: 404 } }
  /q: { org: query.o as slug or user.only, level: member }
  /any: manager
  /hole: deny
"
        )),
        [
            "/healthz GET,HEAD: allow allow allow allow allow - - - allow allow",
            "/me any: 401 allow allow allow allow - - - allow allow",
            "/staff any: 401 403 403 403 403 - - - allow 403",
            "/o/{org:uuid}/** read: 401 403 allow allow allow 403 403 403 403 allow",
            "/o/{org:uuid}/** POST,PUT,PATCH,other: 401 403 403 allow allow 403 403 403 403 allow",
            "/o/{org:uuid}/** DELETE: 401 404 403 403 allow 404 404 404 404 allow",
            "/q any: 401 403 allow allow allow 403 403 403 403 allow",
            "/any any: 401 403 403 allow allow - - - 403 allow",
            "/hole any: 403 403 403 403 403 - - - 403 403",
        ]
    );
}

#[test]
fn a_probe_falls_under_its_route_whatever_stands_beside_it() {
    let told = rows(&policy(
        "hosts: [\"{org}.example.com\"]
routes:
  /x/{v}: authenticated
  /x/{v:slug}: public
  /x/{v:slug}/**: member
  /x/{v}/sample: deny
  /n/{key:int}: { org: path.key as external, level: member }
  /u/{key:uuid}: { org: path.key as slug, level: member }
  /d/**: public
  /d/sample: member
  /d/{v}/sample/**: member
  \"/sp ace/{v}\": public
  /t: { org: host.org as slug, level: owner }
",
    ));
    let allowed = |pattern: &str| {
        let row =
            told.iter().find(|row| row.starts_with(&format!("{pattern} "))).unwrap_or_else(|| panic!("{pattern}"));
        row.split(": ").nth(1).unwrap().to_owned()
    };
    assert_eq!(allowed("/x/{v}"), "401 allow allow allow allow - - - allow allow");
    assert_eq!(allowed("/d/**"), "allow allow allow allow allow - - - allow allow");
    assert_eq!(allowed("/sp ace/{v}"), allowed("/d/**"));
    for tenant in ["/n/{key:int}", "/u/{key:uuid}"] {
        assert_eq!(allowed(tenant), "401 403 allow allow allow 403 403 403 403 allow", "{tenant}");
    }
    assert_eq!(allowed("/t"), "401 403 403 403 allow 403 403 403 403 allow");
    assert!(!told.iter().any(|row| row.ends_with("unreachable")), "{told:?}");
}

#[test]
fn a_route_that_others_hide_is_said_to_be_unreachable() {
    let told =
        rows(&policy("routes:\n  /**: public\n  /a/**: authenticated\n  /a: member\n  /a/{x}/**: deny\n  /a/: deny\n"));
    assert!(told.contains(&"/a/** unreachable".to_owned()), "{told:?}");
}

/// `wider|narrower: pattern methods: who: was -> now`
fn differences(old: &str, new: &str) -> Vec<String> {
    let Comparison { wider, narrower } = compare(&policy(old), &policy(new));
    let told = |word: &str, list: Vec<super::Difference>| {
        let line =
            |d: super::Difference| format!("{word} {} {}: {}: {} -> {}", d.pattern, d.methods, d.who, d.was, d.now);
        list.into_iter().map(line).collect::<Vec<_>>()
    };
    [told("wider", wider), told("narrower", narrower)].concat()
}

const BASE: &str =
    "routes:\n  /o/{org:uuid}/**: { org: path.org, read: member, write: manager }\n  /me: authenticated\n";

#[test]
fn nothing_is_different_in_another_order_or_under_other_names() {
    assert_eq!(differences(BASE, BASE), [""; 0]);
    let other = "routes:\n  /me: { description: mine, level: authenticated }\n  \
                 /o/{tenant:uuid}/**: { org: path.tenant, write: manager, read: { level: member, foreign: 403 } }\n";
    assert_eq!(differences(BASE, other), [""; 0]);
}

#[test]
fn a_lower_level_is_wider_and_a_higher_one_narrower() {
    let lower = BASE.replace("write: manager", "write: member");
    let expected = "/o/{org:uuid}/** write: member: ";
    assert_eq!(differences(BASE, &lower), [format!("wider {expected}403 org_level_missing -> allow")]);
    assert_eq!(differences(&lower, BASE), [format!("narrower {expected}allow -> 403 org_level_missing")]);
}

#[test]
fn a_new_route_and_a_lost_hole_are_wider() {
    let new = format!("{BASE}  /new: public\n");
    assert_eq!(
        differences(BASE, &new),
        ["wider /new any: anonymous, outsider, member, manager, owner, staff, superuser: 404 no_route -> allow"]
    );
    let hole = "routes: { /s/**: public, /s/in/**: deny }\n";
    let lost = "routes: { /s/**: public }\n";
    assert_eq!(
        differences(hole, lost),
        [
            "wider /s/** (was /s/in/**) any: anonymous, outsider, member, manager, owner, staff, superuser: 403 denied -> allow"
        ]
    );
    assert!(differences(lost, hole)[0].starts_with("narrower /s/in/** (was /s/**) any: anonymous"));
}

#[test]
fn losing_the_organization_lets_foreigners_in() {
    let lost = BASE.replace("org: path.org, ", "");
    let tenant = "/o/{org:uuid}/**";
    assert_eq!(
        differences(BASE, &lost),
        [
            format!("wider {tenant} read: all: org: path.org -> org: none"),
            format!("wider {tenant} read: foreign member, foreign manager, foreign owner: 403 org_foreign -> allow"),
            format!("wider {tenant} write: foreign manager, foreign owner: 403 org_foreign -> allow"),
        ]
    );
}

#[test]
fn what_a_verdict_does_not_show_is_wider_unless_it_only_takes_away() {
    let base = "routes:\n  /x: { level: authenticated, org: query.a, inject: { X-A: user.id } }\n";
    let tail = |old: &str, new: &str| differences(old, new).join("\n");
    for (from, to, told) in [
        ("X-A: user.id", "X-A: user.email", "inject: x-a: user.id -> inject: x-a: user.email"),
        ("inject: {", "upstream: b, inject: {", "upstream: none -> upstream: b"),
        (
            "inject: {",
            "rewrite: { add_prefix: /b, unmatched: allow }, inject: {",
            "rewrite: none -> rewrite: strip 0 segments, add /b, unmatched: allow",
        ),
        (
            "inject: {",
            "forward_authorization: true, inject: {",
            "forward_authorization: false -> forward_authorization: true",
        ),
        ("query.a", "query.a or query.b", "org: query.a -> org: query.a or query.b"),
        ("query.a", "query.a as slug", "org: query.a -> org: query.a as slug"),
    ] {
        let edited = base.replace(from, to);
        assert_eq!(differences(base, &edited)[0], format!("wider /x any: all: {told}"), "{to}");
    }
    let forwards = base.replace("inject: {", "forward_authorization: true, inject: {");
    assert!(tail(&forwards, base).starts_with("narrower /x any: all: forward_authorization"));
    let both = base.replace("query.a", "[query.a, query.b]");
    assert!(tail(base, &both).starts_with("narrower /x any: all: org: query.a -> org: query.a, query.b"));
    let silent = base.replace(", inject: { X-A: user.id }", "");
    assert!(tail(base, &silent).contains("wider every route any: all: x-a: removed from requests -> x-a: passed on"));
    assert!(tail("routes: { /x: optional }", "routes: { /x: public }").contains("level: optional -> level: public"));
}

#[test]
fn a_thousand_routes_are_compared_in_a_moment() {
    let line = |n: usize| format!("  /r{n}/{{org:uuid}}/x/**: {{ org: path.org, read: member, write: manager }}\n");
    let routes: String = (0..200).map(line).collect();
    let big = format!("routes:\n{routes}");
    let old = policy(&big);
    let new = policy(&big.replacen("write: manager", "write: member", 1));
    let comparison = compare(&old, &new);
    assert_eq!((comparison.wider.len(), comparison.narrower.len()), (1, 0));
}

#[test]
fn what_is_asked_besides_is_wider_when_it_goes_and_hides_no_level() {
    let rule = |level: &str, more: &str| policy(&format!("routes:\n  /x: {{ level: {level}{more} }}\n"));
    let told = |old: &Policy, new: &Policy| {
        let Comparison { wider, narrower } = compare(old, new);
        let words = |list: Vec<super::compare::Difference>| {
            list.into_iter().map(|d| format!("{} -> {}", d.was, d.now)).collect()
        };
        (words(wider), words(narrower))
    };
    type Told = (Vec<String>, Vec<String>);
    for (option, words) in [
        (", permissions: a.b", "permissions: a.b"),
        (", model: a.b", "model: a.b"),
        (", when: 'user.is_staff'", "when: user.is_staff"),
        (", throttle: { rate: 5/m, by: user }", "throttle: 5 in 60 s by user"),
    ] {
        let (plain, strict) = (rule("member", ""), rule("member", option));
        let name = words.split(':').next().unwrap();
        let expected: Told = (vec![format!("{words} -> {name}: none")], vec![]);
        assert_eq!(told(&strict, &plain), expected);
        let expected: Told = (vec![], vec![format!("{name}: none -> {words}")]);
        assert_eq!(told(&plain, &strict), expected);
        // The people of the table have no permissions, and yet a lower level is seen.
        let lower = rule("authenticated", option);
        assert!(!told(&strict, &lower).0.is_empty(), "{option}");
        assert!(told(&lower, &strict).0.is_empty(), "{option}");
    }
}

/// Whoever has the permission everywhere passes without a membership, which no verdict of the people here tells.
#[test]
fn to_ask_no_membership_any_more_is_wider() {
    let rule = |level: &str, more: &str| {
        format!("routes:\n  /x/{{org}}: {{ org: path.org as slug, level: {level}, permissions: a.b{more} }}\n")
    };
    let (member, permitted) = (rule("member", ""), rule("permitted", ""));
    assert_eq!(differences(&member, &permitted), ["wider /x/{org} any: all: level: member -> level: permitted"]);
    assert_eq!(differences(&permitted, &member), ["narrower /x/{org} any: all: level: permitted -> level: member"]);
    let roles = rule("permitted", ", user_permissions: off");
    assert_eq!(
        differences(&roles, &permitted),
        ["wider /x/{org} any: all: user_permissions: off -> user_permissions: none"]
    );
    assert_eq!(
        differences(&permitted, &roles),
        ["narrower /x/{org} any: all: user_permissions: none -> user_permissions: off"]
    );
}

/// `A or B`: where the first names nothing, the second may.
#[test]
fn every_way_to_name_an_organization_is_tried() {
    let by = |org: &str| policy(&format!("routes:\n  /q: {{ org: {org}, level: member }}\n"));
    let either = by("user.only or query.o as slug");
    let told = rows(&either);
    assert!(!told[0].contains('-') && told[0].starts_with("/q any: 401 "), "{told:?}");
    assert!(Matrix::of(&either).rows[0].foreign.as_ref().is_some_and(|request| request.target == "/q?o=foreign"));
    assert!(compare(&either, &by("user.only or query.o as slug")).is_empty());
    // Another door is wider, and a door less is not passed over.
    let more = by("user.only or query.o as slug or header.X-Org as slug");
    assert!(!compare(&either, &more).wider.is_empty() && !compare(&more, &either).is_empty());
}

#[test]
fn a_slash_that_is_let_in_is_seen() {
    let exact = "routes:\n  /p: { GET: public }\n  /q/: { GET: public }\n";
    let either = exact.replace("GET: public", "GET: public, trailing_slash: either");
    let told = differences(exact, &either);
    assert_eq!(told.len(), 2, "{told:?}");
    for (difference, pattern) in told.iter().zip(["/p", "/q/"]) {
        assert!(difference.starts_with(&format!("wider {pattern} GET,HEAD: anonymous, ")), "{difference}");
        assert!(difference.ends_with(": 404 no_route -> allow"), "{difference}");
    }
    assert!(differences(&either, exact).iter().all(|difference| difference.starts_with("narrower ")));
}

#[test]
fn more_of_what_is_asked_is_narrower() {
    let rule = |more: &str| policy(&format!("routes:\n  /x: {{ level: member, {more} }}\n"));
    for (loose, strict) in [
        ("permissions: a.b", "permissions: [a.c, a.b]"),
        ("permissions: { any: [a.b, a.c] }", "permissions: a.b"),
        ("permissions: { any: [a.b, a.c] }", "permissions: { any: [a.c] }"),
        ("permissions: { any: [a.b, a.c] }", "permissions: [a.b, a.d]"),
        ("throttle: { rate: 5/m, by: user }", "throttle: { rate: 1/m, by: user }"),
        ("throttle: { rate: 5/m, by: user }", "throttle: { rate: 5/h, by: user }"),
        ("body_limit: 2MiB", "body_limit: 1MiB"),
        ("upgrade: websocket", "description: none"),
    ] {
        let (loose, strict) = (rule(loose), rule(strict));
        let narrower = compare(&loose, &strict);
        assert!(narrower.wider.is_empty() && !narrower.narrower.is_empty(), "{narrower:?}");
        assert!(!compare(&strict, &loose).wider.is_empty());
    }
    for (one, other) in [
        ("permissions: a.b", "permissions: a.c"),
        ("throttle: { rate: 5/m, by: user }", "throttle: { rate: 4/s, by: user }"),
        ("throttle: { rate: 5/m, by: user }", "throttle: { rate: 5/m, by: address }"),
        ("when: 'user.is_staff'", "when: 'user.is_superuser'"),
    ] {
        assert!(!compare(&rule(one), &rule(other)).wider.is_empty(), "{one} {other}");
    }
}

/// An edit of the defaults is one difference, however many rules take it.
#[test]
fn a_change_of_a_default_is_told_once() {
    let with = |defaults: &str| {
        let routes: String = (0..30).map(|n| format!("  /r{n}: {{ read: authenticated, write: member }}\n")).collect();
        policy(&format!(
            "defaults: {{ {defaults} }}\nroutes:\n{routes}  /own: {{ level: staff, inject: {{ X-A: user.id }} }}\n"
        ))
    };
    for (from, to, told) in [
        ("inject: { X-A: user.id }", "inject: { X-A: user.email }", "inject: x-a: user.id -> inject: x-a: user.email"),
        ("inject: { X-A: user.id }", "inject: { X-A: user.id, X-B: user.id }", "inject: none -> inject: x-b: user.id"),
        (
            "authenticate: bearer",
            "authenticate: [bearer, jwt]",
            "authenticate: [bearer] -> authenticate: [bearer, jwt]",
        ),
        (
            "forward_authorization: false",
            "forward_authorization: true",
            "forward_authorization: false -> forward_authorization: true",
        ),
        ("timeout: { total: 1s }", "timeout: { total: 2s }", "timeout: total 1s -> timeout: total 2s"),
    ] {
        let comparison = compare(&with(from), &with(to));
        let [difference] = comparison.wider.as_slice() else { panic!("{from}: {comparison:?}") };
        assert_eq!(format!("{} -> {}", difference.was, difference.now), told);
        assert!(difference.others.len() >= 59, "{difference:?}");
        let text = comparison.to_text(false);
        assert!(
            text.starts_with("wider: /r0 (routes.yaml:4) read: all\n    ") && text.contains("\n    the same of "),
            "{text}"
        );
        assert_eq!(text.lines().count(), 4, "{text}");
        assert_eq!(comparison.to_json()["wider"][0]["others"][0]["pattern"], "/r0");
    }
    // What a rule says of its own is its own difference.
    let comparison = compare(&with("inject: { X-A: user.username }"), &with("inject: { X-A: user.email }"));
    assert!(!comparison.wider[0].others.iter().any(|other| other.pattern == "/own"), "{comparison:?}");
}

/// 403 says that there is something.
#[test]
fn to_tell_what_was_hidden_is_wider() {
    let rule = |foreign: &str| format!("routes:\n  /o/{{org:uuid}}: {{ org: path.org, level: member{foreign} }}\n");
    let (hidden, told) = (rule(", foreign: 404"), rule(""));
    assert_eq!(differences(&hidden, &told), ["wider /o/{org:uuid} any: all: foreign: 404 -> foreign: 403"]);
    assert_eq!(differences(&told, &hidden), ["narrower /o/{org:uuid} any: all: foreign: 403 -> foreign: 404"]);
    assert_eq!(differences(&rule(", foreign: 403"), &told), [""; 0]);
    // In the defaults too, once; where no organization decides, it is nothing.
    let with = |defaults: &str| {
        format!(
            "defaults: {{ {defaults} }}\n{}  /p/{{org:uuid}}: {{ org: path.org, level: owner }}\n  /me: authenticated\n",
            rule("")
        )
    };
    let told = differences(&with("foreign: 404"), &with("foreign: 403"));
    assert_eq!(told, ["wider /o/{org:uuid} any: all: foreign: 404 -> foreign: 403"]);
}

/// `when: 'org…'` decides by the organization, whatever the level says.
#[test]
fn where_a_condition_asks_for_the_organization_there_are_foreign_columns() {
    let told = rows(&policy(
        "routes:
  /o/{org:uuid}: { org: path.org, level: authenticated, when: 'org != null && org.level == \"owner\"' }
  /q: { org: query.o as slug, level: authenticated, when: 'has(org.slug)' }
  /w: { org: query.o as slug, level: authenticated, when: 'request.method == \"GET\"' }
",
    ));
    assert_eq!(
        told,
        [
            "/o/{org:uuid} any: 401 403 403 403 allow 403 403 403 403 403",
            "/q any: 401 403 allow allow allow 403 403 403 403 allow",
            "/w GET: 401 allow allow allow allow - - - allow allow",
            "/w write,HEAD,OPTIONS: 401 403 403 403 403 - - - 403 403",
        ]
    );
}

#[test]
fn what_limits_those_who_pass_is_told_beside_the_rows() {
    let policy = policy(
        "defaults: { throttle: { rate: 5/m, by: address } }
routes:
  /x: { read: public, POST: { level: member, body_limit: 1KiB } }
  /live: { GET: { level: public, upgrade: [websocket], origins: ['https://a.example'], throttle: { rate: none, by: address } } }
  /q: { read: public, throttle: { rate: none, by: address } }
",
    );
    let matrix = Matrix::of(&policy);
    let text = matrix.to_text(false);
    for line in [
        "/x read: whoever passes is limited by throttle 5 in 60 s by address\n",
        "/x POST: whoever passes is limited by throttle 5 in 60 s by address; body_limit 1024 bytes\n",
        "/live GET,HEAD: whoever passes is limited by upgrade websocket, origins https://a.example\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(text.matches("whoever").count(), 3, "{text}");
    let json = matrix.to_json();
    assert_eq!(json["limits"][1]["methods"], "POST");
    assert_eq!(json["limits"][1]["limits"]["body_limit"], "1024 bytes");
}

/// Side by side: somebody with a token of everything, and with one that is narrowed.
#[test]
fn a_narrowed_token_s_matrix_is_what_it_is_good_for() {
    let text = "given:
  organizations: { acme: {}, bolt: {} }
  users:
    ann: { acme: manager, bolt: manager }
    narrow: { acme: manager, bolt: manager, token: { organizations: [acme], read_only: true } }
";
    let mut findings = Findings::new();
    let id = findings.add_source("world.yaml", text);
    let world = read_world(id, &mut findings).unwrap();
    let policy = policy("routes:\n  /o/{org:slug}: { org: path.org as slug, read: member, write: manager }\n");
    let person = |name: &str, elsewhere: &str| Person {
        snapshot: world.user(name).cloned(),
        elsewhere: world.organizations().iter().find(|one| one.slug.as_str() == elsewhere).cloned(),
    };
    let matrix = Matrix::of_people(&policy, &[person("ann", ""), person("narrow", "bolt")]);
    let heads: Vec<String> = matrix.heads.iter().map(|head| format!("{} {}", head.who, head.whose)).collect();
    assert_eq!(heads, ["ann bolt", "ann acme", "narrow acme", "narrow elsewhere"]);
    let told: Vec<String> = matrix
        .rows
        .iter()
        .map(|row| {
            let cells = row.cells.iter().map(|cell| cell.map_or("-".to_owned(), |verdict| verdict.to_string()));
            format!("{}: {}", row.methods, cells.collect::<Vec<_>>().join(", "))
        })
        .collect();
    assert_eq!(
        told,
        ["read: allow, allow, allow, 403 org_foreign", "write: allow, allow, 403 scope_exceeded, 403 scope_exceeded"]
    );
}

#[test]
fn what_a_body_points_at_is_the_organization_s_own_or_a_foreign_one() {
    let told = rows(&policy(
        "lookups: { device: { sql: SELECT organization_id FROM device WHERE id = $1, args: [path.id] } }
routes:
  /note/: { POST: { level: manager, fields: { device: { lookup: device, required: true } } } }
  /many/: { POST: { level: member, org: \"body./*/organization\", fields: { /*/device: { lookup: device } } } }
",
    ));
    assert_eq!(
        told,
        [
            "/note/ POST: 401 403 403 allow allow 403 403 403 403 allow",
            "/many/ POST: 401 403 allow allow allow 403 403 403 403 allow",
        ]
    );
}
