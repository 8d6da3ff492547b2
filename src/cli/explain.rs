//! `postern explain`: what would become of a request, and why, without sending it.
//!
//! The facts come from the directory's database as it stands, or from the `given` of a tests file.

use super::facts::{StoredFacts, world};
use super::moment::parse_duration;
use super::policies::{Early, Pages};
use super::{Common, Failure};
use crate::claims::Claims;
use crate::config::Config;
use crate::decision::{LookupAnswer, LookupFailure, OrgKey};
use crate::directory::token::quoted;
use crate::facts::Organization;
use crate::policy::{LookupKey, Policy};
use crate::tools::ask::{Body, Facts, Request};
use crate::tools::explain::{Explanation, Provenance};
use crate::tools::world::{ANONYMOUS, World};
use crate::yaml::suggest;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Explain what would become of a request: every step, the verdict, and what the upstream would be told.
///
/// Offline: nothing is sent, and nothing is written. Facts come from the configured database, or with --world from the
/// `given` of a tests file, whose names then stand for ids as `<name>`. Exit 0: it would pass; 1: it would not; 2: usage.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The method, as it would be sent
    pub method: String,
    /// The target, as it would be sent: /path?query
    pub target: String,
    /// Who sends it: a user's id, username or e-mail address (with --world: a name from it), or `anonymous`
    #[arg(long = "as", value_name = "USER")]
    pub user: String,
    /// A header of the request; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// The host that it is sent to
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// The client's address, for `when`
    #[arg(long, value_name = "ADDRESS")]
    pub client: Option<IpAddr>,
    /// The body, as it stands
    #[arg(long, value_name = "TEXT", conflicts_with = "body_bytes")]
    pub data: Option<String>,
    /// How long the body is, whatever is in it
    #[arg(long, value_name = "BYTES")]
    pub body_bytes: Option<u64>,
    /// The credential is a session's cookie, whose CSRF token is `token`
    #[arg(long)]
    pub session: bool,
    /// How long ago a second factor was shown with it, such as `5m`
    #[arg(long, value_name = "AGO", value_parser = ago)]
    pub mfa: Option<Duration>,
    /// Whoever is counted by `throttle` has come as often as they may
    #[arg(long)]
    pub throttled: bool,
    /// What the credential says besides who it is of, as JSON: `{"tenant": "acme"}`
    #[arg(long, value_name = "JSON")]
    pub claims: Option<String>,
    /// Route policy, instead of `policy` of the configuration; may be repeated
    #[arg(long, value_name = "FILE")]
    pub policy: Vec<PathBuf>,
    /// Take organizations and users from the `given` of a tests file, not from the database
    #[arg(long, value_name = "FILE")]
    pub world: Option<PathBuf>,
    /// Print the explanation as JSON
    #[arg(long)]
    pub json: bool,
}

fn ago(text: &str) -> Result<Duration, String> {
    Ok(Duration::from_secs(parse_duration(text)?.unsigned_abs()))
}

/// Runs the command.
///
/// # Errors
/// There is no configuration or database to explain with.
pub fn run(common: &Common, args: &Args) -> Result<ExitCode, Failure> {
    let sources = common.sources();
    // Where everything is named, a configuration is not needed; one that is named must be good.
    let is_needed = common.config.is_some() || args.policy.is_empty() || args.world.is_none();
    let config = if is_needed { Some(Common::configuration(&sources)?) } else { None };
    let facts = match (&args.world, &config) {
        (None, Some(config)) => Some(StoredFacts::open(config)?),
        _ => None,
    };
    Ok(super::policies::on_standard_pages(|pages| explain(args, config.as_ref(), facts.as_ref(), pages)))
}

/// Explains on the given pages.
///
/// # Errors
/// It ends early, with an exit code and after saying why.
pub fn explain(
    args: &Args,
    config: Option<&Config>,
    directory: Option<&StoredFacts>,
    pages: &mut Pages<'_>,
) -> Result<u8, Early> {
    let policy = policy(args, config, pages)?;
    let world = match &args.world {
        Some(file) => Some(world(file, pages)?),
        None => None,
    };
    let request = match request(args, world.as_ref()) {
        Ok(request) => request,
        Err((error, hint)) => return Err(pages.usage(&error, &hint)),
    };
    let (user, found) = match (&world, directory) {
        _ if args.user == ANONYMOUS => (None, None),
        (Some(world), _) => (Some(args.user.as_str()), world.user(&args.user).cloned()),
        (None, Some(directory)) => match directory.user(&args.user) {
            Ok(found) => (Some(args.user.as_str()), found),
            Err(error) => return failed(&error, pages),
        },
        (None, None) => (Some(args.user.as_str()), None),
    };
    if let Some(name) = user
        && found.is_none()
    {
        let near = world.as_ref().and_then(|world| suggest(name, world.users()));
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        let hint = hint.unwrap_or_else(|| "name a user by id, username or e-mail address, or `anonymous`".to_owned());
        return Err(pages.usage(&format!("there is no user {}", quoted(name)), &hint));
    }
    let mut known = Known { world: world.as_ref(), directory, policy: &policy, problem: None, is_asked: false };
    let mut explanation = Explanation::of(&policy, &request, found.as_ref(), &mut known);
    let is_asked = known.is_asked;
    let unnarrowed = world.as_ref().and_then(|world| world.unnarrowed(user?));
    explanation = explanation.beside(&policy, &request, unnarrowed, &mut known);
    if let Some(error) = known.problem {
        return failed(&error, pages);
    }
    if found.is_some() || is_asked {
        let facts = match (&args.world, directory) {
            (Some(file), _) => Some(Provenance::World(file.display().to_string())),
            (None, Some(directory)) => match directory.provenance(found.as_deref()) {
                Ok(facts) => Some(facts),
                Err(error) => return failed(&error, pages),
            },
            (None, None) => None,
        };
        explanation = facts.into_iter().fold(explanation, Explanation::with_facts);
    }
    if args.json {
        writeln!(pages.out, "{}", explanation.to_json())?;
    } else {
        write!(pages.out, "{}", explanation.to_text(pages.colour))?;
    }
    Ok(u8::from(explanation.verdict.is_err()))
}

/// What the explanation is given: the tests file's world, or the directory and the databases of lookups as they stand.
struct Known<'a> {
    world: Option<&'a World>,
    directory: Option<&'a StoredFacts>,
    policy: &'a Policy,
    problem: Option<anyhow::Error>,
    is_asked: bool,
}

impl Facts for Known<'_> {
    fn organization(&mut self, key: &OrgKey<'_>) -> Option<Arc<Organization>> {
        self.is_asked = true;
        if let Some(world) = self.world {
            return world.organization(key);
        }
        self.directory?.organization(key).unwrap_or_else(|error| {
            self.problem = Some(error.into());
            None
        })
    }

    fn object(&mut self, key: &LookupKey) -> LookupAnswer {
        match (self.world, self.directory) {
            (Some(world), _) => world.facts(self.policy).object(key),
            (None, Some(directory)) => directory.object(key),
            (None, None) => Err(LookupFailure("there is no database to ask")),
        }
    }
}

fn failed<T>(error: &anyhow::Error, pages: &mut Pages<'_>) -> Result<T, Early> {
    writeln!(pages.err, "error: {}", super::output::chain(error))?;
    Err(Early::Exit(1))
}

fn policy(args: &Args, config: Option<&Config>, pages: &mut Pages<'_>) -> Result<Policy, Early> {
    let names = config.map(Config::names);
    let files = match config {
        Some(config) if args.policy.is_empty() => &config.policy,
        _ => &args.policy,
    };
    if files.is_empty() {
        return Err(pages.usage("there is no policy to explain", "name it: --policy routes.yaml"));
    }
    pages.policy(files, names.as_ref())
}

/// The request, or what is wrong with it and how to write it.
fn request(args: &Args, world: Option<&World>) -> Result<Request, (String, String)> {
    let method = Method::from_bytes(args.method.as_bytes());
    let method = method.map_err(|_| (format!("`{}` is not a method", args.method), "for example GET".to_owned()))?;
    let fill = |text: &str| match world {
        Some(world) => world.fill(text).map(std::borrow::Cow::into_owned).map_err(|name| {
            let hint = "`<name>` stands for the id of something in `given`".to_owned();
            (format!("nothing in the world is named `{name}`"), hint)
        }),
        None => Ok(text.to_owned()),
    };
    let mut headers = HeaderMap::new();
    for text in &args.headers {
        let parts = text.split_once(':').map(|(name, value)| (HeaderName::try_from(name.trim()), value.trim()));
        let Some((Ok(name), value)) = parts else {
            return Err(("a header is not `Name: value`".to_owned(), "for example -H 'X-Org: acme'".to_owned()));
        };
        if name == header::AUTHORIZATION && args.user != ANONYMOUS {
            let hint = "leave the header out, or use --as anonymous to see a credential refused that is nobody's";
            return Err(("--as already says whose credential is sent".to_owned(), hint.to_owned()));
        }
        let value = HeaderValue::from_bytes(fill(value)?.as_bytes());
        let value =
            value.map_err(|_| (format!("the header `{name}` cannot have this value"), "quote it".to_owned()))?;
        headers.append(name, value);
    }
    if let Some(host) = &args.host {
        let value = HeaderValue::from_str(host)
            .map_err(|_| (format!("`{host}` is not a host"), "for example --host api.example.com".to_owned()))?;
        headers.append(header::HOST, value);
    }
    let claims = match &args.claims {
        Some(text) => {
            let text = fill(text)?;
            let is_map = serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|json| json.is_object());
            if !is_map {
                return Err((
                    "--claims is not a JSON object".to_owned(),
                    r#"for example --claims '{"tenant": "acme"}'"#.to_owned(),
                ));
            }
            Some(Arc::new(Claims::new(&text)))
        }
        None => None,
    };
    let client = args.client.map(|address| address.to_canonical());
    let body = match (&args.data, args.body_bytes) {
        (Some(text), _) => Body::Bytes(fill(text)?.into_bytes().into()),
        (None, Some(length)) => Body::Length(length),
        (None, None) => Body::None,
    };
    let (session, mfa, throttled) = (args.session, args.mfa, args.throttled);
    let request =
        Request { headers, client, claims, body, session, mfa, throttled, ..Request::new(method, fill(&args.target)?) };
    Ok(request.as_handshake())
}
