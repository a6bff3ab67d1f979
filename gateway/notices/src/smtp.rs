//! To a mail server.

use std::time::Duration;

use lettre::transport::smtp;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use zeroize::Zeroizing;

use crate::Letter;

/// How a mail server is spoken to.
pub struct SmtpSettings {
    /// Its name, which its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How what is said to it is kept secret.
    pub tls: SmtpTls,
    /// Who we are there, and the password, where it asks.
    pub login: Option<(String, Zeroizing<String>)>,
    /// Certificate authorities in PEM that are trusted instead of the system's.
    pub authorities: Option<Vec<u8>>,
    /// What we call ourselves (`EHLO`): a host's name.
    pub hello: String,
    /// How long each step may take.
    pub timeout: Duration,
}

/// How what is said to a mail server is kept secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// TLS begins when the server was asked for it (RFC 3207), and nothing is said to one that has none.
    StartTls,
    /// TLS from the first octet (RFC 8314).
    Implicit,
    /// None. Only for a server on this machine.
    None,
}

/// Why a mail server did not take a mail, or cannot be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// TLS cannot be set up like this.
    #[error("TLS towards the mail server cannot be set up")]
    Tls(#[source] smtp::Error),
    /// It did not take the mail.
    #[error("the mail server did not take the mail")]
    NotTaken(#[source] smtp::Error),
    /// It took too long.
    #[error("the mail server took too long")]
    TimedOut,
}

/// A mail server. A connection is made for each mail: there are few.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    timeout: Duration,
}

impl Smtp {
    /// Sets everything up, and speaks to nobody yet.
    ///
    /// # Errors
    /// [`SmtpError::Tls`].
    pub fn new(settings: SmtpSettings) -> Result<Self, SmtpError> {
        let SmtpSettings { host, port, tls, login, authorities, hello, timeout } = settings;
        let tls = match tls {
            SmtpTls::None => Tls::None,
            SmtpTls::StartTls => Tls::Required(parameters(&host, authorities.as_deref())?),
            SmtpTls::Implicit => Tls::Wrapper(parameters(&host, authorities.as_deref())?),
        };
        // Dangerous as a builder because it says nothing of TLS: that is said here.
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .hello_name(ClientId::Domain(hello))
            .timeout(Some(timeout));
        let builder = match login {
            Some((user, password)) => builder.credentials(Credentials::new(user, password.as_str().to_owned())),
            None => builder,
        };
        Ok(Self { transport: builder.build(), timeout })
    }

    /// Sends one mail.
    ///
    /// # Errors
    /// [`SmtpError`].
    pub async fn send(&self, letter: &Letter) -> Result<(), SmtpError> {
        let octets = letter.formatted();
        let sending = self.transport.send_raw(letter.message().envelope(), &octets);
        // The timeout above is each step's.
        match tokio::time::timeout(self.timeout.saturating_mul(3), sending).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(SmtpError::NotTaken(error)),
            Err(_) => Err(SmtpError::TimedOut),
        }
    }
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Smtp(..)")
    }
}

fn parameters(host: &str, authorities: Option<&[u8]>) -> Result<TlsParameters, SmtpError> {
    let builder = TlsParameters::builder(host.to_owned());
    let builder = match authorities {
        None => builder,
        Some(pem) => {
            let certificate = Certificate::from_pem(pem).map_err(SmtpError::Tls)?;
            builder.certificate_store(CertificateStore::None).add_root_certificate(certificate)
        }
    };
    builder.build_rustls().map_err(SmtpError::Tls)
}
