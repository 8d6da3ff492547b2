//! Compiled parts back in the policy's own words, for explanations and comparisons.

use super::options::inject::{Inject, InjectValue};
use super::options::org::{By, Item, Source};
use super::route::{Route, Rule};

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
            InjectValue::Login => "user.login".to_owned(),
            InjectValue::Organization => "user.organization".to_owned(),
            InjectValue::Email => "user.email".to_owned(),
            InjectValue::Issuer => "user.issuer".to_owned(),
            InjectValue::Groups => "user.groups".to_owned(),
            InjectValue::IsStaff => "user.is_staff".to_owned(),
            InjectValue::IsSuperuser => "user.is_superuser".to_owned(),
            InjectValue::UserExternalId => "user.external_id".to_owned(),
            InjectValue::UserField(name) => format!("user.fields.{name}"),
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
}
