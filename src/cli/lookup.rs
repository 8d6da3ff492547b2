//! `postern lookup`: what lookups of the policy need beside it.

use super::policies::on_standard_pages;
use super::{Common, Failure};
use crate::config::Config;
use crate::lookup::trigger;
use crate::policy::{Dialect, Lookup, Question};
use crate::reload::load_policy;
use crate::yaml::suggest;
use std::process::ExitCode;

/// Lookups of the policy: trigger
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Print the trigger that tells of changes, so that what is kept of a lookup's answers is dropped at once
    ///
    /// To be run by the owner of the table: `postern lookup trigger device --table config_device --key id | psql …`. A lookup that
    /// joins tables needs one for each; without --key a change of any row drops all that is kept.
    Trigger {
        /// The lookup's name in the policy
        name: String,
        /// The table, with its schema where it is not on the search path
        #[arg(long, value_name = "TABLE")]
        table: String,
        /// The column that the lookup's first argument is compared with
        #[arg(long, value_name = "COLUMN")]
        key: Option<String>,
    },
}

/// Runs the command.
///
/// # Errors
/// The policy cannot be used, or has no such lookup.
pub fn run(common: &Common, args: Args) -> Result<ExitCode, Failure> {
    let Verb::Trigger { name, table, key } = args.verb;
    let config = Common::configuration(&common.sources())?;
    let policy = load_policy(&config)?;
    let names = || policy.lookups().iter().map(|lookup| &*lookup.name);
    let Some(lookup) = policy.lookups().iter().find(|lookup| *lookup.name == *name) else {
        let near = suggest(&name, names()).map(|near| format!("did you mean `{near}`?"));
        let hint = near.unwrap_or_else(|| match names().collect::<Vec<_>>().join(", ") {
            list if list.is_empty() => "the policy has none".to_owned(),
            list => format!("the policy has: {list}"),
        });
        return Err(Failure::usage(format!("no lookup is named `{name}`"), hint));
    };
    if asks_mysql(&config, lookup) {
        let message = format!("no trigger can tell of changes of `{name}`: MySQL and MariaDB have no notifications");
        let hint = "a short `cache` bounds how long an answer may be wrong".to_owned();
        return Err(Failure::usage(message, hint));
    }
    if lookup.cache.is_none() {
        super::output::say(&format!(
            "note: nothing is kept of `{name}`, so nothing is there to drop: it has no `cache`\n"
        ));
    }
    let statements = trigger::statements(&name, &table, key.as_deref());
    Ok(on_standard_pages(|pages| {
        write!(pages.out, "{statements}")?;
        Ok(0)
    }))
}

fn asks_mysql(config: &Config, lookup: &Lookup) -> bool {
    let Question::Sql(statement) = &lookup.question else { return false };
    let asked = config.databases.iter().find(|source| source.name == statement.database);
    asked.is_some_and(|source| source.dialect() == Dialect::Mysql)
}
