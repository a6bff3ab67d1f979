//! Where events go, and how they get there.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::header;
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};

use super::answer::{self, AnswerError, Outcome};
use super::rows::Waiting;

/// How long a batch may take, the gateway's look into its record included.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The longest answer that is read: some two hundred octets an event.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// The longest credential, with what an editor leaves behind it.
const CREDENTIAL_BYTES_MAX: usize = 1024;

/// Where the gateway takes events, and the file that holds the service's credential for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The place.
    pub(crate) place: Place,
    /// Read anew for every batch, so that a credential can be changed without a restart.
    pub(crate) credential_file: PathBuf,
}

/// Where the gateway's internal listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A Unix socket.
    Unix(PathBuf),
    /// Plain HTTP.
    Http(Box<Url>),
}

/// Why a text is no destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write `unix:PATH` or `http://HOST:PORT`")]
pub struct DestinationParseError;

impl FromStr for Place {
    type Err = DestinationParseError;

    fn from_str(text: &str) -> Result<Self, DestinationParseError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(DestinationParseError) } else { Ok(Self::Unix(path.into())) };
        }
        let url = Url::parse(text).map_err(|_| DestinationParseError)?;
        let is_bare =
            url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if url.scheme() == "http" && url.has_host() && is_bare {
            Ok(Self::Http(Box::new(url)))
        } else {
            Err(DestinationParseError)
        }
    }
}

impl Place {
    /// Whether the credential and the events leave this machine, where others may read them.
    pub(crate) fn leaves_the_machine(&self) -> bool {
        match self {
            Self::Unix(_) => false,
            Self::Http(url) => {
                let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
                host != "localhost" && !host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

/// Why a batch did not arrive, or it is not known whether it did.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the credential in `{}` cannot be used", path.display())]
    Credential {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the gateway cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the gateway answered {status} ({code})")]
    Refused { status: StatusCode, code: String, retry_after: Option<Duration> },
    #[error("the gateway's answer cannot be understood")]
    Unintelligible(#[from] AnswerError),
}

/// Sends batches to one place.
pub(super) struct Sender {
    client: reqwest::Client,
    url: String,
    credential_file: PathBuf,
}

impl Sender {
    pub(super) fn new(destination: &Destination) -> Result<Self, reqwest::Error> {
        let builder = reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(ANSWER_WITHIN);
        let (builder, base) = match &destination.place {
            Place::Unix(path) => (builder.unix_socket(path.clone()), "http://gateway"),
            Place::Http(url) => (builder, url.as_str()),
        };
        let url = format!("{}/events", base.trim_end_matches('/'));
        Ok(Self { client: builder.build()?, url, credential_file: destination.credential_file.clone() })
    }

    /// Sends a batch; what became of each event, in their order.
    pub(super) async fn send(&self, batch: &[Waiting]) -> Result<Vec<Outcome>, SendError> {
        let credential = self.credential().await?;
        let mut body = Vec::new();
        for event in batch {
            body.extend_from_slice(event.line.as_bytes());
            body.push(b'\n');
        }
        let request = self.client.post(&self.url).header(header::CONTENT_TYPE, "application/x-ndjson");
        let mut answer = request.bearer_auth(credential).body(body).send().await.map_err(SendError::Unreachable)?;
        let status = answer.status();
        let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
        let mut octets = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(SendError::Unreachable)? {
            if octets.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(AnswerError::TooLong.into());
            }
            octets.extend_from_slice(&chunk);
        }
        if status != StatusCode::OK {
            let (code, retry_after) = (answer::code(&octets), retry_after.map(Duration::from_secs));
            return Err(SendError::Refused { status, code, retry_after });
        }
        Ok(answer::outcomes(&octets, batch)?)
    }

    async fn credential(&self) -> Result<String, SendError> {
        let unusable = |source| SendError::Credential { path: self.credential_file.clone(), source };
        let text = tokio::fs::read_to_string(&self.credential_file).await.map_err(unusable)?;
        let text = text.trim();
        if text.is_empty() || text.len() > CREDENTIAL_BYTES_MAX || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(unusable(std::io::Error::other("it holds no credential")));
        }
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_socket_or_an_address() {
        for (text, leaves) in [
            ("unix:/run/cedargate/events.sock", false),
            ("http://127.0.0.1:9902", false),
            ("http://[::1]:9902", false),
            ("http://localhost:9902", false),
            ("http://gateway:9902", true),
            ("http://10.0.0.7:9902/", true),
        ] {
            assert_eq!(text.parse::<Place>().unwrap().leaves_the_machine(), leaves, "{text}");
        }
        for bad in
            ["", "unix:", "/run/events.sock", "https://gateway", "http://gateway/events", "http://a@gateway", "ftp://x"]
        {
            assert_eq!(bad.parse::<Place>(), Err(DestinationParseError), "{bad}");
        }
    }
}
