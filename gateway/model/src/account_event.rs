//! What happens to an account from its own pages: factors, step-ups, sessions.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{ApiKeyId, ConnectionName, DecisionId, FactorId, Micros, PrincipalId, RoleName, SessionId, SigninReason};

/// Something that was done, or tried, with an account, what it signs in with and where it is signed in. Never holds a code, a
/// key or a factor's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountEvent {
    /// The decision that let the request through; none where there was no request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
    /// Whose account.
    pub principal: PrincipalId,
    /// The session in which it was done, as it was before; none where it was done in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The client's address; none where there was no request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// By whose word.
    #[serde(default, skip_serializing_if = "By::is_person")]
    pub by: By,
    /// The connection to an identity provider that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionName>,
    /// What.
    #[serde(flatten)]
    pub act: AccountAct,
}

/// By whose word something was done with an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Its person's, in a session of theirs.
    #[default]
    Person,
    /// An identity provider's, at a sign-in.
    Provider,
    /// An operator's, by a command or by what is configured.
    Operator,
}

impl By {
    // What serde asks for.
    pub(crate) fn is_person(&self) -> bool {
        *self == Self::Person
    }

    /// The name that the record reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Provider => "provider",
            Self::Operator => "operator",
        }
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum AccountAct {
    /// A factor was enrolled, and shown to work.
    FactorAdded {
        /// Which.
        factor: FactorId,
        /// Of which kind.
        method: ProofKind,
    },
    /// A factor has another name.
    FactorRenamed {
        /// Which.
        factor: FactorId,
    },
    /// A factor counts no more.
    FactorRemoved {
        /// Which.
        factor: FactorId,
        /// Of which kind.
        method: ProofKind,
    },
    /// What was shown proved nothing.
    ProofFailed {
        /// What kind of proof it was meant to be.
        method: ProofKind,
    },
    /// What an authenticator answered proved nothing.
    ProofRefused {
        /// What kind of proof it was meant to be.
        method: ProofKind,
        /// Whose answer it says it is, where that factor is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        factor: Option<FactorId>,
        /// What was wrong. The person is told none of it.
        reason: SigninReason,
    },
    /// Too many failures: not even tried.
    ProofDelayed {
        /// What kind of proof it was meant to be.
        method: ProofKind,
    },
    /// The person proved again who they are, and has a session that says so in place of the one before.
    SteppedUp {
        /// By what.
        method: ProofKind,
        /// By which factor, where it is one of several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        factor: Option<FactorId>,
        /// The session from now on.
        into: SessionId,
        /// Its assurance level.
        level: u8,
    },
    /// A form that was kept while the person confirmed who they are goes where it was meant for, as they said. What becomes of it there is
    /// a decision of its own.
    KeptPostSent {
        /// Which.
        post: uuid::Uuid,
        /// The action that it was refused for.
        action: String,
    },
    /// New recovery codes were shown; the former ones count no more.
    RecoveryCodesDrawn {
        /// How many.
        count: u32,
    },
    /// Somebody signed in with a program, or from a family of addresses, that the account was not used with before.
    NewDevice,
    /// Sessions of the account ended.
    SessionsEnded {
        /// Which.
        ended: Vec<SessionId>,
    },
    /// All factors and recovery codes were removed, and the sessions ended.
    FactorsRemoved {
        /// How many factors there were.
        count: u32,
    },
    /// The account was made.
    AccountCreated {
        /// The roles that it has.
        roles: Vec<RoleName>,
    },
    /// The account has other roles.
    RolesChanged {
        /// The roles that it has now.
        roles: Vec<RoleName>,
    },
    /// The account has another password, and its sessions ended.
    PasswordSet {
        /// How many passkeys went with the former one; those that are left sign in as before.
        passkeys_removed: u32,
    },
    /// The account may not sign in any more.
    AccountDisabled,
    /// The account may sign in again.
    AccountEnabled,
    /// A person at an identity provider is this account's from now on: by an operator's word, or because the provider had told of them
    /// before (SCIM).
    IdentityLinked,
    /// A person at an identity provider is no longer this account's.
    IdentityUnlinked,
    /// A service account has another key.
    KeyCreated {
        /// Which.
        key: ApiKeyId,
        /// The roles that it is narrowed to; none where it is not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        roles: Option<Vec<RoleName>>,
        /// Until when it counts.
        expires_at: Micros,
    },
    /// A service account's key counts no more.
    KeyRevoked {
        /// Which.
        key: ApiKeyId,
    },
    /// A service account is known by another certificate of clients.
    CertificateAdded {
        /// Under which id.
        certificate: SessionId,
        /// What of it is compared: `key`, `uri` or `dns`.
        kind: String,
        /// What that is.
        value: String,
    },
    /// A service account is known by a certificate no more.
    CertificateRevoked {
        /// Which.
        certificate: SessionId,
    },
    /// The person agreed to a document.
    ConsentGiven {
        /// Which.
        document: ConsentDocument,
        /// In which version.
        version: String,
    },
}

/// What a tenant may ask its people to agree to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentDocument {
    /// Terms of use.
    Terms,
    /// How personal data is treated.
    Privacy,
}

impl ConsentDocument {
    /// The name that the record and the store read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Terms => "terms",
            Self::Privacy => "privacy",
        }
    }
}

/// A way of proving who one is while signed in. Finer than [`crate::AuthnMethod`]: a recovery code is told from an app's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofKind {
    /// The account's password.
    Password,
    /// A code of an authenticator app (RFC 6238).
    Totp,
    /// A recovery code.
    RecoveryCode,
    /// A passkey: a WebAuthn credential that its authenticator gives only to a person whom it verified.
    Passkey,
    /// A security key: a WebAuthn credential of something that the person has.
    SecurityKey,
}

impl ProofKind {
    /// The name that the record and programs read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
            Self::Passkey => "passkey",
            Self::SecurityKey => "security_key",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_event_reads_back_as_it_was_written() {
        let id = uuid::Uuid::from_u128;
        let done = AccountEvent {
            decision: Some(DecisionId(id(1))),
            principal: PrincipalId(id(2)),
            session: Some(SessionId(id(3))),
            client: Some(IpAddr::from([192, 0, 2, 1])),
            by: By::Person,
            connection: None,
            act: AccountAct::SteppedUp { method: ProofKind::Totp, factor: None, into: SessionId(id(4)), level: 2 },
        };
        let text = serde_json::to_string(&done).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"decision":"00000000-0000-0000-0000-000000000001","principal":"00000000-0000-0000-0000-000000000002","#,
                r#""session":"00000000-0000-0000-0000-000000000003","client":"192.0.2.1","act":"stepped_up","method":"totp","#,
                r#""into":"00000000-0000-0000-0000-000000000004","level":2}"#
            )
        );
        assert_eq!(serde_json::from_str::<AccountEvent>(&text).unwrap(), done);
        let role = RoleName::parse("clerk").unwrap();
        let made = AccountEvent {
            decision: None,
            principal: PrincipalId(id(2)),
            session: None,
            client: None,
            by: By::Operator,
            connection: Some(ConnectionName::parse("okta").unwrap()),
            act: AccountAct::AccountCreated { roles: vec![role] },
        };
        let text = serde_json::to_string(&made).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"principal":"00000000-0000-0000-0000-000000000002","by":"operator","connection":"okta","#,
                r#""act":"account_created","roles":["clerk"]}"#
            )
        );
        assert_eq!(serde_json::from_str::<AccountEvent>(&text).unwrap(), made);
        let kinds =
            [ProofKind::Password, ProofKind::Totp, ProofKind::RecoveryCode, ProofKind::Passkey, ProofKind::SecurityKey];
        for kind in kinds {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
