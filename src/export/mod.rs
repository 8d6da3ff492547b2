//! **Pure**: the columns of exported users, as openwisp-users' `EXPORT_USERS_COMMAND_CONFIG` names them, and what stands in each.

pub mod csv;

use crate::directory::{ExportedGroup, ExportedMembership, ExportedUser, Kind, Resource, UserRecord, Value};
use jiff::Timestamp;

/// A column: what `--exclude-fields` calls it, its header, and where its text comes from.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    header: String,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// A field of the user, by its place.
    Field(usize),
    /// When the user joined.
    Joined,
    /// The password's hash.
    Password,
    /// A field of the installation's own.
    Custom(String),
    /// Of what there are several: parts of each.
    Organizations(Vec<Part<ExportedMembership>>),
    Groups(Vec<Part<ExportedGroup>>),
}

/// A part of something, as text.
type Part<T> = fn(&T) -> String;

/// The parts of a membership that can be told.
const OF_MEMBERSHIP: [(&str, Part<ExportedMembership>); 6] = [
    ("organization_id", |it| it.organization.to_string()),
    ("is_admin", |it| truth(it.is_admin)),
    ("is_owner", |it| truth(it.is_owner)),
    ("slug", |it| it.slug.clone()),
    ("name", |it| it.name.clone()),
    ("is_active", |it| truth(it.is_active)),
];
/// The parts of a group.
const OF_GROUP: [(&str, Part<ExportedGroup>); 2] = [("id", |it| it.id.to_string()), ("name", |it| it.name.clone())];

/// What the reference exports where nothing is configured.
const USUAL: [&str; 16] = [
    "id",
    "username",
    "email",
    "password",
    "first_name",
    "last_name",
    "is_staff",
    "is_active",
    "date_joined",
    "expiration_date",
    "phone_number",
    "birth_date",
    "location",
    "notes",
    "language",
    "organizations",
];

/// The columns where nothing is configured.
#[must_use]
pub fn usual() -> Vec<Column> {
    USUAL.iter().filter_map(|name| Column::new(name, &Written::default()).ok()).collect()
}

/// What may be written of a column besides its name.
#[derive(Clone, Debug, Default)]
pub struct Written<'w> {
    /// Parts of what there are several of.
    pub fields: Option<Vec<&'w str>>,
    pub header: Option<&'w str>,
    /// What the header calls the parts.
    pub header_fields: Option<Vec<&'w str>>,
}

impl Column {
    /// A column by its name, or by a path with dots (`organizations.slug`).
    ///
    /// # Errors
    /// There is no such thing, and what there is.
    pub fn new(name: &str, written: &Written<'_>) -> Result<Self, String> {
        let (whole, rest) = name.split_once('.').map_or((name, None), |(whole, rest)| (whole, Some(rest)));
        let several = match whole {
            // As Django's relation is called.
            "organizations" | "openwisp_users_organizationuser" => Some(["organization_id", "is_admin"].as_slice()),
            "groups" => Some(["name"].as_slice()),
            _ => None,
        };
        let parts: Vec<&str> = match (several, rest, &written.fields) {
            (Some(_), Some(part), None) => vec![part],
            (Some(_), None, Some(parts)) if !parts.is_empty() => parts.clone(),
            (Some(usual), None, None) => usual.to_vec(),
            (None, None, None) => Vec::new(),
            (None, Some(_), None) if whole == "fields" => Vec::new(),
            _ => return Err(format!("`{name}` has no `fields` of its own")),
        };
        let custom = rest.filter(|_| whole == "fields");
        let source = match several {
            None if let Some(custom) = custom => Source::Custom(custom.to_owned()),
            None => source(name)?,
            Some(_) if whole == "groups" => Source::Groups(find(whole, &parts, &OF_GROUP)?),
            Some(_) => Source::Organizations(find(whole, &parts, &OF_MEMBERSHIP)?),
        };
        let in_header =
            written.header_fields.clone().or_else(|| (several.is_some() && rest.is_none()).then_some(parts));
        let header = match (written.header, in_header) {
            (Some(header), _) => header.to_owned(),
            (None, Some(parts)) => format!("{name} ({})", parts.join(", ")),
            (None, None) => name.to_owned(),
        };
        Ok(Self { name: name.to_owned(), header, source })
    }

    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// What stands in the column of a user.
    #[must_use]
    pub fn text(&self, of: &ExportedUser) -> String {
        match &self.source {
            Source::Field(at) => field(&of.user, *at),
            Source::Joined => moment(of.user.created, of.user.created_micros),
            Source::Password => of.password.as_ref().map(|hash| hash.expose().to_owned()).unwrap_or_default(),
            Source::Custom(name) => match of.user.fields.all().remove(name) {
                Some(serde_json::Value::String(text)) => text,
                Some(serde_json::Value::Bool(flag)) => truth(flag),
                Some(value) => value.to_string(),
                None => String::new(),
            },
            Source::Organizations(parts) => rows(&of.memberships, parts),
            Source::Groups(parts) => rows(&of.groups, parts),
        }
    }
}

fn source(name: &str) -> Result<Source, String> {
    match name {
        "date_joined" => return Ok(Source::Joined),
        "password" => return Ok(Source::Password),
        _ => {}
    }
    let is_told = |name: &str| !name.ends_with("_micros") && name != "has_password";
    let at = UserRecord::FIELDS.iter().position(|field| field.name == name && is_told(name));
    at.map(Source::Field).ok_or_else(|| {
        let fields = UserRecord::FIELDS.iter().map(|field| field.name).filter(|name| is_told(name));
        let all: Vec<_> = fields.chain(["date_joined", "password", "organizations", "groups"]).collect();
        format!("there is no field `{name}` of users: there are {}", all.join(", "))
    })
}

fn find<P: Copy>(whole: &str, parts: &[&str], known: &[(&str, P)]) -> Result<Vec<P>, String> {
    let one = |part: &&str| {
        // Of a membership, its organization is told in its own words, as by Django's path too.
        let named = match part.strip_prefix("organization.") {
            Some("id") => "organization_id",
            Some(rest) => rest,
            None => part,
        };
        known.iter().find(|(name, _)| *name == named).map(|(_, get)| *get).ok_or_else(|| {
            let all: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            format!("`{whole}` have no `{part}`: they have {}", all.join(", "))
        })
    };
    parts.iter().map(one).collect()
}

/// Several rows in one cell: lines of parts in brackets; of one part alone, one line.
fn rows<T>(all: &[T], parts: &[Part<T>]) -> String {
    match (all, parts) {
        ([one], [part]) => part(one),
        ([_, _, ..], [part]) => format!("({})", all.iter().map(part).collect::<Vec<_>>().join(",")),
        _ => {
            let row = |one| format!("({})", parts.iter().map(|part| part(one)).collect::<Vec<_>>().join(","));
            all.iter().map(row).collect::<Vec<_>>().join("\n")
        }
    }
}

/// As Python writes it.
fn truth(value: bool) -> String {
    if value { "True" } else { "False" }.to_owned()
}

fn field(user: &UserRecord, at: usize) -> String {
    let kind = UserRecord::FIELDS.get(at).map(|field| field.kind);
    match (user.values().get(at), kind) {
        (Some(Value::Bool(Some(value))), _) => truth(*value),
        (Some(Value::Int(Some(seconds))), Some(Kind::Time)) => moment(*seconds, 0),
        (Some(Value::Int(Some(micros))), Some(Kind::Moment)) => {
            moment(micros.div_euclid(1_000_000), u32::try_from(micros.rem_euclid(1_000_000)).unwrap_or_default())
        }
        (Some(value), _) => value.to_string(),
        (None, _) => String::new(),
    }
}

/// As Python's `str()` writes a time in UTC.
fn moment(seconds: i64, micros: u32) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y-%m-%d %H:%M:%S");
    if micros == 0 { format!("{time}+00:00") } else { format!("{time}.{micros:06}+00:00") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::NewUser;
    use crate::id::{GroupId, OrgId, UserId};

    fn ann() -> ExportedUser {
        let id = |text: &str| format!("5c1a5d0e-9a5e-5f3a-8a63-{text:0>12}").parse::<uuid::Uuid>().unwrap();
        let membership = |n: &str, is_admin| ExportedMembership {
            organization: OrgId(id(n)),
            slug: format!("org-{n}"),
            name: format!("Org {n}"),
            is_active: true,
            is_admin,
            is_owner: false,
        };
        let mut user = NewUser::named("ann").unwrap().into_record(UserId(id("1")));
        (user.created, user.created_micros, user.last_login) = (1_704_196_800, 123_456, Some(1_704_196_800_000_000));
        ExportedUser {
            user,
            password: None,
            memberships: vec![membership("1", true), membership("2", false)],
            groups: vec![ExportedGroup { id: GroupId(3), name: "Staff".to_owned() }],
        }
    }

    fn column(name: &str, fields: Option<Vec<&'static str>>) -> (String, String) {
        let column = Column::new(name, &Written { fields, ..Written::default() }).unwrap();
        (column.header().to_owned(), column.text(&ann()))
    }

    #[test]
    fn cells_are_the_reference_s() {
        for (name, fields, header, text) in [
            ("username", None, "username", "ann"),
            ("email", None, "email", ""),
            ("is_active", None, "is_active", "True"),
            ("date_joined", None, "date_joined", "2024-01-02 12:00:00.123456+00:00"),
            ("last_login", None, "last_login", "2024-01-02 12:00:00+00:00"),
            ("password_based_token", None, "password_based_token", ""),
            ("groups.name", None, "groups.name", "Staff"),
            ("organizations.slug", None, "organizations.slug", "(org-1,org-2)"),
            (
                "openwisp_users_organizationuser.organization.name",
                None,
                "openwisp_users_organizationuser.organization.name",
                "(Org 1,Org 2)",
            ),
            (
                "organizations",
                Some(vec!["slug", "is_admin"]),
                "organizations (slug, is_admin)",
                "(org-1,True)\n(org-2,False)",
            ),
        ] {
            assert_eq!(column(name, fields), (header.to_owned(), text.to_owned()), "{name}");
        }
        assert!(column("organizations", None).1.starts_with("(5c1a5d0e-9a5e-5f3a-8a63-000000000001,True)\n("));
        let written = Written { header: Some("Name"), ..Written::default() };
        assert_eq!(Column::new("username", &written).unwrap().header(), "Name");
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        for (name, fields) in [
            ("nothing", None),
            ("has_password", None),
            ("organizations", Some(vec!["password"])),
            ("organizations", Some(vec![])),
            ("organizations.slug", Some(vec!["slug"])),
            ("username", Some(vec!["slug"])),
            ("username.first", None),
        ] {
            let wrong = Column::new(name, &Written { fields, ..Written::default() });
            assert!(wrong.is_err(), "{name}");
        }
    }
}
