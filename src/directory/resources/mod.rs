//! What the directory keeps: one definition of each record.
//!
//! From it derive the record itself, what makes and edits it ([`Input`]), the statements that read and write it, the fields of the
//! audit log, the arguments and the output of the command line, what an import brings, and what lists filter, search and order
//! by. So a new field is a line in its record's file here, and a column in a migration.

mod content;
mod definition;
mod email;
mod group;
mod history;
mod membership;
mod organization;
mod permission;
mod role;
mod token;
mod user;

pub use content::{Blank, Given, HasPassword, Kind};
pub(in crate::directory) use content::{Content, Kept};
pub use definition::{Field, Input, Resource, Statements, Writer, record_of};
pub use email::{EmailEdit, EmailRecord, NewEmail};
pub use group::{GroupRecord, NewGroup};
pub use history::HistoryRecord;
pub use membership::{MembershipRecord, NewMembership};
pub use organization::{NewOrganization, OrganizationEdit, OrganizationRecord};
pub use permission::{NewPermission, PermissionEdit, PermissionRecord};
pub use role::{NewRole, RoleRecord};
pub use token::{NewScope, NewToken, TokenEdit, TokenRecord};
pub use user::{NewUser, UserEdit, UserRecord};

#[cfg(test)]
mod tests {
    use super::{OrganizationRecord, Resource, UserRecord};

    /// PostgreSQL uses an index of an expression for that expression alone.
    #[test]
    fn what_is_searched_is_what_postgresql_indexes() {
        let sql = include_str!("../../../migrations/postgres/0015_search.sql").replace("''", "'");
        let indexed = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let of_users = UserRecord::statements().searched.replace("(u.", "(");
        let of_organizations = OrganizationRecord::statements().searched.replace("(o.", "(");
        for expression in [of_users, of_organizations] {
            assert!(indexed.contains(&expression), "{expression}");
        }
    }
}
