//! A corpus of attacks, each refused for its own reason, and the honest answers that they are made from.

mod encryption;
mod honest;
mod logout;
mod protocol;
mod published;
#[cfg(feature = "saml-second-verifier")]
mod second;
mod signatures;
mod wrapping;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cedargate_identity::Attempt;
use cedargate_model::{ConnectionName, Micros, SigninReason};

use super::testing::{Piece, Said, TestIdp, field, key_and_certificate};
use super::{Answer, Believed, SamlClient, SamlSettings, Sp, SpKey};

pub(super) const NOW: Micros = Micros(1_800_000_000_000_000);
pub(super) const REQUEST: &str = "_state";

/// The gateway and its IdP. Their keys are made once: that takes a second.
pub(super) struct Forge {
    pub(super) idp: &'static TestIdp,
    pub(super) settings: SamlSettings,
    pub(super) attempt: Option<Attempt>,
}

pub(super) fn idp() -> &'static TestIdp {
    static IDP: OnceLock<TestIdp> = OnceLock::new();
    IDP.get_or_init(TestIdp::default)
}

/// Another IdP, whose word counts for nothing here.
pub(super) fn stranger() -> &'static TestIdp {
    static STRANGER: OnceLock<TestIdp> = OnceLock::new();
    STRANGER.get_or_init(TestIdp::default)
}

pub(super) fn gateway_key() -> SpKey {
    static KEY: OnceLock<SpKey> = OnceLock::new();
    let make = || {
        let (key, certificate) = key_and_certificate();
        SpKey::parse(&key, &certificate).unwrap()
    };
    KEY.get_or_init(make).clone()
}

pub(super) fn connection() -> ConnectionName {
    ConnectionName::parse("corp").unwrap()
}

pub(super) fn sp() -> Sp {
    Sp::of("https://acme.gateway.example", &connection())
}

pub(super) fn later(seconds: i64) -> Micros {
    Micros(NOW.0 + seconds * 1_000_000)
}

impl Forge {
    pub(super) fn new() -> Self {
        let settings = SamlSettings {
            metadata: idp().metadata(),
            published: None,
            key: gateway_key(),
            clock_skew: Duration::from_secs(60),
            unsolicited: false,
            encrypted_only: false,
            cbc: false,
            name_id_format: None,
        };
        let attempt = Attempt {
            connection: connection(),
            return_to: "/".to_owned(),
            level: None,
            max_age_seconds: None,
            person: None,
            session: None,
        };
        Self { idp: idp(), settings, attempt: Some(attempt) }
    }

    pub(super) fn client(&self) -> Arc<SamlClient> {
        Arc::new(SamlClient::new(self.settings.clone()))
    }

    pub(super) fn said(&self) -> Said {
        Said::honest(&sp(), self.attempt.as_ref().map(|_| REQUEST), NOW)
    }

    pub(super) fn judge(&self, message: &str) -> Result<Believed, SigninReason> {
        self.judge_field(&field(message))
    }

    pub(super) fn judge_field(&self, field: &str) -> Result<Believed, SigninReason> {
        let answer = Answer::read(field).map_err(|refused| refused.reason)?;
        let believed = self.client().believe(&connection(), &sp(), &answer, self.attempt.as_ref(), NOW);
        #[cfg(feature = "saml-second-verifier")]
        if let Err(refused) = &believed {
            self.second_refuses(field, refused.reason);
        }
        believed.map_err(|refused| {
            println!("{refused}: {:?}", std::error::Error::source(&refused).map(ToString::to_string));
            refused.reason
        })
    }

    /// Where the first verifier finds no signature of the provider's, the second one finds none either, and has to be asked for that:
    /// otherwise it sees what the first one believes.
    #[cfg(feature = "saml-second-verifier")]
    fn second_refuses(&self, field: &str, reason: SigninReason) {
        use super::scan::{MessageKind, scan};
        let octets = super::binding::posted(field).unwrap();
        let scanned = scan(&octets, MessageKind::Response).unwrap();
        if reason == SigninReason::SamlSignature && !scanned.is_encrypted() {
            let certificates: Vec<_> = self.settings.metadata.signing.iter().collect();
            let agreed = super::verify::second::agree(&scanned, &certificates);
            assert_eq!(agreed.map_err(|refused| refused.reason), Err(SigninReason::SamlVerifiersDiffer));
        }
    }

    #[track_caller]
    pub(super) fn refuses(&self, message: &str, reason: SigninReason) {
        assert_eq!(self.judge(message).map(|believed| believed.identity), Err(reason), "{message}");
    }

    /// What an honest IdP says, changed: the assertion is signed.
    pub(super) fn assertion_signed(&self, change: impl FnOnce(&mut Said)) -> String {
        let mut said = self.said();
        change(&mut said);
        said.response(&self.idp.sign(&said.assertion())).unsigned()
    }

    /// What an honest IdP says, changed: the message is signed.
    pub(super) fn response_signed(&self, change: impl FnOnce(&mut Said)) -> String {
        let mut said = self.said();
        change(&mut said);
        self.idp.sign(&said.response(&said.assertion().unsigned()))
    }

    /// An assertion of what the attacker would like, unsigned.
    pub(super) fn evil(&self) -> Piece {
        let mut said = self.said();
        said.name_id = "root".to_owned();
        said.assertion_id = "_evil".to_owned();
        said.assertion()
    }
}
