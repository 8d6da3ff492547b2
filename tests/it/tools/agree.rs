//! One decision: over generated policies and requests, a started postern, `test`, `explain` and `matrix` judge alike.

use crate::strict::random::Random;
use crate::support::{Gate, ORG_A, ORG_B, ORG_GONE, Options, Who, request};
use postern::policy::{Policy, load};
use postern::tools::ask::Request;
use postern::tools::explain::Explanation;
use postern::tools::matrix::{COLUMNS, Matrix, Principal, Relation, Verdict};
use postern::tools::suite::{self, Suite};
use postern::yaml::Findings;
use std::fmt::Write;

const WORDS: [&str; 9] =
    ["public", "optional", "authenticated", "staff", "member", "manager", "owner", "superuser", "deny"];

/// Patterns that overlap, and each way to name an organization.
const ROUTES: [(&str, &[&str]); 12] = [
    ("/**", &[""]),
    ("/s/{org:slug}/**", &["org: path.org as slug"]),
    ("/s/a/closed", &["", "org: query.o as slug"]),
    ("/i/{org:uuid}/**", &["org: path.org"]),
    ("/q/**", &["org: query.o as slug", "org: query.o"]),
    (
        "/h/**",
        &["org: header.X-Org as slug", "org: header.X-Org as slug or user.only", "org: header.X-Org as external"],
    ),
    ("/m/**", &["org: user.only"]),
    ("/x/{v}/y", &["", "org: path.v as slug"]),
    ("/x/z/**", &[""]),
    ("/ext/**", &["rewrite: { strip_prefix: /ext }"]),
    (
        "/two/**",
        &["org: [query.o as slug, header.X-Org as slug]", "org: [query.o as slug primary, header.X-Org as slug]"],
    ),
    ("/patch/**", &["org: [user.only, query.o as slug optional]"]),
];

const INJECT: &str =
    "inject: { X-T-User: user.username, X-T-Organization: org.slug, X-T-Role: org.level, X-T-All: orgs.member }";

fn policy(random: &mut Random) -> String {
    let foreign = if random.below(3) == 0 { ", foreign: 404" } else { "" };
    let mut text = format!("version: 1\ndefaults: {{ {INJECT}{foreign} }}\nroutes:\n");
    for (pattern, options) in ROUTES {
        if random.below(6) == 0 {
            continue;
        }
        let word = |random: &mut Random| random.pick(&WORDS).to_owned();
        let levels = match random.below(4) {
            0 => format!("read: {}, write: {}", word(random), word(random)),
            1 => format!("GET: {}, PATCH: {}, write: {}", word(random), word(random), word(random)),
            2 => format!("GET: {}", word(random)),
            _ => format!("level: {}", word(random)),
        };
        let further = ["", ", when: 'request.method != \"PATCH\"'", ", permissions: app.see", ", model: app.thing"];
        let further = random.pick(&further);
        // Where nobody has to say who they are, or nobody passes, nothing else can be asked.
        let is_meant = !["public", "optional", "deny"].iter().any(|word| levels.contains(word));
        let further = if is_meant { further } else { "" };
        // Where nobody is known, no organization is read.
        let is_read = WORDS.iter().any(|word| !["public", "deny"].contains(word) && levels.contains(word));
        let options = random.pick(options);
        let options = if is_read || !options.starts_with("org") { options } else { "" };
        let comma = if options.is_empty() { "" } else { ", " };
        let _ = writeln!(text, "  {pattern}: {{ {levels}{further}{comma}{options} }}");
    }
    // At least one route is always there.
    text + "  /always: public\n"
}

/// A request: its line with `<name>`s, and its headers.
fn ask(random: &mut Random) -> (String, String, Vec<(&'static str, &'static str)>) {
    let slugs = ["a", "b", "gone", "nobody", "A"];
    let ids = ["<a>", "<b>", "<gone>", "00000000-0000-4000-8000-000000000000", "nonsense"];
    let slug = random.pick(&slugs).to_owned();
    let paths = [
        "/",
        "/always",
        "/other/",
        "/s/$/x",
        "/s/$",
        "/s/a/closed",
        "/i/#/",
        "/q/x",
        "/h/x",
        "/m/",
        "/x/$/y",
        "/x/z/y",
        "/x/z",
        "/ext/s/$/x",
        "/ext/x/z/y",
        "/ext",
        "/two/x",
        "/patch/x",
        "/s/../x",
        "//x",
        "/s/%2e%2e/x",
        "/s/$;a/x",
        "/s/%61/x",
    ];
    let mut target = random.pick(&paths).replace('$', &slug).replace('#', random.pick(&ids));
    match random.below(6) {
        0 => target += &format!("?o={slug}"),
        1 => target += &format!("?o={}", random.pick(&slugs)),
        2 => target += &format!("?o={}", random.pick(&ids)),
        3 => target += "?o=a&o=b",
        _ => {}
    }
    let headers: &[&[(&str, &str)]] = &[
        &[],
        &[("X-Org", "a")],
        &[("X-Org", "b")],
        &[("X-Org", "gone")],
        &[("X-Org", "A/1")],
        &[("X-Org", "a"), ("X_Org", "a")],
        &[("X-Org", "a"), ("X-Org", "a")],
        &[("Authorization", "Bearer nobody-has-this")],
        &[("X-T-User", "root")],
    ];
    let headers = headers[random.below(headers.len())].to_vec();
    let method = random.pick(&["GET", "GET", "GET", "HEAD", "OPTIONS", "POST", "PATCH", "DELETE", "PURGE"]);
    (method.to_owned(), target, headers)
}

/// The world of the started postern, as a tests file gives it.
const GIVEN: &str = "given:
  organizations: { a: { external_id: A/1 }, b: {}, gone: { active: false } }
  users:
    mA: { a: manager }
    uA: { a: member }
    oA: { a: owner }
    uB: { b: member }
    both: { a: member, b: member }
    gone_: { gone: owner }
    su: superuser
    off: { a: manager, active: false }
";

const EVERYBODY: [(Who, &str); 9] = [
    (Who::nobody, "anonymous"),
    (Who::mA, "mA"),
    (Who::uA, "uA"),
    (Who::oA, "oA"),
    (Who::uB, "uB"),
    (Who::both, "both"),
    (Who::gone, "gone_"),
    (Who::su, "su"),
    (Who::off, "off"),
];

fn loaded(text: &str) -> Policy {
    load(&[("routes.yaml", text)], None).unwrap_or_else(|f| panic!("{}\n{text}", f.to_lines()))
}

fn suite(text: &str) -> Suite {
    let mut findings = Findings::new();
    let id = findings.add_source("tests.yaml", text);
    let suite = suite::read(id, &mut findings);
    assert!(findings.is_empty(), "{}", findings.to_text(false));
    suite.unwrap()
}

/// `- { as: uA, GET: "/x", headers: {…}, expect: 403 }`
fn case(who: &str, method: &str, target: &str, headers: &[(&str, &str)], expect: &str) -> String {
    let mut said: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, value) in headers {
        match said.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value),
            None => said.push((name, vec![value])),
        }
    }
    let headers: Vec<String> = said.iter().map(|(name, values)| format!("{name}: {values:?}")).collect();
    format!("- {{ as: {who}, {method}: {target:?}, headers: {{ {} }}, expect: {expect} }}\n", headers.join(", "))
}

#[test]
fn the_gate_and_the_tools_judge_alike() {
    let mut random = Random(0x705);
    let (mut allowed, mut refused) = (0, 0);
    for _ in 0..5 {
        let text = policy(&mut random);
        let policy = loaded(&text);
        let gate = Gate::with(&Options::policy(text.as_str()));
        let mut cases = String::new();
        for _ in 0..100 {
            let (who, name) = EVERYBODY[random.below(EVERYBODY.len())];
            let (method, target, mut headers) = ask(&mut random);
            if who != Who::nobody {
                headers.retain(|(name, _)| *name != "Authorization");
            }
            let real = target.replace("<a>", ORG_A).replace("<b>", ORG_B).replace("<gone>", ORG_GONE);
            gate.upstream.forget();
            let mut raw = gate.raw();
            raw.send(request(who, &method, &real, &headers, ""));
            let is_head = method == "HEAD";
            let answer = if is_head { raw.answer_to_head() } else { raw.answer() };
            let mut verdict = match answer.status {
                200 => "allow".to_owned(),
                status if is_head => status.to_string(),
                status => format!("{status} {}", answer.code()),
            };
            // The gate's framing answers before there is a route; its codes are the same.
            headers.push(("Host", "api.example.com"));
            let told = case(name, &method, &target, &headers, &verdict);
            let told = explained(&policy, &format!("{GIVEN}tests:\n{told}"));
            // The gate tells its caller less than the tools tell the author.
            if verdict == "404 no_route" && told.0 == "404 org_foreign" {
                verdict.clone_from(&told.0);
            }
            let case = case(name, &method, &target, &headers, &verdict);
            let told_verdict = if is_head { told.0.split(' ').next().unwrap().to_owned() } else { told.0 };
            assert_eq!(told_verdict, verdict, "{case}{text}");
            if verdict == "allow" {
                allowed += 1;
                let sent = gate.upstream.recorded();
                for name in ["x-t-user", "x-t-organization", "x-t-role"] {
                    let expected = told.1.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
                    // The one user whose name is written in another way here.
                    let expected = expected.map(|value| if value == "gone_" { "gone" } else { value });
                    assert_eq!(sent[0].header(name), expected, "{name} {case}{text}");
                }
            } else {
                refused += 1;
            }
            cases += &case;
        }
        let report = suite(&format!("{GIVEN}tests:\n{cases}")).run(&policy);
        assert_eq!((report.failed(), report.outcomes.len()), (0, 100), "{}{text}", report.to_text(false));
    }
    assert!(allowed > 60 && refused > 100, "{allowed} allowed, {refused} refused: the generator says too little");
}

/// The verdict and the headers that `explain` tells of a file's one case.
fn explained(policy: &Policy, text: &str) -> (String, Vec<(String, String)>) {
    let suite = suite(text);
    let case = &suite.cases[0];
    let user = case.user.as_deref().and_then(|name| suite.world.user(name));
    let explanation = Explanation::of(policy, &case.request, user, &mut suite.world.facts(policy));
    (explanation.verdict_words(), explanation.inject.clone())
}

/// The matrix's own requests, sent by users of a tests file.
#[test]
fn the_matrix_and_the_tests_judge_alike() {
    const PEOPLE: &str = "given:
  organizations: { own: { external_id: own }, foreign: { external_id: foreign } }
  users:
    outsider: {}
    member: { own: member }
    manager: { own: manager }
    owner: { own: owner }
    staff: staff
    superuser: superuser
";
    let mut random = Random(0x1913);
    let mut judged = 0;
    for _ in 0..40 {
        let text = policy(&mut random);
        let policy = loaded(&text);
        let matrix = Matrix::of(&policy);
        let mut cases = String::new();
        for row in &matrix.rows {
            for ((who, whose), verdict) in COLUMNS.into_iter().zip(&row.cells) {
                let request = match whose {
                    Relation::Own => Some(&row.own),
                    Relation::Foreign => row.foreign.as_ref(),
                };
                let (Some(Request { method, target, headers, .. }), Some(verdict)) = (request, verdict) else {
                    continue;
                };
                let who = if who == Principal::Anonymous { "anonymous" } else { who.as_str() };
                let headers: Vec<(&str, &str)> =
                    headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
                let expect = match verdict {
                    Verdict::Allow => "allow".to_owned(),
                    Verdict::Refuse(status, code) => format!("{status} {code}"),
                };
                // A method that no policy names cannot stand in a tests file: it falls under `write` like this one.
                let method = if method == "OTHER" { "MKCOL" } else { method.as_str() };
                cases += &case(who, method, target, &headers, &expect);
                judged += 1;
            }
        }
        let report = suite(&format!("{PEOPLE}tests:\n{cases}")).run(&policy);
        assert_eq!(report.failed(), 0, "{}{text}", report.to_text(false));
    }
    assert!(judged > 2000, "{judged}");
}
