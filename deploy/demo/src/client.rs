//! What a program does that signs in and asks: the demo checks by it what it promises, and the bench gets its sessions.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use reqwest::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use reqwest::{Method, redirect};
use serde_json::{Value, json};

/// How long any one answer may take. Passwords are hashed slowly, and a laptop may be busy.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one host of a gateway on this machine.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// Somebody's session, as the value of a `Cookie` header.
#[derive(Clone)]
pub struct Session(String);

/// An answer, as far as anybody here reads it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body where it is JSON, else null.
    pub body: Value,
}

impl Client {
    /// A client of `host`, which is this machine whatever a resolver thinks of it.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(host: &str, port: u16) -> Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .resolve(host, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            .timeout(TIMEOUT)
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { http, url: format!("http://{host}:{port}") })
    }

    /// Signs in as a program does.
    ///
    /// # Errors
    /// The gateway cannot be reached or refuses.
    pub async fn sign_in(&self, email: &str, password: &str) -> Result<Session> {
        let asked = json!({ "email": email, "password": password }).to_string();
        let request = self.http.post(format!("{}/auth/login", self.url)).header(CONTENT_TYPE, "application/json");
        let answer = request.body(asked).send().await.with_context(|| format!("cannot ask {}", self.url))?;
        let status = answer.status();
        let cookies = answer.headers().get_all(SET_COOKIE).iter();
        let pairs = cookies.filter_map(|cookie| Some(cookie.to_str().ok()?.split(';').next()?.trim().to_owned()));
        let session = pairs.collect::<Vec<_>>().join("; ");
        match status.as_u16() {
            200 if !session.is_empty() => Ok(Session(session)),
            status => bail!("{email} could not sign in at {}: {status}", self.url),
        }
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The gateway cannot be reached.
    pub async fn sign_out(&self, session: &Session) -> Result<()> {
        self.ask("POST /auth/logout", Some(session)).await.map(drop)
    }

    /// Asks for `METHOD PATH`, without a body.
    ///
    /// # Errors
    /// It is not of that form, or the gateway cannot be reached.
    pub async fn ask(&self, what: &str, session: Option<&Session>) -> Result<Answer> {
        let (method, path) = what.split_once(' ').ok_or_else(|| anyhow!("`{what}` is not METHOD PATH"))?;
        let method = Method::from_bytes(method.as_bytes()).with_context(|| format!("`{what}` has no method"))?;
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(session) = session {
            request = request.header(COOKIE, session.as_cookie());
        }
        let answer = request.send().await.with_context(|| format!("cannot ask {}", self.url))?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.with_context(|| format!("{} broke off its answer", self.url))?;
        Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    }
}

impl Session {
    /// The value of the `Cookie` header. Whoever has it is this person.
    pub fn as_cookie(&self) -> &str {
        &self.0
    }
}

impl Answer {
    /// Whether the service did what was asked.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the gateway said that this is not for whoever asked.
    pub fn is_refusal(&self) -> bool {
        matches!(self.status, 401 | 403)
    }

    /// The code by which the gateway refused, where it did.
    pub fn code(&self) -> Option<&str> {
        self.body.get("code")?.as_str()
    }
}
