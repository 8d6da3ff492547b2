//! Compiled parts back in the policy's own words, for explanations and comparisons.

use super::inject::{Inject, InjectValue};
use super::origin::{By, Item, Source};
use super::route::{Rewrite, Route, Rule};
use super::rule_options::RuleOptions;
use crate::request_target::oddity::Oddity;
use std::fmt::Write;

impl RuleOptions {
    /// The options and what they say: `("permissions", "config.add_device")`, in the order in which they are judged.
    #[must_use]
    pub fn words(&self) -> Vec<(&'static str, String)> {
        let Self { permissions, model, shared, when, throttle, timeout, body_limit, strict_source, upgrade } = self;
        let mut words = Vec::new();
        if let Some(shared) = shared {
            words.push(("shared", format!("read {}, write {}", shared.read.as_str(), shared.write.as_str())));
        }
        if !permissions.is_empty() {
            words.push(("permissions", permissions.words()));
        }
        if let Some(model) = model {
            words.push(("model", model.name.to_string()));
        }
        if let Some(when) = when {
            words.push(("when", when.text().to_owned()));
        }
        if let Some(throttle) = throttle {
            let (count, period) = throttle.rate;
            words.push(("throttle", format!("{count} in {} s by {}", period.as_secs(), throttle.by.as_str())));
        }
        if let Some(timeout) = timeout {
            let limits: Vec<String> = timeout.said().map(|(name, limit)| format!("{name} {limit:?}")).collect();
            words.push(("timeout", limits.join(", ")));
        }
        if let Some(limit) = body_limit {
            words.push(("body_limit", format!("{limit} bytes")));
        }
        if *strict_source {
            words.push(("strict_source", "true".to_owned()));
        }
        if let Some(upgrade) = upgrade {
            words.push(("upgrade", upgrade.words()));
        }
        words
    }
}

impl Route {
    #[must_use]
    pub fn source_words(&self, source: &Source) -> String {
        let unknown = String::new;
        let (text, by) = match source {
            Source::Path(at, by) => {
                (format!("path.{}", self.variables().nth(*at).map_or_else(unknown, str::to_owned)), *by)
            }
            Source::Host(at, by) => {
                let name = self.hosts().first().and_then(|host| host.variables().nth(*at));
                (format!("host.{}", name.map_or_else(unknown, str::to_owned)), *by)
            }
            Source::Query(name, by) => (format!("query.{name}"), *by),
            Source::Claim(name, by) => (format!("claim.{name}"), *by),
            Source::Header(name, by) => (format!("header.{name}"), *by),
            Source::UserOnly => return "user.only".to_owned(),
        };
        match by {
            By::Id => text,
            By::Slug => format!("{text} as slug"),
            By::External => format!("{text} as external"),
        }
    }

    /// `header.x-org as slug or user.only`
    #[must_use]
    pub fn item_words(&self, item: &Item) -> String {
        let mut text = item.sources.iter().map(|s| self.source_words(s)).collect::<Vec<_>>().join(" or ");
        for (is, word) in [(item.primary, " primary"), (item.optional, " optional")] {
            if is {
                text.push_str(word);
            }
        }
        text
    }

    /// The whole `org:` of a rule; empty where there is none.
    #[must_use]
    pub fn origin_words(&self, rule: &Rule) -> String {
        rule.origin.iter().map(|item| self.item_words(item)).collect::<Vec<_>>().join(", ")
    }

    #[must_use]
    pub fn value_words(&self, value: &InjectValue) -> String {
        match value {
            InjectValue::UserId => "user.id".to_owned(),
            InjectValue::Username => "user.username".to_owned(),
            InjectValue::Email => "user.email".to_owned(),
            InjectValue::Issuer => "user.issuer".to_owned(),
            InjectValue::Groups => "user.groups".to_owned(),
            InjectValue::IsStaff => "user.is_staff".to_owned(),
            InjectValue::IsSuperuser => "user.is_superuser".to_owned(),
            InjectValue::UserExternalId => "user.external_id".to_owned(),
            InjectValue::OrgId => "org.id".to_owned(),
            InjectValue::OrgSlug => "org.slug".to_owned(),
            InjectValue::OrgName => "org.name".to_owned(),
            InjectValue::OrgExternalId => "org.external_id".to_owned(),
            InjectValue::OrgLevel => "org.level".to_owned(),
            InjectValue::Orgs(level) => format!("orgs.{}", level.as_str()),
            InjectValue::Claim(name) => format!("claim.{name}"),
            InjectValue::Path(at) => format!("path.{}", self.variables().nth(*at).unwrap_or_default()),
            InjectValue::RequestId => "request.id".to_owned(),
            InjectValue::ClientName => "client.name".to_owned(),
            InjectValue::Secret(secret) => format!("{{ secret: {} }}", secret.name()),
            InjectValue::Literal(text) => format!("{{ literal: {text:?} }}"),
        }
    }

    #[must_use]
    pub fn header_words(&self, inject: &Inject) -> String {
        format!("{}: {}", inject.name, self.value_words(&inject.value))
    }

    /// `encoded_slash, semicolon`: what it takes of targets that is refused elsewhere.
    #[must_use]
    pub fn target_words(&self) -> String {
        self.target.iter().map(Oddity::word).collect::<Vec<_>>().join(", ")
    }

    /// `strip 1 segment, add /api`; empty where the target stays as it is.
    #[must_use]
    pub fn rewrite_words(&self) -> String {
        let Some(Rewrite { strip, stripped: _, add, allows_unmatched, maps_answers }) = &self.rewrite else {
            return String::new();
        };
        let mut text = format!("strip {strip} segment{}", if *strip == 1 { "" } else { "s" });
        if !add.is_empty() {
            let _ = write!(text, ", add {add}");
        }
        if *allows_unmatched {
            text.push_str(", unmatched: allow");
        }
        if *maps_answers {
            text.push_str(", answers: true");
        }
        text
    }
}
