//! What is known of an option of the language. Each has a file beside this one, which says all of it; [`super`] lists them.

use super::subject::{Failure, Subject};
use crate::policy::applicable::{Needs, RulePlace};
use crate::policy::lookup::Binder;
use crate::policy::methods::Methods;
use crate::policy::pattern::{Kind, Pattern};
use crate::yaml::{Findings, Node, Span, Spanned};
use serde_json::Value as Json;
use std::fmt::Debug;

/// An option as it is written: on a method, on a route, or above.
pub(in crate::policy) trait PolicyOption {
    /// What editors show of it.
    const ABOUT: &'static str;
    /// What a rule must be for it to mean something there.
    const NEEDS: Option<Needs> = None;
    /// Whether it is shown by its value, not by its key, where it means nothing.
    const SHOWN_BY_VALUE: bool = false;
    /// What was read.
    type Raw: Clone + Debug;

    /// Describes the value as a JSON Schema.
    fn schema() -> Json;

    /// Reads the value; `None` when it was reported.
    fn read(node: &Node, findings: &mut Findings) -> Option<Self::Raw>;

    /// Puts what is said here over what stands above: the nearest counts, unless it is a map that merges by key.
    fn over(own: &Self::Raw, _above: &Self::Raw) -> Self::Raw {
        own.clone()
    }

    /// Lists what must be true of a rule, and where that is shown.
    fn needs(raw: &Spanned<Self::Raw>) -> Vec<(Span, Needs)> {
        Self::NEEDS.map(|needs| (raw.span, needs)).into_iter().collect()
    }
}

/// An option that is compiled for each rule, or each route, that says it or has it from above.
pub(in crate::policy) trait Compiled<Of>: PolicyOption + Sized {
    /// Which stage of a decision it belongs to.
    const JUDGED: Judged = Judged::Afterwards;

    /// Binds it; `None` where nothing is said, or what is said does not count.
    fn compile(said: &Said<'_, Self>, of: &Of, findings: &mut Findings) -> Option<Self>;

    /// Says it in the words of the language, for explanations and comparisons.
    fn words(&self) -> String;

    /// Whether an edit lets nobody through whom the old one kept out, however a request looks. What is not known to be narrower is wider.
    fn is_narrower(_old: Option<&Self>, _new: Option<&Self>) -> bool {
        false
    }

    /// Whether a request passes, for options of [`Judged::Condition`]: where it does not, it is 403 `condition_false`.
    ///
    /// # Errors
    /// The request has not what is asked for, or has it twice.
    fn holds(&self, _request: &Subject<'_>) -> Result<bool, Failure> {
        Ok(true)
    }
}

/// The stage of a decision that looks at an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judged {
    Level,
    Permission,
    Condition,
    Fields,
    StrictSource,
    Throttle,
    /// No reason to refuse in itself, or none of every request.
    Afterwards,
}

/// What is said of an option: in the place that it is compiled for, and above.
#[derive(Debug)]
pub(in crate::policy) struct Said<'a, O: PolicyOption> {
    pub(super) own: Option<&'a Spanned<O::Raw>>,
    pub(super) above: Option<&'a Spanned<O::Raw>>,
}

impl<O: PolicyOption> Said<'_, O> {
    /// What counts.
    pub(super) fn merged(&self) -> Option<O::Raw> {
        merged::<O>(self.own, self.above).map(|raw| raw.value)
    }
}

/// Puts one over the other.
pub(super) fn merged<O: PolicyOption>(
    own: Option<&Spanned<O::Raw>>,
    above: Option<&Spanned<O::Raw>>,
) -> Option<Spanned<O::Raw>> {
    match (own, above) {
        (Some(own), Some(above)) => Some(Spanned { value: O::over(&own.value, &above.value), span: own.span }),
        (own, above) => own.or(above).cloned(),
    }
}

/// A route, as far as options may ask.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct RouteContext<'a> {
    pub(in crate::policy) pattern: &'a Spanned<Pattern>,
}

/// A rule, as far as options may ask.
#[derive(Clone, Copy)]
pub(in crate::policy) struct RuleContext<'a> {
    /// The methods that it is for; `None`: those of a route that is one level.
    pub(in crate::policy) methods: Option<&'a Methods>,
    pub(in crate::policy) place: RulePlace,
    /// The variables of the path.
    pub(in crate::policy) variables: &'a [(&'a str, Kind)],
    pub(in crate::policy) span: Span,
    pub(in crate::policy) pattern: &'a str,
    pub(in crate::policy) hosts: &'a [&'a str],
    /// What binds lookups to its route.
    pub(in crate::policy) binder: &'a Binder<'a>,
}

/// An edit of one option, in the words of the language.
#[derive(Clone, Debug)]
pub struct OptionChange {
    pub name: &'static str,
    pub was: String,
    pub now: String,
    /// It lets nobody through whom the old one kept out.
    pub is_narrower: bool,
}
