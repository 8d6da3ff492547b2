//! `secrets:` — where the values of secrets are, and reading them when they are needed.
//!
//! They are read when a process starts to serve and not when a configuration is checked: a policy can be checked where its
//! secrets are not.

use crate::policy::{Policy, is_secret_name};
use crate::yaml::{Findings, Keys, Node, Value};
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Longest secret, in bytes.
const MAX_LENGTH: u64 = 8 * 1024;

/// A secret that policies may name.
#[derive(Clone, Debug)]
pub struct SecretSource {
    /// Its name.
    pub name: Box<str>,
    from: From,
}

#[derive(Clone, Debug)]
enum From {
    Env(Box<str>),
    File(PathBuf),
    /// Written in the configuration, against advice.
    Literal(SecretString),
}

/// Why a secret has no value. Says where it was looked for, never what was found.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The environment does not have it.
    #[error("the secret `{0}` is not there: the environment has no `{1}`")]
    NoVariable(Box<str>, Box<str>),
    /// The file cannot be read.
    #[error("the secret `{name}` is not there: cannot read {path}: {source}")]
    NoFile {
        /// Its name.
        name: Box<str>,
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is empty, longer than 8 KiB, or has characters that a header cannot carry.
    #[error("the secret `{0}` is empty, too long, or has characters that a header cannot carry")]
    Unfit(Box<str>),
    /// The configuration does not declare it.
    #[error("the policy names the secret `{0}`, which `secrets` does not declare")]
    Undeclared(Box<str>),
}

impl SecretSource {
    /// The file that it is in, where it is in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.from {
            From::File(path) => Some(path),
            From::Env(_) | From::Literal(_) => None,
        }
    }

    /// The value as a header carries it.
    fn read(&self) -> Result<HeaderValue, SecretError> {
        let text = self.text()?;
        let text = text.expose_secret();
        let fits = text.trim() == text && text.is_ascii();
        let value = HeaderValue::from_str(text).ok().filter(|_| fits);
        value.ok_or_else(|| SecretError::Unfit(self.name.clone()))
    }

    /// The value, without the line's end that editors put behind it.
    ///
    /// # Errors
    /// It is not there, is empty or too long.
    pub fn text(&self) -> Result<SecretString, SecretError> {
        let text = match &self.from {
            From::Literal(text) => text.clone(),
            From::Env(variable) => std::env::var(&**variable)
                .map(SecretString::from)
                .map_err(|_| SecretError::NoVariable(self.name.clone(), variable.clone()))?,
            From::File(path) => read_file(path).map_err(|source| SecretError::NoFile {
                name: self.name.clone(),
                path: path.clone(),
                source,
            })?,
        };
        let text = text.expose_secret().trim_end_matches(['\r', '\n']);
        let fits = !text.is_empty() && text.len() as u64 <= MAX_LENGTH;
        if fits { Ok(text.into()) } else { Err(SecretError::Unfit(self.name.clone())) }
    }
}

fn read_file(path: &Path) -> std::io::Result<SecretString> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_LENGTH + 2).read_to_string(&mut text)?;
    Ok(text.into())
}

/// Gives the secrets that a policy names their values.
///
/// # Errors
/// One has none.
pub fn fill(declared: &[SecretSource], policy: &Policy) -> Result<(), SecretError> {
    for secret in policy.secrets() {
        secret.set(named(declared, secret.name())?.read()?);
    }
    Ok(())
}

/// Whether the secrets of a policy have the values that they would be given now.
///
/// # Errors
/// One would be given none.
pub fn are_filled(declared: &[SecretSource], policy: &Policy) -> Result<bool, SecretError> {
    for secret in policy.secrets() {
        if named(declared, secret.name())?.read()? != secret.value() {
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
pub(super) fn read(node: &Node, base: &Path, findings: &mut Findings) -> Vec<SecretSource> {
    let Some(map) = node.expect_map("`secrets`", findings) else { return Vec::new() };
    let mut list = Vec::new();
    for entry in &map.entries {
        let name = entry.key.text.as_str();
        if !is_secret_name(name) {
            findings
                .error("wrong_value", entry.key.span, format!("`{name}` is not a name for a secret"))
                .help("a name is letters, digits, `_` and `-`, and begins with a letter");
            continue;
        }
        if let Some(from) = from(name, &entry.value, base, findings) {
            list.push(SecretSource { name: name.into(), from });
        }
    }
    list
}

/// Reads one secret that is not among `secrets:`; `None` when it was reported.
pub(super) fn one(name: &str, node: &Node, base: &Path, findings: &mut Findings) -> Option<SecretSource> {
    Some(SecretSource { name: name.into(), from: from(name, node, base, findings)? })
}

fn from(name: &str, node: &Node, base: &Path, findings: &mut Findings) -> Option<From> {
    let what = format!("secret `{name}`");
    let Value::Map(map) = &node.value else {
        // Whatever is reported about this file, its lines are not shown.
        findings.hide(node.span.file);
        let text = node.expect_str(&what, findings)?;
        findings.warning("literal_secret", node.span, format!("the {what} stands in the configuration itself")).help(
            format!("write `{{ env: {} }}` or `{{ file: PATH }}`", name.to_ascii_uppercase().replace(['-', '.'], "_")),
        );
        return Some(From::Literal(text.to_owned().into()));
    };
    map.expect_keys(&what, Keys { known: &["env", "file"], not_yet: &[] }, findings);
    match (map.get("env"), map.get("file")) {
        (Some(node), None) => Some(From::Env(node.expect_str("`env`", findings)?.into())),
        (None, Some(node)) => Some(From::File(base.join(node.expect_str("`file`", findings)?))),
        _ => {
            let message = format!("{what} must have either `env` or `file`");
            findings.error("wrong_value", node.span, message).help("write `{ env: NAME }` or `{ file: PATH }`");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SecretError, fill, read};
    use crate::policy::{Names, Policy, load};
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
        let declared = read(&node, dir.path(), &mut findings);
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
    }

    #[test]
    fn a_secret_has_one_place() {
        let mut findings = Findings::new();
        let id =
            findings.add_source("postern.yaml", "a: { env: X, file: y }\nb: {}\n1c: { env: X }\nd: { vault: x }\n");
        let node = parse(&mut findings, id).unwrap();
        assert!(read(&node, Path::new(""), &mut findings).is_empty());
        assert_eq!(findings.list().len(), 5, "{}", findings.to_lines());
    }
}
