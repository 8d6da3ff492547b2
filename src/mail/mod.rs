//! Letters: sent in the background by somebody's SMTP server, tried again for a while, and never waited for.
//!
//! [`Mailer::post`] takes a letter or drops it, at once: so many may wait, and a few are sent at a time. What goes wrong for now is
//! tried again, each time later; what the server refuses for good is not. A letter's text is a secret: logs say that one was not
//! sent, and why, but not what it says nor to whom. What letters say is in [`templates`].

pub mod templates;

use crate::config::mail::{Mail, Tls};
use crate::secret::SecretError;
use crate::telemetry::counters::Count;
use lettre::address::AddressError;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{self, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use templates::{Kind, TemplateError, Templates, Values, Written};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// Letters that wait or are being sent.
const WAITING: u32 = 1000;
/// Sent at the same time.
const AT_ONCE: usize = 4;
/// Before the second try, and before each one after it.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(300),
];

/// A letter. What it says is a secret, so it has no `Debug`.
struct Letter {
    to: String,
    written: Written,
}

#[derive(Debug, Default)]
pub struct Counts {
    pub sent: Count,
    /// Refused by it, or given up.
    pub failed: Count,
    /// Not even tried: too many were waiting, or too many for one user.
    pub dropped: Count,
}

/// A counter's name, its help text, and how it is read.
pub type Described = (&'static str, &'static str, fn(&Counts) -> u64);

impl Counts {
    /// Names, help texts and values, for the metrics.
    pub const DESCRIBED: &[Described] = &[
        ("postern_mails_sent", "Letters that the mail server has taken", |c| c.sent.get()),
        ("postern_mails_failed", "Letters that the mail server refused, or that were given up", |c| c.failed.get()),
        ("postern_mails_dropped", "Letters not tried, because too many were waiting or one user had too many", |c| {
            c.dropped.get()
        }),
    ];
}

/// Why no letters can be sent.
#[derive(Debug, Error)]
pub enum MailError {
    /// The password is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The certificates cannot be read.
    #[error("cannot read {0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    #[error("mail: the certificates cannot be used: {0}")]
    Tls(lettre::transport::smtp::Error),
    #[error("mail: {0}")]
    Template(#[from] TemplateError),
}

/// Why one try to send a letter failed.
enum Failed {
    /// The password or the certificates are not there, or not yet.
    Unprepared(MailError),
    /// The server, or the way to it.
    Refused(lettre::transport::smtp::Error),
}

impl Failed {
    fn is_permanent(&self) -> bool {
        matches!(self, Self::Refused(error) if error.is_permanent())
    }

    fn cause(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Unprepared(error) => error,
            Self::Refused(error) => error,
        }
    }
}

/// Why one letter cannot be written.
#[derive(Debug, Error)]
enum LetterError {
    #[error("the address is none")]
    Address(#[from] AddressError),
    #[error("it cannot be put into a message: {0}")]
    Message(#[from] lettre::error::Error),
}

/// Nobody is to answer by machine (RFC 3834, 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

pub struct Mailer {
    settings: Mail,
    from: Mailbox,
    templates: Templates,
    /// One permit for each letter that waits or is sent.
    waiting: Arc<Semaphore>,
    /// One permit for each that is sent.
    sending: Semaphore,
    control: Handle,
    pub counts: Counts,
}

impl Mailer {
    /// As it is configured; letters are sent on `control`.
    ///
    /// # Errors
    /// See [`MailError`].
    pub fn start(settings: &Mail, control: &Handle) -> Result<Self, MailError> {
        // Nobody is connected to yet; but that something is not there is told now.
        transport(settings)?;
        Ok(Self {
            settings: settings.clone(),
            from: settings.from.clone(),
            templates: Templates::load(settings.templates.as_deref())?,
            waiting: Arc::new(Semaphore::new(WAITING as usize)),
            sending: Semaphore::new(AT_ONCE),
            control: control.clone(),
            counts: Counts::default(),
        })
    }

    /// That a mailer could be started with these settings.
    ///
    /// # Errors
    /// What [`Mailer::start`] would say.
    pub fn check(settings: &Mail) -> Result<(), MailError> {
        if settings.tls != Tls::None {
            tls(settings)?;
        }
        if let Some((_, password)) = &settings.login {
            password.text()?;
        }
        Templates::load(settings.templates.as_deref())?;
        Ok(())
    }

    /// Sends a letter in somebody's language, some time. Returns at once.
    pub fn post(self: &Arc<Self>, to: String, kind: Kind, language: &str, values: &Values<'_>) {
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            self.counts.dropped.inc();
            return tracing::warn!("a letter is dropped: too many are waiting");
        };
        self.post_at(place, to, kind, language, values);
    }

    /// The same, for who has many of them and can wait until there is room for one more.
    pub async fn post_in_turn(self: &Arc<Self>, to: String, kind: Kind, language: &str, values: &Values<'_>) {
        // It is never closed.
        let Ok(place) = Arc::clone(&self.waiting).acquire_owned().await else { return };
        self.post_at(place, to, kind, language, values);
    }

    fn post_at(
        self: &Arc<Self>,
        place: OwnedSemaphorePermit,
        to: String,
        kind: Kind,
        language: &str,
        values: &Values<'_>,
    ) {
        let letter = match self.templates.write(kind, language, values) {
            Ok(written) => Letter { to, written },
            Err(error) => return self.give_up(&error),
        };
        let mailer = Arc::clone(self);
        self.control.spawn(async move {
            mailer.deliver(letter).await;
            drop(place);
        });
    }

    /// Letters that wait or are being sent.
    #[must_use]
    pub fn waiting(&self) -> usize {
        (WAITING as usize).saturating_sub(self.waiting.available_permits())
    }

    /// Waits until every letter has been sent or given up, or the time is over.
    pub async fn finish(&self, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.waiting.acquire_many(WAITING)).await;
    }

    async fn deliver(&self, letter: Letter) {
        let message = match self.message(letter) {
            Ok(message) => message,
            Err(error) => return self.give_up(&error),
        };
        let mut pauses = PAUSES.iter();
        loop {
            let tried = {
                // It is never closed.
                let Ok(_turn) = self.sending.acquire().await else { return };
                match transport(&self.settings) {
                    Ok(transport) => transport.send(message.clone()).await.map_err(Failed::Refused),
                    Err(error) => Err(Failed::Unprepared(error)),
                }
            };
            let error = match tried {
                Ok(_) => return self.counts.sent.inc(),
                Err(error) => error,
            };
            let Some(pause) = pauses.next().filter(|_| !error.is_permanent()) else {
                return self.give_up(error.cause());
            };
            tracing::debug!("a letter is tried again");
            tokio::time::sleep(*pause).await;
        }
    }

    fn message(&self, letter: Letter) -> Result<Message, LetterError> {
        let id = format!("<{}@{}>", Uuid::new_v4(), self.from.email.domain());
        let builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, letter.to.parse()?))
            .subject(letter.written.subject)
            .message_id(Some(id))
            .header(AutoSubmitted);
        Ok(builder.multipart(MultiPart::alternative_plain_html(letter.written.text, letter.written.html))?)
    }

    /// Servers like to repeat addresses in what they say, so of theirs the code alone is told.
    fn give_up(&self, error: &(dyn Error + 'static)) {
        self.counts.failed.inc();
        match error.downcast_ref::<lettre::transport::smtp::Error>() {
            Some(error) => {
                let status = error.status().map(|code| code.to_string()).unwrap_or_default();
                let timeout = error.is_timeout();
                tracing::warn!(status, timeout, tls = error.is_tls(), "a letter could not be sent");
            }
            None => tracing::warn!(%error, "a letter could not be sent"),
        }
    }
}

/// The way to the server. The password and the certificates are read again for each letter, so that new ones are used without a restart.
fn transport(settings: &Mail) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailError> {
    let tls = match settings.tls {
        Tls::None => client::Tls::None,
        Tls::StartTls => client::Tls::Required(tls(settings)?),
        Tls::Implicit => client::Tls::Wrapper(tls(settings)?),
    };
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&*settings.host)
        .port(settings.port)
        .tls(tls)
        .timeout(Some(settings.timeout))
        .hello_name(ClientId::Domain(settings.from.email.domain().to_owned()));
    let transport = match &settings.login {
        Some((user, password)) => {
            let password = password.text()?.expose_secret().to_owned();
            transport.credentials(Credentials::new(user.to_string(), password))
        }
        None => transport,
    };
    Ok(transport.build())
}

fn tls(settings: &Mail) -> Result<TlsParameters, MailError> {
    let builder = TlsParameters::builder(settings.host.to_string());
    let builder = match &settings.ca {
        Some(path) => {
            let pem = std::fs::read(path).map_err(|error| MailError::Unreadable(path.clone(), error))?;
            let certificates = Certificate::from_pem(&pem).map_err(MailError::Tls)?;
            builder.certificate_store(CertificateStore::None).add_root_certificate(certificates)
        }
        None => builder.certificate_store(CertificateStore::WebpkiRoots),
    };
    builder.build_rustls().map_err(MailError::Tls)
}
