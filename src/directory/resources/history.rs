//! What happened to a record: a line of the audit log, as it is kept beside the record.

use super::content::Kind;
use super::definition::record;

record! {
    /// What was done to a record, by whom, and which fields it changed.
    HistoryRecord: History, "", "history" as "h" "", by id {
        id: i64 => { kind: Kind::Number, fixed: true, sort: true, }
        /// Microseconds since the Unix epoch.
        at: i64 => { kind: Kind::Moment, fixed: true, }
        /// Such as `user.edit`.
        what: String => { fixed: true, filter: true, search: true, }
        /// What the record was called.
        name: String => { fixed: true, search: true, }
        /// The username of who did it, where the viewer sees them.
        by: Option<String> => {
            sql: "(SELECT x.username FROM (SELECT y.id AS user_id, y.username FROM users y) x
                   WHERE x.user_id = h.actor_id /*seen*/)",
        }
        /// `api`, `cli` or `server`.
        via: String => { fixed: true, filter: true, }
        /// Who it was at the command line.
        actor: String => { fixed: true, shown: false, }
        /// JSON: lists of a field, what it was, what it is.
        changes: String => { fixed: true, shown: false, }
        /// The same, for those who see everything.
        private: String => { fixed: true, shown: false, }
    }

    // Of an organization of theirs; or of a user from when on they have belonged to one of theirs, and of what is nobody's. Superusers
    // are nobody to them, in lists of members neither.
    const SEEN_BY_MANAGER: &'static str = "CASE
        WHEN EXISTS (SELECT 1 FROM users x WHERE x.id = h.user_id AND x.is_superuser) THEN false
        WHEN h.organization_id IS NOT NULL THEN h.organization_id IN (
            SELECT mine.organization_id FROM memberships mine JOIN organizations theirs ON theirs.id = mine.organization_id
            WHERE mine.user_id = $? AND mine.is_admin AND theirs.is_active)
        WHEN h.user_id IS NULL THEN true
        ELSE h.at >= 1000000 * (
            SELECT min(m.created) FROM memberships m JOIN memberships mine ON mine.organization_id = m.organization_id
            WHERE m.user_id = h.user_id AND mine.user_id = $? AND mine.is_admin) END";
    const COLUMNS: &'static [&'static str] = &["at", "what", "name", "by", "via"];
    const SEEN_BY_ONESELF: &'static str = "h.user_id = $?";
}
