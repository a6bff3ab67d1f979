//! Every way in which an assertion can be wrong, and what is said about it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_assertion::{
    AssertedSubject, IssueError, Issuer, Jwks, KeyId, LEEWAY, LIFETIME, SigningKeys, TOKEN_BYTES_MAX, TenantScope,
    Verifier, VerifyError,
};
use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, Credential, Micros, Principal, PrincipalId, RoleName, SessionId, TenantId,
    TenantName,
};
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

const ISSUER: &str = "https://gateway.example";
const NOW: Micros = Micros(1_790_000_000_500_000);
const SEED: [u8; 32] = [7; 32];

fn issuer() -> Issuer {
    Issuer::new(ISSUER, SigningKeys::from_seed(&SEED))
}

fn verifier() -> Verifier {
    Verifier::new(ISSUER, "inventory", issuer().keys().jwks())
}

fn acme() -> TenantScope {
    TenantScope { id: TenantId(Uuid::from_u128(1)), name: TenantName::parse("acme").unwrap() }
}

fn globex() -> TenantScope {
    TenantScope { id: TenantId(Uuid::from_u128(2)), name: TenantName::parse("globex").unwrap() }
}

fn principal() -> Principal {
    Principal {
        id: PrincipalId(Uuid::from_u128(3)),
        tenant: acme().id,
        tenant_name: acme().name,
        display: "ann@acme.example".into(),
        roles: vec![RoleName::parse("clerk").unwrap()],
        session: SessionId(Uuid::from_u128(4)),
        credential: Credential::Session,
        strength: AuthnStrength { level: 2, methods: vec![AuthnMethod::Pwd, AuthnMethod::Otp] },
        authenticated_at: Micros(1_789_999_000_000_000),
        version: 1,
    }
}

fn caller() -> Caller {
    Caller::Principal(Arc::new(principal()))
}

fn token() -> String {
    issuer().issue(&caller(), &acme(), "inventory", NOW).unwrap().token.to_string()
}

fn later(seconds: i64) -> Micros {
    Micros(NOW.0 + seconds * 1_000_000)
}

/// A token with any header and claims at all, signed with the issuer's own key.
fn signed(header: &Value, claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", encode(&header.to_string()), encode(claims));
    let signature = SigningKey::from_bytes(&SEED).sign(message.as_bytes()).to_bytes();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "cedargate-identity+jwt", "kid": issuer().keys().kid().to_string()})
}

fn claims() -> Value {
    let token = token();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn with_header(change: impl FnOnce(&mut Value)) -> VerifyError {
    let mut header = header();
    change(&mut header);
    verifier().verify(&signed(&header, &claims().to_string()), NOW).unwrap_err()
}

fn with_claims(change: impl FnOnce(&mut Value)) -> VerifyError {
    let mut claims = claims();
    change(&mut claims);
    verifier().verify(&signed(&header(), &claims.to_string()), NOW).unwrap_err()
}

fn remove(object: &mut Value, member: &str) {
    object.as_object_mut().unwrap().remove(member).unwrap();
}

#[test]
fn the_forge_of_these_tests_makes_tokens_that_verify() {
    assert!(verifier().verify(&signed(&header(), &claims().to_string()), NOW).is_ok());
}

#[test]
fn what_is_no_compact_jwt_is_refused() {
    let token = token();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let padded = format!("{token}=");
    let spaced = format!("{token} ");
    let empty_header = format!(".{}", head.split_once('.').unwrap().1);
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c",
        head,
        &format!("{token}.x"),
        &padded,
        &spaced,
        &token.replace('.', ".."),
        &format!("{empty_header}.{signature}"),
        &format!("bm90IGpzb24.{}", token.split_once('.').unwrap().1),
    ] {
        assert_eq!(verifier().verify(text, NOW).unwrap_err(), VerifyError::Malformed, "{text}");
    }
}

/// The last character of a base64url text may hold bits that decode to nothing: another text, the same signature.
#[test]
fn a_signature_has_one_spelling() {
    let token = token();
    let (head, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for other in alphabet.chars().filter(|c| !last.contains(*c)) {
        assert!(verifier().verify(&format!("{head}{other}"), NOW).is_err(), "{other}");
    }
}

#[test]
fn an_overlong_text_is_refused_unread() {
    assert_eq!(verifier().verify(&"a".repeat(TOKEN_BYTES_MAX + 1), NOW).unwrap_err(), VerifyError::TooLarge);
}

#[test]
fn any_other_algorithm_is_refused() {
    for alg in ["none", "None", "HS256", "HS512", "RS256", "ES256", "EdDSA ", "eddsa", "Ed448", ""] {
        assert_eq!(with_header(|h| h["alg"] = alg.into()), VerifyError::AlgorithmRefused, "{alg}");
    }
    assert_eq!(with_header(|h| h["alg"] = json!(["EdDSA"])), VerifyError::AlgorithmRefused);
    assert_eq!(with_header(|h| remove(h, "alg")), VerifyError::AlgorithmRefused);
}

/// The classic confusion: the public key, which everybody knows, used as the secret of an HMAC.
#[test]
fn a_public_key_is_no_hmac_secret() {
    let public = SigningKey::from_bytes(&SEED).verifying_key();
    let secret = jsonwebtoken::EncodingKey::from_secret(public.as_bytes());
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.typ = Some("cedargate-identity+jwt".into());
    header.kid = Some(issuer().keys().kid().to_string());
    let forged = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
    assert_eq!(verifier().verify(&forged, NOW).unwrap_err(), VerifyError::AlgorithmRefused);
}

#[test]
fn an_unsigned_token_is_refused() {
    let token = token();
    let (head, _) = token.rsplit_once('.').unwrap();
    assert_eq!(verifier().verify(&format!("{head}."), NOW).unwrap_err(), VerifyError::SignatureInvalid);
}

#[test]
fn any_other_type_of_token_is_refused() {
    for typ in ["JWT", "at+jwt", "logout+jwt", "CEDARGATE-IDENTITY+JWT", "application/cedargate-identity+jwt"] {
        assert_eq!(with_header(|h| h["typ"] = typ.into()), VerifyError::TypeMismatch, "{typ}");
    }
    assert_eq!(with_header(|h| remove(h, "typ")), VerifyError::TypeMismatch);
}

#[test]
fn a_token_cannot_choose_how_it_is_checked() {
    for (member, value) in [
        ("jwk", json!({"kty": "OKP"})),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/cert.pem")),
        ("x5c", json!(["AAAA"])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ] {
        assert_eq!(with_header(|h| h[member] = value), VerifyError::HeaderInvalid, "{member}");
    }
}

#[test]
fn a_repeated_header_member_is_refused() {
    let kid = issuer().keys().kid();
    let typ = "cedargate-identity+jwt";
    let header = format!(r#"{{"alg":"none","alg":"EdDSA","typ":"{typ}","kid":"{kid}"}}"#);
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims().to_string()));
    let signature = SigningKey::from_bytes(&SEED).sign(message.as_bytes()).to_bytes();
    let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_eq!(verifier().verify(&forged, NOW).unwrap_err(), VerifyError::HeaderInvalid);
}

#[test]
fn an_unknown_key_is_told_apart_so_that_keys_can_be_refreshed() {
    let other = Issuer::new(ISSUER, SigningKeys::from_seed(&[8; 32]));
    let token = other.issue(&caller(), &acme(), "inventory", NOW).unwrap().token;
    let kid = other.keys().kid();
    assert_eq!(verifier().verify(&token, NOW).unwrap_err(), VerifyError::KeyUnknown { kid });
}

#[test]
fn a_key_without_a_name_of_its_own_is_refused() {
    for kid in [json!("main"), json!(""), json!(null), json!(7), json!("../../etc/passwd")] {
        assert_eq!(with_header(|h| h["kid"] = kid.clone()), VerifyError::HeaderInvalid, "{kid}");
    }
    assert_eq!(with_header(|h| remove(h, "kid")), VerifyError::HeaderInvalid);
}

#[test]
fn a_changed_token_is_refused() {
    let token = token();
    let parts: Vec<&str> = token.split('.').collect();
    let mut other = claims();
    other["roles"] = json!(["admin"]);
    let other = URL_SAFE_NO_PAD.encode(other.to_string());
    let changed = format!("{}.{other}.{}", parts[0], parts[2]);
    assert_eq!(verifier().verify(&changed, NOW).unwrap_err(), VerifyError::SignatureInvalid);
}

#[test]
fn another_keys_signature_under_our_name_is_refused() {
    let message = token().rsplit_once('.').unwrap().0.to_owned();
    let signature = SigningKey::from_bytes(&[9; 32]).sign(message.as_bytes()).to_bytes();
    let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_eq!(verifier().verify(&forged, NOW).unwrap_err(), VerifyError::SignatureInvalid);
}

#[test]
fn another_issuer_is_refused() {
    for iss in ["https://gateway.example/", "https://GATEWAY.example", "http://gateway.example", ""] {
        assert_eq!(with_claims(|c| c["iss"] = iss.into()), VerifyError::IssuerMismatch, "{iss}");
    }
}

#[test]
fn another_audience_is_refused() {
    for aud in ["orders", "inventory ", "Inventory", "", "*"] {
        assert_eq!(with_claims(|c| c["aud"] = aud.into()), VerifyError::AudienceMismatch, "{aud}");
    }
    assert_eq!(with_claims(|c| c["aud"] = json!(["inventory"])), VerifyError::ClaimsMalformed, "one for several");
}

#[test]
fn an_expired_assertion_is_refused_after_the_leeway() {
    let over = LIFETIME.as_secs() as i64 + LEEWAY.as_secs() as i64;
    assert!(verifier().verify(&token(), later(over - 1)).is_ok());
    assert_eq!(verifier().verify(&token(), later(over)).unwrap_err(), VerifyError::Expired);
}

#[test]
fn an_assertion_from_the_future_is_refused_beyond_the_leeway() {
    let leeway = LEEWAY.as_secs() as i64;
    assert!(verifier().verify(&token(), later(-leeway)).is_ok());
    assert_eq!(verifier().verify(&token(), later(-leeway - 1)).unwrap_err(), VerifyError::NotYetValid);
    let soon = NOW.epoch_seconds() + leeway + 1;
    assert_eq!(with_claims(|c| c["nbf"] = soon.into()), VerifyError::NotYetValid);
}

#[test]
fn times_at_the_ends_of_the_range_do_not_wrap() {
    assert_eq!(with_claims(|c| c["exp"] = i64::MIN.into()), VerifyError::Expired);
    assert_eq!(with_claims(|c| c["iat"] = i64::MAX.into()), VerifyError::NotYetValid);
    let mut claims = claims();
    claims["exp"] = i64::MAX.into();
    claims["auth_time"] = i64::MIN.into();
    assert!(verifier().verify(&signed(&header(), &claims.to_string()), NOW).is_ok());
}

#[test]
fn claims_of_another_shape_are_refused() {
    for member in ["iss", "aud", "sub", "tenant", "tenant_name", "roles", "acr", "amr", "iat", "exp"] {
        assert_eq!(with_claims(|c| remove(c, member)), VerifyError::ClaimsMalformed, "{member}");
    }
    for (member, value) in [
        ("exp", json!("1790000300")),
        ("exp", json!(1_790_000_300.5)),
        ("roles", json!("clerk")),
        ("amr", json!([7])),
        ("sub", json!(null)),
    ] {
        assert_eq!(with_claims(|c| c[member] = value.clone()), VerifyError::ClaimsMalformed, "{member} {value}");
    }
    let twice = claims().to_string().replacen('{', r#"{"sub":"anonymous","#, 1);
    assert_eq!(verifier().verify(&signed(&header(), &twice), NOW).unwrap_err(), VerifyError::ClaimsMalformed);
}

#[test]
fn claims_with_impossible_values_are_refused_by_name() {
    for (claim, value) in [
        ("tenant", json!("acme")),
        ("tenant_name", json!("Acme")),
        ("sub", json!("ann")),
        ("sid", json!("4")),
        ("roles", json!(["Clerk"])),
        ("roles", json!([""])),
        ("acr", json!("aal4")),
        ("acr", json!("aal0")),
    ] {
        let expected = VerifyError::ClaimInvalid { claim };
        assert_eq!(with_claims(|c| c[claim] = value.clone()), expected, "{claim} {value}");
    }
    for claim in ["sid", "auth_time"] {
        assert_eq!(with_claims(|c| remove(c, claim)), VerifyError::ClaimInvalid { claim });
    }
    // A person's claims under nobody's name.
    assert_eq!(with_claims(|c| c["sub"] = "anonymous".into()), VerifyError::ClaimInvalid { claim: "sub" });
}

#[test]
fn a_principal_is_never_asserted_in_another_tenant() {
    let error = issuer().issue(&caller(), &globex(), "inventory", NOW).unwrap_err();
    assert_eq!(error, IssueError::TenantMismatch { principal: acme().id, tenant: globex().id });
}

#[test]
fn an_assertion_for_nobody_in_particular_is_not_issued() {
    assert_eq!(issuer().issue(&caller(), &acme(), "", NOW).unwrap_err(), IssueError::AudienceMissing);
}

#[test]
fn an_assertion_that_services_would_refuse_for_its_length_is_not_issued() {
    let roles = (0..200).map(|n| RoleName::parse(&format!("r{n:060}")).unwrap()).collect();
    let caller = Caller::Principal(Arc::new(Principal { roles, ..principal() }));
    assert!(matches!(issuer().issue(&caller, &acme(), "inventory", NOW), Err(IssueError::TooLarge { .. })));
}

#[test]
fn a_person_is_who_the_gateway_says() {
    let identity = verifier().verify(&token(), NOW).unwrap();
    assert_eq!(identity.tenant, acme());
    let subject = AssertedSubject::Principal {
        id: principal().id,
        session: principal().session,
        authenticated_at: principal().authenticated_at,
    };
    assert_eq!(identity.subject, subject);
    assert_eq!(identity.principal(), Some(principal().id));
    assert_eq!(identity.roles, principal().roles);
    assert_eq!(identity.level, 2);
    assert_eq!(identity.methods, ["pwd", "otp"]);
    assert_eq!(identity.expires_at.since(identity.issued_at), LIFETIME);
}

#[test]
fn an_anonymous_caller_has_a_tenant_and_no_name() {
    let issued = issuer().issue(&Caller::Anonymous, &globex(), "inventory", NOW).unwrap();
    let identity = verifier().verify(&issued.token, NOW).unwrap();
    assert_eq!(identity.tenant, globex());
    assert_eq!(identity.subject, AssertedSubject::Anonymous);
    assert_eq!(identity.principal(), None);
    assert_eq!((identity.level, identity.roles[0].as_str()), (0, RoleName::ANONYMOUS));
}

#[test]
fn a_newer_gateways_further_claims_are_no_obstacle() {
    let mut claims = claims();
    claims["act"] = json!({"sub": "somebody"});
    claims["amr"] = json!(["pwd", "face"]);
    let identity = verifier().verify(&signed(&header(), &claims.to_string()), NOW).unwrap();
    assert_eq!(identity.methods, ["pwd", "face"]);
}

/// Nothing of a single request, and nothing that a log should not hold.
#[test]
fn an_assertion_holds_exactly_these_claims() {
    let mut members: Vec<String> = claims().as_object().unwrap().keys().cloned().collect();
    members.sort();
    assert_eq!(
        members,
        ["acr", "amr", "aud", "auth_time", "exp", "iat", "iss", "roles", "sid", "sub", "tenant", "tenant_name"]
    );
    assert_eq!(issuer().issue(&caller(), &acme(), "inventory", NOW).unwrap().token.as_ref(), token(), "deterministic");
}

#[test]
fn an_older_keys_assertion_verifies_until_the_key_is_withdrawn() {
    let old = SigningKeys::from_seed(&SEED);
    let rotated = old.succeeded_by(SigningKeys::from_seed(&[8; 32]));
    let published = |keys: &SigningKeys| Jwks::parse(keys.jwks().to_json().as_bytes()).unwrap();

    let before = token();
    assert!(verifier().with_keys(published(&rotated)).verify(&before, NOW).is_ok());
    let after = Issuer::new(ISSUER, rotated.clone()).issue(&caller(), &acme(), "inventory", NOW).unwrap().token;
    assert!(verifier().with_keys(published(&rotated)).verify(&after, NOW).is_ok());

    let withdrawn = rotated.withdraw(old.kid()).unwrap();
    let verifier = verifier().with_keys(published(&withdrawn));
    assert_eq!(verifier.verify(&before, NOW).unwrap_err(), VerifyError::KeyUnknown { kid: old.kid() });
    assert!(verifier.verify(&after, NOW).is_ok());
}

#[test]
fn debug_shows_no_token() {
    let issued = issuer().issue(&caller(), &acme(), "inventory", NOW).unwrap();
    let signature = issued.token.rsplit_once('.').unwrap().1;
    assert!(!format!("{issued:?}").contains(signature));
}

/// Another implementation reads what we write, and we read what it writes.
#[test]
fn another_jwt_library_agrees() {
    let keys = issuer().keys().jwks().to_json();
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&keys).unwrap();
    let jwk = set.find(&issuer().keys().kid().to_string()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_audience(&["inventory"]);
    validation.set_issuer(&[ISSUER]);
    // It reads the machine's clock; ours is fixed.
    validation.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
    let theirs = jsonwebtoken::decode::<Value>(token(), &key, &validation).unwrap();
    assert_eq!(theirs.claims, claims());

    let pem = issuer().keys().to_pem().unwrap();
    let key = jsonwebtoken::EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    header.typ = Some("cedargate-identity+jwt".into());
    header.kid = Some(issuer().keys().kid().to_string());
    assert!(verifier().verify(&jsonwebtoken::encode(&header, &claims(), &key).unwrap(), NOW).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_refused_without_a_panic(text in ".{0,300}") {
        prop_assert!(verifier().verify(&text, NOW).is_err());
    }

    #[test]
    fn any_three_parts_are_refused_without_a_panic(parts in prop::collection::vec("[A-Za-z0-9_-]{0,90}", 3)) {
        let text = parts.join(".");
        prop_assert!(verifier().verify(&text, NOW).is_err());
    }

    #[test]
    fn any_signed_claims_are_read_or_refused_without_a_panic(claims in ".{0,200}") {
        prop_assert!(verifier().verify(&signed(&header(), &claims), NOW).is_err());
    }

    #[test]
    fn any_change_of_one_character_is_refused(place in 0_usize..400, character in "[A-Za-z0-9_.-]") {
        let mut token = token();
        let place = place % token.len();
        prop_assume!(token[place..=place] != character);
        token.replace_range(place..=place, &character);
        prop_assert!(verifier().verify(&token, NOW).is_err());
    }

    #[test]
    fn any_text_is_a_key_set_a_key_file_a_key_name_or_is_refused(text in ".{0,300}") {
        let _ = Jwks::parse(text.as_bytes());
        let _ = SigningKeys::from_pem(&text);
        let _ = KeyId::parse(&text);
    }
}
