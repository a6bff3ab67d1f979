//! Project Wycheproof's JSON Web Signature vectors: none of them is an assertion, whatever it is.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_assertion::{Jwks, SigningKeys, Verifier, VerifyError};
use cedargate_model::Micros;
use serde_json::Value;

/// Where test data lies that is not part of the product.
const TEST_DATA: &str = "CEDARGATE_TEST_DATA";

#[test]
fn no_vector_verifies_and_every_one_is_refused_for_its_header() {
    let Some(directory) = std::env::var_os(TEST_DATA) else {
        println!("skipped: 401 Wycheproof JWS vectors; set {TEST_DATA} to the directory that holds `vectors/jose`");
        return;
    };
    let path = std::path::Path::new(&directory).join("vectors/jose/json_web_signature_test.json");
    let text = std::fs::read(&path).unwrap();
    let vectors: Value = serde_json::from_slice(&text).unwrap();
    let verifier = Verifier::new("https://gateway.example", "inventory", SigningKeys::from_seed(&[7; 32]).jwks());

    let (mut tried, mut valid) = (0, 0);
    for group in vectors["testGroups"].as_array().unwrap() {
        let key = if group["public"].is_object() { &group["public"] } else { &group["private"] };
        let set = serde_json::json!({"keys": [key]}).to_string();
        assert!(Jwks::parse(set.as_bytes()).is_err(), "a key of another kind became one of ours: {set}");
        for test in group["tests"].as_array().unwrap() {
            let token = test["jws"].as_str().map_or_else(|| test["jws"].to_string(), ToOwned::to_owned);
            let refused = verifier.verify(&token, Micros(0)).unwrap_err();
            let expected =
                matches!(refused, VerifyError::AlgorithmRefused | VerifyError::Malformed | VerifyError::TooLarge);
            assert!(expected, "{}: {refused}", test["comment"]);
            tried += 1;
            valid += usize::from(test["result"] == "valid");
        }
    }
    assert_eq!(vectors["numberOfTests"], tried);
    println!("{tried} vectors refused, {valid} of them valid signatures of algorithms that we do not take");
}

/// The same manipulations as the vectors', on an algorithm that we do take: each signature is changed in every way that
/// leaves it decodable.
#[test]
fn a_manipulated_signature_of_our_own_algorithm_is_refused() {
    let issuer = cedargate_assertion::Issuer::new("https://gateway.example", SigningKeys::from_seed(&[7; 32]));
    let tenant = cedargate_assertion::TenantScope {
        id: cedargate_model::TenantId(uuid::Uuid::from_u128(1)),
        name: cedargate_model::TenantName::parse("acme").unwrap(),
    };
    let now = Micros(1_790_000_000_000_000);
    let token = issuer.issue(&cedargate_model::Caller::Anonymous, &tenant, "inventory", now).unwrap().token;
    let verifier = Verifier::new("https://gateway.example", "inventory", issuer.keys().jwks());
    assert!(verifier.verify(&token, now).is_ok());

    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut forgeries: Vec<Vec<u8>> = (0..512)
        .map(|bit| {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            changed
        })
        .collect();
    forgeries.push(Vec::new());
    forgeries.push(vec![0; 64]);
    forgeries.push(signature[..63].to_vec());
    forgeries.push([signature.as_slice(), &[0]].concat());
    forgeries.push(plus_group_order(&signature));
    for forged in forgeries {
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(&forged));
        assert_eq!(verifier.verify(&token, now).unwrap_err(), VerifyError::SignatureInvalid);
    }
}

/// The same signature with S + L for S: equal modulo the group's order, so that a lax verifier takes both
/// (RFC 8032 §8.4).
fn plus_group_order(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut changed = signature.to_vec();
    let mut carry = 0;
    for (byte, order) in changed[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    changed
}
