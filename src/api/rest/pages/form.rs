//! Forms of the fields that an endpoint reads: the same that JSON is read by, and that OpenAPI describes.

use super::super::{ApiError, Call, Verb, keys};
use super::cell::words;
use super::choices::{self, Choices};
use super::node::Node;
use super::sent::{Intent, Sent};
use crate::compat::openwisp::serializer::{Access, Field, Keys, Shape};
use crate::directory::FieldType;
use crate::id::OrgId;

pub(crate) struct Form {
    pub action: String,
    pub intent: &'static str,
    /// As `_method` says it.
    pub method: String,
    pub csrf: String,
    /// The state of the record that it was filled from.
    pub version: String,
    /// What makes the same form, sent twice, one request.
    pub key: String,
    pub button: &'static str,
    pub cancel: String,
    pub inputs: Vec<Input>,
    /// What is sent as it stands.
    pub hidden: Vec<(String, String)>,
    /// What a deletion takes along.
    pub lost: Vec<String>,
}

#[derive(Default)]
pub(crate) struct Input {
    pub name: String,
    pub label: String,
    pub help: String,
    pub kind: Kind,
    pub required: bool,
    pub longest: Option<usize>,
    pub autocomplete: &'static str,
    pub value: String,
    pub is_on: bool,
    pub options: Vec<Choice>,
    /// The list in which to look for what is written here.
    pub list: String,
    pub errors: Vec<String>,
    pub within: Vec<Input>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Text,
    Email,
    Url,
    Phone,
    Date,
    Number,
    Password,
    Prose,
    Lines,
    Flag,
    Select,
    Checks,
    Group,
}

pub(crate) struct Choice {
    pub value: String,
    pub label: String,
    pub is_chosen: bool,
}

impl Input {
    /// What stands before the name in ids of the page.
    pub(crate) fn id(&self) -> String {
        format!("f-{}", self.name.replace('.', "-"))
    }

    pub(crate) const fn type_of(&self) -> &'static str {
        match self.kind {
            Kind::Email => "email",
            Kind::Url => "url",
            Kind::Phone => "tel",
            Kind::Date => "date",
            Kind::Number => "number",
            Kind::Password => "password",
            _ => "text",
        }
    }

    /// Which texts on the page say more about it.
    pub(crate) fn described_by(&self) -> String {
        let id = self.id();
        let error = (!self.errors.is_empty()).then(|| format!("{id}-error"));
        let help = (!self.help.is_empty()).then(|| format!("{id}-help"));
        [error, help].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn is(&self, kind: &str) -> bool {
        match self.kind {
            Kind::Prose => kind == "prose",
            Kind::Lines => kind == "lines",
            Kind::Flag => kind == "flag",
            Kind::Select => kind == "select",
            Kind::Checks => kind == "checks",
            Kind::Group => kind == "group",
            _ => kind == "text",
        }
    }
}

/// What a form is filled with.
pub(super) struct Filling<'f> {
    /// The record as it is told.
    pub record: Option<&'f Node>,
    /// What was sent, which is shown again.
    pub sent: Option<&'f Sent>,
    pub errors: &'f Node,
}

impl Filling<'_> {
    fn values(&self, name: &str, node: Option<&Node>) -> Vec<String> {
        if let Some(sent) = self.sent {
            return sent.pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect();
        }
        let Some(node) = node else { return Vec::new() };
        let texts = node.items().iter().chain(std::iter::once(node)).filter_map(Node::text);
        texts.map(str::to_owned).collect()
    }

    fn is_on(&self, name: &str, node: Option<&Node>, otherwise: bool) -> bool {
        if self.sent.is_some() {
            return !self.values(name, None).is_empty();
        }
        match node {
            Some(node) => *node == Node::Flag(true),
            None => otherwise,
        }
    }
}

const TOGGLED: &str = "Another organization is added; one that they are in with the same level is taken away.";

/// The messages of a field: its own, or those of the first of its records that has any.
fn messages(errors: Option<&Node>) -> Vec<String> {
    let Some(errors) = errors else { return Vec::new() };
    errors.items().iter().chain(std::iter::once(errors)).filter_map(Node::text).map(str::to_owned).collect()
}

/// What is wrong of an object's own fields.
fn within(errors: Option<&Node>) -> Node {
    match errors {
        Some(Node::List(each)) => each.iter().find(|one| !one.members().is_empty()).cloned().unwrap_or_default(),
        Some(other) => other.clone(),
        None => Node::Null,
    }
}

/// The messages of a group: its own, and those of its records that stand beside none of its inputs.
fn of_group(errors: Option<&Node>, within: &Node, is_shown: impl Fn(&str) -> bool) -> Vec<String> {
    let mut all = messages(errors);
    for (name, errors) in within.members().iter().filter(|(name, _)| !is_shown(name)) {
        let texts = messages(Some(errors)).into_iter();
        match name.as_str() {
            "__all__" | "non_field_errors" => all.extend(texts),
            name => all.extend(texts.map(|text| format!("{}: {text}", words(name)))),
        }
    }
    all
}

/// The inputs of all fields that are sent.
pub(super) async fn inputs(
    call: &Call,
    fields: &[Field],
    verb: Verb,
    filling: &Filling<'_>,
) -> Result<Vec<Input>, ApiError> {
    let mut inputs = Vec::new();
    for field in fields.iter().filter(|field| field.access != Access::ReadOnly) {
        let node = filling.record.and_then(|record| record.get(field.name));
        let errors = filling.errors.get(field.name);
        let one = match field.shape {
            Shape::Nested(of) | Shape::First(of) | Shape::Each(of) => {
                let (own, errors) = (errors, within(errors));
                let mut group = base(field, field.name.to_owned());
                group.kind = Kind::Group;
                group.errors = of_group(own, &errors, |name| of.iter().any(|inner| inner.name == name));
                for inner in of {
                    let name = format!("{}.{}", field.name, inner.name);
                    // Of a list nobody knows which of them is meant: one is added.
                    let node = node.and_then(|node| node.get(inner.name));
                    group.within.push(input(call, inner, name, node, errors.get(inner.name), verb, filling).await?);
                }
                match field.shape {
                    _ if verb == Verb::Create => {}
                    Shape::Each(_) => group.help = "The others stay as they are.".to_owned(),
                    // So openwisp-users changes memberships.
                    Shape::First(_) => group.help = TOGGLED.to_owned(),
                    _ => {}
                }
                group
            }
            Shape::Map => {
                let mut group = Input { kind: Kind::Group, ..base(field, field.name.to_owned()) };
                let (own, errors) = (errors, within(errors));
                group.errors =
                    of_group(own, &errors, |name| call.api.store.declared().iter().any(|(known, _)| known == name));
                for (name, of) in call.api.store.declared().iter() {
                    let node = node.and_then(|node| node.get(name));
                    group.within.push(declared((field.name, name), of, node, messages(errors.get(name)), filling));
                }
                group
            }
            _ => input(call, field, field.name.to_owned(), node, errors, verb, filling).await?,
        };
        inputs.push(one);
    }
    Ok(inputs)
}

fn base(field: &Field, name: String) -> Input {
    Input {
        name,
        label: field.told_as(),
        help: field.help.to_owned(),
        // An empty text is null where it may be null and may not be blank.
        required: field.required && (!field.nullable || field.blank),
        longest: field.longest,
        autocomplete: "off",
        ..Input::default()
    }
}

async fn input(
    call: &Call,
    field: &Field,
    name: String,
    node: Option<&Node>,
    errors: Option<&Node>,
    verb: Verb,
    filling: &Filling<'_>,
) -> Result<Input, ApiError> {
    let values = filling.values(&name, node);
    let mut input = Input { errors: messages(errors), ..base(field, name) };
    input.value = values.first().cloned().unwrap_or_default();
    input.kind = match field.shape {
        // Nobody is told one again.
        _ if field.name.contains("password") => {
            input.value.clear();
            input.autocomplete = if field.name == "current_password" { "current-password" } else { "new-password" };
            Kind::Password
        }
        Shape::Text if field.blank && field.longest.is_none() => Kind::Prose,
        Shape::Email => Kind::Email,
        Shape::Url => Kind::Url,
        Shape::Phone => Kind::Phone,
        Shape::Date => Kind::Date,
        Shape::Flag => {
            let is_new_and_active = verb == Verb::Create && field.name == "is_active";
            input.is_on = filling.is_on(&input.name, node, is_new_and_active);
            Kind::Flag
        }
        Shape::Keys(of) => {
            let found = match (field.name, of) {
                ("groups", _) => Some(choices::groups(call).await?),
                ("organizations", _) => Some(choices::organizations(call, false).await?),
                ("permissions", Keys::Numbered) => Some(choices::permissions(call, true).await?),
                ("permissions", _) => Some(choices::permissions(call, false).await?),
                ("user_permissions", _) => Some(Choices::Listed("permission/".to_owned())),
                // Users: never a list of everybody.
                _ => Some(Choices::Listed("user/".to_owned())),
            };
            // Numbers are told with what they mean; where they are written down that stays beside them.
            let is_chosen = matches!(found, Some(Choices::These(_)));
            let keys: Vec<String> =
                if is_chosen { values.into_iter().map(|value| key(&value, of)).collect() } else { values };
            choose(call, &mut input, found, &keys, true);
            input.kind
        }
        Shape::Key => {
            let found = match field.name {
                "organization" => Some(choices::organizations(call, true).await?),
                "organization_user" => match organization(call) {
                    Some(organization) => {
                        let found = choices::members(call, organization).await?;
                        if matches!(found, Choices::Listed(_)) {
                            input.help = "The username of a member.".to_owned();
                        }
                        Some(found)
                    }
                    None => None,
                },
                _ => None,
            };
            choose(call, &mut input, found, &values, false);
            input.kind
        }
        _ => {
            if field.name == "user" {
                input.list = call.path("user/");
            }
            Kind::Text
        }
    };
    Ok(input)
}

fn key(told: &str, of: Keys) -> String {
    if of == Keys::Numbered { told.split(':').next().unwrap_or_default().to_owned() } else { told.to_owned() }
}

/// Makes an input one to choose from, or one to write into where there is too much to choose from.
fn choose(call: &Call, input: &mut Input, found: Option<Choices>, chosen: &[String], many: bool) {
    let mut these = match found {
        Some(Choices::These(these)) => these,
        Some(Choices::Listed(list)) => {
            input.list = call.path(&list);
            input.kind = if many { Kind::Lines } else { Kind::Text };
            input.value = chosen.join("\n");
            return;
        }
        None => return,
    };
    // What is chosen stays, also where it may not be chosen anew.
    for value in chosen.iter().filter(|value| !value.is_empty()) {
        if !these.iter().any(|(known, _)| known == value) {
            these.push((value.clone(), value.clone()));
        }
    }
    let choice = |(value, label): (String, String)| Choice { is_chosen: chosen.contains(&value), value, label };
    input.kind = if many { Kind::Checks } else { Kind::Select };
    input.options = these.into_iter().map(choice).collect();
}

/// The organization that the page is about.
fn organization(call: &Call) -> Option<OrgId> {
    let path = call.request.uri.path();
    path.split('/').skip_while(|part| *part != "organization").nth(1).and_then(keys::uuid).map(OrgId)
}

/// A field of the installation's own.
fn declared(
    (field, name): (&str, &str),
    of: &FieldType,
    node: Option<&Node>,
    errors: Vec<String>,
    filling: &Filling<'_>,
) -> Input {
    let full = format!("{field}.{name}");
    let flag = match node {
        Some(Node::Flag(flag)) => Some(flag.to_string()),
        _ => None,
    };
    let value = filling.values(&full, node).into_iter().next().or(flag).unwrap_or_default();
    let select = |values: &mut dyn Iterator<Item = (String, String)>| {
        let choice = |(known, label): (String, String)| Choice { is_chosen: known == value, value: known, label };
        values.map(choice).collect::<Vec<_>>()
    };
    let (kind, options) = match of {
        FieldType::Text { choices, .. } if !choices.is_empty() => {
            (Kind::Select, select(&mut choices.iter().map(|choice| (choice.clone(), choice.clone()))))
        }
        FieldType::Text { .. } => (Kind::Text, Vec::new()),
        FieldType::Number { .. } => (Kind::Number, Vec::new()),
        FieldType::Date => (Kind::Date, Vec::new()),
        FieldType::Flag => {
            let both = [("true", "Yes"), ("false", "No")].map(|(value, label)| (value.to_owned(), label.to_owned()));
            (Kind::Select, select(&mut both.into_iter()))
        }
    };
    Input { label: words(name), name: full, kind, options, value, errors, autocomplete: "off", ..Input::default() }
}

/// What the button of a form is called.
pub(super) const fn button(intent: Intent, is_list: bool) -> &'static str {
    match intent {
        Intent::Create if is_list => "Create",
        Intent::Create => "Do it",
        Intent::Edit => "Save",
        Intent::Delete => "Delete",
    }
}
