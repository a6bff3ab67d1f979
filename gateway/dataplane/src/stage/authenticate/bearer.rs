//! Whose key or token is in the `Authorization` header (RFC 6750 §2.1)?
//!
//! What is shown there is meant: no browser adds it to what a page makes it send. So it is good or the request is refused, and each
//! way of being bad has its own word in the record; the client is told the one `invalid_token` for all of them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cedargate_identity::{
    FindProgramError, PresentedSecret, ProgramRefused, SecretError, SecretKind, Sessions, ShownAssertion, ShownToken,
    session_cookie_name,
};
use cedargate_model::{Caller, Micros, Principal, Refusal, RefusalCode, Scheme, TenantId, TenantName, TokenReason};
use cedargate_tokens::{KeyLook, TokenAuthority, TokenRefused};
use http::{HeaderMap, HeaderValue, header};
use zeroize::Zeroizing;

use super::Authenticated;
use crate::issuers::{Issuers, refused};
use crate::stage::hygiene::{CookieLookup, session_cookie};

/// The longest credential that is looked at, in octets.
const CREDENTIAL_BYTES_MAX: usize = 8 * 1024;

/// Who judges what is shown, and for whom.
#[derive(Clone, Copy)]
pub(super) struct Door<'d> {
    pub(super) sessions: &'d Sessions,
    pub(super) tokens: &'d ArcSwap<TokenAuthority>,
    pub(super) keys: &'d KeyLook,
    pub(super) issuers: &'d Issuers,
    pub(super) tenant: TenantId,
    pub(super) name: &'d TenantName,
    pub(super) scheme: Scheme,
    /// Whether client authentication (RFC 6749 §2.3.1) is passed on: it is the token endpoint's to judge.
    pub(super) takes_clients: bool,
}

/// Finds out who asks, by the request's `Authorization` header. On the heap: most requests have none.
///
/// # Errors
/// 400 where a session's cookie stands beside it, 401 for whatever is not good, 503 if the store does not answer.
pub(super) async fn authenticate(door: Door<'_>, headers: &HeaderMap, now: Micros) -> Result<Authenticated, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(ambiguous("two `authorization` headers"));
    };
    // A dead cookie, too: it says that a browser asks.
    if session_cookie(headers, session_cookie_name(door.scheme)) != CookieLookup::Absent {
        return Err(ambiguous("a session cookie beside an `authorization` header"));
    }
    if door.takes_clients && is_basic(value) {
        let counts_for = door.client(value, now).await.map_or(Caller::Anonymous, Caller::Principal);
        let known = Authenticated::as_caller(Caller::Anonymous, false);
        return Ok(Authenticated { counts_for, ..known });
    }
    let shown = shown(value).ok_or_else(|| invalid("scheme_unsupported"))?;
    let principal = match shown {
        key if key.starts_with(SecretKind::ApiKey.prefix()) => door.by_key(key, now).await?,
        token if token.starts_with(SecretKind::ScimToken.prefix()) => door.by_scim_token(token, now).await?,
        token if token.contains('.') => return door.by_token(token, now).await,
        _ => return Err(invalid("token_unsupported")),
    };
    Ok(Authenticated::as_caller(Caller::Principal(principal), false))
}

impl Door<'_> {
    async fn by_key(self, shown: &str, now: Micros) -> Result<Arc<Principal>, Refusal> {
        let key = PresentedSecret::parse(SecretKind::ApiKey, shown).map_err(|error| match error {
            SecretError::Malformed => invalid("api_key_malformed"),
            SecretError::Mistyped => invalid("api_key_mistyped"),
        })?;
        self.sessions.find_api_key(self.tenant, &key, now).await.map_err(|error| match error {
            // The id is in what was shown and is no secret: the operator finds out whose it was.
            FindProgramError::Refused(refused) => {
                invalid(format!("api_key_{} {}", refused.as_str(), key.unverified_id()))
            }
            FindProgramError::Store(error) => unavailable(&error),
        })
    }

    /// An identity provider, by its connection's token for SCIM.
    async fn by_scim_token(self, shown: &str, now: Micros) -> Result<Arc<Principal>, Refusal> {
        let token = PresentedSecret::parse(SecretKind::ScimToken, shown).map_err(|error| match error {
            SecretError::Malformed => invalid("scim_token_malformed"),
            SecretError::Mistyped => invalid("scim_token_mistyped"),
        })?;
        self.sessions.find_scim_token(self.tenant, &token, now).await.map_err(|error| match error {
            FindProgramError::Refused(refused) => {
                invalid(format!("scim_token_{} {}", refused.as_str(), token.unverified_id()))
            }
            FindProgramError::Store(error) => unavailable(&error),
        })
    }

    /// By an access token of ours, or by a JWT of an issuer whose word counts here as it is.
    async fn by_token(self, text: &str, now: Micros) -> Result<Authenticated, Refusal> {
        let known = |principal| Ok(Authenticated::as_caller(Caller::Principal(principal), false));
        let shown = ShownToken::of(text);
        if let Some(principal) = self.sessions.recall_token(self.tenant, shown, now) {
            return known(principal);
        }
        if self.issuers.concern(self.name, text) {
            return Box::pin(self.by_assertion(text, shown, now)).await;
        }
        let verify = || self.tokens.load().verify(text, self.tenant, self.name, now);
        let mut verified = verify();
        if verified == Err(TokenRefused::KeyUnknown) {
            // Another gateway signs with a key that this one has not heard of yet, or somebody makes up names.
            self.keys.look().await;
            verified = verify();
        }
        let token = verified.map_err(|refused| invalid(format!("token_{refused}")))?;
        let found = self.sessions.find_token(self.tenant, shown, &token, now).await;
        known(found.map_err(|error| match error {
            FindProgramError::Refused(refused) => invalid(format!("token_{} {}", refused.as_str(), token.id)),
            FindProgramError::Store(error) => unavailable(&error),
        })?)
    }

    async fn by_assertion(self, text: &str, shown: ShownToken, now: Micros) -> Result<Authenticated, Refusal> {
        let url = self.tokens.load().url(self.name);
        let vouched = self.issuers.judge(self.name, url, text, now).await?.vouched;
        let refused = |reason| refused(reason, Some(vouched.issuer.as_str()));
        let assertion = ShownAssertion {
            shown,
            service_account: vouched.service_account.clone(),
            issued_at: vouched.issued_at,
            expires_at: vouched.expires_at,
        };
        let found = self.sessions.find_assertion(self.tenant, &assertion, vouched.once.is_some(), now).await;
        let program = found.map_err(|error| match error {
            FindProgramError::Refused(ProgramRefused::AccountDisabled) => refused(TokenReason::AccountDisabled),
            FindProgramError::Refused(_) => refused(TokenReason::AssertionClaims),
            FindProgramError::Store(error) => unavailable(&error),
        })?;
        // Last: what is refused for something else is no use of it.
        if let Some((name, until)) = &vouched.once {
            let spent = self.sessions.spend_assertion(self.tenant, name, *until, now).await;
            if !spent.map_err(|error| unavailable(&error))? {
                return Err(refused(TokenReason::AssertionReplayed));
            }
        }
        let known = Authenticated::as_caller(Caller::Principal(program), false);
        Ok(Authenticated { taken_of: Some(Box::new(vouched.issuer)), ..known })
    }
}

impl Door<'_> {
    /// Which client authenticates here, as far as that can be told. It is nobody's word but the token endpoint's: here it decides whose
    /// quota is used, so that strangers cannot use up that of programs.
    async fn client(self, value: &HeaderValue, now: Micros) -> Option<Arc<Principal>> {
        let encoded =
            value.as_bytes().get(b"basic ".len()..).filter(|encoded| encoded.len() <= CREDENTIAL_BYTES_MAX)?;
        let decoded = Zeroizing::new(STANDARD.decode(encoded.trim_ascii()).ok()?);
        let (_, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        let key = PresentedSecret::parse(SecretKind::ApiKey, secret).ok()?;
        self.sessions.find_api_key(self.tenant, &key, now).await.ok()
    }
}

fn is_basic(value: &HeaderValue) -> bool {
    value.as_bytes().split_at_checked(b"basic ".len()).is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(b"basic "))
}

/// What stands behind `Bearer`, in any case (RFC 9110 §11.1): visible characters alone.
pub(super) fn shown(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok().filter(|text| text.len() <= CREDENTIAL_BYTES_MAX)?;
    let (scheme, rest) = text.split_once(' ')?;
    let shown = rest.trim_start_matches(' ');
    let is_token = !shown.is_empty() && shown.bytes().all(|octet| octet.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && is_token).then_some(shown)
}

fn ambiguous(detail: &str) -> Refusal {
    Refusal::new(RefusalCode::CredentialsAmbiguous, detail)
}

fn unavailable(error: &cedargate_identity::StoreError) -> Refusal {
    Refusal::new(RefusalCode::SessionStoreUnavailable, error.to_string())
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::CredentialsInvalid, detail)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use cedargate_assertion::SigningKeys;
    use cedargate_identity::{
        ApiKeyName, HeldCredential, HeldToken, NewApiKey, ScimTokens, ServiceAccountName, ServiceAccounts,
        SessionSettings, Tenants,
    };
    use cedargate_idp_adapters::connection::{ClaimMatch, ClaimPath};
    use cedargate_idp_adapters::oidc::ProviderHttp;
    use cedargate_idp_adapters::workload::{KeySource, PinnedKeys, WorkloadAlgorithm, WorkloadSettings, Workloads};
    use cedargate_migrations::{GATEWAY, Pool, StoreUrl};
    use cedargate_model::{
        AccessToken, ApiKeyId, ConnectionName, Credential, PrincipalId, RoleName, TokenId, TokenSource,
    };
    use cedargate_tokens::{LIFETIME, TenantUrls, TokenKeys};
    use proptest::prelude::*;

    use super::*;

    const NOW: Micros = Micros(1_700_000_000_000_000);

    struct House {
        pool: Pool,
        sessions: Sessions,
        acme: TenantId,
        globex: TenantId,
        tokens: Arc<ArcSwap<TokenAuthority>>,
        keys: KeyLook,
        workloads: Arc<ArcSwap<Workloads>>,
        issuers: Issuers,
        account: PrincipalId,
        key: String,
        _dir: tempfile::TempDir,
    }

    /// A ring whose keys another gateway has rotated.
    struct Elsewhere {
        tokens: Arc<ArcSwap<TokenAuthority>>,
        looks: AtomicUsize,
    }

    impl TokenKeys for Elsewhere {
        fn look(&self) {
            self.looks.fetch_add(1, Ordering::SeqCst);
            let rotated = self.tokens.load().keys().succeeded_at(SigningKeys::from_seed(&[2; 32]), NOW);
            self.tokens.store(Arc::new(self.tokens.load().with_keys(rotated)));
        }
    }

    async fn house() -> House {
        let dir = tempfile::tempdir().unwrap();
        let pool = Pool::open(&StoreUrl::sqlite(dir.path().join("gateway.db"))).await.unwrap();
        let _ = pool.migrate(&GATEWAY, NOW).await.unwrap();
        let tenants = Tenants::new(pool.clone());
        let acme = tenants.create(TenantName::parse("acme").unwrap(), NOW).await.unwrap().id;
        let globex = tenants.create(TenantName::parse("globex").unwrap(), NOW).await.unwrap().id;
        let accounts = ServiceAccounts::new(pool.clone());
        let name = ServiceAccountName::parse("sync").unwrap();
        let made = accounts.create(acme, name, vec![RoleName::parse("clerk").unwrap()], NOW).await.unwrap();
        let lifetime = Duration::from_secs(3_600);
        let new = NewApiKey { name: ApiKeyName::parse("test").unwrap(), roles: None, lifetime };
        let (_, secret) = accounts.create_key(acme, made.id, new, NOW).await.unwrap();
        let sessions = Sessions::new(pool.clone(), SessionSettings::default());
        let urls = TenantUrls::new("http", "localhost");
        let authority = TokenAuthority::new(urls, SigningKeys::from_seed(&[1; 32]), Duration::ZERO);
        let tokens = Arc::new(ArcSwap::from_pointee(authority));
        let keys = KeyLook::new(Arc::new(Elsewhere { tokens: Arc::clone(&tokens), looks: AtomicUsize::new(0) }));
        let key = secret.expose().to_string();
        let workloads: Arc<ArcSwap<Workloads>> = Arc::default();
        let issuers = Issuers::new(Arc::clone(&workloads));
        House { pool, sessions, acme, globex, tokens, keys, workloads, issuers, account: made.id, key, _dir: dir }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    async fn ask(house: &House, tenant: TenantId, pairs: &[(&'static str, &str)]) -> Result<Authenticated, Refusal> {
        authenticate(house.door(tenant, false), &headers(pairs), NOW).await
    }

    impl House {
        fn door(&self, tenant: TenantId, takes_clients: bool) -> Door<'_> {
            static ACME: LazyLock<TenantName> = LazyLock::new(|| TenantName::parse("acme").unwrap());
            let (sessions, tokens, keys, issuers) = (&self.sessions, &*self.tokens, &self.keys, &self.issuers);
            Door { sessions, tokens, keys, issuers, tenant, name: &ACME, scheme: Scheme::Http, takes_clients }
        }

        /// A token for the house's key, and a header that shows it.
        fn token(&self, now: Micros) -> (AccessToken, String) {
            let key = PresentedSecret::parse(SecretKind::ApiKey, &self.key).unwrap();
            let token = AccessToken {
                id: TokenId(uuid::Uuid::now_v7()),
                subject: self.account,
                source: TokenSource::ApiKey(ApiKeyId(key.unverified_id())),
                roles: None,
                issued_at: now,
                expires_at: now.after(LIFETIME),
            };
            let text = self.tokens.load().issue(&token, self.acme, &TenantName::parse("acme").unwrap()).unwrap();
            (token, format!("Bearer {}", *text))
        }
    }

    #[tokio::test]
    async fn each_bad_credential_is_refused_with_its_own_word_in_the_record() {
        let house = house().await;
        let (start, end) = house.key.split_at(60);
        let mistyped = format!("{start}{}", end.replacen(&end[..1], if end.starts_with('A') { "B" } else { "A" }, 1));
        for (value, word) in [
            ("Basic YTpi".to_owned(), "scheme_unsupported"),
            ("Bearer".to_owned(), "scheme_unsupported"),
            ("Bearer ".to_owned(), "scheme_unsupported"),
            (house.key.clone(), "scheme_unsupported"),
            (format!("Bearer {} {}", house.key, house.key), "scheme_unsupported"),
            (format!("Bearer {}", "a".repeat(CREDENTIAL_BYTES_MAX)), "scheme_unsupported"),
            ("Bearer abc".to_owned(), "token_unsupported"),
            ("Bearer eyJhbGciOiJub25lIn0.e30.".to_owned(), "token_algorithm"),
            ("Bearer a.b.c".to_owned(), "token_malformed"),
            (format!("Bearer {start}"), "api_key_malformed"),
            (format!("Bearer {mistyped}"), "api_key_mistyped"),
            ("Bearer cgs_abc".to_owned(), "scim_token_malformed"),
            (format!("Bearer {}", house.key.replacen("cgk_", "cgs_", 1)), "scim_token_mistyped"),
        ] {
            let refusal = ask(&house, house.acme, &[("authorization", &value)]).await.err().unwrap();
            assert_eq!((refusal.code, refusal.detail.as_str()), (RefusalCode::CredentialsInvalid, word), "{value}");
        }
        let bearer = format!("Bearer {}", house.key);
        let stranger = ask(&house, house.globex, &[("authorization", &bearer)]).await.err().unwrap();
        assert!(stranger.detail.starts_with("api_key_unknown "), "{}", stranger.detail);
        assert!(!stranger.detail.contains(&house.key[30..]), "a secret in the record");
    }

    #[tokio::test]
    async fn a_providers_token_is_nobody_in_another_tenant_and_nobody_once_it_is_over() {
        let house = house().await;
        let tokens = ScimTokens::new(house.pool.clone());
        let lifetime = Duration::from_secs(3_600);
        let name = ConnectionName::parse("okta").unwrap();
        let issuer = cedargate_identity::Issuer::parse("https://idp.example").unwrap();
        let (token, secret) = tokens.create(house.acme, name, &issuer, lifetime, NOW).await.unwrap();
        let value = format!("Bearer {}", *secret.expose());
        let shown = [("authorization", &*value)];
        let known = ask(&house, house.acme, &shown).await.ok().unwrap();
        let known = Arc::clone(known.caller.principal().unwrap());
        assert_eq!((known.credential, known.session.0), (Credential::ScimToken, token.id.0));
        assert!(known.roles.is_empty());
        let abroad = ask(&house, house.globex, &shown).await.err().unwrap();
        assert_eq!(abroad.detail, format!("scim_token_unknown {}", token.id));
        let later = authenticate(house.door(house.acme, false), &headers(&shown), NOW.after(lifetime)).await;
        assert!(later.err().unwrap().detail.starts_with("scim_token_expired "));
        tokens.revoke(house.acme, token.id, NOW).await.unwrap().unwrap();
        house.sessions.listen(NOW).await.unwrap();
        let over = ask(&house, house.acme, &shown).await.err().unwrap();
        assert_eq!(over.detail, format!("scim_token_revoked {}", token.id));
    }

    #[tokio::test]
    async fn two_credentials_at_once_are_refused_however_good_each_is() {
        let house = house().await;
        let bearer = format!("Bearer {}", house.key);
        let session = format!("a=b; cedargate={}", "A".repeat(43));
        for pairs in [
            [("authorization", &*bearer), ("cookie", &*session)],
            [("authorization", &bearer), ("cookie", "cedargate=dead")],
            [("authorization", &bearer), ("authorization", &bearer)],
        ] {
            assert_eq!(ask(&house, house.acme, &pairs).await.err().unwrap().code, RefusalCode::CredentialsAmbiguous);
        }
        let known = ask(&house, house.acme, &[("authorization", &bearer), ("cookie", "a=b")]).await.unwrap();
        assert_eq!(known.caller.principal().unwrap().credential, Credential::ApiKey);
    }

    #[tokio::test]
    async fn without_a_store_nobody_is_known_by_a_key() {
        let house = house().await;
        house.pool.close().await;
        let bearer = format!("bEARER  {}", house.key);
        let refusal = ask(&house, house.acme, &[("authorization", &bearer)]).await.err().unwrap();
        assert_eq!(refusal.code, RefusalCode::SessionStoreUnavailable);
    }

    #[tokio::test]
    async fn a_token_is_as_good_as_the_key_behind_it() {
        let house = house().await;
        let (token, bearer) = house.token(NOW);
        let ask =
            async |now| authenticate(house.door(house.acme, false), &headers(&[("authorization", &bearer)]), now).await;
        for _ in 0..2 {
            let known = ask(NOW).await.unwrap();
            let principal = known.caller.principal().unwrap();
            assert_eq!((principal.credential, principal.session.0), (Credential::KeyToken, token.id.0));
        }
        assert_eq!(house.sessions.stats().hits, 1, "the second time it was known");
        house.sessions.revoke_token(house.acme, &token, NOW).await.unwrap();
        house.sessions.listen(NOW).await.unwrap();
        assert_eq!(ask(NOW).await.err().unwrap().detail, format!("token_revoked {}", token.id));

        let (other, bearer) = house.token(NOW);
        let ask =
            async |now| authenticate(house.door(house.acme, false), &headers(&[("authorization", &bearer)]), now).await;
        assert!(ask(NOW).await.is_ok());
        assert_eq!(ask(NOW.after(LIFETIME)).await.err().unwrap().detail, "token_expired", "from memory too");
        ServiceAccounts::new(house.pool.clone()).disable(house.acme, house.account, NOW).await.unwrap();
        house.sessions.listen(NOW).await.unwrap();
        assert_eq!(ask(NOW).await.err().unwrap().detail, format!("token_account_disabled {}", other.id));
        let abroad = authenticate(house.door(house.globex, false), &headers(&[("authorization", &bearer)]), NOW).await;
        assert_eq!(abroad.err().unwrap().detail, "token_tenant");
    }

    #[tokio::test]
    async fn what_a_token_has_opened_outlives_its_few_minutes_and_not_its_key() {
        let house = house().await;
        let (token, _) = house.token(NOW);
        let held = HeldCredential::Token(HeldToken::of(token));
        let later = NOW.after(LIFETIME * 2);
        let whose = async |now| house.sessions.peek(house.acme, &held, now).await.unwrap().map(|program| program.id);
        for now in [NOW, later, later] {
            assert_eq!(whose(now).await, Some(house.account));
        }
        ServiceAccounts::new(house.pool.clone()).disable(house.acme, house.account, later).await.unwrap();
        house.sessions.listen(later).await.unwrap();
        assert_eq!(whose(later).await, None);
    }

    /// A CI system, whose jobs are `sync` at acme.
    struct Ci(SigningKeys);

    impl Ci {
        fn at_work(house: &House, change: impl FnOnce(&mut WorkloadSettings)) -> Self {
            let keys = SigningKeys::from_seed(&[5; 32]);
            let mut settings = WorkloadSettings {
                name: ConnectionName::parse("ci").unwrap(),
                issuer: "https://ci.example".to_owned(),
                audience: None,
                keys: KeySource::Pinned(PinnedKeys::parse(&keys.jwks().to_json()).unwrap()),
                algorithms: vec![WorkloadAlgorithm::EdDsa],
                required: vec![ClaimMatch { claim: ClaimPath::parse("sub").unwrap(), value: "main".to_owned() }],
                service_account: ServiceAccountName::parse("sync").unwrap(),
                lifetime_max: Duration::from_secs(3_600),
                leeway: Duration::from_secs(30),
                once: false,
                at_the_door: true,
            };
            change(&mut settings);
            let tenants = BTreeMap::from([(TenantName::parse("acme").unwrap(), vec![settings])]);
            let http = ProviderHttp::new(false).unwrap();
            house.workloads.store(Arc::new(Workloads::new(tenants, &http, &house.workloads.load())));
            Self(keys)
        }

        /// The header with a job's JWT.
        fn bearer(&self, change: impl FnOnce(&mut serde_json::Value)) -> String {
            let encoded = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let now = NOW.epoch_seconds();
            let header = serde_json::json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.0.kid().to_string() });
            let mut claims = serde_json::json!({
                "iss": "https://ci.example", "aud": "http://acme.localhost", "sub": "main", "jti": "1", "iat": now, "exp": now + 900,
            });
            change(&mut claims);
            let signed = format!("{}.{}", encoded(header), encoded(claims));
            let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()));
            format!("Bearer {signed}.{signature}")
        }
    }

    #[tokio::test]
    async fn an_issuers_jwt_lets_in_as_it_is_where_the_tenant_says_so_and_until_it_does_not() {
        let house = house().await;
        let ci = Ci::at_work(&house, |_| {});
        let bearer = ci.bearer(|_| {});
        let shown = [("authorization", &*bearer)];
        let known = ask(&house, house.acme, &shown).await.unwrap();
        assert_eq!(known.taken_of.as_deref().map(ConnectionName::as_str), Some("ci"), "for the record");
        let principal = Arc::clone(known.caller.principal().unwrap());
        assert_eq!((principal.id, principal.credential), (house.account, Credential::IssuerToken));
        let again = ask(&house, house.acme, &shown).await.unwrap();
        assert_eq!(again.taken_of, None, "it is remembered");
        assert_eq!(again.caller.principal().unwrap().session, principal.session);
        let globex = TenantName::parse("globex").unwrap();
        let abroad = Door { name: &globex, ..house.door(house.globex, false) };
        let abroad = authenticate(abroad, &headers(&shown), NOW).await.err().unwrap();
        assert_eq!(abroad.detail, "token_type", "another tenant has no such rule");
        let cookie = [shown[0], ("cookie", "cedargate=x")];
        let both = ask(&house, house.acme, &cookie).await.err().unwrap();
        assert_eq!(both.code, RefusalCode::CredentialsAmbiguous);
        // It is looked at again after some minutes, and never counts for longer than it says.
        let at = async |now| authenticate(house.door(house.acme, false), &headers(&shown), now).await;
        assert!(at(NOW.after(Duration::from_secs(400))).await.unwrap().taken_of.is_some());
        let over = at(NOW.after(Duration::from_secs(931))).await.err().unwrap();
        assert_eq!(over.detail, "assertion_expired ci");

        let former = house.workloads.load_full();
        let _ = Ci::at_work(&house, |settings| settings.at_the_door = false);
        assert!(!house.workloads.load().keep_all_of(&former), "whoever takes that up has memory read again");
        house.sessions.read_all_again();
        assert_eq!(ask(&house, house.acme, &shown).await.err().unwrap().detail, "token_type");
    }

    #[tokio::test]
    async fn an_issuers_jwt_is_refused_by_the_word_for_what_is_wrong_with_it() {
        let house = house().await;
        let ci = Ci::at_work(&house, |_| {});
        let detail = async |bearer: String| {
            ask(&house, house.acme, &[("authorization", &bearer)]).await.err().map(|refusal| refusal.detail)
        };
        for (name, value, word) in [
            ("aud", "http://globex.localhost", "assertion_audience ci"),
            ("sub", "other", "assertion_claims ci"),
            ("iss", "https://other.example", "token_type"),
        ] {
            let bearer = ci.bearer(|claims| claims[name] = value.into());
            assert_eq!(detail(bearer).await.as_deref(), Some(word));
        }
        let stranger = Ci(SigningKeys::from_seed(&[6; 32]));
        assert_eq!(detail(stranger.bearer(|_| {})).await.as_deref(), Some("assertion_key_unknown ci"));
        let good = ci.bearer(|_| {});
        let forged = format!("{}AAAA", &good[..good.len() - 4]);
        assert_eq!(detail(forged).await.as_deref(), Some("assertion_signature ci"));
        assert_eq!(detail(good.clone()).await, None);

        let _ = Ci::at_work(&house, |settings| settings.service_account = ServiceAccountName::parse("gone").unwrap());
        house.sessions.read_all_again();
        assert_eq!(detail(good.clone()).await.as_deref(), Some("assertion_claims ci"), "no such account");
        let _ = Ci::at_work(&house, |_| {});
        ServiceAccounts::new(house.pool.clone()).disable(house.acme, house.account, NOW).await.unwrap();
        assert_eq!(detail(good).await.as_deref(), Some("account_disabled ci"));
    }

    #[tokio::test]
    async fn a_jwt_that_counts_once_lets_one_request_in() {
        let house = house().await;
        let ci = Ci::at_work(&house, |settings| settings.once = true);
        let bearer = ci.bearer(|_| {});
        let shown = [("authorization", &*bearer)];
        assert!(ask(&house, house.acme, &shown).await.is_ok());
        assert_eq!(ask(&house, house.acme, &shown).await.err().unwrap().detail, "assertion_replayed ci");
        let next = ci.bearer(|claims| claims["jti"] = "2".into());
        assert!(ask(&house, house.acme, &[("authorization", &next)]).await.is_ok());
    }

    #[tokio::test]
    async fn a_key_that_another_gateway_has_rotated_to_is_looked_for_before_its_token_is_refused() {
        let house = house().await;
        let theirs = house.tokens.load().with_keys(SigningKeys::from_seed(&[2; 32]));
        let (token, _) = house.token(NOW);
        let text = theirs.issue(&token, house.acme, &TenantName::parse("acme").unwrap()).unwrap();
        let known = ask(&house, house.acme, &[("authorization", &format!("Bearer {}", *text))]).await.unwrap();
        assert_eq!(known.caller.principal().unwrap().credential, Credential::KeyToken);

        let forged = house.tokens.load().with_keys(SigningKeys::from_seed(&[3; 32]));
        let text = forged.issue(&token, house.acme, &TenantName::parse("acme").unwrap()).unwrap();
        let refused = ask(&house, house.acme, &[("authorization", &format!("Bearer {}", *text))]).await.err().unwrap();
        assert_eq!(refused.detail, "token_key_unknown", "a name that nobody's key has");
    }

    #[tokio::test]
    async fn a_client_with_a_good_key_is_no_stranger_where_tokens_are_asked_for() {
        let house = house().await;
        let id = uuid::Uuid::nil();
        let basic = |key: &str| format!("Basic {}", STANDARD.encode(format!("{id}:{key}")));
        let counts_for = async |tenant, basic: &str| {
            let asked =
                authenticate(house.door(tenant, true), &headers(&[("authorization", basic)]), NOW).await.unwrap();
            assert_eq!(asked.caller, Caller::Anonymous, "to everybody else it is nobody");
            asked.counts_for.principal().map(|program| program.id)
        };
        assert_eq!(counts_for(house.acme, &basic(&house.key)).await, Some(house.account));
        assert_eq!(counts_for(house.globex, &basic(&house.key)).await, None);
        for bad in [basic("hunter2"), "Basic !".to_owned(), format!("Basic {}", STANDARD.encode("no colon"))] {
            assert_eq!(counts_for(house.acme, &bad).await, None, "{bad}");
        }
    }

    #[tokio::test]
    async fn client_authentication_is_passed_on_where_tokens_are_asked_for_and_nowhere_else() {
        let house = house().await;
        let basic = headers(&[("authorization", "bAsIc YTpi")]);
        let asked = authenticate(house.door(house.acme, true), &basic, NOW).await.unwrap();
        assert_eq!(asked.caller, Caller::Anonymous);
        let refused = authenticate(house.door(house.acme, false), &basic, NOW).await.err().unwrap();
        assert_eq!(refused.detail, "scheme_unsupported");
        let both = headers(&[("authorization", "Basic YTpi"), ("cookie", "cedargate=x")]);
        let refused = authenticate(house.door(house.acme, true), &both, NOW).await.err().unwrap();
        assert_eq!(refused.code, RefusalCode::CredentialsAmbiguous);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_one_run_of_visible_characters(text in "(?i:bearer|basic|[a-z]{0,8})[ \\t]{0,3}\\PC{0,20}") {
            if let Ok(value) = HeaderValue::from_str(&text)
                && let Some(shown) = shown(&value)
            {
                prop_assert!(text.ends_with(shown) && shown.bytes().all(|octet| (b'!'..=b'~').contains(&octet)));
            }
        }
    }
}
