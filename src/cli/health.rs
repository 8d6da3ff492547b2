//! `postern health`: is the local process ready? For exec probes and HEALTHCHECK.

use super::output::Patient;
use super::{Common, Failure};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

/// Exit 0 when the local process is ready.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The process's address of metrics and probes, where the configuration does not say it
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub management: Option<String>,
    /// What `--management` was called before
    #[arg(long, hide = true, value_parser = super::renamed_admin)]
    pub admin: Option<String>,
}

/// Asks `/readyz`.
///
/// # Errors
/// The process does not answer, or is not ready.
pub fn run(common: &Common, args: Args) -> Result<ExitCode, Failure> {
    let mut sources = common.sources();
    sources.flag("--management", "management", args.management);
    let management = local(Common::configuration(&sources)?.management);
    let answer = ask(management).map_err(|error| {
        let hint = "is `postern serve` running, with this `management` address?";
        Failure::hint(anyhow::anyhow!("{management} does not answer: {error}"), hint)
    })?;
    let ready = answer.starts_with("HTTP/1.1 200");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    write!(Patient(std::io::stdout()), "{body}")?;
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// An unspecified address is listened on, but cannot be asked.
fn local(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let patience = Duration::from_secs(3);
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    Ok(answer)
}
