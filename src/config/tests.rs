use super::{Config, ConfigError, Sources};
use std::time::Duration;

fn load(
    text: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &'static str, &str)],
) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("postern.yaml");
    std::fs::write(&file, text).unwrap();
    let mut sources = Sources { file: Some(file), ..Sources::default() };
    sources.environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (flag, path, value) in flags {
        sources.flag(flag, path, Some(value));
    }
    match Config::load(&sources) {
        Ok((config, _)) => Ok(config),
        Err(ConfigError::Findings(findings)) => Err(findings.to_lines()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn the_environment_wins_over_the_file_and_flags_over_both() {
    let text = "listen: 127.0.0.1:1\nadmin: 127.0.0.1:2\ncache:\n  max_staleness: 9s\n";
    let environment = [
        ("POSTERN__ADMIN", "127.0.0.1:20"),
        ("POSTERN__LISTEN", "127.0.0.1:10"),
        ("POSTERN__CACHE__MAX_STALENESS", "7s"),
    ];
    let config = load(text, &environment, &[("--listen", "listen", "127.0.0.1:100")]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:100");
    assert_eq!(config.admin.port(), 20);
    assert_eq!(config.max_staleness, Duration::from_secs(7));
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let text = "listen: somewhere\nuptreams: {}\nredis: redis://cache\ntimeouts:\n  idle: soon\n";
    let findings = load(text, &[("POSTERN__LOG__FROMAT", "json")], &[]).unwrap_err();
    for part in [
        ":1:9: error[wrong_value]: `listen` must be",
        ":2:1: error[unknown_key]",
        "upstreams",
        ":3:1: error[not_yet]",
        ":5:9: error[wrong_value]",
        "POSTERN__LOG__FROMAT:1:1: error[unknown_key]",
    ] {
        assert!(findings.contains(part), "{part} is not in\n{findings}");
    }
}

#[test]
fn upstreams_are_urls_or_maps() {
    let text = "upstreams:\n  a: http://127.0.0.1:8000\n  b: { addresses: [\"http://b:9\"], host: upstream }\n";
    let config = load(text, &[], &[]).unwrap();
    let shown: Vec<_> = config.upstreams.iter().map(|u| (&*u.name, &*u.address)).collect();
    assert_eq!(shown, [("a", "127.0.0.1:8000"), ("b", "b:9")]);
    assert!(load("upstreams: { a: https://a }", &[], &[]).unwrap_err().contains("not yet"));
    assert!(load("upstreams: { a: { addresses: [http://a, http://b] } }", &[], &[]).unwrap_err().contains("not_yet"));
}

#[test]
fn nobody_trusts_the_whole_world() {
    assert!(load("trusted_proxies: [0.0.0.0/0]", &[], &[]).unwrap_err().contains("everybody"));
    assert_eq!(load("trusted_proxies: [10.0.0.0/8, 127.0.0.1]", &[], &[]).unwrap().trusted_proxies.len(), 2);
}
