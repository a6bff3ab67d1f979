//! What happens to the tokens of programs, and to the keys that sign.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{ApiKeyId, ConnectionName, DecisionId, GrantId, PrincipalId, SessionId, TokenId};

/// A token was issued, refused or revoked. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenEvent {
    /// The decision that let the request through.
    pub decision: DecisionId,
    /// The client's address.
    pub client: IpAddr,
    /// Whose token; none where nobody was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
    /// The key that was shown for it, where there is such a key: one that was revoked, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKeyId>,
    /// The family that it belongs to, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// The session that was exchanged for it: the family goes with it, and this stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The issuer elsewhere that vouched for it, as the tenant calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<ConnectionName>,
    /// What.
    #[serde(flatten)]
    pub act: TokenAct,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum TokenAct {
    /// An access token was issued, and a refresh token with it where there is a family.
    Issued {
        /// By which grant.
        by: GrantType,
        /// The access token.
        token: TokenId,
    },
    /// A JWT of an issuer elsewhere was taken at the door as it is: decisions name who shows it by this event's session.
    Taken,
    /// No token was issued.
    Refused {
        /// By which grant it was tried, where that is one of ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<GrantType>,
        /// Why. Nobody but the record's readers learns it.
        reason: TokenReason,
    },
    /// A refresh token was shown again after it was used. Somebody has a copy: its family has ended.
    Reused,
    /// One access token counts no more.
    Revoked {
        /// Which.
        token: TokenId,
    },
    /// A family counts no more, by its program's own word.
    GrantRevoked,
}

/// How a token is asked for (RFC 6749 §4.4, §6; RFC 8693).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// For a service account's key.
    ClientCredentials,
    /// For a refresh token.
    RefreshToken,
    /// For a person's session, or for the word of an issuer elsewhere (RFC 8693).
    TokenExchange,
    /// For the word of an issuer elsewhere (RFC 7523).
    JwtBearer,
}

impl GrantType {
    /// The name that operators read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
            Self::TokenExchange => "token_exchange",
            Self::JwtBearer => "jwt_bearer",
        }
    }
}

macro_rules! token_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal;)*) => {
        /// Why no token was issued. The code is stable: alerts may depend on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum TokenReason {
            $($(#[doc = $doc])+ #[serde(rename = $code)] $variant,)*
        }

        impl TokenReason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable code: lower-case words joined by `_`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

token_reasons! {
    /// A parameter is missing, repeated, too long or not understood.
    RequestMalformed = "request_malformed";
    /// Client authentication in two ways at once, or where none is taken.
    CredentialsAmbiguous = "credentials_ambiguous";
    /// A grant that there is not; a password's among them.
    GrantUnsupported = "grant_unsupported";
    /// No client authentication, or in a form that is none.
    ClientMissing = "client_missing";
    /// The client's secret is none of ours in form, or was mistyped.
    SecretMalformed = "secret_malformed";
    /// The tenant has no such key.
    KeyUnknown = "key_unknown";
    /// The key's time is over.
    KeyExpired = "key_expired";
    /// The key was revoked.
    KeyRevoked = "key_revoked";
    /// The service account is disabled.
    AccountDisabled = "account_disabled";
    /// The key is a good one, of another client than the one that was named.
    ClientMismatch = "client_mismatch";
    /// A scope that is no set of roles of whoever asks.
    ScopeInvalid = "scope_invalid";
    /// A token for somewhere else.
    TargetInvalid = "target_invalid";
    /// There is no such session, or it is over.
    SessionUnknown = "session_unknown";
    /// There is no such refresh token, or its family has ended.
    RefreshUnknown = "refresh_unknown";
    /// The session behind the refresh token is over.
    RefreshExpired = "refresh_expired";
    /// The assertion is too long, or no JWT that can be read.
    AssertionMalformed = "assertion_malformed";
    /// The assertion is signed in another way than its issuer may, or not at all.
    AssertionAlgorithm = "assertion_algorithm";
    /// The assertion is a token of another kind: an access token, an identity assertion of ours.
    AssertionType = "assertion_type";
    /// The assertion's header brings a key, names one elsewhere, or asks for what is not done.
    AssertionHeader = "assertion_header";
    /// The tenant knows no such issuer.
    AssertionIssuer = "assertion_issuer";
    /// The issuer has no key of this name.
    AssertionKeyUnknown = "assertion_key_unknown";
    /// The signature is not the key's over this text.
    AssertionSignature = "assertion_signature";
    /// The assertion is for somebody else, or for others, too.
    AssertionAudience = "assertion_audience";
    /// The assertion's time is over.
    AssertionExpired = "assertion_expired";
    /// The assertion's time has not come.
    AssertionNotYetValid = "assertion_not_yet_valid";
    /// The assertion counts for longer than the tenant allows.
    AssertionLifetime = "assertion_lifetime";
    /// The assertion does not say what it must.
    AssertionClaims = "assertion_claims";
    /// The assertion is for several service accounts at once.
    AssertionAmbiguous = "assertion_ambiguous";
    /// The assertion was used before.
    AssertionReplayed = "assertion_replayed";
    /// The issuer's keys cannot be had.
    IssuerUnavailable = "issuer_unavailable";
    /// Too many in too short a time.
    RateExceeded = "rate_exceeded";
}

/// A gateway signs with another key from now on, which it found in its key ring, or takes former ones for nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEvent {
    /// What the key is for: `identity` or `token`.
    pub purpose: String,
    /// The key's name.
    pub key: String,
    /// The name of the one before; the same where it signs on.
    pub former: String,
    /// Former keys that verify nothing any more: withdrawn, or pushed out by newer ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_event_reads_back_as_it_was_written() {
        let id = uuid::Uuid::from_u128;
        let refused = TokenEvent {
            decision: DecisionId(id(1)),
            client: IpAddr::from([192, 0, 2, 1]),
            principal: None,
            api_key: None,
            grant: Some(GrantId(id(2))),
            session: Some(SessionId(id(3))),
            issuer: None,
            act: TokenAct::Refused { by: Some(GrantType::RefreshToken), reason: TokenReason::RefreshExpired },
        };
        let text = serde_json::to_string(&refused).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"decision":"00000000-0000-0000-0000-000000000001","client":"192.0.2.1","#,
                r#""grant":"00000000-0000-0000-0000-000000000002","session":"00000000-0000-0000-0000-000000000003","#,
                r#""act":"refused","by":"refresh_token","reason":"refresh_expired"}"#
            )
        );
        assert_eq!(serde_json::from_str::<TokenEvent>(&text).unwrap(), refused);
        for reason in TokenReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
