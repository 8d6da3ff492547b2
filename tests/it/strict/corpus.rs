//! The seeds of the fuzzers, replayed: each keeps the promise, and its name tells the verdict.

use super::{body, check_request, client, list, lookup_args, parser, proxy, reader, uwsgi};
use http::Method;
use postern::net::framing::Stop;
use std::path::Path;

/// The seeds of one fuzz target, by name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let files = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let seeds: Vec<_> = files
        .map(|file| file.expect("a seed"))
        .map(|file| (file.file_name().into_string().expect("a name"), std::fs::read(file.path()).expect("its bytes")))
        .collect();
    assert!(seeds.len() > 20, "{} has few seeds", directory.display());
    seeds
}

#[test]
fn targets_are_kept_or_refused_as_their_names_say() {
    for (name, bytes) in seeds("target") {
        let raw = String::from_utf8(bytes).expect("targets are text");
        assert_eq!(reader::check(&raw), !name.starts_with("refused-"), "{name}");
    }
}

#[test]
fn streams_pass_or_are_refused_as_their_names_say() {
    for (name, stream) in seeds("framing") {
        let refused = matches!(parser::check(&stream).stop, Stop::Refused(_));
        assert_eq!(refused, name.starts_with("refused-"), "{name}");
    }
}

#[test]
fn answers_are_read_or_refused_as_their_names_say() {
    for (name, stream) in seeds("answer") {
        assert_eq!(client::check(&stream, 3, &Method::GET), !name.starts_with("refused-"), "{name}");
    }
}

#[test]
fn proxy_headers_are_read_or_refused_as_their_names_say() {
    for (name, stream) in seeds("proxy") {
        assert_eq!(proxy::check(&stream).is_some(), !name.starts_with("refused-"), "{name}");
    }
}

#[test]
fn bodies_pass_or_are_refused_as_their_names_say() {
    for (name, body) in seeds("body") {
        assert_eq!(body::check(&body) != [false; 2], !name.starts_with("refused-"), "{name}");
    }
}

#[test]
fn lists_are_read_or_refused_as_their_names_say() {
    for (name, answer) in seeds("list") {
        assert_eq!(list::check(&answer) != [false; 2], !name.starts_with("refused-"), "{name}");
    }
}

#[test]
fn arguments_of_lookups_are_asked_or_refused_as_their_names_say() {
    for (name, text) in seeds("lookup_args") {
        let text = String::from_utf8(text).expect("arguments are text");
        let mut args = text.splitn(3, '\n');
        let args = [(); 3].map(|()| args.next().unwrap_or("x"));
        assert_eq!(lookup_args::check(args), !name.starts_with("refused-"), "{name}");
    }
}

#[test]
fn packets_are_written_and_answers_read_or_refused_as_their_names_say() {
    for (name, bytes) in seeds("uwsgi") {
        assert_eq!(uwsgi::check(&bytes), !name.starts_with("refused-"), "{name}");
    }
}

#[test]
fn questions_of_envoy_are_read_or_refused_as_their_names_say() {
    for (name, message) in seeds("check_request") {
        assert_eq!(check_request::check(&message), !name.starts_with("refused-"), "{name}");
    }
}
