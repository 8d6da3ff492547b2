//! `postern openapi`: what describes the identity API of a configuration.

use super::policies::on_standard_pages;
use super::{Common, Failure};
use crate::api::openapi::{Extent, document};
use crate::config::accounts::Served;
use std::process::ExitCode;

/// Prints it.
///
/// # Errors
/// The configuration cannot be used, or has no identity API.
pub fn run(common: &Common) -> Result<ExitCode, Failure> {
    let config = Common::configuration(&common.sources())?;
    if config.identity.accounts.api == Served::Off {
        let off = anyhow::anyhow!("the identity API is off, so there is nothing to describe");
        return Err(Failure::hint(off, "`identity: { api: all }` in postern.yaml turns it on"));
    }
    let document = document(&Extent::of(&config));
    Ok(on_standard_pages(|pages| {
        writeln!(pages.out, "{document:#}")?;
        Ok(0)
    }))
}
