//! The options of the language, one file each: its key, how it is read and merged, where it applies, what editors, explanations and
//! comparisons say of it. Here they are listed; the key of an option is its name in the list.

pub(super) mod allow_lint;
pub(super) mod authenticate;
mod body_limit;
mod cors;
mod csrf;
mod description;
mod error_passthrough;
mod fields;
mod foreign;
mod forward_authorization;
pub(super) mod inject;
mod inspect_limit;
mod level;
mod list;
mod mfa;
mod mode;
mod model;
mod option;
pub(super) mod org;
mod origins;
mod permissions;
mod rewrite;
mod shared;
mod strict_source;
mod subject;
mod target;
mod throttle;
mod timeout;
pub(super) mod trailing_slash;
mod upgrade;
mod upstream;
mod user_permissions;
pub(super) mod when;

pub use body_limit::BodyLimit;
pub use cors::Cors;
pub use csrf::Csrf;
pub use error_passthrough::ErrorPassthrough;
pub use fields::{Fields, RelatedField};
pub use foreign::Foreign;
pub use inspect_limit::{INSPECT_LIMIT, InspectLimit};
pub use list::{ItemBy, ItemLookup, List, Push};
pub use mfa::Mfa;
pub use mode::Shadow;
pub use model::{Asked, Model};
pub(super) use option::PolicyOption;
pub(super) use option::{Compiled, RouteContext, RuleContext};
pub use option::{Judged, OptionChange};
pub use permissions::Permissions;
pub use rewrite::Rewrite;
pub use shared::Shared;
pub use strict_source::StrictSource;
pub use subject::{Failure, Subject};
pub use throttle::{CountedBy, Throttle};
pub use timeout::Timeout;
pub use upgrade::Upgrade;
pub use user_permissions::UserPermissions;

use crate::policy::access::Access;
use crate::policy::applicable::{Needs, RulePlace};
use crate::request_target::oddity::Oddities;
use crate::yaml::{Findings, Key, Node, Span, Spanned};
use allow_lint::AllowLint;
use authenticate::Schemes;
use description::Description;
use forward_authorization::ForwardAuthorization;
use inject::Inject;
use option::{Said, merged};
use org::Item;
use origins::Origins;
use serde_json::Value as Json;
use trailing_slash::TrailingSlash;
use upstream::UpstreamName;
use when::Condition;

macro_rules! written_options {
    ($($(#[$doc:meta])* $keys:ident { $($key:ident: $option:ty,)* })*) => {
        /// The options of a method, of a route, of a group, or of the defaults, as they are written.
        #[derive(Clone, Debug, Default)]
        pub(super) struct RawOptions {
            $($(pub(super) $key: Option<Spanned<<$option as PolicyOption>::Raw>>,)*)*
        }

        $($(#[$doc])* pub(crate) const $keys: &[&str] = &[$(stringify!($key)),*];)*

        impl RawOptions {
            /// Reads the option of that key, if there is one; whether there is.
            pub(super) fn read(&mut self, key: &Key, node: &Node, findings: &mut Findings) -> bool {
                match key.text.as_str() {
                    $($(stringify!($key) => self.$key = read::<$option>(key, node, findings),)*)*
                    _ => return false,
                }
                true
            }

            /// Puts what is said here over what stands above.
            pub(super) fn over(&self, above: &Self) -> Self {
                Self { $($($key: merged::<$option>(self.$key.as_ref(), above.$key.as_ref()),)*)* }
            }

            /// Lists what is written, where it stands, and what it needs.
            fn needs(&self) -> Vec<(&'static str, Span, Needs)> {
                let mut list = Vec::new();
                let mut add = |name, needs: Vec<(Span, Needs)>| {
                    list.extend(needs.into_iter().map(|(span, needs)| (name, span, needs)));
                };
                $($(self.$key.iter().for_each(|raw| add(stringify!($key), <$option>::needs(raw)));)*)*
                list
            }
        }

        /// What editors should know of an option: the JSON Schema of its value, with a description; null where there is none.
        pub(crate) fn option_schema(key: &str) -> Json {
            match key {
                $($(stringify!($key) => described(<$option>::schema(), <$option>::ABOUT),)*)*
                _ => Json::Null,
            }
        }
    };
}

macro_rules! compiled_options {
    ($(#[$doc:meta])* $name:ident, for each $of:ty { $($key:ident: $option:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name {
            $(pub $key: Option<$option>,)*
        }

        impl $name {
            pub(super) fn compile(own: &RawOptions, above: &RawOptions, of: &$of, findings: &mut Findings) -> Self {
                Self {
                    $($key: {
                        let said = Said { own: own.$key.as_ref(), above: above.$key.as_ref() };
                        <$option as Compiled<$of>>::compile(&said, of, findings)
                    },)*
                }
            }

            pub fn is_empty(&self) -> bool {
                $(self.$key.is_none())&&*
            }

            /// Says what is said, in the words of the language, and which stage looks at it.
            pub fn words(&self) -> Vec<(&'static str, Judged, String)> {
                let mut words = Vec::new();
                $(if let Some(value) = &self.$key {
                    words.push((stringify!($key), <$option as Compiled<$of>>::JUDGED, value.words()));
                })*
                words
            }

            /// Lists the options that are not the same in both.
            pub fn changes(old: Option<&Self>, new: Option<&Self>) -> Vec<OptionChange> {
                let mut changes = Vec::new();
                $({
                    let (old, new) = (old.and_then(|it| it.$key.as_ref()), new.and_then(|it| it.$key.as_ref()));
                    let words = |value: Option<&$option>| value.map(|value| value.words()).unwrap_or_default();
                    let (was, now) = (words(old), words(new));
                    if was != now {
                        let is_narrower = <$option as Compiled<$of>>::is_narrower(old, new);
                        changes.push(OptionChange { name: stringify!($key), was, now, is_narrower });
                    }
                })*
                changes
            }

            /// Whether there is one of [`Judged::Condition`].
            pub fn asks_condition(&self) -> bool {
                $((<$option as Compiled<$of>>::JUDGED == Judged::Condition && self.$key.is_some()))||*
            }

            /// Whether all of those hold.
            ///
            /// # Errors
            /// One cannot be told.
            pub fn hold(&self, request: &Subject<'_>) -> Result<bool, Failure> {
                $(if let Some(value) = &self.$key && !value.holds(request)? {
                    return Ok(false);
                })*
                Ok(true)
            }
        }
    };
}

written_options! {
    /// Options of a rule, and of all above it.
    RULE_KEYS {
        level: Access,
        org: Item,
        foreign: Foreign,
        inject: Inject,
        forward_authorization: ForwardAuthorization,
        authenticate: Schemes,
        csrf: Csrf,
        mfa: Mfa,
        description: Description,
        permissions: Permissions,
        model: Model,
        user_permissions: UserPermissions,
        shared: Shared,
        when: Condition,
        throttle: Throttle,
        timeout: Timeout,
        body_limit: BodyLimit,
        inspect_limit: InspectLimit,
        strict_source: StrictSource,
        fields: Fields,
        list: List,
        error_passthrough: ErrorPassthrough,
        upgrade: Upgrade,
        origins: Origins,
        mode: Shadow,
    }
    /// Options of a whole route, and of all above it.
    ROUTE_KEYS {
        upstream: UpstreamName,
        rewrite: Rewrite,
        trailing_slash: TrailingSlash,
        target: Oddities,
        cors: Cors,
        allow_lint: AllowLint,
    }
}

compiled_options! {
    /// What a rule may ask or limit beyond level, organization and headers. Most rules say none of it and pay for none.
    RuleOptions, for each RuleContext<'_> {
        permissions: Permissions,
        model: Model,
        user_permissions: UserPermissions,
        shared: Shared,
        when: Condition,
        throttle: Throttle,
        timeout: Timeout,
        body_limit: BodyLimit,
        inspect_limit: InspectLimit,
        strict_source: StrictSource,
        fields: Fields,
        list: List,
        error_passthrough: ErrorPassthrough,
        upgrade: Upgrade,
        csrf: Csrf,
        mfa: Mfa,
        mode: Shadow,
    }
}

compiled_options! {
    /// What a route says for all its rules.
    RouteOptions, for each RouteContext<'_> {
        rewrite: Rewrite,
        target: Oddities,
        cors: Cors,
    }
}

fn described(mut schema: Json, description: &str) -> Json {
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".to_owned(), description.into());
    }
    schema
}

fn read<O: PolicyOption>(key: &Key, node: &Node, findings: &mut Findings) -> Option<Spanned<O::Raw>> {
    let span = if O::SHOWN_BY_VALUE { node.span } else { key.span };
    O::read(node, findings).map(|value| Spanned { value, span })
}

impl RawOptions {
    /// Reports what none of these rules can use. What stands further up is for the rules that can use it; the others take none of it.
    pub(super) fn check_applicable(&self, rules: impl Iterator<Item = RulePlace> + Clone, findings: &mut Findings) {
        for (name, span, needs) in self.needs() {
            if !rules.clone().any(|rule| rule.has(needs)) {
                let (why, help) = needs.words();
                findings.error("no_meaning", span, format!("`{name}` {why}")).help(help);
            }
        }
    }
}

/// Compiles the options of one rule; `None` where they say nothing.
pub(super) fn of_rule(
    own: &RawOptions,
    above: &RawOptions,
    rule: &RuleContext<'_>,
    findings: &mut Findings,
) -> Option<Box<RuleOptions>> {
    let mut options = RuleOptions::compile(own, above, rule, findings);
    let origins = Said { own: own.origins.as_ref(), above: above.origins.as_ref() };
    upgrade::for_pages(&mut options.upgrade, &origins, findings);
    (!options.is_empty()).then(|| Box::new(options))
}
