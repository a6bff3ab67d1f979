//! What happens to an account from its own pages: factors, step-ups, sessions.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{DecisionId, FactorId, PrincipalId, SessionId};

/// Something that was done, or tried, with what an account signs in with and where it is signed in. Never holds a code, a
/// key or a factor's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountEvent {
    /// The decision that let the request through.
    pub decision: DecisionId,
    /// Whose account.
    pub principal: PrincipalId,
    /// The session in which it was done, as it was before.
    pub session: SessionId,
    /// The client's address.
    pub client: IpAddr,
    /// What.
    #[serde(flatten)]
    pub act: AccountAct,
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
    /// New recovery codes were shown; the former ones count no more.
    RecoveryCodesDrawn {
        /// How many.
        count: u32,
    },
    /// The person ended sessions of theirs.
    SessionsEnded {
        /// Which.
        ended: Vec<SessionId>,
    },
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
}

impl ProofKind {
    /// The name that the record and programs read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
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
            decision: DecisionId(id(1)),
            principal: PrincipalId(id(2)),
            session: SessionId(id(3)),
            client: IpAddr::from([192, 0, 2, 1]),
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
        for kind in [ProofKind::Password, ProofKind::Totp, ProofKind::RecoveryCode] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
