//! `postern learn`: a draft of a policy, from what an OpenAPI document says of a service.
//!
//! A document says which requests there are, and seldom who may send them. So the draft closes every one of them (`deny`), and what the
//! document suggests stands beside it as a comment, `guess: …`, for somebody to choose. Each guess alone is a rule that loads.

mod document;
mod guess;

use crate::policy::load;
use crate::yaml::Severity;
use document::{Document, Operation};
use serde_json::Value as Json;
use std::fmt::Write;

/// What a draft holds.
#[derive(Debug)]
pub struct Draft {
    /// A policy file.
    pub text: String,
    pub routes: usize,
    /// Paths that no route can be written for.
    pub skipped: usize,
}

/// Drafts a policy.
///
/// # Errors
/// It is no OpenAPI 3 document, or has no paths.
pub fn draft(json: &Json) -> Result<Draft, &'static str> {
    let document = Document::new(json)?;
    let mut blocks: Vec<Block> = document.paths().map(|path| Block::of(&document, path)).collect();
    if blocks.is_empty() {
        return Err("the document has no paths");
    }
    skip_refused(&mut blocks);
    let (info, skipped) = (document.title(), blocks.iter().filter(|block| block.refused.is_some()).count());
    let mut text = format!(
        "# Drafted by `postern learn` from {info}.\n\
         # Nothing passes until somebody says who may: put a guess in the place of `deny` where it is right, and try it with `mode: shadow`.\n"
    );
    text += HEAD;
    for block in &blocks {
        text.push('\n');
        block.write(&mut text);
    }
    if skipped == blocks.len() {
        // A policy has a route.
        text += "  /**: deny\n";
    }
    Ok(Draft { text, routes: blocks.len() - skipped, skipped })
}

const HEAD: &str = "version: 1\nroutes:\n";

/// A path, and what stands in the draft for it.
struct Block {
    pattern: String,
    /// Why no route can be written for it.
    refused: Option<String>,
    notes: Vec<String>,
    rules: Vec<Rule>,
}

/// A method's rule.
struct Rule {
    method: String,
    about: Option<String>,
    guess: Option<String>,
    notes: Vec<String>,
}

impl Block {
    fn of(document: &Document<'_>, path: document::Path<'_>) -> Self {
        let (pattern, notes) = path.pattern();
        let rules = path.operations().map(|operation| Rule::of(document, &operation, &pattern)).collect();
        let mut block = Self { pattern, refused: None, notes, rules };
        if block.rules.is_empty() {
            block.refused = Some("it has no method that a rule can be for".to_owned());
        }
        block
    }

    fn write(&self, out: &mut String) {
        let (mark, key) = match self.refused {
            Some(_) => ("# ", comment(&key(&self.pattern))),
            None => ("", key(&self.pattern)),
        };
        for note in self.refused.iter().chain(&self.notes) {
            let _ = writeln!(out, "  # {}", comment(note));
        }
        let _ = writeln!(out, "  {mark}{key}:");
        for rule in &self.rules {
            for note in rule.about.iter().chain(&rule.notes) {
                let _ = writeln!(out, "    # {}", comment(note));
            }
            let guess = rule.guess.as_ref().map(|guess| format!(" # guess: {guess}")).unwrap_or_default();
            let _ = writeln!(out, "    {mark}{}: deny{guess}", rule.method);
        }
    }
}

impl Rule {
    fn of(document: &Document<'_>, operation: &Operation<'_>, pattern: &str) -> Self {
        let loads =
            |guess: &str| is_policy(&format!("{HEAD}  {}: {{ {}: {guess} }}\n", key(pattern), operation.method()));
        Self {
            method: operation.method().to_owned(),
            about: operation.about(),
            guess: guess::guess(document, operation).into_iter().find(|guess| is_one_line(guess) && loads(guess)),
            notes: guess::notes(document, operation),
        }
    }
}

/// Whether it stays within its comment, whatever names a document has.
fn is_one_line(guess: &str) -> bool {
    guess.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

fn is_policy(text: &str) -> bool {
    load(&[("draft.yaml".to_owned(), text.to_owned())], None).is_ok()
}

/// Takes out what the language refuses: patterns that it cannot write, and those that match what another one matches.
fn skip_refused(blocks: &mut [Block]) {
    for _ in 0..=blocks.len() {
        // Which blocks stand in it, a line each.
        let (mut text, mut written) = (HEAD.to_owned(), Vec::with_capacity(blocks.len()));
        for (at, block) in blocks.iter().enumerate().filter(|(_, block)| block.refused.is_none()) {
            let _ = writeln!(text, "  {}: deny", key(&block.pattern));
            written.push(at);
        }
        let Err(findings) = load(&[("draft.yaml".to_owned(), text)], None) else { return };
        let mut found = false;
        for finding in findings.list().iter().filter(|finding| finding.severity == Severity::Error) {
            let line = finding.place.line.checked_sub(HEAD.lines().count() + 1);
            if let Some(block) = line.and_then(|line| blocks.get_mut(*written.get(line)?)) {
                block.refused = Some(format!("no route: {}", finding.message));
                found = true;
            }
        }
        if !found {
            return;
        }
    }
}

/// A pattern as a key of YAML.
fn key(pattern: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/_-.~{:}".contains(&b);
    match pattern.bytes().all(is_plain) && !pattern.ends_with(':') {
        true => pattern.to_owned(),
        false => Json::from(pattern).to_string(),
    }
}

/// A text of the document in one line, and not a long one.
fn comment(text: &str) -> String {
    const LONGEST: usize = 140;
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.retain(|c| !c.is_control());
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests;
