//! Gets JSON, such as a JWK set, over the network: bounded in time and size, without redirects, over verified TLS.
//!
//! Plain HTTP is for the same machine alone, which the configuration sees to.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Largest set, in bytes.
pub const MAX_SIZE: usize = 512 * 1024;
/// From the first packet to the last byte.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no set. Says nothing of what was received.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The address has no host.
    #[error("the address is not understood")]
    Address,
    /// The trusted certificates cannot be read.
    #[error("the certificates of `ca` cannot be read: {0}")]
    Roots(String),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("the answer is not HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// Something else than 200; redirects are not followed, since nobody said where keys may come from besides.
    #[error("the answer is {0}; redirects are not followed")]
    Status(StatusCode),
    /// Too large, or broken off.
    #[error("the answer is larger than {MAX_SIZE} bytes, or broke off")]
    Body,
    #[error("no whole answer within {PATIENCE:?}")]
    Timeout,
}

/// How the issuer's certificate is verified.
///
/// # Errors
/// `ca` cannot be read.
pub fn tls(ca: Option<&Path>) -> Result<Arc<ClientConfig>, FetchError> {
    let mut roots = RootCertStore::empty();
    let unreadable = |error: &dyn std::fmt::Display| FetchError::Roots(error.to_string());
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            for certificate in CertificateDer::pem_file_iter(file).map_err(|e| unreadable(&e))? {
                roots.add(certificate.map_err(|e| unreadable(&e))?).map_err(|e| unreadable(&e))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|e| unreadable(&e))?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

/// Gets what stands at `uri`.
///
/// # Errors
/// See [`FetchError`].
pub async fn fetch(uri: &Uri, tls: &Arc<ClientConfig>) -> Result<Bytes, FetchError> {
    let request = Request::get(target(uri)).header(header::ACCEPT, "application/jwk-set+json, application/json");
    let (status, body) = send(uri, tls, request, Bytes::new()).await?;
    if status == StatusCode::OK { Ok(body) } else { Err(FetchError::Status(status)) }
}

/// Posts a form, and gives what is answered, whatever that is.
///
/// # Errors
/// See [`FetchError`].
pub async fn post(
    uri: &Uri,
    tls: &Arc<ClientConfig>,
    form: String,
    authorization: Option<HeaderValue>,
) -> Result<(StatusCode, Bytes), FetchError> {
    let mut request = Request::post(target(uri))
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::CONTENT_LENGTH, form.len());
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    send(uri, tls, request, form.into()).await
}

fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |target| target.as_str())
}

async fn send(
    uri: &Uri,
    tls: &Arc<ClientConfig>,
    request: http::request::Builder,
    body: Bytes,
) -> Result<(StatusCode, Bytes), FetchError> {
    let authority = uri.authority().ok_or(FetchError::Address)?.as_str();
    let request = request
        .header(header::HOST, authority)
        .header(header::USER_AGENT, concat!("postern/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(body))
        .map_err(|_| FetchError::Address)?;
    tokio::time::timeout(PATIENCE, over(uri, tls, request)).await.map_err(|_| FetchError::Timeout)?
}

async fn over(
    uri: &Uri,
    tls: &Arc<ClientConfig>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), FetchError> {
    let host = uri.host().ok_or(FetchError::Address)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_https = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    let stream = TcpStream::connect((bare, port)).await?;
    if is_https {
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| FetchError::Address)?;
        let stream = tokio_rustls::TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
        exchange(request, stream).await
    } else {
        exchange(request, stream).await
    }
}

async fn exchange<S>(request: Request<Full<Bytes>>, stream: S) -> Result<(StatusCode, Bytes), FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer, or when `sender` is dropped.
    let connection = tokio::spawn(connection);
    let answer = ask(&mut sender, request).await;
    connection.abort();
    answer
}

async fn ask(
    sender: &mut http1::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), FetchError> {
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_SIZE).collect().await.map_err(|_| FetchError::Body)?;
    Ok((status, body.to_bytes()))
}
