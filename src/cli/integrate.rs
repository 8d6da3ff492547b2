//! `postern integrate`: the whole configuration of a proxy that asks.

use super::policies::{Early, on_standard_pages};
use super::{Common, Failure};
use crate::config::Config;
use crate::net::listen;
use crate::policy::Policy;
use crate::tools::integrate::{Deployment, Form, Place, print};
use crate::upstream::{Location, Scheme};
use clap::builder::PossibleValuesParser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Print the whole configuration of a proxy that asks postern and forwards itself, for this policy
///
/// It replaces exactly the headers that the policy injects, and sends to postern's own proxy what only that can serve. Addresses are
/// those of the configuration; without one, those of docs/fronts. What is to be known besides stands on standard error.
/// Exit 0; 1 where it cannot be said in that proxy's configuration, or a file has mistakes; 2 where a file cannot be read.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Which proxy
    #[arg(value_name = "FRONT", value_parser = PossibleValuesParser::new(Form::ALL.map(|(word, _)| word)))]
    pub front: String,
    /// Route policy, instead of `policy` of the configuration; may be repeated
    #[arg(long, value_name = "FILE")]
    pub policy: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// The configuration is needed and cannot be used.
pub fn run(common: &Common, args: &Args) -> Result<ExitCode, Failure> {
    let (names, files) = common.policies(&args.policy)?;
    let config = names.is_some().then(|| Common::configuration(&common.sources())).transpose()?;
    let form = Form::ALL.into_iter().find(|(word, _)| *word == args.front).map(|(_, form)| form);
    let form = form.ok_or_else(|| Failure::usage("there is no such front", "see `postern integrate --help`"))?;
    Ok(on_standard_pages(|pages| {
        if files.is_empty() {
            return Err(pages.usage("there is no policy", "name it: --policy routes.yaml"));
        }
        let policy = pages.policy(&files, names.as_ref())?;
        let (deployment, mut notes) = deployment(form, &policy, config.as_ref());
        match print(form, &policy, &deployment) {
            Ok(printed) => {
                notes.extend(printed.findings);
                for note in notes {
                    writeln!(pages.err, "note: {note}")?;
                }
                write!(pages.out, "{}", printed.text)?;
                Ok(0)
            }
            Err(error) => {
                writeln!(pages.err, "error: {error}")?;
                writeln!(pages.err, "hint: give it another name, or let postern be the proxy")?;
                Err(Early::Exit(1))
            }
        }
    }))
}

/// Who is where by the configuration, and what of that a front cannot be told.
fn deployment(form: Form, policy: &Policy, config: Option<&Config>) -> (Deployment, Vec<String>) {
    let mut notes = Vec::new();
    let host = |port| Place::Host { host: "127.0.0.1".to_owned(), port };
    let upstream = policy.routes().first().and_then(|route| policy.upstreams().get(route.upstream)).cloned();
    let upstream = upstream.unwrap_or_default();
    let mut service = Vec::new();
    let named = config.and_then(|config| config.upstreams.iter().find(|known| known.name == upstream));
    for address in named.iter().flat_map(|upstream| &upstream.addresses) {
        let spoken = if form == Form::NginxUwsgi { Scheme::Uwsgi } else { Scheme::Http };
        if address.scheme != spoken {
            notes.push(format!(
                "upstream `{upstream}` is spoken to in another way than this configuration does: change that here"
            ));
        }
        service.push(match &address.location {
            Location::Host { host, port } => Place::Host { host: host.to_string(), port: *port },
            Location::Unix(path) => Place::Unix(path.display().to_string()),
        });
    }
    if service.is_empty() {
        notes.push("127.0.0.1:8000 stands for the service: give --config, or put its address there".to_owned());
        service.push(host(8000));
    }
    let (key, usual, asked) = if form == Form::EnvoyGrpc {
        ("ext_authz", 9191, config.and_then(|config| config.ext_authz.as_ref()))
    } else {
        let said = config.and_then(|config| config.forward_auth.as_ref());
        if said.is_some_and(|said| said.front != form.front()) {
            notes.push(
                "`forward_auth.front` of the configuration names another front: its questions would be misread"
                    .to_owned(),
            );
        }
        ("forward_auth", 8081, said.map(|said| &said.listen))
    };
    if asked.is_none() {
        notes.push(format!("127.0.0.1:{usual} stands for `{key}.listen`, which no configuration says"));
    }
    let asked = asked.map_or_else(|| host(usual), place);
    let proxy = config.map_or_else(|| host(8080), |config| place(&config.listen));
    (Deployment { asked, proxy, service, upstream }, notes)
}

fn place(address: &listen::Address) -> Place {
    match address {
        listen::Address::Tcp(address) => Place::of(*address),
        listen::Address::Unix { path, .. } => Place::Unix(path.display().to_string()),
    }
}
