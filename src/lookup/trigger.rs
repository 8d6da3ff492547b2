//! The trigger that tells of changes: what `postern lookup trigger` prints for an operator to install.

use std::fmt::Write;

/// What is notified, and listened to.
pub const CHANNEL: &str = "postern_lookup";

/// The statements for one table. `key`: the column that the lookup's first argument is compared with; without one, a change of any row
/// drops all that is kept.
#[must_use]
pub fn statements(lookup: &str, table: &str, key: Option<&str>) -> String {
    let function = function(lookup);
    let table: Vec<String> = table.split('.').map(quoted).collect();
    let table = table.join(".");
    let mut sql = String::new();
    let mut tell = |on: &str, row: &str| {
        let payload = match key {
            Some(key) => format!("'{lookup} ' || {row}.{}::text", quoted(key)),
            None => format!("'{lookup}'"),
        };
        let _ = writeln!(sql, "    IF TG_OP {on} THEN PERFORM pg_notify('{CHANNEL}', {payload}); END IF;");
    };
    tell("IN ('UPDATE', 'DELETE')", "OLD");
    tell("IN ('INSERT', 'UPDATE')", "NEW");
    format!(
        "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$\n\
         BEGIN\n    IF TG_LEVEL = 'STATEMENT' THEN PERFORM pg_notify('{CHANNEL}', '{lookup}'); RETURN NULL; END IF;\n\
         {sql}    RETURN NULL;\nEND $$;\n\
         DROP TRIGGER IF EXISTS {function} ON {table};\n\
         CREATE TRIGGER {function} AFTER INSERT OR UPDATE OR DELETE ON {table}\n    \
         FOR EACH ROW EXECUTE FUNCTION {function}();\n\
         DROP TRIGGER IF EXISTS {function}_all ON {table};\n\
         CREATE TRIGGER {function}_all AFTER TRUNCATE ON {table}\n    \
         FOR EACH STATEMENT EXECUTE FUNCTION {function}();\n"
    )
}

/// The function of a lookup's trigger, as it is written: without quotes.
pub(super) fn function(lookup: &str) -> String {
    format!("postern_lookup_{lookup}")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
