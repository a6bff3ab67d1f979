//! The word of issuers elsewhere, exchanged for tokens of ours.

use std::collections::BTreeMap;

use cedargate_assertion::SigningKeys;
use cedargate_idp_adapters::connection::{ClaimMatch, ClaimPath};
use cedargate_idp_adapters::oidc::ProviderHttp;
use cedargate_idp_adapters::workload::{KeySource, PinnedKeys, WorkloadAlgorithm, WorkloadSettings, Workloads};
use cedargate_model::ConnectionName;

use super::*;

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// A CI system whose jobs deploy as `sync`.
struct Ci(SigningKeys);

impl Ci {
    fn at_work(house: &House, once: bool) -> Self {
        let keys = SigningKeys::generate().unwrap();
        let sub = ClaimMatch { claim: ClaimPath::parse("sub").unwrap(), value: "main".to_owned() };
        let settings = WorkloadSettings {
            name: ConnectionName::parse("ci").unwrap(),
            issuer: "https://ci.example".to_owned(),
            audience: None,
            keys: KeySource::Pinned(PinnedKeys::parse(&keys.jwks().to_json()).unwrap()),
            algorithms: vec![WorkloadAlgorithm::EdDsa],
            required: vec![sub],
            service_account: ServiceAccountName::parse("sync").unwrap(),
            lifetime_max: Duration::from_secs(3_600),
            leeway: Duration::from_secs(30),
            once,
            at_the_door: false,
        };
        let tenants = BTreeMap::from([(house.acme.name.clone(), vec![settings])]);
        let http = ProviderHttp::new(false).unwrap();
        house.workloads.store(std::sync::Arc::new(Workloads::new(tenants, &http, &Workloads::default())));
        Self(keys)
    }

    /// An assertion that counts for so many seconds.
    fn vouches(&self, house: &House, jti: &str, seconds: i64) -> String {
        let now = house.clock.now().epoch_seconds();
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.0.kid().to_string() });
        let claims = json!({
            "iss": "https://ci.example", "aud": "http://acme.localhost:8080", "sub": "main", "jti": jti,
            "iat": now, "exp": now + seconds,
        });
        let encoded = |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.0.sign(signed.as_bytes());
        format!("{signed}.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature))
    }
}

#[tokio::test]
async fn an_issuers_word_gets_a_short_token_of_a_service_account() {
    let house = House::new().await;
    let Program { account, .. } = program(&house).await;
    let ci = Ci::at_work(&house, false);
    let assertion = ci.vouches(&house, "1", 600);
    let exchange = [("grant_type", EXCHANGE), ("subject_token", &*assertion), ("subject_token_type", JWT)];
    let bearer = [("grant_type", JWT_BEARER), ("assertion", &*assertion)];
    for (pairs, by) in [(&exchange[..], GrantType::TokenExchange), (&bearer[..], GrantType::JwtBearer)] {
        let answer = ask(&house, pairs).await;
        assert_eq!(
            (answer.status, text(&answer, "scope")),
            (StatusCode::OK, "clerk viewer".to_owned()),
            "{}",
            answer.body
        );
        assert_eq!(answer.json()["refresh_token"], Value::Null);
        let principal = known(&house, &text(&answer, "access_token")).await.unwrap();
        assert_eq!((principal.id, principal.credential), (account, Credential::WorkloadToken));
        let [issued] = &*house.recorder.take_tokens() else { panic!() };
        assert!(matches!(issued.act, TokenAct::Issued { by: as_recorded, .. } if as_recorded == by));
        assert_eq!(issued.issuer.as_ref().map(ConnectionName::as_str), Some("ci"));
    }
    let narrow = ask(&house, &[&bearer[..], &[("scope", "viewer")]].concat()).await;
    assert_eq!(text(&narrow, "scope"), "viewer");
    let brief = ask(&house, &[("grant_type", JWT_BEARER), ("assertion", &ci.vouches(&house, "2", 60))]).await;
    assert_eq!(brief.json()["expires_in"], json!(60), "never longer than what it is issued for");

    let token = text(&brief, "access_token");
    ServiceAccounts::new(house.pool.clone()).disable(house.acme.id, account, house.clock.now()).await.unwrap();
    house.sessions.listen(house.clock.now()).await.unwrap();
    assert!(known(&house, &token).await.unwrap_err().contains("account_disabled"));
    let _ = house.recorder.take_tokens();
    assert!(ask(&house, &bearer).await.status.is_client_error());
    assert_eq!(refusal(&house).1, TokenReason::AccountDisabled);
}

#[tokio::test]
async fn an_assertion_that_counts_once_is_refused_the_second_time() {
    let house = House::new().await;
    let _ = program(&house).await;
    let ci = Ci::at_work(&house, true);
    let assertion = ci.vouches(&house, "1", 600);
    let pairs = [("grant_type", JWT_BEARER), ("assertion", &*assertion)];
    // What it may not have is no use of it.
    let wide = ask(&house, &[&pairs[..], &[("scope", "admin")]].concat()).await;
    assert_eq!((wide.status, refusal(&house).1), (StatusCode::BAD_REQUEST, TokenReason::ScopeInvalid));
    assert_eq!(ask(&house, &pairs).await.status, StatusCode::OK);
    let _ = house.recorder.take_tokens();
    let again = ask(&house, &pairs).await;
    assert_eq!((again.status, again.json()), (StatusCode::BAD_REQUEST, json!({ "error": "invalid_grant" })));
    assert_eq!(refusal(&house), (Some(GrantType::JwtBearer), TokenReason::AssertionReplayed));
    let next = ci.vouches(&house, "2", 600);
    assert_eq!(ask(&house, &[("grant_type", JWT_BEARER), ("assertion", &next)]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn no_token_of_ours_and_no_assertion_for_services_vouches_for_anybody() {
    let house = House::new().await;
    let Program { id, key, .. } = program(&house).await;
    let ci = Ci::at_work(&house, false);
    let pairs = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*key)];
    let access = text(&ask(&house, &pairs).await, "access_token");
    let visitor = house.at(&house.acme);
    let request = visitor.request("GET", "/").await.body(Body::empty()).unwrap();
    let identity = request.headers()["cedargate-identity"].to_str().unwrap().to_owned();
    let abroad = {
        let assertion = ci.vouches(&house, "1", 600);
        house
            .at(&house.globex)
            .post_form("/auth/token", &form(&[("grant_type", JWT_BEARER), ("assertion", &assertion)]))
            .await
    };
    assert_eq!(abroad.status, StatusCode::BAD_REQUEST);
    let _ = house.recorder.take_tokens();
    for (text, reason) in [
        (&*access, TokenReason::AssertionType),
        (&identity, TokenReason::AssertionType),
        (&key, TokenReason::AssertionMalformed),
    ] {
        let refused = ask(&house, &[("grant_type", JWT_BEARER), ("assertion", text)]).await;
        assert_eq!((refused.status, refusal(&house).1), (StatusCode::BAD_REQUEST, reason));
    }
    let assertion = ci.vouches(&house, "2", 600);
    let two = [("grant_type", JWT_BEARER), ("assertion", &assertion), ("client_id", &id), ("client_secret", &key)];
    assert_eq!(ask(&house, &two).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(refusal(&house).1, TokenReason::CredentialsAmbiguous);
    assert!(read(&house, &assertion).is_err(), "at the door it is nothing");
}
