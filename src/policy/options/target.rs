//! `target:`: what of a target is taken that is refused where nothing is said.

use super::option::{Compiled, PolicyOption, RouteContext, Said};
use crate::request_target::oddity::{Oddities, Oddity};
use crate::yaml::{Findings, Keys, Node};
use serde_json::{Map, Value as Json, json};

/// `target:` as written: what of a target is taken or refused that is refused where nothing is said.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::policy) struct RawTarget {
    taken: Oddities,
    said: Oddities,
}

impl PolicyOption for Oddities {
    const ABOUT: &'static str = "What of a target is taken, as text of its segment, that is refused elsewhere.";
    type Raw = RawTarget;

    fn schema() -> Json {
        let words = Oddity::ALL.map(|oddity| (oddity.word().to_owned(), json!({ "enum": ["refuse", "allow"] })));
        let properties: Map<String, Json> = words.into_iter().collect();
        json!({ "type": "object", "additionalProperties": false, "minProperties": 1, "properties": properties })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<RawTarget> {
        let mut target = RawTarget::default();
        let help = "write what the service needs: `target: { encoded_slash: allow }`";
        let map = node.expect_map_like("`target`", help, findings)?;
        let words = Oddity::ALL.map(Oddity::word);
        map.expect_keys("`target`", Keys { known: &words, not_yet: &[] }, findings);
        for oddity in Oddity::ALL {
            let Some(node) = map.get(oddity.word()) else { continue };
            let what = format!("`{}`", oddity.word());
            if let Some(is_taken) = node.expect_one_of(&what, &[("refuse", false), ("allow", true)], findings) {
                target.said = target.said.with(oddity);
                target.taken = if is_taken { target.taken.with(oddity) } else { target.taken };
            }
        }
        Some(target)
    }

    /// Takes these words, and those above where they say nothing.
    fn over(own: &RawTarget, above: &RawTarget) -> RawTarget {
        let takes =
            |oddity: &Oddity| if own.said.has(*oddity) { own.taken.has(*oddity) } else { above.taken.has(*oddity) };
        let says = |oddity: &Oddity| own.said.has(*oddity) || above.said.has(*oddity);
        let of = |is: &dyn Fn(&Oddity) -> bool| Oddity::ALL.into_iter().filter(is).fold(Self::NONE, Self::with);
        RawTarget { taken: of(&takes), said: of(&says) }
    }
}

impl Compiled<RouteContext<'_>> for Oddities {
    fn compile(said: &Said<'_, Self>, _: &RouteContext<'_>, _: &mut Findings) -> Option<Self> {
        said.merged().map(|target| target.taken).filter(|taken| !taken.is_empty())
    }

    /// `encoded_slash, semicolon`
    fn words(&self) -> String {
        self.iter().map(Oddity::word).collect::<Vec<_>>().join(", ")
    }

    fn is_narrower(old: Option<&Self>, new: Option<&Self>) -> bool {
        new.copied().unwrap_or_default().are_among(old.copied().unwrap_or_default()).is_ok()
    }
}
