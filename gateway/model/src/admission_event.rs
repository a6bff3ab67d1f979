//! How people come in, and come in again: links that are mailed, invitations, wishes for an account.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{By, DecisionId, PrincipalId, RoleName};

/// Something that was done, or tried, with a link that is mailed. Never holds a token or an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionEvent {
    /// The decision that let the request through; none where there was no request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
    /// What the link is for.
    pub purpose: LinkPurpose,
    /// Whose account it is about; none where there is none, or where the log must not tell whether there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
    /// The invitation or the wish that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Uuid>,
    /// The client's address; none where there was no request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// By whose word.
    #[serde(default, skip_serializing_if = "By::is_person")]
    pub by: By,
    /// What.
    #[serde(flatten)]
    pub act: AdmissionAct,
}

/// What a mailed link lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkPurpose {
    /// Set a password anew.
    Reset,
    /// Take an account that was promised.
    Invitation,
    /// Show that the address of a wish for an account is one's own.
    Registration,
}

impl LinkPurpose {
    /// The name that the record and the store read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Invitation => "invitation",
            Self::Registration => "registration",
        }
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum AdmissionAct {
    /// Somebody asked for it. Whether anything comes of it is not said here.
    Asked,
    /// Too many asked: nothing was done.
    Delayed,
    /// Somebody is to have an account with these roles.
    Invited {
        /// The roles.
        roles: Vec<RoleName>,
    },
    /// A link was made, to be mailed.
    Sent,
    /// A link did what it was for, and does it no more.
    Used,
    /// What was shown did nothing.
    Refused {
        /// Why.
        reason: LinkReason,
    },
    /// An administrator wants the person in: an invitation follows.
    Approved {
        /// The roles that they are to have.
        roles: Vec<RoleName>,
    },
    /// An administrator does not.
    Denied,
}

/// Why a link did nothing. The person is told the same for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkReason {
    /// It was never made, was used before, or is for something else.
    Unknown,
    /// Its time is over.
    Expired,
    /// It was made for another host of the tenant's.
    Elsewhere,
}

impl LinkReason {
    /// The name that the record reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Elsewhere => "elsewhere",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admission_event_reads_back_as_it_was_written() {
        let refused = AdmissionEvent {
            decision: Some(DecisionId(Uuid::from_u128(1))),
            purpose: LinkPurpose::Reset,
            principal: None,
            subject: None,
            client: Some(IpAddr::from([192, 0, 2, 1])),
            by: By::Person,
            act: AdmissionAct::Refused { reason: LinkReason::Expired },
        };
        let text = serde_json::to_string(&refused).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"decision":"00000000-0000-0000-0000-000000000001","purpose":"reset","client":"192.0.2.1","#,
                r#""act":"refused","reason":"expired"}"#
            )
        );
        assert_eq!(serde_json::from_str::<AdmissionEvent>(&text).unwrap(), refused);
        for purpose in [LinkPurpose::Reset, LinkPurpose::Invitation, LinkPurpose::Registration] {
            assert_eq!(serde_json::to_value(purpose).unwrap(), purpose.as_str());
        }
    }
}
