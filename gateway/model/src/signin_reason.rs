//! Why a sign-in, a proof or a sign-out by a provider was refused, for the record alone: a client is told none of it.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! signin_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal;)*) => {
        /// Why nobody was signed in. The code is stable: alerts may depend on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum SigninReason {
            $($(#[doc = $doc])+ #[serde(rename = $code)] $variant,)*
        }

        impl SigninReason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable code: lower-case words joined by `_`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

signin_reasons! {
    /// The tenant has no such connection.
    ConnectionUnknown = "connection_unknown";
    /// The provider could not be reached, or answered what no provider answers.
    ProviderUnavailable = "provider_unavailable";
    /// The provider said that it signs this person in not: its `error` parameter.
    ProviderRefused = "provider_refused";
    /// More sign-ins were under way than a tenant may have. Gateways say so no more: the oldest gives way.
    AttemptsExhausted = "attempts_exhausted";
    /// The answer has no `state`, or two.
    StateUnknown = "state_unknown";
    /// The `state` was used before.
    StateSpent = "state_spent";
    /// The sign-in took too long.
    StateExpired = "state_expired";
    /// The answer came to another connection's address than the one that was asked (mix-up).
    ConnectionMismatch = "connection_mismatch";
    /// The answer belongs to nothing that this browser began: another one did, or nobody.
    BrowserMismatch = "browser_mismatch";
    /// The provider promises `iss` in its answers, and this one has none (RFC 9207).
    IssuerMissing = "issuer_missing";
    /// The `iss` of the answer is another provider's (RFC 9207).
    IssuerMismatch = "issuer_mismatch";
    /// The answer has neither `code` nor `error`.
    CodeMissing = "code_missing";
    /// The provider did not take the code: used before, another client's, or another verifier.
    CodeRefused = "code_refused";
    /// The provider did not take the gateway's own client authentication.
    ClientRefused = "client_refused";
    /// No ID token, or something that is none.
    TokenMalformed = "token_malformed";
    /// The token's `typ` says that it is something else.
    TokenType = "token_type";
    /// The token's header brings or names keys of its own (`jwk`, `jku`, `x5u`), or asks for what is not understood (`crit`).
    TokenHeader = "token_header";
    /// The token is unsigned, or signed in a way that is not on the list.
    TokenAlgorithm = "token_algorithm";
    /// The provider publishes no such key.
    TokenKeyUnknown = "token_key_unknown";
    /// The signature is wrong.
    TokenSignature = "token_signature";
    /// The token is another issuer's.
    TokenIssuer = "token_issuer";
    /// The token is for somebody else, or for others too.
    TokenAudience = "token_audience";
    /// The token was given to another client (`azp`).
    TokenParty = "token_party";
    /// The token's time is over, or it lives longer than an ID token may.
    TokenExpired = "token_expired";
    /// The token is from the future.
    TokenFuture = "token_future";
    /// The token's `nonce` is not this sign-in's.
    TokenNonce = "token_nonce";
    /// The token belongs to another access token (`at_hash`).
    TokenHash = "token_hash";
    /// There is no subject, or one that cannot be kept.
    SubjectInvalid = "subject_invalid";
    /// The provider's userinfo is of another subject.
    UserinfoSubject = "userinfo_subject";
    /// When the person signed in at the provider was asked for, and is not said.
    AuthTimeMissing = "auth_time_missing";
    /// The person signed in at the provider too long ago for what was asked.
    AuthTimeTooOld = "auth_time_too_old";
    /// The provider did not sign the person in as strongly as was asked.
    StrengthTooLow = "strength_too_low";
    /// A claim that the connection requires is missing or has another value.
    ClaimRequired = "claim_required";
    /// There is no account of this person, and the connection admits nobody new.
    NotAdmitted = "not_admitted";
    /// No rule gives this person a role, and the connection admits nobody without one.
    RoleRequired = "role_required";
    /// The account was disabled.
    AccountDisabled = "account_disabled";
    /// Somebody else came back than whom the confirmation was asked of.
    PersonDiffers = "person_differs";
    /// A logout token without the event that makes it one.
    LogoutEvent = "logout_event";
    /// A logout token with a `nonce`: an ID token in disguise.
    LogoutNonce = "logout_nonce";
    /// A logout token that says neither whose session nor whose sessions.
    LogoutSubject = "logout_subject";
    /// A logout token that was seen before, or has no `jti`.
    LogoutReplayed = "logout_replayed";
    /// There is no such WebAuthn ceremony, or it belongs to another session or was begun for something else.
    CeremonyUnknown = "ceremony_unknown";
    /// The WebAuthn ceremony was answered before.
    CeremonySpent = "ceremony_spent";
    /// The WebAuthn ceremony took too long.
    CeremonyExpired = "ceremony_expired";
    /// What came is no answer of an authenticator.
    CredentialMalformed = "credential_malformed";
    /// The client data is of another act than the one that was asked for: an assertion for a registration, or the reverse.
    ClientDataType = "client_data_type";
    /// The browser asked the authenticator at another origin.
    ClientDataOrigin = "client_data_origin";
    /// The browser asked the authenticator in a frame of another site.
    ClientDataCrossOrigin = "client_data_cross_origin";
    /// The answer is to another challenge.
    ChallengeMismatch = "challenge_mismatch";
    /// The authenticator answered for another RP ID.
    RpIdMismatch = "rp_id_mismatch";
    /// Nobody touched the authenticator.
    UserNotPresent = "user_not_present";
    /// The authenticator did not verify the person, where it has to.
    UserNotVerified = "user_not_verified";
    /// The tenant knows no such credential.
    CredentialUnknown = "credential_unknown";
    /// The credential is another account's.
    CredentialOfAnother = "credential_of_another";
    /// The tenant has the credential already.
    CredentialKnown = "credential_known";
    /// The authenticator chose an algorithm that it was not asked for.
    CredentialAlgorithm = "credential_algorithm";
    /// The credential says of itself what it did not say when it was added: that it may be copied between devices, or not.
    CredentialChanged = "credential_changed";
    /// The credential is a second factor, and nobody signs in with it alone.
    CredentialNotPasswordless = "credential_not_passwordless";
    /// The authenticator kept the credential for somebody else: the user handle is another's, or missing.
    UserHandleMismatch = "user_handle_mismatch";
    /// The signature is wrong.
    SignatureInvalid = "signature_invalid";
    /// The signature counter did not grow: there may be a copy of the authenticator.
    CounterRegressed = "counter_regressed";
    /// The stored credential does not open: it is another row's, or sealed under another master key.
    CredentialUnreadable = "credential_unreadable";
    /// Sessions of this person, or of the connection, were ended while the sign-in was on its way.
    EndedMeanwhile = "ended_meanwhile";
    /// The account's people sign in by their identity provider, which alone knows whether they still may.
    AccountOfProvider = "account_of_provider";
    /// The answer has no SAML message, two, or one that is longer than it may be or not encoded as it has to be.
    SamlEncoding = "saml_encoding";
    /// The SAML message is not well-formed XML.
    SamlXml = "saml_xml";
    /// The SAML message has a document type declaration: where entities and external files come in.
    SamlDoctype = "saml_doctype";
    /// The SAML message has a comment, a processing instruction or a CDATA section: what readers read differently.
    SamlMarkup = "saml_markup";
    /// The SAML message is deeper, or has more elements or attributes, than any honest one.
    SamlBounds = "saml_bounds";
    /// The SAML message is not of the kind that belongs here.
    SamlKind = "saml_kind";
    /// An element of the SAML message is missing, doubled, out of its place, or none that is known there.
    SamlStructure = "saml_structure";
    /// There is not exactly one assertion, or it is not where assertions are.
    SamlAssertionCount = "saml_assertion_count";
    /// Two elements have the same id, or a signed one has none.
    SamlId = "saml_id";
    /// A signature is not where signatures are, or has parts that none needs.
    SamlSignatureShape = "saml_signature_shape";
    /// A signature is of anything but the one element that it stands in.
    SamlReference = "saml_reference";
    /// A signature transforms what it signs in other ways than those that leave its content alone.
    SamlTransform = "saml_transform";
    /// A signature or digest is made in a way that is not on the list.
    SamlAlgorithm = "saml_algorithm";
    /// The NameID is empty, or has elements in it.
    SamlNameId = "saml_name_id";
    /// Nothing that covers the assertion is signed.
    SamlUnsigned = "saml_unsigned";
    /// The provider's metadata has no certificate to verify with, or its time is over.
    SamlMetadata = "saml_metadata";
    /// A signature is not the provider's.
    SamlSignature = "saml_signature";
    /// The two verifiers do not agree about what was signed.
    SamlVerifiersDiffer = "saml_verifiers_differ";
    /// The second verifier of SAML messages does not answer.
    SamlVerifierAway = "saml_verifier_away";
    /// The assertion is encrypted in a way that is not on the list, or is not encrypted where it has to be.
    SamlEncryption = "saml_encryption";
    /// The assertion could not be decrypted.
    SamlDecryption = "saml_decryption";
    /// The provider says that it did not sign the person in.
    SamlStatus = "saml_status";
    /// The message is addressed to another place.
    SamlDestination = "saml_destination";
    /// The message or the assertion is another provider's.
    SamlIssuer = "saml_issuer";
    /// The message does not answer the question that was asked.
    SamlInResponseTo = "saml_in_response_to";
    /// The message answers no question, and the connection takes none of those.
    SamlUnsolicited = "saml_unsolicited";
    /// The message was issued in the future, or too long ago.
    SamlIssueInstant = "saml_issue_instant";
    /// The assertion is for another audience, or for any.
    SamlAudience = "saml_audience";
    /// The assertion has conditions that are not known, or none.
    SamlConditions = "saml_conditions";
    /// The assertion is not confirmed by whoever brings it.
    SamlConfirmation = "saml_confirmation";
    /// The assertion is confirmed for another place.
    SamlRecipient = "saml_recipient";
    /// The assertion is not valid yet.
    SamlNotYet = "saml_not_yet";
    /// The assertion's time is over.
    SamlExpired = "saml_expired";
    /// The provider's own session is over.
    SamlSessionOver = "saml_session_over";
    /// Too many messages were being verified at once.
    SamlBusy = "saml_busy";
    /// The assertion or the message was seen before.
    SamlReplayed = "saml_replayed";
}

impl fmt::Display for SigninReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_written_as_they_are_shown() {
        let codes: BTreeSet<_> = SigninReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(codes.len(), SigninReason::ALL.len());
        for reason in SigninReason::ALL {
            assert_eq!(serde_json::to_string(reason).unwrap(), format!("\"{reason}\""));
        }
    }
}
