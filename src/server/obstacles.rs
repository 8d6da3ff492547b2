//! What would keep a process from starting, found without starting one: files, keys and secrets that are not there or cannot be
//! used. Nothing is listened on, connected to or made.

use crate::config::accounts::Served;
use crate::config::{Compat, Config, Database};
use crate::directory::encryption::Sealer;
use crate::identity;
use crate::mail;
use crate::net::tls::Tls;
use crate::reload::PolicyError;
use crate::upstream;
use std::fs::File;
use std::path::Path;

/// Every obstacle in the way of `config`, a line each.
#[must_use]
pub fn obstacles(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    if config.upstreams.is_empty() {
        found.push(PolicyError::NoUpstream.to_string());
    }
    if let Some(files) = &config.tls {
        note(&mut found, Tls::load(files));
    }
    for upstream in config.upstreams.iter().filter(|upstream| upstream.is_secure()) {
        note(&mut found, upstream::tls::Tls::load(upstream.tls.clone()));
    }
    if let Some(redis) = &config.redis {
        note(&mut found, redis.settings());
    }
    found.extend(identity::obstacles(&config.identity.settings).into_iter().map(|error| error.to_string()));
    if let Some(mail) = &config.mail {
        note(&mut found, mail::Mailer::check(mail));
    }
    if let (true, Compat::Openwisp, Some(key)) =
        (config.identity.accounts.api != Served::Off, config.compat, &config.identity.accounts.token_key)
    {
        match key.text() {
            Ok(key) => note(&mut found, Sealer::new(&key).map_err(|error| format!("identity.token.key: {error}"))),
            Err(error) => found.push(error.to_string()),
        }
    }
    if let Some(file) = config.tracing.as_ref().and_then(|tracing| tracing.ca.as_deref()) {
        is_readable(&mut found, "tracing.ca", file);
    }
    for source in &config.databases {
        note(&mut found, source.database());
    }
    database(&mut found, &config.database);
    found
}

fn database(found: &mut Vec<String>, database: &Database) {
    match database {
        Database::Postgres(postgres) => {
            note(found, postgres.target());
            if let Some(file) = postgres.root_certificate() {
                is_readable(found, "database.root_certificate", file);
            }
        }
        Database::Sqlite(url) => {
            let path = Path::new(url.strip_prefix("sqlite:").unwrap_or(url));
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
            // postern's own directory is made at the start; any other one is the operator's.
            let Some(dir) = dir.filter(|dir| **dir != crate::config::data_dir()) else { return };
            match dir.metadata() {
                Ok(there) if there.is_dir() => {}
                Ok(_) => found.push(format!("database: {} is not a directory", dir.display())),
                Err(error) => found.push(format!("database: the directory {}: {error}", dir.display())),
            }
        }
    }
}

fn is_readable(found: &mut Vec<String>, key: &str, file: &Path) {
    note(found, File::open(file).map_err(|error| format!("cannot read `{key}` {}: {error}", file.display())));
}

fn note<T>(found: &mut Vec<String>, result: Result<T, impl ToString>) {
    if let Err(error) = result {
        found.push(error.to_string());
    }
}
