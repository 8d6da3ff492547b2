use super::json::Reader;
use super::{Counts, EventEnds, Filter, List, Said, Shape, Unreadable};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

fn steps(pointer: &str) -> Box<[Box<str>]> {
    pointer.split('/').skip(1).map(Box::from).collect()
}

fn shape(items: &str, org: &str) -> Arc<Shape> {
    let envelope = ["type", "page"].map(Box::from).into();
    Arc::new(Shape { items: steps(items), org: steps(org), envelope })
}

/// Keeps the items that say `a`, and those that say null.
fn is_ours(said: &Said<'_>) -> bool {
    matches!(said, Said::Text(text) if text == "a") || *said == Said::Null
}

/// What goes on of an answer that comes in pieces of such a size.
fn filtered(shape: &Arc<Shape>, answer: &[u8], size: usize, limit: usize) -> (Vec<u8>, Result<Counts, Unreadable>) {
    let mut filter = List::new(Arc::clone(shape), limit);
    let mut out = Vec::new();
    for piece in answer.chunks(size.max(1)) {
        if let Err(error) = filter.feed(piece, &mut is_ours, &mut out) {
            return (out, Err(error));
        }
    }
    (out, filter.finish())
}

/// The same however the answer is cut into pieces.
fn kept(shape: &Arc<Shape>, answer: &str) -> Result<(String, u64, u64), Unreadable> {
    let whole = filtered(shape, answer.as_bytes(), usize::MAX, 1 << 20);
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(filtered(shape, answer.as_bytes(), size, 1 << 20), whole, "{answer} in pieces of {size}");
    }
    let Counts { kept, dropped } = whole.1?;
    Ok((String::from_utf8(whole.0).expect("UTF-8"), kept, dropped))
}

#[test]
fn the_caller_gets_the_items_of_their_own() {
    let drf = shape("/results", "/org");
    for (items, org, answer, left) in [
        (
            "/results",
            "/org",
            r#"{"count":3,"next":"u","results":[{"org":"a","x":1},{"org":"b"},{"org":null}]}"#,
            r#"{"results":[{"org":"a","x":1},{"org":null}]}"#,
        ),
        (
            "/results",
            "/org",
            r#"{"results":[{"org":"b"}],"page":{"n":[1]},"type":"x","facets":{}}"#,
            r#"{"results":[],"page":{"n":[1]},"type":"x"}"#,
        ),
        ("", "/org", " [ {\"org\" : \"b\"} , {\"n\": [ ],\"org\":\"a\" } ] \n", "[{\"n\": [ ],\"org\":\"a\" }]"),
        ("", "/org", "[]", "[]"),
        ("", "", r#"["a","b",null,7]"#, r#"["a",null]"#),
        (
            "/features",
            "/properties/org",
            r#"{"type":"FeatureCollection","bbox":[1],"features":[{"properties":{"org":"a"}},{"properties":{"x":{"org":"a"}}},{"properties":null},{"org":"a"}]}"#,
            r#"{"type":"FeatureCollection","features":[{"properties":{"org":"a"}}]}"#,
        ),
        (
            "/data/list",
            "/org/id",
            r#"{"meta":{"total":9},"data":{"total":9,"list":[{"org":{"id":"a"}},{"org":"a"},{"org":["a"]}]}}"#,
            r#"{"data":{"list":[{"org":{"id":"a"}}]}}"#,
        ),
        // Written otherwise, it is the same key, the same text.
        (
            "/results",
            "/org",
            r#"{"r\u0065sults":[{"\u006frg":"\u0061"},{"org":"\u0062"}]}"#,
            r#"{"r\u0065sults":[{"\u006frg":"\u0061"}]}"#,
        ),
        // What is no text names nobody: no number is a UUID, and no list one organization.
        (
            "/results",
            "/org",
            r#"{"results":[{"org":true},{"org":["a"]},{"org":{"org":"a"}},{"x":{"org":"a"}},7,"a"]}"#,
            r#"{"results":[]}"#,
        ),
        (
            "/results",
            "/org",
            "{\"results\":[{\"org\":\"a\",\"ü\":\"żółć \u{1F600}\"}]}",
            "{\"results\":[{\"org\":\"a\",\"ü\":\"żółć \u{1F600}\"}]}",
        ),
    ] {
        let (text, ..) = kept(&shape(items, org), answer).unwrap_or_else(|error| panic!("{answer}: {error}"));
        assert_eq!(text, left, "{answer}");
    }
    assert_eq!(
        kept(&drf, r#"{"results":[{"org":"a"},{"org":"b"},{}]}"#).map(|(_, kept, dropped)| (kept, dropped)),
        Ok((1, 2))
    );
}

#[test]
fn what_cannot_be_read_is_not_passed_on() {
    let shape = shape("/results", "/org");
    let deep = format!("{{\"results\":[{}{}]}}", "[".repeat(200), "]".repeat(200));
    let digits = format!("{{\"results\":[{}]}}", "1".repeat(5000));
    for (answer, error) in [
        ("", Unreadable::Cut),
        ("[]", Unreadable::NoList),
        ("{}", Unreadable::NoList),
        ("null", Unreadable::NoList),
        (r#"{"results":null}"#, Unreadable::NoList),
        (r#"{"results":{"x":[]}}"#, Unreadable::NoList),
        (r#"{"items":[]}"#, Unreadable::NoList),
        (r#"{"results":[]"#, Unreadable::Cut),
        (r#"{"results":[{"org":"a"}"#, Unreadable::Cut),
        (r#"{"results":[{"org":"a"#, Unreadable::Cut),
        (r#"{"results":[]}{"results":[]}"#, Unreadable::NotJson),
        (r#"{"results":[]} x"#, Unreadable::NotJson),
        (r#"{"results":[],"results":[]}"#, Unreadable::Twice),
        (r#"{"results":[],"result\u0073":[]}"#, Unreadable::Twice),
        (r#"{"results":[{"org":"a","org":"b"}]}"#, Unreadable::Twice),
        (r#"{"results":[{"org":"a","\u006frg":"b"}]}"#, Unreadable::Twice),
        (r#"{"results":[{"org":"a",}]}"#, Unreadable::NotJson),
        (r#"{"results":[{"org":"a"},]}"#, Unreadable::NotJson),
        (r#"{"results":[{"org":"a"} {"org":"a"}]}"#, Unreadable::NotJson),
        (r#"{"results":[01]}"#, Unreadable::NotJson),
        (r#"{"results":[1.]}"#, Unreadable::NotJson),
        (r#"{"results":[-]}"#, Unreadable::NotJson),
        (r#"{"results":[1e]}"#, Unreadable::NotJson),
        (r#"{"results":[NaN]}"#, Unreadable::NotJson),
        (r#"{"results":[nulL]}"#, Unreadable::NotJson),
        (r#"{"results":['a']}"#, Unreadable::NotJson),
        (r#"{"results":["\x"]}"#, Unreadable::NotJson),
        (r#"{"results":["\u00g0"]}"#, Unreadable::NotJson),
        ("{\"results\":[\"a\nb\"]}", Unreadable::NotJson),
        ("{\"results\":[\"\u{0}\"]}", Unreadable::NotJson),
        ("\u{feff}{\"results\":[]}", Unreadable::NotJson),
        ("{\"results\":[/**/]}", Unreadable::NotJson),
        (&deep, Unreadable::TooDeep),
        (&digits, Unreadable::NotJson),
    ] {
        assert_eq!(kept(&shape, answer).map(|(text, ..)| text), Err(error), "{answer}");
    }
    let broken = b"{\"results\":[{\"org\":\"a\"},{\"org\":\"a\",\"x\":\"\xff\"}]}";
    let (out, result) = filtered(&shape, broken, 16, 1 << 20);
    assert_eq!((out.as_slice(), result), (&b"{\"results\":[{\"org\":\"a\"}"[..], Err(Unreadable::NotJson)));
}

#[test]
fn no_more_is_held_than_one_item() {
    let shape = shape("", "/org");
    let item = format!(r#"{{"org":"a","x":"{}"}}"#, "y".repeat(900));
    let answer = format!("[{}]", vec![item.as_str(); 1000].join(","));
    for size in [1, 10, 4096, answer.len()] {
        let (out, counts) = filtered(&shape, answer.as_bytes(), size, 1000);
        assert_eq!((out.len(), counts.map(|counts| counts.kept)), (answer.len(), Ok(1000)));
        // One byte less than an item is too little for it.
        assert_eq!(filtered(&shape, answer.as_bytes(), size, item.len() - 1).1, Err(Unreadable::TooLong), "{size}");
    }
    // A text that never ends is looked at once, however small its pieces are.
    let mut filter = List::new(Arc::clone(&shape), 1 << 20);
    let mut out = Vec::new();
    filter.feed(b"[\"", &mut is_ours, &mut out).expect("a beginning");
    let ended = (0..2 << 20).find_map(|_| filter.feed(b"y", &mut is_ours, &mut out).err());
    assert_eq!(ended, Some(Unreadable::TooLong));
}

#[test]
fn the_first_item_leaves_before_the_second_is_there() {
    let mut filter = List::new(shape("/results", "/org"), 1 << 20);
    let mut out = Vec::new();
    filter.feed(br#"{"count":7,"results":[{"org":"a"},{"or"#, &mut is_ours, &mut out).expect("readable");
    assert!(filter.is_found());
    assert_eq!(out, br#"{"results":[{"org":"a"}"#);
}

fn document() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[a-z\"\\\\ \u{e9}\u{1F600}\n]{0,12}", Just("a".to_owned()), Just("b".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        text.prop_map(Value::from),
    ];
    let key = prop_oneof!["[a-z]{0,3}", Just("org".to_owned()), Just("o\"rg".to_owned()), Just("results".to_owned())];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What should be left, by another parser.
fn expected(document: &Value) -> Option<Value> {
    let items = document.get("results")?.as_array()?;
    let ours = |item: &&Value| matches!(item.get("org"), Some(org) if org.is_null() || org == "a");
    let mut left = json!({ "results": items.iter().filter(ours).collect::<Vec<_>>() });
    for name in ["type", "page"] {
        if let Some(value) = document.get(name) {
            left[name] = value.clone();
        }
    }
    Some(left)
}

proptest! {
    #[test]
    fn another_parser_keeps_the_same(items in prop::collection::vec(document(), 0..8), around in document(), pretty: bool, size in 1_usize..200) {
        let mut document = if around.is_object() { around } else { json!({ "page": around, "count": 7 }) };
        document["results"] = items.into();
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.expect("JSON");
        let (out, counts) = filtered(&shape("/results", "/org"), text.as_bytes(), size, 1 << 20);
        prop_assert!(counts.is_ok(), "{text}");
        let left: Value = serde_json::from_slice(&out).expect("JSON");
        prop_assert_eq!(Some(left), expected(&document), "{}", text);
    }

    /// What another parser refuses, is refused; what it takes, is taken, but for keys that are there twice.
    #[test]
    fn another_parser_reads_the_same(document in document(), at in any::<prop::sample::Index>(), byte: u8, size in 1_usize..40) {
        let mut text = serde_json::to_vec(&json!([document])).expect("JSON");
        let at = at.index(text.len());
        text[at] = byte;
        let (_, counts) = filtered(&shape("", "/nowhere"), &text, size, 1 << 20);
        let read = serde_json::from_slice::<&serde_json::value::RawValue>(&text).is_ok();
        let is_list = text.trim_ascii_start().first() == Some(&b'[');
        match counts {
            Ok(_) => prop_assert!(read, "{:?}", String::from_utf8_lossy(&text)),
            Err(Unreadable::Twice) => {}
            Err(error) => prop_assert!(!read || !is_list, "{error} {:?}", String::from_utf8_lossy(&text)),
        }
    }

    #[test]
    fn nothing_that_comes_is_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1_usize..40) {
        for shape in [shape("/results", "/org"), shape("", "")] {
            let mut filter = List::new(shape, 100);
            let mut out = Vec::new();
            let fed = bytes.chunks(size).try_for_each(|piece| filter.feed(piece, &mut is_ours, &mut out));
            let kept = filter.finish().map_or(0, |counts| counts.kept);
            prop_assert!(out.len() <= bytes.len() + 8 && (fed.is_err() || kept <= bytes.len() as u64));
        }
    }
}

#[test]
fn a_value_ends_where_it_ends() {
    for (text, length) in [("{} x", 2), ("[1,[2]]]", 7), ("\"a\\\"b\"c", 6), ("12 ", 2), ("true,", 4), (" null}", 5)] {
        assert_eq!(Reader::default().read(text.as_bytes(), &[]), Ok(Some(length)), "{text}");
    }
}

/// What goes on of a stream, the same however it is cut into pieces.
fn streamed(media_type: &str, items: &str, answer: &str) -> Result<(String, Counts), Unreadable> {
    let run = |size: usize| {
        let mut filter = Filter::of(media_type, &shape(items, "/org"), 64, None).expect("a type that is read");
        let mut out = Vec::new();
        for piece in answer.as_bytes().chunks(size) {
            filter.feed(piece, &mut is_ours, &mut out)?;
        }
        let counts = filter.finish(&mut is_ours, &mut out)?;
        Ok((String::from_utf8(out).expect("UTF-8"), counts))
    };
    let whole = run(usize::MAX);
    for size in [1, 2, 5] {
        assert_eq!(run(size), whole, "{answer} in pieces of {size}");
    }
    whole
}

#[test]
fn each_line_is_an_item() {
    let answer = "{\"org\":\"a\",\"n\":1}\r\n\n{\"org\":\"b\"}\n7\n{\"org\": null}";
    let left = "{\"org\":\"a\",\"n\":1}\n{\"org\": null}\n";
    assert_eq!(streamed("application/x-ndjson", "", answer), Ok((left.to_owned(), Counts { kept: 2, dropped: 2 })));
    let lists = "{\"items\":[{\"org\":\"b\"}]}\n{\"items\":[{\"org\":\"a\"}],\"total\":2}\n";
    let left = "{\"items\":[]}\n{\"items\":[{\"org\":\"a\"}]}\n";
    assert_eq!(streamed("application/jsonl", "/items", lists), Ok((left.to_owned(), Counts { kept: 1, dropped: 1 })));
    for bad in [
        "{\"org\":\"a\"} {\"org\":\"a\"}\n",
        "{\"org\":\n\"a\"}\n",
        "nothing\n",
        "{\"org\":\"a\"",
        "{\"org\":\"a\",\"org\":\"b\"}\n",
    ] {
        assert!(streamed("application/x-ndjson", "", bad).is_err(), "{bad}");
    }
    assert_eq!(streamed("application/x-ndjson", "", &"y".repeat(100)), Err(Unreadable::TooLong));
}

#[test]
fn each_event_is_an_item() {
    for (answer, left) in [
        ("id: 1\ndata: {\"org\":\"a\"}\n\nid: 2\ndata: {\"org\":\"b\"}\n\n", "id: 1\ndata: {\"org\":\"a\"}\n\n"),
        ("\u{feff}event: x\r\ndata:{\"org\":\r\ndata: \"a\"}\r\n\r\n", "event: x\ndata: {\"org\":\ndata: \"a\"}\n\n"),
        (": alive\n\nretry: 5\rid: secret\r\r", ": alive\n\nretry: 5\n\n"),
        ("data: {\"org\":\"a\"}\n", ""),
        ("data\n\ndata: \n\nid: 7\n\n", ""),
    ] {
        assert_eq!(streamed("text/event-stream", "", answer).map(|(text, _)| text), Ok(left.to_owned()), "{answer:?}");
    }
    for bad in ["data: [DONE]\n\n", "data: {\"org\":\"a\"} {\"org\":\"a\"}\n\n", "data: {\"org\":\n\n"] {
        assert_eq!(streamed("text/event-stream", "", bad), Err(Unreadable::NotJson), "{bad:?}");
    }
    let twice = "data: {\"org\":\"b\",\"org\":\"a\"}\n\n";
    assert_eq!(streamed("text/event-stream", "", twice), Err(Unreadable::Twice));
    let other = "data: {\"result\":{\"content\":[]}}\n\n";
    assert_eq!(streamed("text/event-stream", "/result/tools", other).map(|(text, _)| text), Ok(String::new()));
    let rpc = "data: {\"result\":{\"tools\":[{\"org\":\"a\"},{\"org\":\"b\"}]}}\n\n";
    let left = "data: {\"result\":{\"tools\":[{\"org\":\"a\"}]}}\n\n";
    assert_eq!(streamed("text/event-stream", "/result/tools", rpc).map(|(text, _)| text), Ok(left.to_owned()));
    assert_eq!(streamed("text/event-stream", "", &"data: x\n".repeat(40)), Err(Unreadable::TooLong));
    assert!(
        Filter::of("text/csv", &shape("", ""), 64, None).is_none()
            && Filter::of("text/html", &shape("", ""), 64, None).is_none()
    );
}

/// What holds of a list that was narrowed at its source is written behind it, and not where something else came.
#[test]
fn totals_of_a_narrowed_list_wait_for_its_end() {
    let [parameter, host, asked] = ["org", "api.example.com", ""].map(Box::from);
    let [path, forwarded] = ["/x", "/x"].map(Box::from);
    let pages = Arc::new(super::Pages { parameter, asked, host, path, forwarded });
    let narrowed = |items: &str, answer: &str, size: usize| {
        let mut filter = List::new(shape(items, "/org"), 64).narrowed(Some(&pages));
        let mut out = Vec::new();
        for piece in answer.as_bytes().chunks(size) {
            filter.feed(piece, &mut is_ours, &mut out)?;
        }
        filter.finish()?;
        Ok::<_, Unreadable>(String::from_utf8(out).expect("UTF-8"))
    };
    let long = format!(r#"{{"count":"{}","total":"{}","r":[]}}"#, "1".repeat(40), "2".repeat(40));
    for (items, answer, left) in [
        (
            "/r",
            r#"{"count":2,"next":"/x?org=a&page=2","facets":{},"type":"t","r":[{"org":"a"}],"prev" : null}"#,
            Ok(r#"{"type":"t","r":[{"org":"a"}],"count":2,"next":"/x?page=2","prev":null}"#),
        ),
        ("/r", r#"{"count":2,"r":[{"org":"a"},{"org":"b"}],"next":"/x?page=2"}"#, Ok(r#"{"r":[{"org":"a"}]}"#)),
        (
            "/d/r",
            r#"{"meta":{"total":1},"d":{"total":1,"r":[],"x":1},"links":{"next":"/x?org=a"}}"#,
            Ok(r#"{"d":{"r":[],"total":1},"meta":{"total":1},"links":{"next":"/x"}}"#),
        ),
        ("", r#"[{"org":"a"}]"#, Ok(r#"[{"org":"a"}]"#)),
        ("/r", r#"{"count":1}"#, Err(Unreadable::NoList)),
        ("/r", &long, Err(Unreadable::TooLong)),
    ] {
        for size in [1, 5, 1 << 20] {
            assert_eq!(narrowed(items, answer, size), left.map(str::to_owned), "{answer} in pieces of {size}");
        }
    }
}

proptest! {
    /// Cut behind any of their ends, events are the same to whoever reads each part by itself.
    #[test]
    fn events_are_cut_where_they_end(
        events in prop::collection::vec("(data: |data:|id: 1|: x|\u{feff}|\\{\"org\":\"[ab]\"\\}|\r\n|\n|\r){0,8}", 0..6), size in 1_usize..9,
    ) {
        let (text, shape) = (events.concat(), shape("", "/org"));
        let filter = || Filter::of("text/event-stream", &shape, 1 << 10, None).unwrap();
        let read = |text: &[u8]| {
            let (mut filter, mut out) = (filter(), Vec::new());
            let fed = filter.feed(text, &mut is_ours, &mut out).and_then(|()| filter.finish(&mut is_ours, &mut out));
            (out, fed.is_ok())
        };
        let (mut ends, mut at) = (EventEnds::default(), Vec::new());
        for (piece, from) in text.as_bytes().chunks(size).zip((0..).step_by(size)) {
            at.extend(ends.feed(piece).map(|end| from + end));
        }
        at.push(text.len());
        let (mut parts, mut from, mut is_good) = (Vec::new(), 0, true);
        for end in at {
            let (out, is_read) = read(&text.as_bytes()[from..end]);
            parts.extend(out);
            from = end;
            is_good = is_read;
            if !is_read {
                break;
            }
        }
        prop_assert_eq!((parts, is_good), read(text.as_bytes()), "{:?}", text);
    }
}
