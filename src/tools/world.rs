//! `given`: the organizations and users that a tests file speaks of, as facts for decisions.
//!
//! A name is a slug, and its id is a fixed UUIDv5 of the name, whatever kind of thing it names; `<name>` stands for the id.

use super::objects::{Objects, WorldFacts};
use crate::decision::OrgKey;
use crate::facts::{
    Home, MOST_IN_A_SCOPE, Membership, Organization, Permissions, Scope, Snapshot, User, UserFields, Value,
};
use crate::id::{OrgId, UserId};
use crate::policy::{Policy, is_slug};
use crate::yaml::{Entry, Findings, Key, Keys, Map, Node, Span, Value as Yaml, suggest};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// What names are hashed under: the name-based UUID (RFC 9562, 5.5) of `postern` among object identifiers.
const NAMESPACE: Uuid = Uuid::from_u128(0xa02c_30c9_077e_5d42_9d4b_990b_8e88_f21c);

pub const ANONYMOUS: &str = "anonymous";

/// The id that `<name>` stands for.
#[must_use]
pub fn id_of(name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

#[derive(Debug, Default)]
pub struct World {
    organizations: Vec<Arc<Organization>>,
    users: HashMap<Box<str>, Arc<Snapshot>>,
    /// Those of them whose token is narrowed, as they are without it.
    unnarrowed: HashMap<Box<str>, Arc<Snapshot>>,
    /// Every name that may be written as `<name>`.
    names: HashMap<Box<str>, Uuid>,
    objects: Objects,
}

impl World {
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&Arc<Snapshot>> {
        self.users.get(name)
    }

    /// A user as they are without their token's scope, where it has one.
    #[must_use]
    pub fn unnarrowed(&self, name: &str) -> Option<&Arc<Snapshot>> {
        self.unnarrowed.get(name)
    }

    /// The users' names, in no order.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(|name| &**name)
    }

    /// The organizations, in the order of the file.
    #[must_use]
    pub fn organizations(&self) -> &[Arc<Organization>] {
        &self.organizations
    }

    /// The organization that a key names.
    #[must_use]
    pub fn organization(&self, key: &OrgKey<'_>) -> Option<Arc<Organization>> {
        self.organizations.iter().find(|o| key.names(o)).cloned()
    }

    pub(super) const fn objects(&self) -> &Objects {
        &self.objects
    }

    /// All that it says, put to the evaluation of a policy.
    #[must_use]
    pub const fn facts<'a>(&'a self, policy: &'a Policy) -> WorldFacts<'a> {
        WorldFacts { world: self, policy }
    }

    /// The organization of that name; reports one that there is not.
    pub(super) fn named(&self, name: &str, span: Span, findings: &mut Findings) -> Option<Arc<Organization>> {
        find((name, span), self, &[], findings)
    }

    /// The text with every `<name>` replaced by the id; an unknown name is the error.
    ///
    /// # Errors
    /// The first `<name>` that nothing in `given` has.
    pub fn fill<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, name, after)) = next_name(rest) {
            let id = self.names.get(name).ok_or_else(|| name.to_owned())?;
            out.push_str(before);
            out.push_str(&id.to_string());
            rest = after;
        }
        if out.is_empty() && rest.len() == text.len() {
            return Ok(Cow::Borrowed(text));
        }
        out.push_str(rest);
        Ok(Cow::Owned(out))
    }

    /// The text with every `<name>` replaced by the id, and an unknown name reported at `node`.
    pub(super) fn filled<'t>(&self, text: &'t str, node: &Node, findings: &mut Findings) -> Option<Cow<'t, str>> {
        match self.fill(text) {
            Ok(filled) => Some(filled),
            Err(name) => {
                let near = suggest(&name, self.names.keys().map(|n| &**n)).map(|n| format!("did you mean `<{n}>`?"));
                let help = near.unwrap_or_else(|| "`<name>` stands for the id of something in `given`".to_owned());
                let at = text.find(&format!("<{name}>")).unwrap_or_default();
                let span = findings.part(node.span, text, at, at + name.len() + 2);
                findings.error("unknown_name", span, format!("nothing in `given` is named `{name}`")).help(help);
                None
            }
        }
    }

    /// Reads `given:`. Everything wrong is in `findings`.
    #[must_use]
    pub fn read(node: &Node, findings: &mut Findings) -> Self {
        let mut world = Self::default();
        let Some(map) = node.expect_map("`given`", findings) else { return world };
        map.expect_keys("`given`", Keys { known: &GIVEN_KEYS, not_yet: &[] }, findings);
        for (entry, options) in maps(map, "organizations", findings) {
            world.organization_given(entry, options, findings);
        }
        let users = map.get("users").and_then(|node| node.expect_map("`users`", findings));
        for Entry { key, value } in users.map(|m| m.entries.as_slice()).unwrap_or_default() {
            if key.text == ANONYMOUS {
                findings.error("bad_name", key.span, "`anonymous` is nobody, and needs no user");
            } else if world.name(key, findings) {
                let mut user = Given::read(value, &world, findings);
                let token = user.token.take();
                let mut snapshot = user.snapshot(&key.text);
                if let Some(scope) = token {
                    world.unnarrowed.insert(key.text.as_str().into(), Arc::new(snapshot.clone()));
                    snapshot = snapshot.narrowed(scope);
                }
                world.users.insert(key.text.as_str().into(), Arc::new(snapshot));
            }
        }
        if let Some(map) = map.get("lookups").and_then(|node| node.expect_map("`lookups`", findings)) {
            let mut names = Vec::new();
            world.objects = Objects::read(map, &world, |name| names.push(name.into()), findings);
            world.names.extend(names.into_iter().map(|name: Box<str>| (name.clone(), id_of(&name))));
        }
        world
    }

    /// Takes in a name; `false` when it was reported.
    fn name(&mut self, key: &Key, findings: &mut Findings) -> bool {
        if !is_slug(&key.text) {
            findings
                .error("bad_name", key.span, format!("`{}` is not a name", key.text))
                .help("a name is a slug: letters, digits, `-` and `_`");
            return false;
        }
        self.names.insert(key.text.as_str().into(), id_of(&key.text));
        true
    }

    fn organization_given(&mut self, key: &Key, options: Option<&Map>, findings: &mut Findings) {
        if USER_KEYS.contains(&key.text.as_str()) {
            let message = format!("`{}` is a word about users and cannot name an organization", key.text);
            findings.error("bad_name", key.span, message);
            return;
        }
        if !self.name(key, findings) {
            return;
        }
        let mut organization = organization(&key.text);
        if let Some(map) = options {
            map.expect_keys("an organization", Keys { known: &ORGANIZATION_KEYS, not_yet: &[] }, findings);
            if let Some(active) = map.get("active").and_then(|node| node.expect_bool("`active`", findings)) {
                organization.is_active = active;
            }
            if let Some(name) = map.get("name").and_then(|node| text(node, "`name`", findings)) {
                organization.name = Value::new(name);
            }
            if let Some(id) = map.get("external_id").and_then(|node| text(node, "`external_id`", findings)) {
                organization.external_id = Some(Box::new(Value::new(id)));
            }
        }
        self.organizations.push(Arc::new(organization));
    }
}

pub(super) const GIVEN_KEYS: [&str; 3] = ["lookups", "organizations", "users"];
/// The keys of an organization in `given`.
pub(super) const ORGANIZATION_KEYS: [&str; 3] = ["active", "external_id", "name"];
/// The keys of a user in `given`, beside the names of organizations.
pub(super) const USER_KEYS: [&str; 15] = [
    "active",
    "email",
    "external_id",
    "fields",
    "groups",
    "inactive",
    "issuer",
    "organization",
    "permissions",
    "roles",
    "staff",
    "super_roles",
    "superuser",
    "token",
    "username",
];
/// What a token is narrowed to.
pub(super) const TOKEN_KEYS: [&str; 3] = ["organizations", "permissions", "read_only"];
/// Those of them that only the directory says of somebody.
const OF_DIRECTORY: [&str; 12] = [
    "active",
    "external_id",
    "fields",
    "groups",
    "inactive",
    "organization",
    "permissions",
    "roles",
    "staff",
    "super_roles",
    "superuser",
    "token",
];
/// Users who are said in one word.
pub(super) const USER_WORDS: [&str; 4] = ["user", "staff", "superuser", "inactive"];
pub(super) const LEVELS: [&str; 3] = ["member", "manager", "owner"];

/// An active organization with nothing but a name, which is its slug.
pub(super) fn organization(name: &str) -> Organization {
    let id = OrgId(id_of(name));
    let value = || Value::new(name);
    Organization { id, slug: value(), name: value(), external_id: None, is_active: true }
}

/// The entries of a map of maps.
fn maps<'n>(map: &'n Map, what: &str, findings: &mut Findings) -> Vec<(&'n Key, Option<&'n Map>)> {
    let map = map.get(what).and_then(|node| node.expect_map(&format!("`{what}`"), findings));
    let mut entries = Vec::new();
    for Entry { key, value } in map.map(|m| m.entries.as_slice()).unwrap_or_default() {
        entries.push((key, value.expect_map(&format!("`{}`", key.text), findings)));
    }
    entries
}

/// Any scalar, as it is written: here nothing depends on what YAML takes it for.
pub(super) fn text<'n>(node: &'n Node, what: &str, findings: &mut Findings) -> Option<&'n str> {
    match &node.value {
        Yaml::Scalar(scalar) => Some(&scalar.text),
        _ => node.expect_str(what, findings),
    }
}

#[derive(Default)]
struct Given {
    memberships: Vec<Membership>,
    everywhere: Vec<Arc<str>>,
    super_roles: Vec<Arc<str>>,
    primary: Option<Arc<Organization>>,
    roles: Vec<(OrgId, Vec<Arc<str>>)>,
    groups: Vec<Arc<str>>,
    username: Option<String>,
    issuer: Option<String>,
    email: Option<String>,
    external_id: Option<String>,
    fields: serde_json::Map<String, serde_json::Value>,
    is_inactive: bool,
    is_staff: bool,
    is_superuser: bool,
    token: Option<Scope>,
}

impl Given {
    fn read(node: &Node, world: &World, findings: &mut Findings) -> Self {
        let mut user = Self::default();
        let Yaml::Map(map) = &node.value else {
            for (word, span) in node.expect_strs("a user", findings).unwrap_or_default() {
                user.word(word, span, findings);
            }
            return user;
        };
        for Entry { key, value } in &map.entries {
            user.option(key, value, world, findings);
        }
        if let Some(issuer) = map.entry("issuer") {
            user.is_outsider(map, issuer.key.span, findings);
        }
        user
    }

    /// Whoever is in no directory has nothing that only the directory says.
    fn is_outsider(&self, map: &Map, issuer: Span, findings: &mut Findings) {
        for key in map.entries.iter().map(|entry| &entry.key).filter(|key| OF_DIRECTORY.contains(&key.text.as_str())) {
            let message =
                format!("`{}` is said of users of the directory, and this one is in the claims alone", key.text);
            findings
                .error("no_meaning", key.span, message)
                .related(issuer, "since there is an issuer")
                .help("leave it out");
        }
        if self.memberships.iter().any(|membership| membership.is_owner) {
            findings.error("no_meaning", issuer, "only the directory makes owners").help("write `manager`");
        }
    }

    fn word(&mut self, word: &str, span: Span, findings: &mut Findings) {
        match word {
            "user" => {}
            "staff" => self.is_staff = true,
            "superuser" => self.is_superuser = true,
            "inactive" => self.is_inactive = true,
            _ => {
                let near = suggest(word, USER_WORDS).map(|w| format!("did you mean `{w}`?"));
                let example = "write `superuser`, or a map: `{ acme: manager }`; `{}` is a user who belongs nowhere";
                let help = near.unwrap_or_else(|| example.to_owned());
                findings.error("unknown_user", span, format!("`{word}` does not say who a user is")).help(help);
            }
        }
    }

    fn option(&mut self, key: &Key, value: &Node, world: &World, findings: &mut Findings) {
        match key.text.as_str() {
            "active" => self.is_inactive |= value.expect_bool("`active`", findings) == Some(false),
            "inactive" => self.is_inactive |= value.expect_bool("`inactive`", findings) == Some(true),
            "staff" => self.is_staff |= value.expect_bool("`staff`", findings) == Some(true),
            "superuser" => self.is_superuser |= value.expect_bool("`superuser`", findings) == Some(true),
            "username" => self.username = text(value, "`username`", findings).map(str::to_owned),
            "issuer" => self.issuer = text(value, "`issuer`", findings).map(str::to_owned),
            "email" => self.email = text(value, "`email`", findings).map(str::to_owned),
            "external_id" => self.external_id = text(value, "`external_id`", findings).map(str::to_owned),
            "fields" => {
                let Some(map) = value.expect_map("`fields`", findings) else { return };
                for Entry { key, value } in &map.entries {
                    if let Some(value) = field(value, findings) {
                        self.fields.insert(key.text.clone(), value);
                    }
                }
            }
            "groups" => {
                let names = value.expect_strs("a group", findings).unwrap_or_default();
                self.groups.extend(names.into_iter().map(|(name, _)| name.into()));
            }
            "permissions" => self.everywhere.extend(permissions(value, findings)),
            "super_roles" => self.super_roles.extend(permissions(value, findings)),
            "organization" => {
                let Some(slug) = text(value, "`organization`", findings) else { return };
                self.primary = find((slug, value.span), world, &[], findings);
            }
            "token" => self.token = scope(value, world, findings),
            "roles" => {
                let Some(map) = value.expect_map("`roles`", findings) else { return };
                for Entry { key, value } in &map.entries {
                    let list = permissions(value, findings);
                    if let Some(organization) = find((&key.text, key.span), world, &[], findings) {
                        self.roles.push((organization.id, list));
                    }
                }
            }
            _ => {
                let organization = find((&key.text, key.span), world, &USER_KEYS, findings);
                let level = level(value, findings);
                let (Some(organization), Some((is_admin, is_owner))) = (organization, level) else { return };
                self.memberships.push(Membership { organization, is_admin, is_owner });
            }
        }
    }

    fn snapshot(self, name: &str) -> Snapshot {
        let id = UserId(id_of(name));
        // The name in the file stands for the directory's; an issuer's is said.
        let username = self.username.or_else(|| self.issuer.is_none().then(|| name.to_owned()));
        let home = self.primary.zip(username.as_ref()).map(|(organization, username)| {
            Box::new(Home::new(organization.id, organization.slug.as_str(), organization.is_active, username))
        });
        let user = User {
            id,
            username: username.map(Value::new),
            issuer: self.issuer.map(|issuer| Box::new(Value::new(issuer))),
            email: self.email.map(|text| Box::new(Value::new(text))),
            external_id: self.external_id.map(|text| Box::new(Value::new(text))),
            home,
            fields: UserFields::parse(&serde_json::Value::Object(self.fields).to_string()),
            is_active: !self.is_inactive,
            is_staff: self.is_staff,
            is_superuser: self.is_superuser,
        };
        let permissions = Permissions::new(self.everywhere, self.roles).with_super_roles(self.super_roles);
        Snapshot::new(user, self.memberships).with_permissions(permissions).with_groups(self.groups)
    }
}

/// A field's value: a number or a flag where it is written as one without quotes, else a text.
fn field(node: &Node, findings: &mut Findings) -> Option<serde_json::Value> {
    match &node.value {
        Yaml::Scalar(scalar) if scalar.plain => Some(match (scalar.text.parse::<i64>(), scalar.text.parse::<bool>()) {
            (Ok(number), _) => number.into(),
            (_, Ok(flag)) => flag.into(),
            _ => scalar.text.clone().into(),
        }),
        _ => Some(node.expect_str("a field", findings)?.into()),
    }
}

/// The organization of that name; an unknown one is reported with the nearest of the organizations and `others`.
fn find(
    (text, span): (&str, Span),
    world: &World,
    others: &[&str],
    findings: &mut Findings,
) -> Option<Arc<Organization>> {
    let names = || world.organizations.iter().map(|o| o.slug.as_str());
    let found = world.organizations.iter().find(|o| o.slug.as_str() == text);
    if found.is_none() {
        let near = suggest(text, names().chain(others.iter().copied())).map(|w| format!("did you mean `{w}`?"));
        let known = names().collect::<Vec<_>>().join(", ");
        let help = near.unwrap_or_else(|| format!("the organizations in `given` are: {known}"));
        findings
            .error("unknown_organization", span, format!("no organization in `given` is named `{text}`"))
            .help(help);
    }
    found.cloned()
}

/// Whether a manager, and whether the owner.
fn level(node: &Node, findings: &mut Findings) -> Option<(bool, bool)> {
    match node.expect_str("a level", findings)? {
        "member" => Some((false, false)),
        "manager" => Some((true, false)),
        "owner" => Some((true, true)),
        word => {
            let near = suggest(word, LEVELS).map(|w| format!("did you mean `{w}`?"));
            let help = near.unwrap_or_else(|| format!("the levels are {}", LEVELS.join(", ")));
            findings.error("unknown_level", node.span, format!("`{word}` is not a level")).help(help);
            None
        }
    }
}

/// What a token is narrowed to, as `given` and cases say it.
pub(super) fn scope(node: &Node, world: &World, findings: &mut Findings) -> Option<Scope> {
    let map = node.expect_map("`token`", findings)?;
    map.expect_keys("a token", Keys { known: &TOKEN_KEYS, not_yet: &[] }, findings);
    let mut organizations = Vec::new();
    let named = map.get("organizations").and_then(|node| node.expect_strs("an organization", findings));
    for (slug, span) in named.unwrap_or_default() {
        organizations.extend(find((slug, span), world, &[], findings).map(|organization| organization.id));
    }
    let permissions = map.get("permissions").map(|node| permissions(node, findings)).unwrap_or_default();
    let read_only = map.get("read_only").and_then(|node| node.expect_bool("`read_only`", findings)) == Some(true);
    // What narrows nothing here is a mistake, and would pass where a narrowed token does not.
    for key in ["organizations", "permissions"] {
        if let Some(Yaml::Seq(list)) = map.get(key).map(|node| &node.value) {
            let message = match list.len() {
                0 => format!("`{key}` is empty"),
                count if count > MOST_IN_A_SCOPE => format!("a token names {MOST_IN_A_SCOPE} {key} at most"),
                _ => continue,
            };
            findings.error("wrong_value", node.span, message).help(format!("leave `{key}` out, or say which"));
        }
    }
    if !read_only && map.entries.iter().all(|entry| entry.key.text == "read_only") {
        findings
            .error("wrong_value", node.span, "the token is narrowed to nothing")
            .help("for example `token: { organizations: [acme], read_only: true }`");
    }
    Some(Scope::new(organizations, permissions, read_only))
}

fn permissions(node: &Node, findings: &mut Findings) -> Vec<Arc<str>> {
    let mut list = Vec::new();
    for (word, span) in node.expect_strs("a permission", findings).unwrap_or_default() {
        if word.split_once('.').is_some_and(|(app, codename)| !app.is_empty() && !codename.is_empty()) {
            list.push(word.into());
        } else {
            findings
                .error("wrong_value", span, format!("`{word}` is not a permission"))
                .help("a permission is `app.codename`, for example `config.add_device`");
        }
    }
    list
}

/// The text before the first `<name>`, the name, and the text behind it.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let open = from + text.get(from..)?.find('<')?;
        let inner = text.get(open + 1..)?;
        let close = inner.find('>')?;
        let name = inner.get(..close)?;
        if is_slug(name) {
            return Some((text.get(..open)?, name, inner.get(close + 1..)?));
        }
        from = open + 1;
    }
}
