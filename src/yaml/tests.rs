//! What YAML may say, what it may not, and how that is told.

use super::*;
use std::time::Duration;

fn load(text: &str) -> (Option<Node>, Findings) {
    let mut findings = Findings::new();
    let file = findings.add_source("f.yaml", text);
    let node = parse(&mut findings, file);
    (node, findings)
}

/// `line:column code` of everything found.
fn found(text: &str) -> Vec<String> {
    let (_, findings) = load(text);
    findings.list().iter().map(|f| format!("{}:{} {}", f.place.line, f.place.column, f.code)).collect()
}

fn help(text: &str) -> String {
    let (_, findings) = load(text);
    findings.list().iter().filter_map(|f| f.help.clone()).collect::<Vec<_>>().join("; ")
}

#[test]
fn every_word_knows_where_it_stands() {
    let text = "a: 'é'\nroutes:\n  /x/{id:uuid}/**: { GET: public }\n";
    let (node, findings) = load(text);
    assert!(findings.is_empty(), "{}", findings.to_lines());
    let mut findings = findings;
    let root = node.unwrap();
    let map = root.expect_map("file", &mut findings).unwrap();
    let routes = map.get("routes").unwrap().expect_map("routes", &mut findings).unwrap();
    let route = &routes.entries[0];
    assert_eq!(route.key.text, "/x/{id:uuid}/**");
    assert_eq!(&text[route.key.span.start..route.key.span.end], "/x/{id:uuid}/**");
    let get = &route.value.expect_map("route", &mut findings).unwrap().entries[0];
    assert_eq!(&text[get.value.span.start..get.value.span.end], "public");
    let place = findings.place(get.value.span);
    assert_eq!((place.line, place.column), (3, 27));
}

#[test]
fn what_makes_yaml_mean_two_things_is_refused_all_at_once() {
    assert_eq!(
        found("a: 1\na: 2\nb: !x y\nc: &q z\nd: *q\n<<: { e: 1 }\nf:\ng: ~\nh: [null]\n"),
        [
            "2:1 duplicate_key",
            "3:4 tag",
            "4:4 anchor",
            "5:4 alias",
            "6:1 merge_key",
            "7:1 null_value",
            "8:4 null_value",
            "9:5 null_value"
        ]
    );
    assert_eq!(found("a: 1\n---\nb: 2\n"), ["2:1 several_documents"]);
    assert_eq!(found("# nothing\n"), ["1:1 empty_file"]);
    assert_eq!(found(""), ["1:1 empty_file"]);
    assert_eq!(found("[a, b]: c\n"), ["1:1 complex_key"]);
    assert_eq!(found(&"[".repeat(40)), ["1:33 too_deep"]);
}

#[test]
fn what_yaml_takes_otherwise_gets_the_hint() {
    assert!(
        help("hosts: [*.example.com]").contains("quote it: \"*.example.com\""),
        "{}",
        help("hosts: [*.example.com]")
    );
    assert!(help("a: !x").contains("quote it"));
    assert!(help("a: b: c").contains("quote it"));
    assert!(help("a: @x").contains("quote it"), "{}", load("a: @x").1.to_lines());
    assert!(help("{ /x/{a}: b }").contains("quote it"), "{}", load("{ /x/{a}: b }").1.to_lines());
    for word in ["on", "yes", "No", "y", "12", "0x1f", "1.5", "1e3", "12:30", "-7", ".inf"] {
        let (node, mut findings) = load(word);
        assert_eq!(node.unwrap().expect_str("it", &mut findings), None, "{word}");
        assert_eq!(findings.list()[0].help.as_deref(), Some(format!("quote it: \"{word}\"").as_str()));
        let (node, mut findings) = load(&format!("\"{word}\""));
        assert_eq!(node.unwrap().expect_str("it", &mut findings), Some(word));
    }
    for word in ["one", "a:b", "1.2.3.4", "v1", "only"] {
        let (node, mut findings) = load(&format!("[{word}]"));
        let node = node.unwrap();
        let items = node.expect_seq("it", &mut findings).unwrap();
        assert_eq!(items[0].expect_str("it", &mut findings), Some(word));
    }
}

#[test]
fn typed_readers_read_and_say_what_they_wanted() {
    let read = |text: &str| load(text).0.unwrap();
    let mut f = Findings::new();
    assert_eq!(read("5s").expect_duration("t", &mut f), Some(Duration::from_secs(5)));
    assert_eq!(read("250ms").expect_duration("t", &mut f), Some(Duration::from_millis(250)));
    assert_eq!(read("0").expect_duration("t", &mut f), Some(Duration::ZERO));
    assert_eq!(read("1MiB").expect_size("s", &mut f), Some(1 << 20));
    assert_eq!(read("none").expect_rate("r", &mut f), Some(Rate::Off));
    let each = Rate::Each { count: 5.try_into().unwrap(), period: Duration::from_secs(60) };
    assert_eq!(read("5/m").expect_rate("r", &mut f), Some(each));
    assert_eq!(read("true").expect_bool("b", &mut f), Some(true));
    assert_eq!(read("7").expect_u64("n", 1..=9, &mut f), Some(7));
    assert!(f.is_empty());
    assert_eq!(read("5").expect_duration("t", &mut f), None);
    assert_eq!(read("99999999999999999999s").expect_duration("t", &mut f), None);
    assert_eq!(read("1MB").expect_size("s", &mut f), None);
    for period in ["month", "millisecond", "hours", "decade", "", "M"] {
        assert_eq!(read(&format!("5/{period}")).expect_rate("r", &mut f), None, "{period}");
    }
    for period in ["m", "min", "minute"] {
        assert_eq!(read(&format!("5/{period}")).expect_rate("r", &mut f), Some(each), "{period}");
    }
    assert_eq!(read("5/month").expect_drf_rate("r", &mut f), Some(each), "as Django REST framework reads it");
    assert_eq!(read("+5/m").expect_rate("r", &mut f), None);
    assert_eq!(read("0/m").expect_rate("r", &mut f), None);
    assert_eq!(read("yes").expect_bool("b", &mut f), None);
    assert_eq!(read("10").expect_u64("n", 1..=9, &mut f), None);
    assert_eq!(read("[]").expect_map("m", &mut f).map(|_| ()), None);
    assert_eq!(f.list().len(), 14);
}

#[test]
fn places_hold_with_byte_order_marks_line_ends_and_wide_letters() {
    assert_eq!(found("a: 1\r\nb: ~\r\n"), ["2:4 null_value"]);
    assert_eq!(found("é: { \u{1f600}: ~ }\n"), ["1:9 null_value"]);
    let (node, findings) = load("\u{feff}a: 1\nb: ~\n");
    assert!(node.is_some());
    let place = &findings.list()[0].place;
    assert_eq!((place.line, place.column), (2, 4));
    assert!(findings.to_text(false).contains("2 | b: ~"));
}

#[test]
fn unknown_keys_get_the_nearest_known_one() {
    let keys = Keys { known: &["manager", "member"], not_yet: &["throttle"] };
    let (node, mut findings) = load("maneger: 1\nthrottle: 1\nthrotle: 1\nzzz: 1\n");
    node.unwrap().expect_map("it", &mut findings).unwrap().expect_keys("a route", keys, &mut findings);
    assert_eq!(
        findings.to_lines(),
        "f.yaml:1:1: error[unknown_key]: `maneger` is not known in a route (did you mean `manager`?)\n\
         f.yaml:2:1: error[not_yet]: `throttle` is not yet supported by this version of postern (leave it out: what is not done is refused, never ignored)\n\
         f.yaml:3:1: error[unknown_key]: `throtle` is not known in a route (did you mean `throttle`?)\n\
         f.yaml:4:1: error[unknown_key]: `zzz` is not known in a route (known here: manager, member)\n"
    );
}

#[test]
fn the_text_underlines_the_line_and_the_json_says_the_same() {
    let (_, findings) = load("é: 1\nb: 2\né: 3\n");
    let text = findings.to_text(false);
    assert!(text.starts_with("f.yaml:3:1: error[duplicate_key]: `é` stands here a second time"), "{text}");
    assert!(text.contains("3 | é: 3"), "{text}");
    assert!(text.contains("first here"), "{text}");
    let json = findings.to_json();
    assert_eq!(json[0]["line"], 3);
    assert_eq!(json[0]["related"][0]["line"], 1);
    assert_eq!(json[0]["severity"], "error");
    assert!(!text.contains('\u{1b}'));
    assert!(findings.to_text(true).contains('\u{1b}'));
}

proptest::proptest! {
    /// No text makes the reader panic or loop, and a refused text always has a finding with a place in it.
    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\né\t]{0,60}|([a-c:,&*!~{}\\[\\]\"' \n-]|: ){0,40}") {
        let (node, findings) = load(&text);
        proptest::prop_assert!(node.is_some() || findings.has_errors());
        for finding in findings.list() {
            proptest::prop_assert!(finding.place.line >= 1 && finding.place.column >= 1);
        }
        let _ = findings.to_text(false);
    }
}

#[test]
fn credentials_of_a_url_are_not_shown() {
    let mut findings = Findings::new();
    let text = "a: \"postgres://user:p4ss@w0rd@host/db\"  # see http://x/@y\n";
    let file = findings.add_source("x.yaml", text);
    let span = parse(&mut findings, file).unwrap().span;
    findings.error("some", span, "wrong");
    let shown = findings.to_text(false);
    assert!(shown.contains("postgres://**************@host/db"), "{shown}");
    assert!(!shown.contains("p4ss") && !shown.contains("w0rd"), "{shown}");
    findings.hide(file);
    assert!(!findings.to_text(false).contains("host/db"));
}
