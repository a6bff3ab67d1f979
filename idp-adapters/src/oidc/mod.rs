//! OpenID Connect: the authorization code flow with PKCE, and what belongs to it.
//!
//! What is checked is OIDC Core §3.1.3.7 as RFC 9700 reads it. Who calls this owns the attempt: `state`, the browser's secret and
//! where to go afterwards; here is what passes between the gateway and the provider.

mod address;
mod client_key;
mod exchange;
mod http;
mod id_token;
mod jws;
mod logout;
mod provider;
mod settings;

use std::time::Duration;

use cedargate_identity::{Attempt, BrowserSecret, Federation, Identity, Subject};
use cedargate_model::{ConnectionName, Micros, SigninReason};
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

pub use crate::Refused;
pub use address::{ProviderUrl, ProviderUrlError};
pub use client_key::{CLIENT_KEYS_MAX, ClientKey, ClientKeyError, ClientKeys};
pub use http::{CallError, ProviderHttp, ProviderHttpError};
pub use logout::Logout;
pub(crate) use provider::{fetch, fetch_keys, key_set};
pub use settings::{
    CLOCK_SKEW_MAX, ClientAuthentication, ClientSecret, OidcIssuer, OidcIssuerError, OidcSettings, ProofAudience,
};

use crate::connection::Claims;
use id_token::Expected;
use jws::{Purpose, UnverifiedJws};
use provider::Known;

/// The client of one provider: what is configured, and what is known of the provider.
#[derive(Debug)]
pub struct OidcClient {
    settings: OidcSettings,
    http: ProviderHttp,
    known: Known,
}

/// What to ask a provider for beyond who it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// The classes of which one must be reached (`acr_values`), the best first.
    pub classes: &'a [&'a str],
    /// How long ago, in seconds, the person may have signed in there. Zero asks them to sign in there and then.
    pub max_age_seconds: Option<u32>,
}

/// The parameters that a provider sends back by way of the browser.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuthorizationResponse<'a> {
    /// The code.
    pub code: Option<&'a str>,
    /// The provider's refusal.
    pub error: Option<&'a str>,
    /// Who answers (RFC 9207).
    pub iss: Option<&'a str>,
}

/// What belongs to one sign-in under way.
#[derive(Clone, Copy, Debug)]
pub struct UnderWay<'a> {
    /// What was asked.
    pub attempt: &'a Attempt,
    /// The attempt's `state`.
    pub state: &'a str,
    /// The browser's secret.
    pub browser: &'a BrowserSecret,
    /// Where the provider sent the browser: exactly as it was asked to.
    pub redirect_uri: &'a str,
}

/// A person whom the provider signed in.
#[derive(Debug)]
#[must_use]
pub struct SignedIn {
    /// Who, and where from.
    pub federation: Federation,
    /// What the provider says, for the connection's rules.
    pub claims: Claims,
    /// When the person last proved to the provider who they are, if it says.
    pub auth_time: Option<Micros>,
    /// When the session has to be over, if the provider says.
    pub ends_by: Option<Micros>,
    /// The ID token as it came, from a provider that has such. It is kept sealed or not at all.
    pub id_token: Option<Zeroizing<String>>,
}

impl OidcClient {
    /// A client for these settings. Nothing is fetched until somebody comes.
    pub fn new(settings: OidcSettings, http: ProviderHttp) -> Self {
        Self { settings, http, known: Known::default() }
    }

    /// What is configured.
    pub fn settings(&self) -> &OidcSettings {
        &self.settings
    }

    /// Asks the provider for its description and keys.
    ///
    /// # Errors
    /// [`Refused`], with what is wrong behind it.
    pub async fn look(&self, now: Micros) -> Result<(), Refused> {
        self.known.provider(&self.settings.issuer, &self.http, now).await.map(drop)
    }

    /// Where to send the browser.
    ///
    /// # Errors
    /// [`Refused`] where the provider cannot be reached.
    pub async fn authorization_url(
        &self,
        redirect_uri: &str,
        state: &str,
        browser: &BrowserSecret,
        ask: Ask<'_>,
        now: Micros,
    ) -> Result<Url, Refused> {
        let provider = self.known.provider(&self.settings.issuer, &self.http, now).await?;
        let settings = &self.settings;
        let (scopes, classes) = (settings.scopes.join(" "), ask.classes.join(" "));
        let (nonce, challenge) = (browser.derive(NONCE, state), challenge(&browser.derive(VERIFIER, state)));
        let max_age = ask.max_age_seconds.unwrap_or(MAX_AGE_SECONDS).to_string();
        let mut asked = vec![
            ("response_type", "code"),
            ("client_id", &*settings.client_id),
            ("redirect_uri", redirect_uri),
            ("scope", &*scopes),
            ("state", state),
            ("nonce", &*nonce),
            ("code_challenge", &*challenge),
            ("code_challenge_method", "S256"),
            ("max_age", &*max_age),
        ];
        if !classes.is_empty() {
            asked.push(("acr_values", &*classes));
        }
        if ask.max_age_seconds == Some(0) {
            // Not every provider takes an age of zero for a question (OIDC Core §3.1.2.1, `prompt`).
            asked.push(("prompt", "login"));
        }
        let mut url = provider.authorization_endpoint.url().clone();
        match &provider.push_endpoint {
            Some(to) if settings.pushed || provider.push_required => {
                // Whoever authenticates by more than a header says there which client it is.
                let asked: Vec<_> = match settings.authentication {
                    ClientAuthentication::SecretBasic(_) => asked,
                    _ => asked.into_iter().filter(|(name, _)| *name != "client_id").collect(),
                };
                let reference = exchange::push(&self.http, &provider, settings, to, &asked, now).await?;
                url.query_pairs_mut()
                    .append_pair("client_id", &settings.client_id)
                    .append_pair("request_uri", &reference);
            }
            Some(_) | None => drop(url.query_pairs_mut().extend_pairs(asked)),
        }
        Ok(url)
    }

    /// Turns what the browser brought back into who signed in.
    ///
    /// The attempt has been spent by the caller: whatever comes of this, the answer counts once.
    ///
    /// # Errors
    /// [`Refused`], with the reason for the record.
    pub async fn complete(
        &self,
        connection: &ConnectionName,
        response: AuthorizationResponse<'_>,
        under_way: UnderWay<'_>,
        now: Micros,
    ) -> Result<SignedIn, Refused> {
        let settings = &self.settings;
        let provider = self.known.provider(&settings.issuer, &self.http, now).await?;
        // First of all who answers: a code of another provider must not be shown to this one (RFC 9207 §2.4).
        match response.iss {
            Some(iss) if iss != settings.issuer.issuer().as_str() => return Err(SigninReason::IssuerMismatch.into()),
            None if provider.says_issuer => return Err(SigninReason::IssuerMissing.into()),
            Some(_) | None => {}
        }
        let code = match (response.error, response.code) {
            (Some(_), _) => return Err(SigninReason::ProviderRefused.into()),
            (None, None | Some("")) => return Err(SigninReason::CodeMissing.into()),
            (None, Some(code)) => code,
        };
        let verifier = under_way.browser.derive(VERIFIER, under_way.state);
        let tokens =
            exchange::redeem(&self.http, &provider, settings, code, &verifier, under_way.redirect_uri, now).await?;

        let kid = UnverifiedJws::parse(&tokens.id_token, Purpose::IdToken)?.kid().map(ToOwned::to_owned);
        let provider = self.known.with_key(&settings.issuer, &self.http, kid.as_deref(), now).await?;
        let nonce = under_way.browser.derive(NONCE, under_way.state);
        let access_token = tokens.access_token.as_deref().map(String::as_str);
        let expected = Expected { settings, nonce: &nonce, access_token, now };
        let mut believed = id_token::believe(&tokens.id_token, &provider, &expected)?;
        check_freshness(believed.auth_time, under_way.attempt.max_age_seconds, settings, now)?;
        if settings.userinfo {
            let more = exchange::userinfo(&self.http, &provider, access_token, &believed.subject).await?;
            for (name, value) in more {
                // What the token says stands; how somebody signed in is the token's alone to say.
                if !matches!(name.as_str(), "acr" | "amr" | "auth_time") {
                    believed.claims.entry(name).or_insert(value);
                }
            }
        }
        let identity = Identity {
            connection: connection.clone(),
            issuer: settings.issuer.issuer().clone(),
            subject: believed.subject,
        };
        let provider_session: Option<Subject> = believed.provider_session;
        let federation = Federation { identity, provider_session, id_token: None, name_id: None };
        let id_token = Some(Zeroizing::new(tokens.id_token));
        let (claims, auth_time) = (believed.claims, believed.auth_time);
        Ok(SignedIn { federation, claims, auth_time, ends_by: None, id_token })
    }

    /// Where the person signs out at the provider, if it has such a place (OIDC RP-Initiated Logout 1.0 §2).
    ///
    /// # Errors
    /// [`Refused`] where the provider cannot be reached.
    pub async fn end_session_url(
        &self,
        id_token: Option<&str>,
        back_to: &str,
        now: Micros,
    ) -> Result<Option<Url>, Refused> {
        let provider = self.known.provider(&self.settings.issuer, &self.http, now).await?;
        let Some(endpoint) = &provider.end_session_endpoint else { return Ok(None) };
        let mut url = endpoint.url().clone();
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("client_id", &self.settings.client_id);
            query.append_pair("post_logout_redirect_uri", back_to);
            if let Some(token) = id_token {
                query.append_pair("id_token_hint", token);
            }
        }
        Ok(Some(url))
    }

    /// Believes a logout token, or says why not.
    ///
    /// # Errors
    /// [`Refused`], with the reason for the record.
    pub async fn logout(&self, token: &str, now: Micros) -> Result<Logout, Refused> {
        let unverified = UnverifiedJws::parse(token, Purpose::LogoutToken)?;
        // Anybody may send one: no key is fetched for a token that does not even claim to be this issuer's.
        if unverified.unverified_claims().get("iss").and_then(|iss| iss.as_str())
            != Some(self.settings.issuer.issuer().as_str())
        {
            return Err(SigninReason::TokenIssuer.into());
        }
        let kid = unverified.kid().map(ToOwned::to_owned);
        let provider = self.known.with_key(&self.settings.issuer, &self.http, kid.as_deref(), now).await?;
        Ok(logout::believe(unverified, &provider, &self.settings, now)?)
    }
}

/// The `max_age` of a sign-in that asks for no freshness: a week. A provider that is asked for any has to say when the person last
/// proved who they are (OIDC Core §2, `auth_time`), and that is what policies want to know.
const MAX_AGE_SECONDS: u32 = 7 * 24 * 60 * 60;

/// How long the way back from a sign-in at the provider may take.
const BACK_FROM_SIGN_IN: Duration = Duration::from_secs(2 * 60);

/// What the browser's secret is turned into.
const NONCE: &str = "nonce";
const VERIFIER: &str = "code verifier";

/// The challenge of a verifier (RFC 7636 §4.2, `S256`).
fn challenge(verifier: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// Where the sign-in's age was asked for, it has to be said, and to be young enough (OIDC Core §3.1.2.1, `max_age`).
fn check_freshness(
    auth_time: Option<Micros>,
    max_age_seconds: Option<u32>,
    settings: &OidcSettings,
    now: Micros,
) -> Result<(), SigninReason> {
    let Some(max_age) = max_age_seconds else { return Ok(()) };
    let auth_time = auth_time.ok_or(SigninReason::AuthTimeMissing)?;
    // Whoever had to sign in there and then has come back since: by way of a page that asks for consent, perhaps.
    let max_age = if max_age == 0 { BACK_FROM_SIGN_IN } else { Duration::from_secs(max_age.into()) };
    let allowed = max_age + settings.clock_skew;
    if now.since(auth_time) <= allowed { Ok(()) } else { Err(SigninReason::AuthTimeTooOld) }
}
