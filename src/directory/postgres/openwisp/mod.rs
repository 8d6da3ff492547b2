//! `schema: openwisp`: the directory is the database of an OpenWISP installation, as Django keeps it.
//!
//! What Django lacks is in a schema of our own beside its tables. There its tables are views, with the names and columns that the
//! directory's statements know, and triggers write what those write; so no statement stands twice, and there is no copy that could be
//! another than what Django sees. Of Django's own, only tables get triggers: those that tell changes. `migrations/openwisp` has the
//! texts; here they get the names of an installation's tables, and are put in and taken out.

mod tables;

pub use tables::TABLES;

use super::migrate::MigrateError;
use super::statement::typed;
use crate::directory::schema::Migration;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use tables::{COLUMNS, TOLD, WRITTEN};
use tokio_postgres::GenericClient;
use tokio_postgres::types::ToSql;

macro_rules! text {
    ($file:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/openwisp/", $file, ".sql"))
    };
}

/// What is made once: our own tables.
pub(super) const MIGRATIONS: &[Migration] = &[Migration { version: 1, name: "own", sql: text!("0001_own") }];

/// What is made anew where Django's tables, or the texts, are others.
pub(super) static BRIDGE: Migration = Migration { version: 2, name: "django", sql: "" };
const BRIDGE_TEXTS: [&str; 4] = [text!("reads"), text!("told"), text!("writes"), text!("rights")];
const READ_ONLY: &str = text!("read_only");
const CLEAR: &str = text!("clear");
const CLOSED: &str = text!("closed");

/// The functions that a replica calls, with their owner's rights.
pub(super) const CALLED: [&str; 4] = ["index_tokens", "put_lock", "put_uses", "trim_changes"];

/// Where an installation's tables are, and where ours go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Openwisp {
    schema: String,
    django: String,
    tables: BTreeMap<&'static str, String>,
}

/// A trigger of a table of Django's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Quoted, with its schema.
    pub table: String,
    pub name: String,
    /// What makes it.
    pub sql: String,
}

impl Openwisp {
    /// `schema` is ours, `django` that of Django's tables, `app` how the names of the swappable models' tables begin; `named` are
    /// those with other names.
    #[must_use]
    pub fn new(schema: &str, django: &str, app: &str, named: &[(String, String)]) -> Self {
        let mut tables = BTreeMap::new();
        for (table, usual) in TABLES {
            let said = named.iter().find(|(known, _)| known == table).map(|(_, name)| name.clone());
            let of = |table: &str| tables.get(table).map(String::as_str).unwrap_or_default();
            let usual = || usual.replace("{app}", app).replace("{user}", of("user")).replace("{group}", of("group"));
            let name = said.unwrap_or_else(usual);
            tables.insert(table, name);
        }
        Self { schema: schema.to_owned(), django: django.to_owned(), tables }
    }

    /// The schema that is ours.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The search path of all our sessions: a table of somebody else's is never taken for ours.
    pub(super) fn search_path(&self) -> String {
        format!("{},pg_temp", quoted(&self.schema))
    }

    fn name(&self, table: &str) -> &str {
        self.tables.get(table).map(String::as_str).unwrap_or_default()
    }

    /// A table of Django's, quoted, with its schema.
    #[must_use]
    pub fn table(&self, table: &str) -> String {
        format!("{}.{}", quoted(&self.django), quoted(self.name(table)))
    }

    /// All tables that are read, quoted.
    pub(super) fn read(&self) -> Vec<String> {
        COLUMNS.iter().map(|(table, _)| self.table(table)).collect()
    }

    /// What `postern migrate` puts on Django's tables.
    #[must_use]
    pub fn watches(&self) -> Vec<Watch> {
        self.watches_with(&BTreeMap::new())
    }

    fn watches_with(&self, words: &BTreeMap<&str, String>) -> Vec<Watch> {
        let ours = quoted(&self.schema);
        let mut all = Vec::new();
        for (table, told, when) in TOLD {
            let (on, told) = (self.table(table), filled(told, words));
            for (ending, when, how) in [
                ("told", when, format!("FOR EACH ROW EXECUTE FUNCTION {ours}.{told}")),
                ("emptied", "TRUNCATE", format!("FOR EACH STATEMENT EXECUTE FUNCTION {ours}.told_emptied()")),
            ] {
                let name = format!("{}_{ending}", self.schema);
                let sql = format!("CREATE TRIGGER {} AFTER {when} ON {on} {how}", quoted(&name));
                all.push(Watch { table: on.clone(), name, sql });
            }
        }
        all
    }

    /// Whether nothing tells of changes, so that whoever follows looks by themselves: whoever put it in may make no triggers.
    pub(super) async fn is_looked_over(&self, db: &impl GenericClient) -> Result<bool, tokio_postgres::Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM settings WHERE name = 'told' AND value = 'by looking')";
        db.query_typed_one(sql, &[]).await?.try_get(0)
    }

    /// The tables that have no trigger that fires where there should be one.
    pub(super) async fn unwatched(&self, db: &impl GenericClient) -> Result<Vec<String>, tokio_postgres::Error> {
        if self.is_looked_over(db).await? {
            return Ok(Vec::new());
        }
        let (tables, names): (Vec<_>, Vec<_>) =
            self.watches().into_iter().map(|watch| (watch.table, watch.name)).unzip();
        let rows = db.query_typed(UNWATCHED, &typed(&[&tables, &names])).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }

    /// Columns that must be given and that postern does not know: in an OpenWISP that is newer, or with a model of its own, new records
    /// of these tables are refused.
    pub(super) async fn unknown(&self, db: &impl GenericClient) -> Result<Vec<String>, tokio_postgres::Error> {
        let mut unknown = Vec::new();
        for (table, columns) in COLUMNS.iter().filter(|(table, _)| WRITTEN.contains(table)) {
            let known: Vec<&str> = columns.split(' ').collect();
            for row in db.query_typed(GIVEN, &typed(&[&self.table(table), &known])).await? {
                unknown.push(format!("{}.{}", self.name(table), row.try_get::<_, String>(0)?));
            }
        }
        Ok(unknown)
    }

    /// What is to be put in, for the tables as they are; without triggers nothing of Django's is written.
    async fn bridge(&self, db: &impl GenericClient, with_triggers: bool) -> Result<Bridge, MigrateError> {
        let words = self.words(db).await?;
        let mut sql = BRIDGE_TEXTS.iter().map(|text| filled(text, &words)).collect::<Vec<_>>().join("\n");
        let watches = if with_triggers { self.watches_with(&words) } else { Vec::new() };
        if !with_triggers {
            // Whoever may only read may not lock either.
            sql = sql.replace(" FOR KEY SHARE", "").replace(" FOR SHARE", "") + READ_ONLY;
        }
        let all = watches.iter().fold(sql.clone(), |all, watch| all + "\n" + &watch.sql) + CLOSED;
        Ok(Bridge { checksum: HEXLOWER.encode(&Sha256::digest(all.as_bytes())), sql, watches })
    }

    /// Whether this role may put triggers on Django's tables.
    async fn may_watch(&self, db: &impl GenericClient) -> Result<bool, tokio_postgres::Error> {
        let sql = "SELECT coalesce(bool_and(has_table_privilege(tbl, 'TRIGGER')), false) FROM unnest($1::text[]) AS tbl
                   WHERE to_regclass(tbl) IS NOT NULL";
        db.query_typed_one(sql, &typed(&[&self.read()])).await?.try_get(0)
    }

    /// What the names in the texts stand for here; or what is in the way.
    async fn words(&self, db: &impl GenericClient) -> Result<BTreeMap<&'static str, String>, MigrateError> {
        let mut words = BTreeMap::from([("ours", quoted(&self.schema))]);
        words.extend(TABLES.iter().map(|(table, _)| (*table, self.table(table))));
        let wrong = MigrateError::Openwisp;
        for (table, columns) in COLUMNS {
            let there = db.query_typed(COLUMNS_OF, &typed(&[&self.table(table)])).await?;
            if there.is_empty() {
                return Err(wrong(self.absent(db, table).await?));
            }
            let mut types = BTreeMap::new();
            for row in &there {
                types.insert(row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?);
            }
            if let Some(column) = columns.split(' ').find(|column| !types.contains_key(*column)) {
                let name = self.name(table);
                return Err(wrong(format!(
                    "the table `{name}` has no column `{column}`: postern knows openwisp-users 1.0 to 1.3"
                )));
            }
            let id = types.get("id").cloned().unwrap_or_default();
            match table {
                "user" | "organization" if id != "uuid" => {
                    return Err(wrong(format!(
                        "the ids of `{}` are of type {id}, and those of OpenWISP are of type uuid",
                        self.name(table)
                    )));
                }
                "group" => drop(words.insert("group_id", id)),
                "permission" => drop(words.insert("permission_id", id)),
                "email" => drop(words.insert("email_id", id)),
                _ => {}
            }
        }
        for (table, word, literal) in [
            ("user_groups", "groups_user", "groups_user_text"),
            ("user_permissions", "permissions_user", "permissions_user_text"),
            ("token", "token_user", "token_user_text"),
        ] {
            let params: [&(dyn ToSql + Sync); 2] = [&self.table(table), &self.table("user")];
            let column: String = match db.query_typed_opt(REFERENCE, &typed(&params)).await? {
                Some(row) => row.try_get(0)?,
                // Of whose model it is no constraint says.
                None if table != "token" || self.referred(db).await?.is_none() => "user_id".to_owned(),
                None => {
                    return Err(wrong(format!(
                        "`{}` does not refer to `{}`: is another table the user model's? Name it with `openwisp.tables.user`",
                        self.name(table),
                        self.name("user")
                    )));
                }
            };
            words.insert(literal, format!("'{}'", column.replace('\'', "''")));
            words.insert(word, quoted(&column));
        }
        Ok(words)
    }

    /// The table that tokens are of.
    async fn referred(&self, db: &impl GenericClient) -> Result<Option<String>, tokio_postgres::Error> {
        let row = db.query_typed_opt(REFERRED, &typed(&[&self.table("token")])).await?;
        row.map(|row| row.try_get(0)).transpose()
    }

    async fn absent(&self, db: &impl GenericClient, table: &str) -> Result<String, tokio_postgres::Error> {
        let (name, place) = (self.name(table), &self.django);
        Ok(match self.referred(db).await? {
            Some(user) if table == "user" => format!(
                "there is no table `{name}` in the schema `{place}`; tokens are those of `{user}`: name it with `openwisp.tables.user`, or its app with `openwisp.app`"
            ),
            _ => format!(
                "there is no table `{name}` in the schema `{place}`: is this the database of OpenWISP, and has Django migrated it? Other names are told with `openwisp`"
            ),
        })
    }

    /// What would be put on tables of Django's.
    pub(super) async fn plan(&self, db: &impl GenericClient) -> Result<Vec<Watch>, MigrateError> {
        let with_triggers = self.may_watch(db).await?;
        Ok(self.bridge(db, with_triggers).await?.watches)
    }

    /// Whether nothing is to be put in.
    pub(super) async fn is_current(&self, db: &impl GenericClient) -> Result<bool, MigrateError> {
        let sql = "SELECT value FROM settings WHERE name = 'bridge'";
        let kept: Option<Vec<u8>> = db.query_typed_opt(sql, &[]).await?.map(|row| row.try_get(0)).transpose()?;
        let Some(kept) = kept else { return Ok(false) };
        if self.is_looked_over(db).await? {
            // Better as soon as somebody may.
            return Ok(self.bridge(db, false).await?.checksum.as_bytes() == kept && !self.may_watch(db).await?);
        }
        Ok(self.bridge(db, true).await?.checksum.as_bytes() == kept && self.unwatched(db).await?.is_empty())
    }

    /// Makes our schema, where it is not there yet, and looks in no other.
    pub(super) async fn begin(&self, db: &impl GenericClient) -> Result<(), tokio_postgres::Error> {
        let schema = quoted(&self.schema);
        db.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}; SET LOCAL search_path = {schema}, pg_temp"))
            .await
    }

    /// Puts views and triggers in, in the place of those that are there. Within a transaction whose search path is ours.
    pub(super) async fn install(&self, db: &impl GenericClient) -> Result<(), MigrateError> {
        let with_triggers = self.may_watch(db).await?;
        if !with_triggers && db.query_typed_one(IS_WATCHED, &[]).await?.try_get(0)? {
            // They would go with their functions, and could not be put in again.
            let forbidden = "Django's tables have triggers of postern's, and this role may put none there: run `postern migrate` as a role that may";
            return Err(MigrateError::Openwisp(forbidden.to_owned()));
        }
        let bridge = self.bridge(db, with_triggers).await?;
        // Django's requests that hold a table for long are not to keep all others waiting behind us.
        db.batch_execute("SET LOCAL lock_timeout = '10s'").await?;
        db.batch_execute(CLEAR).await?;
        db.batch_execute(&bridge.sql).await?;
        for watch in &bridge.watches {
            db.batch_execute(&watch.sql).await?;
        }
        db.batch_execute(CLOSED).await?;
        let told: &[u8] = if with_triggers { b"by triggers" } else { b"by looking" };
        let sql = "INSERT INTO settings (name, value) VALUES ('bridge', $1), ('told', $2)
                   ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value";
        db.execute(sql, &[&bridge.checksum.as_bytes(), &told]).await?;
        // What changed while nobody told of it.
        db.batch_execute("SELECT index_tokens(); INSERT INTO changes (kind) VALUES ('everything')").await?;
        Ok(())
    }

    /// Takes all of it out; whether there was anything.
    pub(super) async fn uninstall(&self, db: &impl GenericClient) -> Result<bool, MigrateError> {
        let sql = "SELECT count(*) FILTER (WHERE relname IN ('schema_migrations', 'changes_kept')) = 2,
                          count(*) FILTER (WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')) > 0
                   FROM pg_class WHERE relnamespace = to_regnamespace($1)";
        let found = db.query_typed_one(sql, &typed(&[&quoted(&self.schema)])).await?;
        if !found.try_get::<_, bool>(0)? {
            return if found.try_get(1)? { Err(MigrateError::Foreign) } else { Ok(false) };
        }
        db.batch_execute("SET LOCAL lock_timeout = '10s'").await?;
        // Triggers on Django's tables go with their functions.
        db.batch_execute(&format!("DROP SCHEMA {} CASCADE", quoted(&self.schema))).await?;
        Ok(true)
    }
}

struct Bridge {
    sql: String,
    watches: Vec<Watch>,
    checksum: String,
}

/// A name between two `@` is what it stands for.
fn filled(text: &str, words: &BTreeMap<&str, String>) -> String {
    words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(&format!("@{word}@"), value))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

const UNWATCHED: &str = "
    SELECT DISTINCT wanted.tbl FROM unnest($1::text[], $2::text[]) AS wanted (tbl, name) WHERE NOT EXISTS (
        SELECT 1 FROM pg_trigger t WHERE t.tgrelid = to_regclass(wanted.tbl) AND t.tgname = wanted.name AND t.tgenabled IN ('O', 'A'))
    ORDER BY 1";

/// Whether a table of Django's has a trigger of ours.
const IS_WATCHED: &str = "
    SELECT EXISTS (SELECT 1 FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
                   WHERE p.pronamespace = current_schema()::regnamespace AND c.relnamespace <> p.pronamespace)";

const COLUMNS_OF: &str = "
    SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";

const GIVEN: &str = "
    SELECT attname::text FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef AND attidentity = ''
      AND attname <> ALL ($2)";

/// The column by which one table refers to another.
const REFERENCE: &str = "
    SELECT a.attname::text FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    WHERE c.contype = 'f' AND c.conrelid = to_regclass($1) AND c.confrelid = to_regclass($2) LIMIT 1";

/// The table that tokens are of.
const REFERRED: &str = "
    SELECT t.relname::text FROM pg_constraint c JOIN pg_class t ON t.oid = c.confrelid
    WHERE c.contype = 'f' AND c.conrelid = to_regclass($1) LIMIT 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_follow_the_app_and_the_tables_that_they_belong_to() {
        let named = [("user".to_owned(), "people".to_owned()), ("token".to_owned(), "keys".to_owned())];
        let openwisp = Openwisp::new("postern", "public", "my_users", &named);
        assert_eq!(openwisp.table("user"), r#""public"."people""#);
        assert_eq!(openwisp.table("user_groups"), r#""public"."people_groups""#);
        assert_eq!(openwisp.table("organization_owner"), r#""public"."my_users_organizationowner""#);
        assert_eq!(openwisp.table("group_permissions"), r#""public"."auth_group_permissions""#);
        assert_eq!(openwisp.table("token"), r#""public"."keys""#);
    }

    #[test]
    fn texts_name_nothing_that_is_unknown() {
        let known: Vec<_> = TABLES.iter().map(|(table, _)| *table).collect();
        let words = ["ours", "group_id", "permission_id", "email_id", "groups_user", "permissions_user"];
        let all = words.iter().chain(&known).map(|word| (*word, "x".to_owned())).collect();
        for text in BRIDGE_TEXTS {
            assert!(!filled(text, &all).contains('@'));
        }
    }
}
