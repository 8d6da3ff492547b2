//! `postern learn`: a first policy for a service that describes itself.

use super::policies::{Early, Pages, on_standard_pages};
use crate::tools::learn::draft;
use crate::yaml::{Findings, Node, Value, parse_with_null};
use serde_json::{Map, Value as Json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Draft a policy from the OpenAPI 3 document of a service, JSON or YAML.
///
/// Every operation is closed (`deny`), and what the document suggests stands beside it as a comment, for somebody to choose: the draft lets
/// nobody pass. Exit 0; 1: the document cannot be used; 2: it cannot be read.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The document, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub openapi: PathBuf,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    on_standard_pages(|pages| learn(args, pages))
}

fn learn(args: &Args, pages: &mut Pages<'_>) -> Result<u8, Early> {
    let (name, text) = if args.openapi == Path::new("-") {
        let mut text = String::new();
        match std::io::stdin().read_to_string(&mut text) {
            Ok(_) => ("-".to_owned(), text),
            Err(error) => {
                writeln!(pages.err, "error: cannot read -: {error}")?;
                return Err(Early::Exit(2));
            }
        }
    } else {
        pages.read(&args.openapi)?
    };
    let document = match text.trim_start().starts_with('{') {
        true => match serde_json::from_str(&text) {
            Ok(json) => json,
            Err(error) => {
                writeln!(pages.err, "error: {name} is no JSON: {error}")?;
                return Err(Early::Exit(1));
            }
        },
        false => {
            let mut findings = Findings::new();
            let file = findings.add_source(name.as_str(), text);
            match parse_with_null(&mut findings, file).filter(|_| !findings.has_errors()) {
                Some(node) => json(&node),
                None => {
                    pages.findings(&findings)?;
                    return Err(Early::Exit(1));
                }
            }
        }
    };
    let draft = match draft(&document) {
        Ok(draft) => draft,
        Err(why) => {
            writeln!(pages.err, "error: {name}: {why}")?;
            return Err(Early::Exit(1));
        }
    };
    write!(pages.out, "{}", draft.text)?;
    let skipped = match draft.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} paths cannot be written as routes and are comments"),
    };
    writeln!(pages.err, "{} routes, all closed{skipped}: nothing passes until somebody says who may", draft.routes)?;
    Ok(0)
}

/// A tree of YAML, whose scalars mean what YAML 1.2 has them mean, as far as that matters here.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::Scalar(scalar) if scalar.plain => match scalar.text.as_str() {
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            text => text.into(),
        },
        Value::Scalar(scalar) => scalar.text.as_str().into(),
        Value::Seq(list) => list.iter().map(json).collect(),
        Value::Map(map) => {
            let entries = map.entries.iter().map(|entry| (entry.key.text.clone(), json(&entry.value)));
            Json::Object(entries.collect::<Map<_, _>>())
        }
        Value::Null | Value::Faulty => Json::Null,
    }
}
