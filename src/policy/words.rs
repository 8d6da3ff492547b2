//! Compiled parts back in the policy's own words, for explanations and comparisons.

use super::lookup::LookupCall;
use super::options::inject::{Inject, InjectValue};
use super::options::org::{By, Item, Source};
use super::route::{Route, Rule};

impl Route {
    /// A source and how it names an organization.
    #[must_use]
    pub fn source_words(&self, source: &Source) -> String {
        self.text_words(source) + source.by().map_or("", By::words)
    }

    /// A source, whatever it is read as.
    fn text_words(&self, source: &Source) -> String {
        let unknown = String::new;
        match source {
            Source::Path(at, _) => {
                format!("path.{}", self.variables().nth(*at).map_or_else(unknown, str::to_owned))
            }
            Source::Host(at, _) => {
                let name = self.hosts().first().and_then(|host| host.variables().nth(*at));
                format!("host.{}", name.map_or_else(unknown, str::to_owned))
            }
            Source::Query(name, _) => format!("query.{name}"),
            Source::Claim(name, _) => format!("claim.{name}"),
            Source::Header(name, _) => format!("header.{name}"),
            Source::Body(pointer, _) => format!("body.{pointer}"),
            Source::Answer(pointer, _) => format!("response.{pointer}"),
            Source::Lookup(at, column, _) => {
                let name = self.lookups.get(*at).map_or_else(unknown, |call| call.lookup.name.to_string());
                column.iter().fold(format!("lookup.{name}"), |text, column| format!("{text}.{column}"))
            }
            Source::UserOnly => "user.only".to_owned(),
        }
    }

    /// `device(path.id): SELECT …`
    #[must_use]
    pub fn call_words(&self, call: &LookupCall) -> String {
        let args: Vec<_> = call.args.iter().map(|source| self.text_words(source)).collect();
        let lookup = &call.lookup;
        format!("{}({}){}: {}", lookup.name, args.join(", "), lookup.place_words(), lookup.question_words())
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
            InjectValue::Lookup(at, column) => {
                let name = self.lookups.get(*at).map_or("", |call| &call.lookup.name);
                format!("lookup.{name}.{column}")
            }
            InjectValue::RequestId => "request.id".to_owned(),
            InjectValue::Assertion => "the signed assertion".to_owned(),
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
