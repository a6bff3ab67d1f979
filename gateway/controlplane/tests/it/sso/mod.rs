//! Sign-in by an identity provider that does whatever it likes, over a real store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod logout;
mod provisioning;
mod signin;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cedargate_identity::{Account, Identities, Identity, Issuer, PresentedToken, Subject};
use cedargate_idp_adapters::connection::{
    Admission, ClaimMatch, ClaimPath, Client, Connection, ConnectionKind, Connections, EmailDomain, LiveConnection,
    RoleRule, Strength, StrengthRule, StrengthSign,
};
use cedargate_idp_adapters::oidc::{
    ClientAuthentication, ClientKey, ClientKeys, ClientSecret, OidcClient, OidcIssuer, OidcSettings, ProofAudience,
    ProviderHttp,
};
use cedargate_idp_adapters::saml::testing::key_and_certificate;
use cedargate_model::{
    AccountAct, AuthnMethod, Caller, Clock, ConnectionName, Principal, RoleName, Signin, SigninReason, SigninResult,
    TenantId,
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::house::{Answer, House, PASSWORD, assert_looks_as_any_failure, credentials};
use crate::provider::{Provider, Sent, Signed, merge};

const SIGNIN_COOKIE: &str = "cedargate-signin";

/// A tenant's people at a provider: `okta` is its first connection, `entra` another one to the same provider.
struct Sso {
    house: House,
    provider: Provider,
}

/// A sign-in that has been sent to the provider.
struct Under {
    sent: Sent,
    cookie: String,
}

fn connection(provider: &Provider, name: &str) -> Connection {
    let says =
        |claim: &str, value: &str| ClaimMatch { claim: ClaimPath::parse(claim).unwrap(), value: value.to_owned() };
    let role = |value: &str, role: &str| RoleRule { when: says("groups", value), role: RoleName::parse(role).unwrap() };
    let strength = |acr: &str, level, method| StrengthRule {
        sign: StrengthSign::Acr(acr.to_owned()),
        strength: Strength { level, methods: vec![method] },
    };
    Connection {
        name: ConnectionName::parse(name).unwrap(),
        title: format!("{name} & Co"),
        email_domains: vec![EmailDomain::parse(&format!("{name}.example")).unwrap()],
        admission: Admission::Anyone,
        required: vec![],
        roles: vec![role("warehouse", "clerk"), role("heads", "manager")],
        strengths: vec![strength("mfa", 2, AuthnMethod::Otp), strength("phr", 3, AuthnMethod::Hwk)],
        provisioning: None,
        kind: ConnectionKind::Oidc(OidcSettings {
            issuer: OidcIssuer::parse(&provider.issuer()).unwrap(),
            client_id: "cedar gate".to_owned(),
            authentication: ClientAuthentication::SecretBasic(ClientSecret::new("s:cret\n").unwrap()),
            scopes: vec!["openid".to_owned(), "email".to_owned()],
            clock_skew: Duration::from_secs(60),
            pushed: true,
            userinfo: false,
        }),
    }
}

impl Sso {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With connections that `change` changed.
    async fn with(change: impl Fn(&mut Connection)) -> Self {
        let sso = Self { house: House::new().await, provider: Provider::start().await };
        sso.connect(change);
        sso
    }

    /// Puts the connections to work, as at a start: nothing is known of the provider.
    fn connect(&self, change: impl Fn(&mut Connection)) {
        let http = ProviderHttp::new(false).unwrap();
        let live = ["okta", "entra"].map(|name| {
            let mut connection = connection(&self.provider, name);
            change(&mut connection);
            let ConnectionKind::Oidc(settings) = &connection.kind else { unreachable!("made above") };
            let client = Client::Oidc(Box::new(OidcClient::new(settings.clone(), http.clone())));
            Arc::new(LiveConnection { connection, client })
        });
        let tenants = BTreeMap::from([(self.house.acme.name.clone(), live.to_vec())]);
        self.house.connections.store(Arc::new(Connections::new(tenants)));
    }

    fn seconds(&self) -> i64 {
        self.house.clock.now().0 / 1_000_000
    }

    async fn begin(&self, target: &str) -> Under {
        let answer = self.house.at(&self.house.acme).browser().get(target).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let cookie = answer.cookie_named(SIGNIN_COOKIE).unwrap();
        Under { sent: Sent::of(answer.header("location").unwrap()), cookie: format!("{SIGNIN_COOKIE}={cookie}") }
    }

    /// What an honest provider would bring back.
    fn query(&self, under: &Under) -> String {
        let code = self.provider.code(&under.sent, self.seconds());
        let iss = url::form_urlencoded::byte_serialize(self.provider.issuer().as_bytes()).collect::<String>();
        format!("code={code}&state={}&iss={iss}", under.sent.get("state"))
    }

    async fn callback(&self, under: &Under, query: &str) -> Answer {
        let visitor = self.house.at(&self.house.acme).browser().holding(&under.cookie);
        visitor.get(&format!("/auth/sso/okta/callback?{query}")).await
    }

    /// The whole way, honestly.
    async fn sign_in(&self) -> Answer {
        let under = self.begin("/auth/sso/okta").await;
        let query = self.query(&under);
        self.callback(&under, &query).await
    }

    /// The one event since the last time.
    #[track_caller]
    fn event(&self) -> Signin {
        let [event] = <[_; 1]>::try_from(self.house.recorder.take()).unwrap();
        event
    }

    /// Says that an answer is the same page that every failure gets, that nobody was signed in, and why not.
    #[track_caller]
    fn assert_refused(&self, answer: &Answer, reason: SigninReason) {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{reason}: {}", answer.body);
        assert_looks_as_any_failure(answer);
        assert!(answer.body.contains("sso_failed"), "{reason}: {}", answer.body);
        assert_eq!(answer.cookie_value(), None, "{reason}");
        assert!(!answer.body.contains(reason.as_str()), "{reason} is told");
        let event = self.event();
        assert_eq!((event.result, event.reason), (SigninResult::Failed, Some(reason)));
        assert_eq!((event.principal, event.session), (None, None), "{reason}");
    }

    async fn person(&self, answer: &Answer) -> Arc<Principal> {
        let token = PresentedToken::parse(&answer.cookie_value().unwrap()).unwrap();
        let now = self.house.clock.now();
        self.house.sessions.find(self.house.acme.id, &token, now).await.unwrap().unwrap()
    }

    fn identity(&self) -> Identity {
        Identity {
            connection: ConnectionName::parse("okta").unwrap(),
            issuer: Issuer::parse(&self.provider.issuer()).unwrap(),
            subject: Subject::parse("00u1").unwrap(),
        }
    }

    async fn account(&self, tenant: TenantId) -> Option<Account> {
        Identities::new(self.house.pool.clone()).find(tenant, &self.identity()).await.unwrap()
    }

    fn logout_claims(&self) -> Value {
        json!({
            "iss": self.provider.issuer(),
            "aud": "cedar gate",
            "iat": self.seconds(),
            "exp": self.seconds() + 120,
            "jti": "j1",
            "sid": "s1",
            "sub": "00u1",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        })
    }

    async fn provider_logout(&self, token: &str) -> Answer {
        let visitor = self.house.at(&self.house.acme);
        visitor.post_form("/auth/sso/okta/backchannel-logout", &format!("logout_token={token}")).await
    }
}

fn roles(principal: &Principal) -> Vec<&str> {
    principal.roles.iter().map(RoleName::as_str).collect()
}
