//! `identity.login.providers` — where people log in besides.

use crate::address::Url;
use crate::claims::ClaimName;
use crate::config::accounts::Accounts;
use crate::config::keys::{FILE, FLAG, Reader, Section, Shape, TEXT, custom, keys, one_of};
use crate::config::secret::SECRET;
use crate::directory::Usernames;
use crate::oidc::settings::{ClientAuth, Grant, Settings};
use crate::secret::SecretSource;
use crate::yaml::{Findings, Map, Node};
use std::path::PathBuf;
use std::time::Duration;

/// So many on one page, at most.
const MOST: usize = 16;

keys! {
    struct Said {
        name: Option<Box<str>> = None, custom(Shape::Text, name),
            "What the paths call it: lower-case letters, digits, `-` and `_`.";
        issuer: Option<Box<str>> = None, custom(Shape::Text, issuer),
            "What `iss` must be: `https://id.example.com`. Its discovery document is at `/.well-known/openid-configuration` below.";
        client_id: Option<String> = None, TEXT, "Who we are there.";
        client_secret: Option<SecretSource> = None, SECRET, "The secret there. [none: a public client]";
        client_auth: ClientAuth = ClientAuth::default(), one_of!("basic" => ClientAuth::Basic, "post" => ClientAuth::Post),
            "How the secret is sent. [basic]";
        label: Option<String> = None, TEXT, "What people read. [the name]";
        scopes: Option<String> = None, custom(Shape::Texts, scopes), "What is asked for, besides `openid`. [email, profile]";
        user: Option<ClaimName> = None, custom(Shape::Text, claim), "The claim that tells its users apart. [sub]";
        username: Option<ClaimName> = None, custom(Shape::Text, claim),
            "The claim that new users are named by. [preferred_username]";
        create_users: bool = false, FLAG, "Whether somebody who is nobody here becomes a user. [false]";
        link_by_email: bool = false, one_of!("never" => false, "verified" => true),
            "Whether somebody is the user with the same e-mail address, which both sides have verified. [never]";
        leeway: Duration = Duration::from_secs(30), custom(Shape::Time, leeway),
            "How far its clock may be from ours, up to 10m. [30s]";
        ca: Option<PathBuf> = None, FILE, "PEM: certificates that it is verified with. [the public ones]";
        grants_claim: Option<ClaimName> = None, custom(Shape::Text, claim), "The claim whose values `grants` name. [groups]";
        grants: Vec<Grant> = Vec::new(), custom(GRANTS, grants),
            "What somebody is whom the claim calls so, and is no more when it does not. [none]";
    }
}

keys! {
    struct Granted {
        value: Option<String> = None, TEXT, "What the claim lists.";
        organization: Option<String> = None, TEXT, "A member of this organization, by its slug.";
        manager ("level"): bool = false, one_of!("member" => false, "manager" => true), "The level in it. [member]";
        group: Option<String> = None, TEXT, "In this group, by its name.";
        staff: bool = false, FLAG, "Staff. [false]";
    }
}

const GRANTS: Shape = Shape::List(&Shape::Map(Granted::KEYS, 1));
pub(in crate::config) const SHAPE: Shape = Shape::List(&Shape::Map(Said::KEYS, 3));

/// Reads the section; what was reported is left out.
pub(in crate::config) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Settings>> {
    let mut list: Vec<Settings> = Vec::new();
    for node in node.expect_seq("`providers`", reader.findings)? {
        let Some(map) = node.expect_map("a provider", reader.findings) else { continue };
        let said = reader.read::<Said>(key, "a provider", map);
        let Some(one) = settings(said, map, node, reader.findings) else { continue };
        if list.iter().any(|known| known.name == one.name) {
            let message = format!("the provider `{}` is there twice", one.name);
            reader.findings.error("wrong_value", node.span, message);
        }
        list.push(one);
    }
    if list.len() > MOST {
        reader.findings.error("wrong_value", node.span, format!("`providers` are at most {MOST}"));
    }
    Some(list)
}

fn settings(said: Said, map: &Map, node: &Node, findings: &mut Findings) -> Option<Settings> {
    for key in ["name", "issuer", "client_id"] {
        if map.get(key).is_none() {
            findings.error("missing_key", node.span, format!("a provider has no `{key}`"));
        }
    }
    if let (Some(node), None) = (map.get("client_auth"), map.get("client_secret")) {
        findings.error(
            "no_meaning",
            node.span,
            "`client_auth` says how the `client_secret` is sent, and there is none",
        );
    }
    if let (Some(node), None) = (map.get("grants_claim"), map.get("grants")) {
        findings.error("no_meaning", node.span, "`grants_claim` is the claim of `grants`, and there are none");
    }
    if let (Some(node), false) = (map.get("username"), said.create_users) {
        findings
            .error("no_meaning", node.span, "`username` names new users, and none are made")
            .help("write `create_users: true`");
    }
    let claim = |said: Option<ClaimName>, usual: &str| said.unwrap_or_else(|| ClaimName::of_value(usual));
    let (name, client_id) = (said.name?, said.client_id.filter(|id| !id.is_empty())?);
    Some(Settings {
        label: said.label.map_or_else(|| name.clone(), Into::into),
        issuer: said.issuer?,
        client_id: client_id.into(),
        client_secret: said.client_secret,
        client_auth: said.client_auth,
        scopes: said.scopes.unwrap_or_else(|| "openid email profile".to_owned()).into(),
        user: claim(said.user, "sub"),
        username: claim(said.username, "preferred_username"),
        create_users: said.create_users,
        link_by_email: said.link_by_email,
        leeway: said.leeway,
        ca: said.ca,
        grants_claim: claim(said.grants_claim, "groups"),
        grants: said.grants,
        name,
    })
}

/// What must be there besides.
pub(super) fn check(tree: &Map, node: &Node, accounts: &Accounts, findings: &mut Findings) {
    if tree.get("public_url").is_none() {
        let message = "providers send people back to us, and there is no `public_url` that they come back to";
        findings.error("missing_key", node.span, message).help("write `public_url: https://app.example.com`");
    }
    if accounts.usernames == Usernames::PerOrganization && accounts.providers.iter().any(|one| one.create_users) {
        let message = "where usernames are per organization, a provider does not say of which a new user is";
        findings.error("wrong_value", node.span, message).help("leave `create_users` out");
    }
}

fn name(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Box<str>> {
    let text = node.expect_str("`name`", reader.findings)?;
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if text.is_empty() || text.len() > 32 || !text.bytes().all(is_plain) {
        let message = "the `name` of a provider is up to 32 lower-case letters, digits, `-` and `_`";
        reader.findings.error("wrong_value", node.span, message);
        return None;
    }
    Some(text.into())
}

fn issuer(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Box<str>> {
    let text = node.expect_str("`issuer`", reader.findings)?;
    let url = Url::parse(text).ok();
    let is_fit = url.is_some_and(|url| url.has_scheme("https") || url.has_scheme("http") && url.server.is_loopback());
    if !is_fit || text.contains(['?', '#']) || text.parse::<http::Uri>().is_err() {
        let message = "the `issuer` of a provider must be `https://…`; `http://` is for the same machine alone";
        reader.findings.error("wrong_value", node.span, message);
        return None;
    }
    Some(text.into())
}

fn scopes(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<String> {
    let mut all = vec!["openid"];
    for (scope, span) in node.expect_strs("`scopes`", reader.findings)? {
        if scope.is_empty() || !scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\') {
            reader.findings.error("wrong_value", span, format!("`{scope}` is no scope"));
        } else if !all.contains(&scope) {
            all.push(scope);
        }
    }
    Some(all.join(" "))
}

fn claim(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<ClaimName> {
    let text = node.expect_str(&format!("`{key}`"), reader.findings)?;
    if text.is_empty() {
        reader.findings.error("wrong_value", node.span, "the name of a claim is not empty");
    }
    Some(ClaimName::of_value(text))
}

fn leeway(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Duration> {
    let leeway = (crate::config::keys::TIME.read)(key, node, reader)?;
    if leeway > Duration::from_secs(600) {
        reader.findings.error("wrong_value", node.span, "`leeway` is at most 10m: clocks that differ more are wrong");
    }
    Some(leeway)
}

fn grants(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Grant>> {
    let mut list = Vec::new();
    for node in node.expect_seq("`grants`", reader.findings)? {
        let Some(map) = node.expect_map("a grant", reader.findings) else { continue };
        let Granted { value, organization, manager, group, staff } = reader.read::<Granted>(key, "a grant", map);
        let findings = &mut *reader.findings;
        if map.get("value").is_none() {
            findings.error("missing_key", node.span, "a grant has no `value`").help("write what the claim lists");
        }
        if organization.is_none() && group.is_none() && !staff {
            let message = "a grant gives nothing: it has no `organization`, no `group` and no `staff`";
            findings.error("missing_key", node.span, message);
        }
        if let (Some(node), None) = (map.get("level"), &organization) {
            findings.error("no_meaning", node.span, "`level` is that in an `organization`, and there is none");
        }
        list.push(Grant {
            value: value?.into(),
            organization: organization.map(|slug| (slug.into(), manager)),
            group: group.map(Into::into),
            staff,
        });
    }
    Some(list)
}
