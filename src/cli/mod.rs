//! The command line: one file a command. Exit 0 is yes, 1 is no, 2 is wrong usage; errors go to standard error, with a hint.

mod access_logs;
mod ask;
mod bar;
pub mod batch;
pub mod check;
pub mod completions;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod email;
pub mod explain;
pub mod export_users;
mod facts;
pub mod group;
pub mod health;
mod history;
pub mod import;
mod integrate;
mod invite;
pub mod job;
mod learn;
pub mod login;
pub mod lookup;
pub mod matrix;
pub mod me;
pub mod member;
pub mod migrate;
pub mod moment;
pub mod noun;
mod openapi;
pub mod org;
pub mod output;
pub mod permission;
pub mod policies;
pub mod replay;
mod rights;
pub mod role;
pub mod schema;
pub mod serve;
pub mod sesame;
pub mod shadow;
pub mod store;
mod subject;
pub mod test;
pub mod token;
mod usage;
pub mod user;
pub mod usernames;

use crate::config::{Compat, Config, ConfigError, Sources};
use crate::directory::Directory;
use crate::directory::audit::Who;
use crate::policy::Names;
use crate::telemetry::log::colour;
use crate::yaml::Severity;
use clap::{CommandFactory, Parser, Subcommand};
use output::{Exit, Output};
use std::fmt::Display;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// A tenant-aware authorization sidecar and reverse proxy
#[derive(Parser)]
#[command(name = "postern", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(clap::Args)]
pub struct Common {
    /// The configuration [default: postern.yaml where there is one]
    #[arg(long, global = true, env = "POSTERN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory's database, sqlite:///PATH or postgres://USER@HOST/DATABASE, instead of `database` of the configuration
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Everything in one process on a throw-away store: echo upstream, two tenants, people, tokens
    Demo(demo::Args),
    /// Judge requests and forward them
    Serve(serve::Args),
    /// Check policy files, and with --config the configuration and the names that it declares
    Check(check::Args),
    Test(test::Args),
    Explain(explain::Args),
    Matrix(matrix::Args),
    Shadow(shadow::Args),
    Replay(replay::Args),
    Learn(learn::Args),
    Integrate(integrate::Args),
    Schema(schema::Args),
    /// Print the OpenAPI description of the identity API, as it is served at /api/v1/docs/openapi.json
    Openapi,
    Config(config::Args),
    Lookup(lookup::Args),
    Completions(completions::Args),
    /// Users
    User(user::Args),
    Usernames(usernames::Args),
    /// Organizations
    Org(org::Args),
    /// Who belongs to which organization, and how
    Member(member::Args),
    /// The e-mail addresses of users
    Email(email::Args),
    /// Groups of users, whose permissions count everywhere
    Group(group::Args),
    /// What can be permitted
    Permission(permission::Args),
    /// Roles in an organization, and super roles in all of them
    Role(role::Args),
    /// Bearer tokens
    Token(token::Args),
    Me(me::Args),
    Login(login::Args),
    Logout(login::LogoutArgs),
    /// Links that log somebody in
    Sesame(sesame::Args),
    /// Bring an existing installation in
    Import(import::Args),
    ExportUsers(export_users::Args),
    /// What is done once a day
    Job(job::Args),
    /// The database's schema
    Migrate(migrate::Args),
    Doctor(doctor::Args),
    /// Exit 0 when the local process is ready
    Health(health::Args),
}

impl Common {
    /// The configuration, before a command's own flags.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let mut sources = Sources::of_process(self.config.clone());
        sources.flag("--database", "database", self.database.as_ref());
        sources
    }

    /// That nobody has given what counts for nothing.
    fn unused(&self, why: &str) -> Result<(), Failure> {
        // A container's environment names one for every command.
        let config = self.config.is_some() && std::env::var_os("POSTERN_CONFIG").is_none();
        let given = [("--config", config), ("--database", self.database.is_some())];
        let Some((flag, _)) = given.iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
        output::say(&format!("error: {why}: leave out {flag}\n"));
        Err(Failure::Usage)
    }

    /// Reads the configuration; findings go to standard error.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn configuration(sources: &Sources) -> Result<Config, Failure> {
        Self::with_warnings(sources).map(|(config, _)| config)
    }

    /// The same, and how many of the findings were warnings.
    fn with_warnings(sources: &Sources) -> Result<(Config, usize), Failure> {
        match Config::load(sources) {
            Ok((config, warnings)) => {
                output::say(&warnings.to_text(colour()));
                Ok((config, warnings.list().len()))
            }
            Err(ConfigError::Findings(findings)) => {
                output::say(&match output::json_asked() {
                    true => format!("{}\n", output::json_findings(&findings)),
                    false => findings.to_text(colour()),
                });
                // What was written on the command line alone is wrong usage.
                let mut errors = findings.list().iter().filter(|finding| finding.severity == Severity::Error);
                Err(if errors.all(|error| error.place.file.starts_with("--")) {
                    Failure::Usage
                } else {
                    Failure::Reported
                })
            }
            Err(error) => Err(Failure::hint(error, "name the file with --config, or leave it out and use --upstream")),
        }
    }

    /// The policy files that a tool works on, those it was given or those of the configuration, and the names that the
    /// configuration declares. A configuration counts where it is named, or where nothing else says what to work on.
    fn policies(&self, given: &[PathBuf]) -> Result<(Option<Names>, Vec<PathBuf>), Failure> {
        let sources = self.sources();
        if self.config.is_none() && (!given.is_empty() || sources.file.is_none()) {
            return Ok((None, given.to_vec()));
        }
        let config = Self::configuration(&sources)?;
        Ok((Some(config.names()), if given.is_empty() { config.policy } else { given.to_vec() }))
    }

    /// Runs a command on the directory, which one that `begins` makes where it is not there.
    fn on_the_directory<F, Done>(&self, begins: bool, run: F) -> Result<ExitCode, Failure>
    where
        F: FnOnce(Config, Arc<Directory>, Output) -> Done,
        Done: Future<Output = (anyhow::Result<Exit>, Output)>,
    {
        let config = Self::configuration(&self.sources())?;
        let mut output = Output::standard();
        output.set_json(output::json_asked());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let opened = runtime.block_on(async {
            let database = &config.database;
            if begins { store::open(database).await } else { store::open_existing(database).await }
        });
        let store = match opened {
            Ok(store) => Arc::new(
                store
                    .audited(config.audit(), Who::at_the_command_line())
                    .declaring(config.identity.fields.clone())
                    .with_longest_token(config.identity.accounts.longest_token),
            ),
            Err(error) => return Ok(output.failure(&error).into()),
        };
        let (done, mut output) = runtime.block_on(run(config, store, output));
        Ok(done.unwrap_or_else(|error| output.failure(&error)).into())
    }
}

/// Why a command ends without doing what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// It has said why already.
    Reported,
    /// The same, of the command line.
    Usage,
    /// This is why, and perhaps what to do.
    Because(anyhow::Error, Option<String>),
}

impl Failure {
    /// Wrong usage, with a hint.
    pub fn usage(error: impl Display, hint: impl Display) -> Self {
        output::say(&format!("error: {error}\nhint: {hint}\n"));
        Self::Usage
    }

    /// A cause with a hint.
    pub fn hint(error: impl Into<anyhow::Error>, hint: impl Display) -> Self {
        Self::Because(error.into(), Some(hint.to_string()))
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let hint = output::hint(&error);
        Self::Because(error, hint)
    }
}

/// The flag that `--management` was.
///
/// # Errors
/// Always: what to write now.
fn renamed_admin(_: &str) -> Result<String, &'static str> {
    Err("--admin is --management now")
}

/// Runs the command that the process was given.
#[must_use]
pub fn main() -> ExitCode {
    let json = output::json_asked();
    let Cli { common, command } = Cli::try_parse().unwrap_or_else(|error| {
        if json && error.use_stderr() {
            let told = error.to_string();
            let message = anyhow::anyhow!("{}", told.strip_prefix("error: ").unwrap_or(&told).trim_end().to_owned());
            output::say(&format!("{}\n", output::json_error("usage", &message, None)));
            std::process::exit(2);
        }
        error.exit()
    });
    macro_rules! noun {
        ($noun:ident, $args:expr, $begins:expr) => {
            common.on_the_directory($begins, |_, store, mut output| async move {
                ($noun::run($args, &store, &mut output).await, output)
            })
        };
    }
    let done = match command {
        Command::Demo(args) => {
            common.unused("the demo has a configuration and a database of its own").and_then(|()| demo::run(args))
        }
        Command::Serve(args) => serve::run(&common, &args),
        Command::Check(args) => check(&common, &args),
        Command::Test(args) => common
            .policies(if args.tests.is_empty() { &args.policy } else { &args.tests })
            .map(|(names, files)| policies::on_standard_pages(|pages| test::run(&args, names.as_ref(), &files, pages))),
        Command::Explain(args) => explain::run(&common, &args),
        Command::Matrix(args) => matrix::run(&common, &args),
        Command::Shadow(args) => Ok(shadow::run(&args)),
        Command::Learn(args) => Ok(learn::run(&args)),
        Command::Integrate(args) => integrate::run(&common, &args),
        Command::Replay(args) => replay::run(&common, &args),
        Command::Schema(args) => Ok(schema::run(&args)),
        Command::Openapi => openapi::run(&common),
        Command::Config(args) => config::run(&common, &args),
        Command::Lookup(args) => lookup::run(&common, args),
        Command::Completions(args) => Ok(completions::run(args, Cli::command())),
        Command::User(args) => common.on_the_directory(args.begins(), |config, store, mut output| async move {
            (user::run(args, &config, &store, &mut output).await, output)
        }),
        Command::Import(args) => common.on_the_directory(true, |config, store, mut output| async move {
            (import::run(args, &config, &store, &mut output).await, output)
        }),
        Command::ExportUsers(args) => common.on_the_directory(false, |config, store, mut output| async move {
            (export_users::run(args, &config.export_users.fields, &store, &mut output).await, output)
        }),
        Command::Job(args) => common.on_the_directory(false, |config, store, mut output| async move {
            (job::run(args, &config, &store, &mut output).await, output)
        }),
        Command::Usernames(args) => noun!(usernames, args, false),
        Command::Org(args) => noun!(org, args, args.begins()),
        Command::Member(args) => noun!(member, args, false),
        Command::Email(args) => noun!(email, args, false),
        Command::Group(args) => noun!(group, args, args.begins()),
        Command::Permission(args) => noun!(permission, args, args.begins()),
        Command::Role(args) => noun!(role, args, args.begins()),
        Command::Token(args) => noun!(token, args, false),
        Command::Login(args) => login::run(&common, &args),
        Command::Logout(args) => login::end(&common, &args),
        Command::Sesame(args) => sesame(&common, args),
        Command::Me(args) => common.on_the_directory(false, |config, store, mut output| async move {
            (me::run(args, config.compat == Compat::Openwisp, &store, &mut output).await, output)
        }),
        Command::Migrate(args) => migrate(&common, &args),
        Command::Doctor(args) => doctor(&common, args),
        Command::Health(args) => health::run(&common, args),
    };
    match done {
        Ok(code) => code,
        Err(Failure::Reported) => Exit::No.into(),
        Err(Failure::Usage) => Exit::Usage.into(),
        Err(Failure::Because(error, hint)) if json => {
            output::say(&format!("{}\n", output::json_error(output::code(&error), &error, hint.as_deref())));
            output::exit_of(&error).into()
        }
        Err(Failure::Because(error, hint)) => {
            output::say(&format!("error: {}\n", output::chain(&error)));
            if let Some(hint) = hint {
                output::say(&format!("hint: {hint}\n"));
            }
            output::exit_of(&error).into()
        }
    }
}

/// The policies that a configuration names are checked with the names that it declares.
fn check(common: &Common, args: &check::Args) -> Result<ExitCode, Failure> {
    let mut sources = common.sources();
    if common.config.is_none() && (!args.files.is_empty() || sources.file.is_none()) {
        return Ok(check::run(args, None));
    }
    sources.upstream(args.upstream.as_deref());
    let (config, warnings) = Common::with_warnings(&sources)?;
    Ok(check::run(args, Some(&check::Declared::by(config, warnings))))
}

/// Tokens are made with the settings that the gate reads them with.
fn sesame(common: &Common, args: sesame::Args) -> Result<ExitCode, Failure> {
    common.on_the_directory(false, |config, store, mut output| async move {
        (sesame::run(args, config.identity.settings.sesame.as_ref(), &store, &mut output).await, output)
    })
}

fn doctor(common: &Common, args: doctor::Args) -> Result<ExitCode, Failure> {
    let config = Common::configuration(&common.sources())?;
    let mut output = Output::standard();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(doctor::run(args, &config, &mut output));
    Ok(done.unwrap_or_else(|error| output.failure(&error)).into())
}

fn migrate(common: &Common, args: &migrate::Args) -> Result<ExitCode, Failure> {
    let config = Common::configuration(&common.sources())?;
    let mut output = Output::standard();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(migrate::run(args, &config.database, &mut output));
    Ok(done.unwrap_or_else(|error| output.failure(&error)).into())
}
