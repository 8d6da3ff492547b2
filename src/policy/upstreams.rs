//! The names of upstreams: those of the configuration, or where it is not known, those that are mentioned.

use super::Names;
use super::lookup::RawLookup;
use super::source::File;
use crate::yaml::{Findings, Span, Spanned, suggest};

/// The names, and whether the configuration declares them.
pub(super) struct Upstreams<'n> {
    pub(super) names: Vec<Box<str>>,
    declared: Option<&'n Names>,
}

impl<'n> Upstreams<'n> {
    pub(super) fn new(files: &[File], declared: Option<&'n Names>) -> Self {
        // A configuration without upstreams has its one from `--upstream`.
        let declared = declared.filter(|names| names.upstreams().next().is_some());
        let names = match declared {
            Some(declared) => declared.upstreams().map(Box::from).collect(),
            None => {
                let of_routes = files.iter().flat_map(|f| &f.routes).flat_map(|r| [&*r.above, &r.options]);
                let options = files.iter().map(|f| &*f.defaults).chain(of_routes);
                let of_lookups = files.iter().flat_map(|f| &f.lookups).filter_map(RawLookup::upstream);
                let named = options.filter_map(|o| o.upstream.as_ref()).map(|u| u.value.as_str());
                let mut names: Vec<Box<str>> = named.chain(of_lookups).map(Box::from).collect();
                names.sort();
                names.dedup();
                names
            }
        };
        Self { names, declared }
    }

    pub(super) fn index(&mut self, name: Option<&Spanned<String>>, route: Span, findings: &mut Findings) -> usize {
        let Some(Spanned { value: name, span }) = name else {
            if self.names.len() == 1 {
                return 0;
            }
            if self.declared.is_some() {
                let help = format!("say which: {}", self.names.join(", "));
                findings
                    .error("upstream_needed", route, "there are several upstreams, and no `upstream` here")
                    .help(help);
                return 0;
            }
            // Which one it is only the configuration knows: a name of its own, empty, stands for it.
            return self.position("").unwrap_or_else(|| {
                self.names.push("".into());
                self.names.len() - 1
            });
        };
        self.position(name).unwrap_or_else(|| {
            let near = suggest(name, self.names.iter().map(|n| &**n)).map(|w| format!("did you mean `{w}`?"));
            let help = near.unwrap_or_else(|| format!("the configuration declares: {}", self.names.join(", ")));
            findings.error("unknown_upstream", *span, format!("no upstream is named `{name}`")).help(help);
            0
        })
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| **n == *name)
    }
}
