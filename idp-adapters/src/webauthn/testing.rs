//! What tests of WebAuthn share: an authenticator in software, and the browser before it, which may be made to lie.
//!
//! The authenticator is 1Password's: it knows nothing of what verifies its answers here. A browser of somebody honest says its own
//! origin and asks for the RP ID that it was given; the fields of [`Page`] let a test say otherwise.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so does its authenticator")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use passkey_authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey_crypto::rust_crypto::RustCryptoBackend;
use passkey_types::ctap2::{Aaguid, Ctap2Error, get_assertion, make_credential};
use passkey_types::webauthn::{PublicKeyCredentialCreationOptions, PublicKeyCredentialRequestOptions};
use passkey_types::{Bytes, Passkey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// An authenticator with room for one credential.
pub struct SoftAuthenticator {
    inner: Authenticator<Option<Passkey>, Person, RustCryptoBackend>,
    verifies: Arc<AtomicBool>,
}

/// What the browser in between says.
#[derive(Clone, Debug)]
pub struct Page {
    /// The origin in the client data.
    pub origin: String,
    /// The RP ID that the authenticator is asked for, where it is not the one of the options.
    pub rp_id: Option<String>,
    /// The act in the client data, where it is not what was done.
    pub act: Option<&'static str>,
    /// Whether the page is in a frame of another site.
    pub cross_origin: bool,
}

/// Whoever touches it; whether they are verified is the test's to say.
struct Person {
    verifies: Arc<AtomicBool>,
}

#[async_trait]
impl UserValidationMethod for Person {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _hint: UiHint<'a, Passkey>,
        _presence: bool,
        _verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence: true, verification: self.verifies.load(Ordering::Relaxed) })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(true)
    }
}

impl Page {
    /// An honest browser at this origin.
    pub fn at(origin: &str) -> Self {
        Self { origin: origin.to_owned(), rp_id: None, act: None, cross_origin: false }
    }

    fn client_data(&self, act: &str, challenge: &[u8]) -> Vec<u8> {
        let act = self.act.unwrap_or(act);
        let challenge = URL_SAFE_NO_PAD.encode(challenge);
        json!({ "type": act, "challenge": challenge, "origin": self.origin, "crossOrigin": self.cross_origin })
            .to_string()
            .into_bytes()
    }
}

impl Default for SoftAuthenticator {
    fn default() -> Self {
        Self::new()
    }
}

impl SoftAuthenticator {
    /// An authenticator that verifies its person and counts its signatures.
    pub fn new() -> Self {
        let verifies = Arc::new(AtomicBool::new(true));
        let person = Person { verifies: Arc::clone(&verifies) };
        let mut inner = Authenticator::new(Aaguid::new_empty(), None, person, RustCryptoBackend);
        inner.set_make_credentials_with_signature_counter(true);
        Self { inner, verifies }
    }

    /// An authenticator that counts nothing, as those that synchronise passkeys do.
    pub fn without_counter() -> Self {
        let mut authenticator = Self::new();
        authenticator.inner.set_make_credentials_with_signature_counter(false);
        authenticator
    }

    /// Whether it verifies its person from now on.
    pub fn verify(&self, verifies: bool) {
        self.verifies.store(verifies, Ordering::Relaxed);
    }

    /// Sets its signature counter, as that of a copy would stand.
    pub fn set_counter(&mut self, counter: u32) {
        self.inner.store_mut().as_mut().unwrap().counter = Some(counter);
    }

    /// Makes it say another user handle, or none.
    pub fn set_user_handle(&mut self, handle: Option<Vec<u8>>) {
        self.inner.store_mut().as_mut().unwrap().user_handle = handle.map(Bytes::from);
    }

    /// The id of its credential.
    pub fn credential_id(&self) -> Vec<u8> {
        self.inner.store().as_ref().unwrap().credential_id.to_vec()
    }

    /// The user handle that it was given.
    pub fn user_handle(&self) -> Option<Vec<u8>> {
        self.inner.store().as_ref().unwrap().user_handle.as_ref().map(|handle| handle.to_vec())
    }

    /// Answers `navigator.credentials.create` with what a browser would send.
    pub async fn create(&mut self, page: &Page, options: &Value) -> String {
        let options: PublicKeyCredentialCreationOptions = serde_json::from_value(options.clone()).unwrap();
        let client_data = page.client_data("webauthn.create", &options.challenge);
        let id = page.rp_id.clone().or(options.rp.id).unwrap();
        let request = make_credential::Request {
            client_data_hash: Sha256::digest(&client_data).to_vec().into(),
            rp: make_credential::PublicKeyCredentialRpEntity { id, name: None },
            user: options.user,
            pub_key_cred_params: options.pub_key_cred_params,
            exclude_list: options.exclude_credentials,
            extensions: None,
            options: make_credential::Options { rk: true, up: true, uv: false },
            pin_auth: None,
            pin_protocol: None,
        };
        let made = self.inner.make_credential(request).await.unwrap();
        let id = URL_SAFE_NO_PAD.encode(self.credential_id());
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "attestationObject": URL_SAFE_NO_PAD.encode(&*made.as_webauthn_bytes()),
                "transports": ["internal", "smoke-signals"],
            },
            "clientExtensionResults": { "credProps": { "rk": true } },
        })
        .to_string()
    }

    /// Answers `navigator.credentials.get` with what a browser would send.
    pub async fn get(&mut self, page: &Page, options: &Value) -> String {
        let options: PublicKeyCredentialRequestOptions = serde_json::from_value(options.clone()).unwrap();
        let client_data = page.client_data("webauthn.get", &options.challenge);
        let request = get_assertion::Request {
            rp_id: page.rp_id.clone().or(options.rp_id).unwrap(),
            client_data_hash: Sha256::digest(&client_data).to_vec().into(),
            // Whatever list it was given: a test may well ask it for what is not in it.
            allow_list: None,
            extensions: None,
            options: get_assertion::Options { up: true, uv: false },
            pin_auth: None,
            pin_protocol: None,
        };
        let answered = self.inner.get_assertion(request).await.unwrap();
        let id = URL_SAFE_NO_PAD.encode(self.credential_id());
        let handle = answered.user.map(|user| URL_SAFE_NO_PAD.encode(&*user.id));
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "authenticatorData": URL_SAFE_NO_PAD.encode(answered.auth_data.to_vec()),
                "signature": URL_SAFE_NO_PAD.encode(&*answered.signature),
                "userHandle": handle,
            },
            "clientExtensionResults": {},
        })
        .to_string()
    }
}
