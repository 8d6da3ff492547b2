//! `postern login` and `postern logout`: a token of a server's for this device, which somebody lets in in their browser (RFC 8628).

use super::output::Patient;
use super::{Common, Failure};
use crate::address::Url;
use crate::api::device::{CLIENT, GRANT};
use crate::api::paths;
use crate::identity::jwt::fetch;
use anyhow::{Context, anyhow, bail};
use form_urlencoded::Serializer;
use http::{StatusCode, Uri};
use rustls::ClientConfig;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Which server, and how it is verified.
#[derive(Debug, clap::Args)]
pub struct Server {
    /// Where its identity API is: `https://id.example.com`, or with its prefix, `https://id.example.com/users/`
    #[arg(long, value_name = "URL")]
    server: String,
    /// PEM: certificates that it is verified with, in the place of the public ones
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where tokens are kept [default: $XDG_CONFIG_HOME/postern/tokens.json, or ~/.config/postern/tokens.json]
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
}

/// Get a token of a server, by a code that somebody types in their browser
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    /// What this device is called on the page, and in the name of the token [default: the name of this machine]
    #[arg(long)]
    name: Option<String>,
    /// A token for requests alone that change nothing
    #[arg(long)]
    read_only: bool,
    /// Only for this organization, by its slug; may be repeated
    #[arg(long, value_name = "SLUG")]
    org: Vec<String>,
    /// Only for this permission, such as config.add_device; may be repeated
    #[arg(long, value_name = "NAME")]
    permission: Vec<String>,
}

/// End the token that `postern login` got
#[derive(Debug, clap::Args)]
pub struct LogoutArgs {
    #[command(flatten)]
    server: Server,
}

/// RFC 8628, 3.2.
#[derive(Deserialize)]
struct Begun {
    device_code: String,
    user_code: String,
    verification_uri: String,
    expires_in: u64,
    interval: Option<u64>,
}

/// RFC 6749, 5.1 and 5.2.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    error: Option<String>,
}

/// A server's endpoints.
struct Endpoints {
    base: String,
    tls: Arc<ClientConfig>,
}

impl Endpoints {
    fn of(server: &Server) -> anyhow::Result<Self> {
        let url = Url::parse(&server.server).with_context(|| format!("`{}` is no server", server.server))?;
        let is_safe = url.has_scheme("https") || url.has_scheme("http") && url.server.is_loopback();
        if !is_safe || url.path.contains('?') {
            bail!("the server must be https://…: a token would be read on its way");
        }
        let path = if url.is_origin() { paths::PREFIX } else { url.path };
        let base = format!("{}://{}{}", url.scheme, url.authority, path);
        Ok(Self { base: format!("{}/", base.trim_end_matches('/')), tls: fetch::tls(server.ca.as_deref())? })
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let path = path.strip_prefix(paths::PREFIX).unwrap_or(path);
        let uri: Uri = format!("{}{path}", self.base).parse()?;
        let form = Serializer::new(String::new()).extend_pairs(fields).finish();
        let (status, body) = fetch::post(&uri, &self.tls, form, None).await?;
        Ok((status, body.to_vec()))
    }
}

/// Gets a token and keeps it.
///
/// # Errors
/// There is none.
pub fn run(common: &Common, args: &Args) -> Result<ExitCode, Failure> {
    common.unused("a login needs no configuration and no database")?;
    let file = file(&args.server)?;
    let endpoints = Endpoints::of(&args.server)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let token = runtime.block_on(log_in(&endpoints, args))?;
    let mut tokens = kept(&file)?;
    tokens.insert(endpoints.base.clone(), token);
    keep(&file, &tokens)?;
    writeln!(Patient(std::io::stderr()), "Logged in. The token is in {}.", file.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Ends the token that is kept, and forgets it.
///
/// # Errors
/// There is none, or the server cannot be asked.
pub fn end(common: &Common, args: &LogoutArgs) -> Result<ExitCode, Failure> {
    common.unused("a logout needs no configuration and no database")?;
    let file = file(&args.server)?;
    let endpoints = Endpoints::of(&args.server)?;
    let mut tokens = kept(&file)?;
    let token = tokens.remove(&endpoints.base).ok_or_else(|| anyhow!("nobody is logged in at {}", endpoints.base))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let fields = [("client_id", CLIENT), ("token", token.as_str())];
    let (status, _) = runtime.block_on(endpoints.post(paths::DEVICE_REVOCATION, &fields))?;
    if status != StatusCode::OK {
        return Err(anyhow!("the server answers {status}: the token is still good").into());
    }
    keep(&file, &tokens)?;
    writeln!(Patient(std::io::stderr()), "Logged out.")?;
    Ok(ExitCode::SUCCESS)
}

async fn log_in(endpoints: &Endpoints, args: &Args) -> anyhow::Result<String> {
    let mut scope: Vec<String> = args.org.iter().map(|slug| format!("org:{slug}")).collect();
    scope.extend(args.permission.iter().map(|name| format!("permission:{name}")));
    scope.extend(args.read_only.then(|| "read".to_owned()));
    let name = args.name.clone().unwrap_or_else(host);
    let fields = [("client_id", CLIENT), ("scope", &scope.join(" ")), ("device_name", &name)];
    let (status, body) = endpoints.post(paths::DEVICE_AUTHORIZATION, &fields).await?;
    if status != StatusCode::OK {
        let answer = serde_json::from_slice::<Answer>(&body).ok().and_then(|answer| answer.error);
        let word = answer.filter(|word| is_word(word)).unwrap_or_else(|| status.to_string());
        bail!("the server begins no login: {word}");
    }
    let begun: Begun = serde_json::from_slice(&body).context("the server's answer is not that of RFC 8628")?;
    if ![&begun.user_code, &begun.verification_uri].iter().all(|text| text.bytes().all(|b| b.is_ascii_graphic())) {
        bail!("the server's answer is not that of RFC 8628");
    }
    let mut err = Patient(std::io::stderr());
    writeln!(err, "Open {} in a browser, and type this code: {}", begun.verification_uri, begun.user_code)?;
    let until = crate::clock::monotonic() + Duration::from_secs(begun.expires_in.min(3600));
    let mut wait = Duration::from_secs(begun.interval.unwrap_or(5).clamp(1, 60));
    while crate::clock::monotonic() < until {
        tokio::time::sleep(wait).await;
        let fields = [("client_id", CLIENT), ("grant_type", GRANT), ("device_code", &begun.device_code)];
        // Whoever cannot be asked for a moment is asked again (RFC 8628, 3.5).
        let Ok((_, body)) = endpoints.post(paths::DEVICE_TOKEN, &fields).await else {
            wait = (wait * 2).min(Duration::from_secs(60));
            continue;
        };
        let Ok(answer) = serde_json::from_slice::<Answer>(&body) else { continue };
        match (answer.access_token, answer.error.as_deref()) {
            (Some(token), _) if token.bytes().all(|b| b.is_ascii_graphic()) => return Ok(token),
            (_, Some("authorization_pending" | "temporarily_unavailable")) => {}
            (_, Some("slow_down")) => wait += Duration::from_secs(5),
            (_, Some("access_denied")) => bail!("the device was not let in"),
            (_, Some("expired_token" | "invalid_grant")) => break,
            (_, Some(word)) if is_word(word) => bail!("the server gives no token: {word}"),
            _ => bail!("the server's answer is not that of RFC 8628"),
        }
    }
    bail!("nobody has typed the code in time: begin again")
}

/// What a server calls an error; nothing else is printed to a terminal.
fn is_word(word: &str) -> bool {
    word.len() <= 64 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).take(100).collect()
}

fn file(server: &Server) -> anyhow::Result<PathBuf> {
    if let Some(file) = &server.tokens {
        return Ok(file.clone());
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // A relative one counts for nothing (XDG Base Directory Specification).
    let config = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let config = config.or_else(|| set("HOME").map(|home| home.join(".config")));
    Ok(config.context("there is no HOME: name a file with --tokens")?.join("postern/tokens.json"))
}

fn kept(file: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).with_context(|| format!("{} is not ours", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
}

/// Writes them all, or leaves what was there; for nobody else to read.
fn keep(file: &Path, tokens: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Made with mode 0600.
    let mut written = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut written, tokens)?;
    writeln!(written)?;
    written.as_file().sync_all()?;
    written.persist(file)?;
    Ok(())
}
