//! `secrets:`, and secrets of single keys: where each one is. A policy's own are given their values.

use super::keys::{Key, Kind, Reader, Shape, expect};
use crate::policy::{Policy, is_secret_name};
use crate::secret::{Place, SecretError, SecretSource};
use crate::yaml::{Findings, Node, Value};
use std::path::Path;

/// Where a secret may be.
pub(super) const KEYS: &[Key] = &[
    Key("env", "The variable that has it.", Shape::Text),
    Key("file", "The file that it is in, relative to this one.", Shape::Text),
];

/// A secret of one key.
pub(super) const SECRET: Kind<SecretSource> =
    Kind { shape: Shape::Secret, read: |key, node, reader| one(&reader.path(key), node, reader.base, reader.findings) };

/// Gives the secrets that a policy names their values.
///
/// # Errors
/// One has none; each that has none is told.
pub fn fill(declared: &[SecretSource], policy: &Policy) -> Result<(), SecretError> {
    let mut missing = Vec::new();
    for secret in policy.secrets() {
        match named(declared, secret.name()).and_then(SecretSource::header) {
            Ok(value) => secret.set(value),
            Err(error) => missing.push(error),
        }
    }
    if missing.len() > 1 {
        return Err(SecretError::Several(missing));
    }
    missing.pop().map_or(Ok(()), Err)
}

/// Whether the secrets of a policy have the values that they would be given now.
///
/// # Errors
/// One would be given none.
pub fn are_filled(declared: &[SecretSource], policy: &Policy) -> Result<bool, SecretError> {
    for secret in policy.secrets() {
        if named(declared, secret.name())?.header()? != secret.value() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn named<'s>(declared: &'s [SecretSource], name: &str) -> Result<&'s SecretSource, SecretError> {
    let source = declared.iter().find(|source| *source.name == *name);
    source.ok_or_else(|| SecretError::Undeclared(name.into()))
}

/// Reads `secrets:`; what was reported is left out.
pub(super) fn read(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<SecretSource>> {
    let (base, findings) = (reader.base, &mut *reader.findings);
    let map = node.expect_map("`secrets`", findings)?;
    let mut list = Vec::new();
    for entry in &map.entries {
        let name = entry.key.text.as_str();
        if !is_secret_name(name) {
            findings
                .error("wrong_value", entry.key.span, format!("`{name}` is not a name for a secret"))
                .help("a name is letters, digits, `_` and `-`, and begins with a letter");
            continue;
        }
        if let Some(place) = place(name, &entry.value, base, findings) {
            list.push(SecretSource::new(name, place));
        }
    }
    Some(list)
}

/// Reads one secret that is not among `secrets:`; `None` when it was reported.
pub(super) fn one(name: &str, node: &Node, base: &Path, findings: &mut Findings) -> Option<SecretSource> {
    Some(SecretSource::new(name, place(name, node, base, findings)?))
}

fn place(name: &str, node: &Node, base: &Path, findings: &mut Findings) -> Option<Place> {
    let what = format!("secret `{name}`");
    let Value::Map(map) = &node.value else {
        // Whatever is reported about this file, its lines are not shown.
        findings.hide(node.span.file);
        let text = node.expect_str(&what, findings)?;
        findings.warning("literal_secret", node.span, format!("the {what} stands in the configuration itself")).help(
            format!("write `{{ env: {} }}` or `{{ file: PATH }}`", name.to_ascii_uppercase().replace(['-', '.'], "_")),
        );
        return Some(Place::Literal(text.to_owned().into()));
    };
    expect(map, &what, KEYS, &[], findings);
    match (map.get("env"), map.get("file")) {
        (Some(node), None) => Some(Place::Env(node.expect_str("`env`", findings)?.into())),
        (None, Some(node)) => Some(Place::File(base.join(node.expect_str("`file`", findings)?))),
        _ => {
            let message = format!("{what} must have either `env` or `file`");
            findings.error("wrong_value", node.span, message).help("write `{ env: NAME }` or `{ file: PATH }`");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, fill, read};
    use crate::config::Compat;
    use crate::policy::{Names, Policy, load};
    use crate::secret::SecretError;
    use crate::yaml::{Findings, parse};
    use std::path::Path;

    fn policy(name: &str) -> Policy {
        let text =
            format!("version: 1\nroutes:\n  /x: {{ read: public, inject: {{ X-Key: {{ secret: {name} }} }} }}\n");
        load(&[("routes.yaml", text)], Some(&Names::new(["a"]).with_secrets([name]))).unwrap()
    }

    #[test]
    fn a_secret_is_read_from_its_place_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), "s3cret-of-file\n").unwrap();
        std::fs::write(dir.path().join("bad"), "two\nlines\n").unwrap();
        let mut findings = Findings::new();
        let text = "a: { file: key }\nb: { file: none }\nc: { env: POSTERN_TEST_NO_SUCH }\nd: { file: bad }\ne: s3cret-inline\n";
        let id = findings.add_source("postern.yaml", text);
        let node = parse(&mut findings, id).unwrap();
        let declared = read("", &node, &mut Reader::new(dir.path(), Compat::None, &mut findings)).unwrap();
        assert_eq!(findings.list().iter().map(|f| f.code).collect::<Vec<_>>(), ["literal_secret"]);
        assert!(!findings.to_text(false).contains("s3cret"));
        let good = policy("a");
        assert!(!good.secrets()[0].is_set());
        assert_eq!(good.secrets()[0].value(), "***");
        fill(&declared, &good).unwrap();
        assert_eq!(good.secrets()[0].value(), "s3cret-of-file");
        fill(&declared, &policy("e")).unwrap();
        let shown = format!("{good:?} {declared:?} {:?}", good.secrets()[0].value());
        assert!(!shown.contains("s3cret"), "{shown}");
        for (name, part) in
            [("b", "cannot read"), ("c", "no `POSTERN_TEST_NO_SUCH`"), ("d", "cannot carry"), ("f", "does not declare")]
        {
            let error = fill(&declared, &policy(name)).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("lines"), "{error}");
        }
        assert!(matches!(fill(&[], &good), Err(SecretError::Undeclared(_))));
        let names = ["a", "b", "c"];
        let all = names
            .map(|name| format!("  /{name}: {{ read: public, inject: {{ X-Key: {{ secret: {name} }} }} }}\n"))
            .concat();
        let all = load(
            &[("routes.yaml", format!("version: 1\nroutes:\n{all}"))],
            Some(&Names::new(["a"]).with_secrets(names)),
        );
        let error = fill(&declared, &all.unwrap()).unwrap_err().to_string();
        assert!(error.contains("`b`") && error.contains("; the secret `c`"), "all that are missing at once: {error}");
    }

    #[test]
    fn a_secret_has_one_place() {
        let mut findings = Findings::new();
        let id =
            findings.add_source("postern.yaml", "a: { env: X, file: y }\nb: {}\n1c: { env: X }\nd: { vault: x }\n");
        let node = parse(&mut findings, id).unwrap();
        let declared = read("", &node, &mut Reader::new(Path::new(""), Compat::None, &mut findings));
        assert!(declared.unwrap().is_empty());
        assert_eq!(findings.list().len(), 5, "{}", findings.to_lines());
    }
}
