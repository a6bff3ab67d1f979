//! What a browser brings back, as far as it is read before anything is verified.

use cedargate_model::SigninReason;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::refuse;
use super::refused::WebauthnError;
use super::relying_party::RelyingParty;

/// The longest answer: a credential id of 1023 octets and an RSA key come to half of it.
const ANSWER_BYTES_MAX: usize = 12 * 1024;

/// The `type` of every answer (WebAuthn §5.1).
const PUBLIC_KEY: &str = "public-key";

/// Which act the browser says that it performed (WebAuthn §5.8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Create,
    Get,
}

impl Act {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// What the browser says of itself. A member that stands twice is refused, and members that we do not know are ignored.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    act: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: Option<bool>,
    #[serde(rename = "topOrigin", default)]
    top_origin: Option<String>,
}

/// Reads an answer.
pub(super) fn read<T: DeserializeOwned>(text: &str, type_of: impl Fn(&T) -> &str) -> Result<T, WebauthnError> {
    if text.len() > ANSWER_BYTES_MAX {
        return refuse(SigninReason::CredentialMalformed);
    }
    match serde_json::from_str(text) {
        Ok(answer) if type_of(&answer) == PUBLIC_KEY => Ok(answer),
        Ok(_) | Err(_) => refuse(SigninReason::CredentialMalformed),
    }
}

/// Says whether the browser performed this act at our origin, in a page of ours. The verifier compares origins as URLs, and says
/// nothing of frames when somebody signs in; here they are compared as texts, both times.
pub(super) fn check_client_data(octets: &[u8], act: Act, party: &RelyingParty) -> Result<(), WebauthnError> {
    let Ok(data) = serde_json::from_slice::<ClientData>(octets) else {
        return refuse(SigninReason::CredentialMalformed);
    };
    if data.act != act.as_str() {
        return refuse(SigninReason::ClientDataType);
    }
    if data.origin != party.origin {
        return refuse(SigninReason::ClientDataOrigin);
    }
    if data.cross_origin == Some(true) || data.top_origin.is_some() {
        return refuse(SigninReason::ClientDataCrossOrigin);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cedargate_model::Scheme;
    use proptest::prelude::*;

    use super::*;
    use crate::webauthn::PublicPlace;

    fn party() -> RelyingParty {
        PublicPlace { scheme: Scheme::Http, port: Some(8080) }.relying_party("acme.localhost").unwrap()
    }

    fn reason(text: &str, act: Act) -> Option<SigninReason> {
        match check_client_data(text.as_bytes(), act, &party()) {
            Ok(()) => None,
            Err(WebauthnError::Refused(refused)) => Some(refused.reason),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn only_our_origin_counts_and_only_written_as_browsers_do() {
        let at = |origin: &str| {
            reason(&format!(r#"{{"type":"webauthn.get","challenge":"AA","origin":"{origin}"}}"#), Act::Get)
        };
        assert_eq!(at("http://acme.localhost:8080"), None);
        for other in [
            "http://globex.localhost:8080",
            "http://localhost:8080",
            "http://www.acme.localhost:8080",
            "http://acme.localhost",
            "http://acme.localhost:8081",
            "https://acme.localhost:8080",
            "http://acme.localhost:8080/",
            "http://ACME.localhost:8080",
            "http://user@acme.localhost:8080",
            "http://acme.localhost:8080.evil.example",
            "android:apk-key-hash:x",
            "null",
            "",
        ] {
            assert_eq!(at(other), Some(SigninReason::ClientDataOrigin), "{other}");
        }
    }

    #[test]
    fn another_act_a_frame_and_what_cannot_be_read_are_told_apart() {
        let with = |act: &str, more: &str| {
            reason(&format!(r#"{{"type":"{act}","origin":"http://acme.localhost:8080"{more}}}"#), Act::Create)
        };
        assert_eq!(with("webauthn.create", ""), None);
        assert_eq!(with("webauthn.create", r#","crossOrigin":false,"other":{"x":1}"#), None);
        assert_eq!(with("webauthn.get", ""), Some(SigninReason::ClientDataType));
        assert_eq!(with("payment.get", ""), Some(SigninReason::ClientDataType));
        for more in [r#","crossOrigin":true"#, r#","topOrigin":"http://acme.localhost:8080""#] {
            assert_eq!(with("webauthn.create", more), Some(SigninReason::ClientDataCrossOrigin), "{more}");
        }
        for more in [r#","origin":"http://acme.localhost:8080""#, r#","crossOrigin":"no""#, r#","type":1"#] {
            assert_eq!(with("webauthn.create", more), Some(SigninReason::CredentialMalformed), "{more}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_none_passes_without_our_origin(text in "\\PC{0,80}|\\{\"type\":\"webauthn.get\",\"origin\":\"\\PC{0,40}\"\\}") {
            let checked = check_client_data(text.as_bytes(), Act::Get, &party());
            prop_assert!(checked.is_err() || text.contains("http://acme.localhost:8080"));
            prop_assert!(read::<serde_json::Value>(&text, |_| "other").is_err());
        }
    }
}
