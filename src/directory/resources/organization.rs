//! An organization, and who owns it.

use super::content::{Blank, Given};
use super::definition::{Input, Writer, resource};
use crate::directory::error::{DirectoryError, Unique};
use crate::directory::name::{Email, ExternalId, OrgName, Slug, Text};
use crate::id::{OrgId, UserId};
use uuid::Uuid;

resource! {
    /// An organization. Times are whole seconds since the Unix epoch.
    OrganizationRecord, NewOrganization, OrganizationEdit:
    Organization, "openwisp_users.{}_organization", "organizations" as "o"
    "LEFT JOIN owners w ON w.organization_id = o.id LEFT JOIN users u ON u.id = w.user_id", by slug {
        id: OrgId => {
            given: true, help: "A chosen id, for organizations that come from elsewhere", filter: true, sort: true,
            unique: &[("organizations_pkey", Unique::OrganizationId)],
        }
        given {
            name: OrgName => { help: "Name, for people", filter: true, search: true, sort: true, }
            /// Unique, never reused. Where absent it is made of the name, with a number where that is taken.
            slug: Blank<Slug> = Blank(None) => {
                help: "Short name: letters, digits, - and _; unique and never reused, whatever its case. Made of the name where absent",
                edit_help: "Short name; the old one stays used", filter: true, search: true, sort: true,
                unique: &[
                    ("organizations_slug", Unique::Slug), ("organizations_slug_any_case", Unique::Slug),
                    ("slug_is_not_reused", Unique::Slug),
                ],
            }
            external_id: Option<ExternalId> = None => {
                help: "The key under which a legacy system knows it", filter: true, imported: false,
                writer: Writer::Superuser, unique: &[("organizations_external_id", Unique::OrganizationExternalId)],
            }
            /// Nobody but superusers passes a check for a disabled organization.
            is_active "active": bool = true => {
                help: "Whether its members may do anything in it", edit_help: "Enable, or with =false disable at once",
                filter: true,
            }
            description: Text<2000> = Text::empty() => { help: "What it is, for people", search: true, }
            email: Blank<Email> = Blank(None) => { help: "Contact", clears: true, filter: true, search: true, }
            url: Text<200> = Text::empty() => { help: "Home page", }
        }
        kept {
            /// The username of its owner.
            owner_username "owner": Option<String> => { sql: "u.username", sort: true, }
            /// The slug of their primary organization.
            owner_org: Option<String> => { sql: "(SELECT o.slug FROM organizations o WHERE o.id = u.organization_id /*home*/)", }
            owner "owner_id": Option<UserId> => { sql: "u.id", filter: true, }
            owner_membership: Option<Uuid> => {
                shown: false,
                sql: "(SELECT x.id FROM memberships x WHERE x.user_id = w.user_id AND x.organization_id = o.id)",
            }
            created: i64 => { sort: true, fixed: true, }
            /// What `created` leaves out, in microseconds.
            created_micros: u32 => { shown: false, sort: true, fixed: true, }
            modified: i64 => { sort: true, }
            modified_micros: u32 => { shown: false, }
        }
    }

    const COLUMNS: &'static [&'static str] = &["id", "slug", "name", "active", "owner"];
    const COLUMNS_IF_ANY: &'static [&'static str] = &["owner_org"];
    const IS_TOTALLED: bool = true;
    const OF_USER: &'static str = "o.id IN (SELECT organization_id FROM memberships WHERE user_id = $?)";
    const SEEN_BY_MANAGER: &'static str =
        "o.is_active AND o.id IN (SELECT organization_id FROM memberships WHERE user_id = $? AND is_admin)";
    const SEEN_BY_ONESELF: &'static str =
        "o.is_active AND o.id IN (SELECT organization_id FROM memberships WHERE user_id = $?)";
}

impl NewOrganization {
    /// An active organization with nothing but a name.
    ///
    /// # Errors
    /// The name is not valid.
    pub fn named(name: &str) -> Result<Self, DirectoryError> {
        Self::read(vec![("name", Given::Text(name.to_owned()))])
    }
}
