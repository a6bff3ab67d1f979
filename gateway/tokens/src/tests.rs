//! Every way of not being a token of ours.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_assertion::{Issuer, SigningKeys, TenantScope};
use cedargate_model::{
    AccessToken, ApiKeyId, Caller, GrantId, Micros, PrincipalId, RoleName, TenantId, TenantName, TokenId, TokenSource,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{LIFETIME, TenantUrls, TokenAuthority, TokenRefused};

const NOW: Micros = Micros(1_790_000_000_000_000);
const OVERLAP: Duration = Duration::from_secs(2);
const ACME: TenantId = TenantId(Uuid::from_u128(1));

fn authority(seed: u8) -> TokenAuthority {
    TokenAuthority::new(TenantUrls::new("https", "gateway.example"), SigningKeys::from_seed(&[seed; 32]), OVERLAP)
}

fn acme() -> TenantName {
    TenantName::parse("acme").unwrap()
}

fn token() -> AccessToken {
    AccessToken {
        id: TokenId(Uuid::from_u128(2)),
        subject: PrincipalId(Uuid::from_u128(3)),
        source: TokenSource::ApiKey(ApiKeyId(Uuid::from_u128(4))),
        roles: Some(vec![RoleName::parse("clerk").unwrap(), RoleName::parse("viewer").unwrap()]),
        issued_at: NOW,
        expires_at: NOW.after(LIFETIME),
    }
}

#[test]
fn what_a_key_signed_is_its_own_for_as_long_as_the_key_is_known() {
    let first = authority(1);
    let text = first.issue(&token(), ACME, &acme()).unwrap();
    let (_, signed) = first.verify_signed(&text, ACME, &acme(), NOW).unwrap();
    assert_eq!(first.check_signed(signed), Ok(()));
    // Its own time is over by then: what it opened goes on, and the key's time is what counts.
    let rotated_at = |at| first.with_keys(first.keys().succeeded_at(SigningKeys::from_seed(&[2; 32]), at));
    let rotated = rotated_at(NOW.after(LIFETIME));
    assert_eq!(rotated.check_signed(signed), Ok(()));
    let early = rotated_at(Micros(NOW.0 - 60_000_000));
    assert_eq!(
        early.check_signed(signed),
        Err(TokenRefused::KeyRetired),
        "it says to be younger than the key could be"
    );
    let withdrawn = rotated.with_keys(rotated.keys().withdraw(first.kid()).unwrap());
    assert_eq!(withdrawn.check_signed(signed), Err(TokenRefused::KeyUnknown));
}

fn claims() -> Value {
    json!({
        "iss": "https://acme.gateway.example", "aud": "https://acme.gateway.example", "sub": Uuid::from_u128(3),
        "client_id": Uuid::from_u128(4), "client_kind": "api_key", "tenant": ACME, "jti": Uuid::from_u128(2),
        "iat": NOW.epoch_seconds(), "exp": NOW.epoch_seconds() + 300,
    })
}

fn signed(header: &str, claims: &Value, keys: &SigningKeys) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(keys.sign(signed.as_bytes())))
}

fn header(keys: &SigningKeys) -> String {
    json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": keys.kid().to_string() }).to_string()
}

fn refused(text: &str) -> Option<TokenRefused> {
    authority(1).verify(text, ACME, &acme(), NOW).err()
}

#[test]
fn a_header_that_tries_anything_is_refused_by_its_own_word() {
    let keys = SigningKeys::from_seed(&[1; 32]);
    let kid = keys.kid().to_string();
    assert_eq!(refused(&signed(&header(&keys), &claims(), &keys)), None, "else the rest shows nothing");
    for (header, why) in [
        (json!({ "alg": "none", "typ": "at+jwt", "kid": kid }), TokenRefused::Algorithm),
        (json!({ "alg": "HS256", "typ": "at+jwt", "kid": kid }), TokenRefused::Algorithm),
        (json!({ "alg": "RS256", "typ": "at+jwt", "kid": kid }), TokenRefused::Algorithm),
        (json!({ "alg": ["EdDSA"], "typ": "at+jwt", "kid": kid }), TokenRefused::Algorithm),
        (json!({ "typ": "at+jwt", "kid": kid }), TokenRefused::Algorithm),
        (json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid }), TokenRefused::Type),
        (json!({ "alg": "EdDSA", "typ": "cedargate-identity+jwt", "kid": kid }), TokenRefused::Type),
        (json!({ "alg": "EdDSA", "kid": kid }), TokenRefused::Type),
        (json!({ "alg": "EdDSA", "typ": "at+jwt" }), TokenRefused::Header),
        (json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "../../key" }), TokenRefused::Header),
        (json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid, "jku": "https://evil.example" }), TokenRefused::Header),
        (json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid, "jwk": {} }), TokenRefused::Header),
        (json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid, "x5u": "https://evil.example" }), TokenRefused::Header),
        (json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid, "crit": ["exp"] }), TokenRefused::Header),
        (
            json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": SigningKeys::from_seed(&[2; 32]).kid().to_string() }),
            TokenRefused::KeyUnknown,
        ),
        (json!([]), TokenRefused::Algorithm),
    ] {
        assert_eq!(refused(&signed(&header.to_string(), &claims(), &keys)), Some(why), "{header}");
    }
    let repeated = format!(r#"{{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#);
    assert_eq!(refused(&signed(&repeated, &claims(), &keys)), Some(TokenRefused::Header));
}

#[test]
fn what_is_signed_must_be_ours_for_here_and_for_now() {
    let keys = SigningKeys::from_seed(&[1; 32]);
    let now = NOW.epoch_seconds();
    for (claim, value, why) in [
        ("iss", json!("https://globex.gateway.example"), TokenRefused::Issuer),
        ("iss", json!("https://gateway.example"), TokenRefused::Issuer),
        ("iss", json!(null), TokenRefused::Claims),
        ("aud", json!("inventory"), TokenRefused::Audience),
        ("aud", json!(["https://acme.gateway.example"]), TokenRefused::Claims),
        ("tenant", json!(Uuid::from_u128(9)), TokenRefused::Tenant),
        ("iat", json!(now + 31), TokenRefused::NotYetValid),
        ("exp", json!(now), TokenRefused::Expired),
        ("exp", json!(now + 301), TokenRefused::Expired),
        ("exp", json!(i64::MAX), TokenRefused::Expired),
        ("iat", json!(i64::MIN), TokenRefused::Expired),
        ("sub", json!("anonymous"), TokenRefused::Claims),
        ("jti", json!(""), TokenRefused::Claims),
        ("client_kind", json!("admin"), TokenRefused::Claims),
        ("client_id", json!("x"), TokenRefused::Claims),
        ("scope", json!(""), TokenRefused::Claims),
        ("scope", json!("Clerk"), TokenRefused::Claims),
    ] {
        let mut claims = claims();
        claims[claim] = value;
        assert_eq!(refused(&signed(&header(&keys), &claims, &keys)), Some(why), "{claims}");
    }
}

#[test]
fn an_assertion_for_services_is_no_token_even_by_the_same_keys() {
    let issuer = Issuer::new("https://acme.gateway.example", SigningKeys::from_seed(&[1; 32]));
    let scope = TenantScope { id: ACME, name: acme() };
    let issued = issuer.issue(&Caller::Anonymous, &scope, "https://acme.gateway.example", NOW).unwrap();
    assert_eq!(refused(&issued.token), Some(TokenRefused::Type));
}

#[test]
fn a_rotated_key_signs_nobody_out_and_a_withdrawn_one_does() {
    let old = SigningKeys::from_seed(&[1; 32]);
    let text = authority(1).issue(&token(), ACME, &acme()).unwrap();
    let rotated = authority(1).with_keys(old.succeeded_at(SigningKeys::from_seed(&[2; 32]), NOW));
    assert_eq!(rotated.verify(&text, ACME, &acme(), NOW), Ok(token()));
    let fresh = rotated.issue(&token(), ACME, &acme()).unwrap();
    assert_eq!(rotated.verify(&fresh, ACME, &acme(), NOW), Ok(token()));
    assert_eq!(refused(&fresh), Some(TokenRefused::KeyUnknown), "who does not know the new key yet");
    assert_eq!(authority(2).verify(&text, ACME, &acme(), NOW), Err(TokenRefused::KeyUnknown));
}

#[test]
fn a_former_key_is_good_for_what_it_signed_by_then() {
    let old = SigningKeys::from_seed(&[1; 32]);
    let rotated = authority(1).with_keys(old.succeeded_at(SigningKeys::from_seed(&[2; 32]), NOW));
    let signed_at = |seconds: i64| {
        let at = Micros(NOW.0 + seconds * 1_000_000);
        let token = AccessToken { issued_at: at, expires_at: at.after(LIFETIME), ..token() };
        (authority(1).issue(&token, ACME, &acme()).unwrap(), at)
    };
    let last = 2 + 30;
    for (seconds, is_good) in [(-200, true), (0, true), (last, true), (last + 1, false), (86_400, false)] {
        let (text, at) = signed_at(seconds);
        let refused = rotated.verify(&text, ACME, &acme(), at).err();
        assert_eq!(refused, (!is_good).then_some(TokenRefused::KeyRetired), "{seconds}");
        assert_eq!(rotated.verify(&text, ACME, &acme(), at.after(LIFETIME)), Err(TokenRefused::Expired));
    }
    let undated = authority(1).with_keys(old.succeeded_by(SigningKeys::from_seed(&[2; 32])));
    let (text, at) = signed_at(0);
    assert_eq!(undated.verify(&text, ACME, &acme(), at), Err(TokenRefused::KeyRetired), "nobody knows since when");
}

#[test]
fn a_token_is_for_one_tenant_and_its_time() {
    let text = authority(1).issue(&token(), ACME, &acme()).unwrap();
    let at = |now| authority(1).verify(&text, ACME, &acme(), now);
    assert!(at(Micros(NOW.after(LIFETIME).0 - 1)).is_ok());
    assert_eq!(at(NOW.after(LIFETIME)), Err(TokenRefused::Expired));
    assert_eq!(at(Micros(NOW.0 - 31_000_000)), Err(TokenRefused::NotYetValid));
    let globex = TenantName::parse("globex").unwrap();
    assert_eq!(authority(1).verify(&text, ACME, &globex, NOW), Err(TokenRefused::Issuer));
    assert_eq!(authority(1).verify(&text, TenantId(Uuid::nil()), &acme(), NOW), Err(TokenRefused::Tenant));
}

#[test]
fn roles_without_number_make_no_token() {
    let roles = (0..400).map(|n| RoleName::parse(&format!("a-role-with-a-name-{n}")).unwrap()).collect();
    assert!(authority(1).issue(&AccessToken { roles: Some(roles), ..token() }, ACME, &acme()).is_err());
}

proptest! {
    #[test]
    fn what_was_issued_is_what_is_read(id: u128, of: u8, narrowed: bool, at in 0..300_i64) {
        let source = match of % 3 {
            0 => TokenSource::Session(GrantId(Uuid::from_u128(id))),
            1 => TokenSource::Workload(PrincipalId(Uuid::from_u128(id))),
            _ => TokenSource::ApiKey(ApiKeyId(Uuid::from_u128(id))),
        };
        let issued = AccessToken { source, roles: token().roles.filter(|_| narrowed), ..token() };
        let text = authority(1).issue(&issued, ACME, &acme()).unwrap();
        prop_assert_eq!(authority(1).verify(&text, ACME, &acme(), Micros(NOW.0 + at * 1_000_000)), Ok(issued));
    }

    #[test]
    fn one_wrong_character_and_it_is_none(at in 0..600_usize, other in "[A-Za-z0-9_.-]") {
        let good = authority(1).issue(&token(), ACME, &acme()).unwrap();
        let at = at % good.len();
        let mut bad = good.to_string();
        bad.replace_range(at..=at, &other);
        prop_assume!(*bad != **good);
        prop_assert!(refused(&bad).is_some());
    }

    #[test]
    fn no_text_is_more_than_refused(text in "\\PC{0,40}|[A-Za-z0-9_.-]{0,90}") {
        prop_assert!(refused(&text).is_some());
    }
}
