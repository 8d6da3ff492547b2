//! A snapshot as bytes: compact, and read back with every length checked.
//!
//! A number is 7 bits a byte, lowest first (LEB128); a text is its length and its UTF-8; an id is its 16 bytes. There is no
//! padding and no default: bytes that are left over, or missing, are no snapshot. Version and origin are the
//! [seal](crate::redis::seal)'s business.

use crate::facts::{Home, Membership, Organization, Permissions, RoleName, Scope, Snapshot, User, UserFields, Value};
use crate::id::{OrgId, TokenId, UserId};
use std::sync::Arc;
use uuid::Uuid;

/// What Redis keeps of a credential or of a user.
#[derive(Debug)]
pub struct Entry<S> {
    /// Every change up to this position of the store was visible to the reader.
    pub read_at: u64,
    /// Not to be used from this second (Unix) on.
    pub until: u64,
    /// The token's record, and the second (Unix) that it expires at; a user's entry has none.
    pub token: Option<(TokenId, Option<i64>)>,
    /// The user with all that belongs to them.
    pub snapshot: S,
}

/// Entry to bytes.
#[must_use]
pub fn encode(entry: &Entry<&Snapshot>) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + 64 * entry.snapshot.memberships().len());
    number(&mut out, entry.read_at);
    number(&mut out, entry.until);
    match &entry.token {
        None => out.push(0),
        Some((token, expires_at)) => {
            out.push(1 + u8::from(expires_at.is_some()));
            out.extend(token.0.as_bytes());
            if let Some(at) = expires_at {
                out.extend(at.to_be_bytes());
            }
        }
    }
    snapshot(&mut out, entry.snapshot);
    out
}

/// Bytes to entry; `None` where they are no entry.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Entry<Snapshot>> {
    let mut rest = Rest(bytes);
    let (read_at, until) = (rest.number()?, rest.number()?);
    let token = match rest.byte()? {
        0 => None,
        1 => Some((TokenId(rest.id()?), None)),
        2 => Some((TokenId(rest.id()?), Some(i64::from_be_bytes(rest.array()?)))),
        _ => return None,
    };
    let snapshot = rest.snapshot()?;
    rest.0.is_empty().then_some(Entry { read_at, until, token, snapshot })
}

const ACTIVE: u8 = 1;
const STAFF: u8 = 2;
const SUPERUSER: u8 = 4;
const EMAIL: u8 = 8;
const EXTERNAL: u8 = 16;
const NAMELESS: u8 = 32;
const ISSUER: u8 = 64;
const HOME: u8 = 128;
const ADMIN: u8 = 1;
const NARROWED: u8 = 1;
const READ_ONLY: u8 = 2;
const OF_SUPERUSER: u8 = 4;
const ELSEWHERE: u8 = 8;
const OWNER: u8 = 2;

fn flag(flag: u8, set: bool) -> u8 {
    if set { flag } else { 0 }
}

fn snapshot(out: &mut Vec<u8>, snapshot: &Snapshot) {
    let User { id, username, issuer, email, external_id, fields, home, is_active, is_staff, is_superuser } =
        &snapshot.user;
    out.extend(id.0.as_bytes());
    out.push(
        flag(ACTIVE, *is_active)
            | flag(STAFF, *is_staff)
            | flag(SUPERUSER, *is_superuser)
            | flag(EMAIL, email.is_some())
            | flag(EXTERNAL, external_id.is_some())
            | flag(NAMELESS, username.is_none())
            | flag(ISSUER, issuer.is_some())
            | flag(HOME, home.is_some()),
    );
    for value in username.iter().chain([issuer, email, external_id].into_iter().flatten().map(|value| &**value)) {
        text(out, value.as_str());
    }
    text(out, fields.as_deref().map_or("", UserFields::json));
    if let Some((id, slug, is_active)) = home.as_deref().map(Home::organization) {
        out.extend(id.0.as_bytes());
        out.push(flag(ACTIVE, is_active));
        text(out, slug);
    }
    number(out, snapshot.memberships().len() as u64);
    for Membership { organization, is_admin, is_owner } in snapshot.memberships() {
        let Organization { id, slug, name, external_id, is_active } = &**organization;
        out.extend(id.0.as_bytes());
        let external = flag(EXTERNAL, external_id.is_some());
        out.push(flag(ADMIN, *is_admin) | flag(OWNER, *is_owner) | external | flag(SUPERUSER, *is_active));
        text(out, slug.as_str());
        text(out, name.as_str());
        if let Some(external_id) = external_id {
            text(out, external_id.as_str());
        }
    }
    words(out, snapshot.groups());
    let none = Permissions::default();
    let permissions = snapshot.permissions().unwrap_or(&none);
    words(out, permissions.all_everywhere());
    words(out, permissions.all_of_super_roles());
    let by_organization = permissions.all_by_organization();
    number(out, by_organization.len() as u64);
    for (organization, list) in by_organization {
        out.extend(organization.0.as_bytes());
        words(out, list);
    }
    number(out, snapshot.roles().len() as u64);
    for (organization, name) in snapshot.roles() {
        out.push(u8::from(organization.is_some()));
        if let Some(id) = organization {
            out.extend(id.0.as_bytes());
        }
        text(out, name);
    }
    out.push(u8::from(snapshot.has_second_factor()));
    scope(out, snapshot.scope());
}

/// Nothing, or what a token is narrowed to.
fn scope(out: &mut Vec<u8>, scope: Option<&Scope>) {
    let Some(scope) = scope else { return out.push(0) };
    let elsewhere = flag(ELSEWHERE, scope.is_of_one_elsewhere());
    out.push(
        NARROWED | flag(READ_ONLY, scope.is_read_only()) | flag(OF_SUPERUSER, scope.is_of_superuser()) | elsewhere,
    );
    number(out, scope.organizations().len() as u64);
    for organization in scope.organizations() {
        out.extend(organization.0.as_bytes());
    }
    words(out, scope.permissions());
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    out.push(number as u8);
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len() as u64);
    out.extend(text.as_bytes());
}

fn words(out: &mut Vec<u8>, words: &[Arc<str>]) {
    number(out, words.len() as u64);
    for word in words {
        text(out, word);
    }
}

/// What is left to read.
struct Rest<'b>(&'b [u8]);

impl<'b> Rest<'b> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn id(&mut self) -> Option<Uuid> {
        self.array().map(Uuid::from_bytes)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// How many elements follow; each takes a byte at least, so that no number makes us allocate more than there is.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|count| *count <= self.0.len())
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = self.count()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn boxed(&mut self, there: bool) -> Option<Option<Box<Value>>> {
        if there { self.text().map(|text| Some(Box::new(Value::new(text)))) } else { Some(None) }
    }

    fn words(&mut self) -> Option<Vec<Arc<str>>> {
        (0..self.count()?).map(|_| self.text().map(Arc::from)).collect()
    }

    fn snapshot(&mut self) -> Option<Snapshot> {
        let (id, flags) = (UserId(self.id()?), self.byte()?);
        let has = |flag| flags & flag != 0;
        let mut user = User {
            id,
            username: if has(NAMELESS) { None } else { Some(Value::new(self.text()?)) },
            issuer: self.boxed(has(ISSUER))?,
            email: self.boxed(has(EMAIL))?,
            external_id: self.boxed(has(EXTERNAL))?,
            fields: UserFields::parse(self.text()?),
            home: None,
            is_active: has(ACTIVE),
            is_staff: has(STAFF),
            is_superuser: has(SUPERUSER),
        };
        if has(HOME) {
            let (id, is_active) = (OrgId(self.id()?), self.byte()? == ACTIVE);
            let username = user.username.as_ref().map_or("", Value::as_str);
            user.home = Some(Box::new(Home::new(id, self.text()?, is_active, username)));
        }
        let memberships = (0..self.count()?).map(|_| self.membership()).collect::<Option<Vec<_>>>()?;
        let (groups, everywhere, super_roles) = (self.words()?, self.words()?, self.words()?);
        let by_organization =
            (0..self.count()?).map(|_| Some((OrgId(self.id()?), self.words()?))).collect::<Option<Vec<_>>>()?;
        let permissions = Permissions::new(everywhere, by_organization).with_super_roles(super_roles);
        let roles = (0..self.count()?).map(|_| self.role()).collect::<Option<Vec<_>>>()?;
        let has_second_factor = match self.byte()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let scope = self.scope()?;
        let snapshot = Snapshot::new(user, memberships).with_permissions(permissions);
        let snapshot = snapshot.with_groups(groups).with_roles(roles).with_second_factor(has_second_factor);
        Some(match scope {
            // It was narrowed when it was written, and narrowing twice is narrowing once.
            Some(scope) => snapshot.narrowed(scope),
            None => snapshot,
        })
    }

    fn role(&mut self) -> Option<RoleName> {
        let organization = match self.byte()? {
            0 => None,
            1 => Some(OrgId(self.id()?)),
            _ => return None,
        };
        Some((organization, self.text()?.into()))
    }

    fn scope(&mut self) -> Option<Option<Scope>> {
        let flags = self.byte()?;
        if flags & NARROWED == 0 {
            return (flags == 0).then_some(None);
        }
        let organizations = (0..self.count()?).map(|_| Some(OrgId(self.id()?))).collect::<Option<_>>()?;
        let scope = Scope::new(organizations, self.words()?, flags & READ_ONLY != 0);
        let scope = scope.of_superuser(flags & OF_SUPERUSER != 0);
        Some(Some(scope.of_one_elsewhere(flags & ELSEWHERE != 0)))
    }

    fn membership(&mut self) -> Option<Membership> {
        let (id, flags) = (OrgId(self.id()?), self.byte()?);
        let organization = Organization {
            id,
            slug: Value::new(self.text()?),
            name: Value::new(self.text()?),
            external_id: self.boxed(flags & EXTERNAL != 0)?,
            is_active: flags & SUPERUSER != 0,
        };
        let (is_admin, is_owner) = (flags & ADMIN != 0, flags & OWNER != 0);
        Some(Membership { organization: Arc::new(organization), is_admin, is_owner })
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, decode, encode};
    use crate::facts::{Home, Membership, Organization, Permissions, Scope, Snapshot, User, UserFields, Value};
    use crate::id::{OrgId, TokenId, UserId};
    use proptest::collection::vec;
    use proptest::option::of;
    use proptest::prelude::*;
    use std::sync::Arc;
    use uuid::Uuid;

    prop_compose! {
        fn user()(id: u128, texts in ("\\PC{0,20}", of("\\PC{0,20}"), of("\\PC{0,20}")), home in of((any::<u128>(), "[a-z]{1,9}", any::<bool>())),
                  flags: (bool, bool, bool)) -> User {
            let (username, email, external) = texts;
            let home = home.map(|(id, slug, is_active)| Box::new(Home::new(OrgId(Uuid::from_u128(id)), &slug, is_active, &username)));
            let boxed = |text: Option<String>| text.map(|text| Box::new(Value::new(text)));
            User {
                id: UserId(Uuid::from_u128(id)),
                username: Some(Value::new(username)),
                issuer: None,
                email: boxed(email),
                external_id: boxed(external),
                home,
                fields: UserFields::parse(if flags.0 { r#"{"a":1,"b":"x","c":true}"# } else { "{}" }),
                is_active: flags.0,
                is_staff: flags.1,
                is_superuser: flags.2,
            }
        }
    }

    prop_compose! {
        fn membership()(id: u128, slug in "[a-z]{1,9}", name in "\\PC{0,20}", external in of("\\PC{0,9}"), flags: (bool, bool))
            -> Membership {
            let external_id = external.map(|text| Box::new(Value::new(text)));
            let (slug, name) = (Value::new(slug), Value::new(name));
            let organization = Organization { id: OrgId(Uuid::from_u128(id)), slug, name, external_id, is_active: true };
            Membership { organization: Arc::new(organization), is_admin: flags.0, is_owner: flags.1 }
        }
    }

    fn word() -> impl Strategy<Value = Arc<str>> {
        "[a-z]{1,5}\\.[a-z_]{1,9}".prop_map(Arc::from)
    }

    prop_compose! {
        fn snapshot()(user in user(), memberships in vec(membership(), 0..6), groups in vec(word(), 0..4),
                      everywhere in vec(word(), 0..4), super_roles in vec(word(), 0..3),
                      roles in vec(vec(word(), 1..4), 0..6), names in vec((any::<bool>(), word()), 0..4), within in 0..8_usize,
                      scope in (vec(any::<u128>(), 0..3), vec(word(), 0..3), any::<bool>())) -> Snapshot {
            let others = scope.0.into_iter().map(|id| OrgId(Uuid::from_u128(id)));
            let own = memberships.iter().map(|m| m.organization.id).take(within);
            let scope = Scope::new(others.chain(own).take(within).collect(), scope.1, scope.2);
            let by_organization = memberships.iter().map(|m| m.organization.id).zip(roles).collect();
            let named = |(n, (here, name)): (usize, (bool, Arc<str>))| {
                let there = memberships.get(n).map(|m| m.organization.id);
                (there.filter(|_| here), name)
            };
            let names = names.into_iter().enumerate().map(named).collect();
            Snapshot::new(user, memberships)
                .with_permissions(Permissions::new(everywhere, by_organization).with_super_roles(super_roles))
                .with_groups(groups)
                .with_roles(names)
                .with_second_factor(within % 2 == 1)
                .narrowed(scope)
        }
    }

    prop_compose! {
        fn entry()(read_at: u64, until: u64, token in of((any::<u128>(), any::<Option<i64>>())), snapshot in snapshot())
            -> Entry<Snapshot> {
            let token = token.map(|(id, at)| (TokenId(Uuid::from_u128(id)), at));
            Entry { read_at, until, token, snapshot }
        }
    }

    fn bytes(entry: &Entry<Snapshot>) -> Vec<u8> {
        let Entry { read_at, until, token, snapshot } = entry;
        encode(&Entry { read_at: *read_at, until: *until, token: *token, snapshot })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entry in entry()) {
            let read = decode(&bytes(&entry)).unwrap();
            prop_assert_eq!(format!("{read:?}"), format!("{entry:?}"));
        }

        #[test]
        fn a_part_of_it_is_nothing(entry in entry(), cut in 0.0..1.0_f64) {
            let bytes = bytes(&entry);
            let cut = (bytes.len() as f64 * cut) as usize;
            prop_assert!(decode(&bytes[..cut]).is_none());
            prop_assert!(decode(&[&bytes[..], &[0]].concat()).is_none());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn a_user_takes_little_room() {
        let organization = |n: u128| {
            let (slug, name) = (Value::new("acme"), Value::new("Acme Inc"));
            Organization { id: OrgId(Uuid::from_u128(n)), slug, name, external_id: None, is_active: true }
        };
        let member = |n| Membership { organization: Arc::new(organization(n)), is_admin: false, is_owner: false };
        let user = User {
            id: UserId::generate(),
            username: Some(Value::new("ann")),
            issuer: None,
            email: None,
            external_id: None,
            home: None,
            fields: None,
            is_active: true,
            is_staff: false,
            is_superuser: false,
        };
        let snapshot = Snapshot::new(user, (0..3).map(member).collect());
        let token = Some((TokenId::generate(), None));
        let size = encode(&Entry { read_at: 1_000_000, until: 1_800_000_000, token, snapshot: &snapshot }).len();
        assert!(size < 162, "{size}");
    }
}
