//! The attack rows that a target can carry, as stories: each class in several spellings, and what must stay possible.

use super::query::{Ambiguous, all, single, spells, without};
use super::{Target, TargetError, check_carriable};
use std::borrow::Cow;

fn refused(raws: &[&str], error: TargetError) {
    for raw in raws {
        assert_eq!(Target::parse(raw), Err(error), "{raw:?}");
    }
}

fn kept(raw: &str) -> Target<'_> {
    let target = Target::parse(raw).unwrap_or_else(|error| panic!("{raw:?}: {error}"));
    assert_eq!(target.raw(), raw);
    assert!(check_carriable(raw.as_bytes()).is_ok(), "the scanner would refuse {raw:?}");
    target
}

#[test]
fn an_ordinary_target_is_kept_byte_by_byte() {
    let target = kept("/api/v1/org/a-b_c~d/x.json?x=/../admin&y=[1]|{2}");
    assert_eq!(target.path(), "/api/v1/org/a-b_c~d/x.json");
    assert_eq!(target.decoded(), target.path());
    assert_eq!(target.query(), Some("x=/../admin&y=[1]|{2}"));
    assert!(target.segments().eq(["api", "v1", "org", "a-b_c~d", "x.json"]));
    assert!(target.decoded.is_none(), "no escape, no allocation");
}

#[test]
fn a_trailing_slash_is_a_segment_of_its_own() {
    assert!(kept("/").segments().eq([""]));
    assert!(kept("/admin/").segments().eq(["admin", ""]));
    assert_eq!(kept("/admin?").query(), Some(""));
    assert_eq!(kept("/admin").query(), None);
}

#[test]
fn escapes_are_decoded_once_for_judging_and_forwarded_as_they_came() {
    for (raw, decoded) in [
        ("/api/v1/org/%41/x", "/api/v1/org/A/x"),
        ("/public/x%23/admin", "/public/x#/admin"),
        ("/public%3f/admin", "/public?/admin"),
        ("/a%20b/%20", "/a b/ "),
        ("/100%25", "/100%"),
        ("/100%25zz", "/100%zz"),
        ("/caf%C3%a9", "/caf\u{e9}"),
        ("/%2e%2ewell-known", "/..well-known"),
        ("/.well-known/...x/x..", "/.well-known/...x/x.."),
        ("/%E2%80%A6x", "/\u{2026}x"),
    ] {
        assert_eq!(kept(raw).decoded(), decoded);
    }
}

#[test]
fn the_query_is_split_off_before_anything_else() {
    assert_eq!(kept("/public?x=/../admin").path(), "/public");
    assert_eq!(kept("/public?/admin;x=%2e%2e%zz").query(), Some("/admin;x=%2e%2e%zz"));
    assert_eq!(kept("/public??").query(), Some("?"));
}

#[test]
fn segments_of_dots_are_refused_in_every_spelling() {
    refused(
        &[
            "/public/../admin/x",
            "/public/..",
            "/.",
            "/./x",
            "/public/%2e%2e/admin/x",
            "/public/%2E%2e",
            "/public/.%2e/x",
            "/public/.../admin",
            "/....",
            "/public%3f/../admin",
            "/ext/%2e/admin",
            "/public/..%20/admin",
            "/public/%20../admin",
            "/public/.%20./admin",
            "/public/..%C2%A0/admin",
            "/public/%E2%80%A5/admin",
            "/public/%E2%80%A4%E2%80%A4/admin",
            "/public/%EF%BC%8E%EF%BC%8E/admin",
            "/public/.%E2%80%8B./admin",
            "/public/%EF%B9%92./x",
            "/public/..%23/admin",
            "/public/..%3f/admin",
            "/public/..%EF%B8%8F/admin",
            "/public/..;/admin",
            "/public;/../admin",
            "/public//../admin",
            "/....//admin",
            "/public/...//admin",
        ],
        TargetError::DotSegment,
    );
}

#[test]
fn slashes_in_disguise_are_refused() {
    refused(
        &["/a%EF%BC%8Fb", "/a%EF%BC%BCb", "/a%EF%B9%A8b", "/a%E2%88%95b", "/a%E2%81%84b", "/a%E2%84%80b"],
        TargetError::DisguisedSlash,
    );
    refused(&["/public/a%2fadmin", "/a%2Fb", "/%2f"], TargetError::EncodedSlash);
    refused(&["/public/a%5cadmin", "/a%5Cb"], TargetError::EncodedBackslash);
    refused(
        &["/public/..%2fadmin", "/public/..%2Fadmin", "/api/v1/org/A%2f..%2fB/x", "/public/..%5cadmin"],
        TargetError::DotSegment,
    );
    refused(&["/public/..\\admin", "/\\evil.example"], TargetError::Backslash);
    refused(
        &["//admin/x", "//evil.example/admin", "/admin//", "/api/v1/org//device/", "/a/%EF%BB%BF/b", "/%20%E2%80%8B"],
        TargetError::EmptySegment,
    );
}

#[test]
fn path_parameters_are_refused_in_every_spelling() {
    refused(
        &["/admin;a=b/x", "/public/a;/admin", "/a%3bb", "/a%3Bb", "/a%EF%BC%9Bb", "/a%CD%BEb"],
        TargetError::Semicolon,
    );
    assert_eq!(kept("/a?b;c").path(), "/a");
}

#[test]
fn controls_and_raw_bytes_are_refused() {
    refused(
        &["/public%00/admin", "/a%0d%0a", "/a%09", "/a%7f", "/a%c2%85", "/a\u{1}", "/a?\u{7f}", "/a?\r\n", "/a?b\0"],
        TargetError::Control,
    );
    refused(&["/a b", "/a?b c", "/a "], TargetError::Blank);
    refused(&["/caf\u{e9}", "/a?\u{e9}"], TargetError::NotAscii);
    refused(&["/public/x#/admin", "/a?b#c"], TargetError::Fragment);
    refused(&["/a\"b", "/a<b", "/a>b", "/a`b", "/a{b", "/a}b", "/a?<", "/a?>", "/a?\""], TargetError::NotAllowed);
}

#[test]
fn what_decodes_twice_or_not_at_all_is_refused() {
    refused(
        &[
            "/public/%252e%252e/admin",
            "/a%2541",
            "/a%25%32%65",
            "/a%2525",
            "/a%25u002e",
            "/a%25%EF%BC%92e",
            "/a%EF%BC%852e",
        ],
        TargetError::DoubleEncoding,
    );
    for (raw, decoded) in
        [("/a/%254z", "/a/%4z"), ("/a/%25z4", "/a/%z4"), ("/a/%25u12", "/a/%u12"), ("/a/%25u002z", "/a/%u002z")]
    {
        assert_eq!(kept(raw).decoded(), decoded, "no reader takes it for an escape");
    }
    refused(&["/a%", "/a%4", "/a%zz", "/a%u002e", "/a%4/x", "/a%%41"], TargetError::BadEscape);
    refused(&["/public/%e0%80%af..", "/%c0%ae", "/a%ff", "/a%ed%a0%80", "/a%c3"], TargetError::NotUtf8);
}

#[test]
fn only_the_origin_form_is_a_target() {
    refused(
        &["", "admin/x", "*", "http://other-host/admin", "other:443", "?x", "\\admin", " /admin", "%2fadmin"],
        TargetError::NotOrigin,
    );
}

#[test]
fn what_the_url_standard_leaves_raw_is_kept() {
    for raw in ["/a|b", "/[::1]/x", "/a]^b^", "/x?[a]|{b}^`\\;'"] {
        assert_eq!(kept(raw).decoded(), kept(raw).path());
    }
}

#[test]
fn what_a_route_may_take_is_named_and_is_text_of_its_segment() {
    use super::oddity::Oddity::{DoubleEncoding, DoubleSlash, EncodedBackslash, EncodedSlash, Semicolon};
    for (raw, odd, last) in [
        ("/a/b%2Fc", &[EncodedSlash][..], "b/c"),
        ("/a/%2f", &[EncodedSlash], "/"),
        ("/a/b%5cc", &[EncodedBackslash], "b\\c"),
        ("/a//b", &[DoubleSlash], "b"),
        ("//", &[DoubleSlash], ""),
        ("/a/b;c", &[Semicolon], "b;c"),
        ("/a/b%3Bc", &[Semicolon], "b;c"),
        ("/a/%2541", &[DoubleEncoding], "%41"),
        ("/a//b%2f;%2525", &[DoubleSlash, EncodedSlash, Semicolon, DoubleEncoding], "b/;%25"),
        ("/a/b", &[], "b"),
    ] {
        let target = Target::read(raw).unwrap();
        assert!(target.oddities().iter().eq(odd.iter().copied()), "{raw}");
        assert_eq!(target.segments().last().map(|last| super::plain(last).into_owned()).as_deref(), Some(last));
        let refused = odd.first().map_or(Ok(()), |odd| Err(odd.error()));
        assert_eq!(Target::parse(raw).map(|_| ()), refused, "{raw}");
        assert_eq!(target.raw(), raw);
    }
    assert_eq!(super::shown(Target::read("/a/b%2fc").unwrap().decoded()), "/a/b%2Fc");
}

#[test]
fn no_route_takes_dots_beside_what_it_takes() {
    for raw in [
        "/a/..%2Fb",
        "/a/b%2F..",
        "/a/%2e%2e%2fb",
        "/a/..%5Cb",
        "/a/..;",
        "/a/..;b/c",
        "/a/.;",
        "/a//..",
        "/a/%252e%252e",
        "/a/%252e%252e%252fb",
        "/a/%25252e%25252e",
        "/a/b%2F%252e%252e",
        "/a/%252e;",
        "/a/..%3Bb",
    ] {
        assert!(Target::read(raw).is_err(), "{raw}");
    }
    for raw in ["/a/%2500", "/a/%250d%250a", "/a/%25u002e", "/a/%25c0%25ae"] {
        assert_eq!(Target::read(raw), Err(TargetError::DoubleEncoding), "{raw}");
    }
}

#[test]
fn debug_shows_no_query() {
    assert_eq!(format!("{:?}", kept("/a?sesame=secret")), "Target(\"/a\")");
}

#[test]
fn every_refusal_has_its_own_text() {
    let all = [
        TargetError::NotOrigin,
        TargetError::EmptySegment,
        TargetError::DotSegment,
        TargetError::EncodedSlash,
        TargetError::EncodedBackslash,
        TargetError::DisguisedSlash,
        TargetError::Backslash,
        TargetError::Semicolon,
        TargetError::Control,
        TargetError::Blank,
        TargetError::NotAscii,
        TargetError::Fragment,
        TargetError::NotAllowed,
        TargetError::BadEscape,
        TargetError::NotUtf8,
        TargetError::DoubleEncoding,
    ];
    let texts: std::collections::HashSet<_> = all.iter().map(|error| error.reason()).collect();
    assert_eq!(texts.len(), all.len());
    assert_eq!(TargetError::Blank.to_string(), TargetError::Blank.reason());
    let manual = include_str!("../../docs/policy.md");
    for text in texts {
        let rest = text.get(1..).unwrap();
        assert!(manual.contains(&format!("{rest}.")), "docs/policy.md lacks: {text}");
    }
}

#[test]
fn a_parameter_is_read_in_its_one_spelling() {
    for (query, value) in [
        (None, None),
        (Some(""), None),
        (Some("x=1"), None),
        (Some("organization=A"), Some("A")),
        (Some("x=1&organization=A&y"), Some("A")),
        (Some("organization=a%2Db+c"), Some("a-b c")),
        (Some("%6frganization=A"), Some("A")),
        (Some("organization=a=b"), Some("a=b")),
        (Some("organization"), Some("")),
        (Some("organizations=B&organization=A&my_organization=C&%zz=1;2"), Some("A")),
        (Some("next=/x?organization%3DB"), None),
    ] {
        assert_eq!(
            single(query, "organization").map(|found| found.map(Cow::into_owned)),
            Ok(value.map(str::to_owned)),
            "{query:?}"
        );
    }
    assert!(matches!(single(Some("organization=A"), "organization"), Ok(Some(Cow::Borrowed("A")))));
}

#[test]
fn a_parameter_that_could_be_read_in_two_ways_is_ambiguous() {
    for (query, error) in [
        ("organization=A&organization=B", Ambiguous::Repeated),
        ("organization=A&organization=A", Ambiguous::Repeated),
        ("organization=A&%6frganization=B", Ambiguous::Repeated),
        ("organization=A&organization", Ambiguous::Repeated),
        ("Organization=B", Ambiguous::Spelling),
        ("organization[]=B", Ambiguous::Spelling),
        ("organization%5B%5D=B", Ambiguous::Spelling),
        ("organization[0]=B&organization=A", Ambiguous::Spelling),
        ("organization%5b0%5d=B", Ambiguous::Spelling),
        ("+organization=B", Ambiguous::Spelling),
        ("organization%00=B", Ambiguous::Spelling),
        ("organization%ff=B", Ambiguous::Spelling),
        ("organization%=B", Ambiguous::Spelling),
        ("%256frganization=B", Ambiguous::Spelling),
        ("x=1;organization=B", Ambiguous::Separator),
        ("organization=A;x=1", Ambiguous::Separator),
        ("x=1;Organization[]=B", Ambiguous::Separator),
        ("organization=A%26organization=B", Ambiguous::Separator),
        ("organization=A%3Borganization%3DB", Ambiguous::Separator),
        ("organization=%zz", Ambiguous::Malformed),
        ("organization=%ff", Ambiguous::Malformed),
        ("organization=%", Ambiguous::Malformed),
        ("organization=A%00", Ambiguous::Malformed),
    ] {
        assert_eq!(single(Some(query), "organization"), Err(error), "{query}");
    }
}

#[test]
fn a_name_that_is_encoded_without_end_is_followed_only_so_far() {
    let key = format!("%{}6f=B", "25".repeat(20_000));
    assert_eq!(single(Some(&key), "organization"), Ok(None));
}

#[test]
fn a_name_is_found_however_it_is_spelt() {
    for key in [
        "organization",
        "Organization",
        "organ_ization",
        "org[anization]",
        "org[anization",
        "organization[0]",
        "organization%00x",
        "%256frganization",
    ] {
        assert!(spells(key.as_bytes(), "organization"), "{key}");
    }
    for key in ["organizations", "org", "[0]organization1", ""] {
        assert!(!spells(key.as_bytes(), "organization"), "{key}");
    }
}

#[test]
fn a_half_escape_is_malformed_and_no_character() {
    for query in ["organization=%4z", "organization=%z4", "organization=%"] {
        assert_eq!(single(Some(query), "organization"), Err(Ambiguous::Malformed), "{query}");
        assert_eq!(all(Some(query)), Err(Ambiguous::Malformed), "{query}");
    }
}

#[test]
fn a_parameter_is_taken_out_in_every_spelling_and_the_others_stay_as_they_came() {
    for (query, rest) in [
        ("a=1&sesame=x&b=%2f", Some("a=1&b=%2f")),
        ("SESAME=x", Some("")),
        ("a=1;sesame=x&b", Some("b")),
        ("a=1&b=sesame", None),
        ("", None),
    ] {
        assert_eq!(without(query, "sesame").as_deref(), rest, "{query}");
    }
}

#[test]
fn all_parameters_are_read_where_every_reader_finds_the_same() {
    fn pairs(query: &str) -> Result<Vec<String>, Ambiguous> {
        all(Some(query)).map(|all| all.into_iter().map(|(k, v)| format!("{k}:{v}")).collect())
    }
    assert_eq!(pairs("a=1&&b=x+y&c"), Ok(vec!["a:1".to_owned(), "b:x y".to_owned(), "c:".to_owned()]));
    for query in ["a=1;b=2", "a%26b=1", "a%3bb=1", "a=1%26b=2", "a=1%3bb"] {
        assert_eq!(pairs(query), Err(Ambiguous::Separator), "{query}");
    }
    assert_eq!(pairs("a-b=1&A_B=2"), Err(Ambiguous::Repeated));
    let many = |count: usize| (0..count).map(|n| format!("a{n}=1")).collect::<Vec<_>>().join("&");
    assert_eq!(pairs(&many(64)).map(|all| all.len()), Ok(64));
    assert_eq!(pairs(&many(65)), Err(Ambiguous::Repeated));
}
