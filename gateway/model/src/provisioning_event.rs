//! What an identity provider says of its people beside sign-ins (SCIM), and what it is known by.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{ConnectionName, DecisionId, Micros, PrincipalId, RoleName, ScimGroupId, ScimTokenId, SessionId};

/// Something that came of a provider's word by SCIM, or of its token. Never holds what was said of a person: no name, no address, no
/// value of an attribute, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisioningEvent {
    /// The decision that let the request through; none where an operator's command did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
    /// The client's address; none where there was no request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// By which token, or which token it is about.
    pub token: ScimTokenId,
    /// Of which connection it is.
    pub connection: ConnectionName,
    /// What.
    #[serde(flatten)]
    pub act: ProvisioningAct,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum ProvisioningAct {
    /// An operator made the token.
    TokenCreated {
        /// Until when it counts.
        expires_at: Micros,
    },
    /// An operator revoked the token.
    TokenRevoked,
    /// A user was made, with an account.
    UserCreated {
        /// The account.
        principal: PrincipalId,
        /// The roles that it has.
        roles: Vec<RoleName>,
        /// Whether it may sign in.
        active: bool,
    },
    /// What is known of a user is another.
    UserChanged {
        /// The account.
        principal: PrincipalId,
        /// Which attributes, by name.
        attributes: Vec<String>,
    },
    /// A user may sign in again.
    UserActivated {
        /// The account.
        principal: PrincipalId,
    },
    /// A user may sign in no more.
    UserDeactivated {
        /// The account.
        principal: PrincipalId,
        /// The sessions that ended.
        ended: Vec<SessionId>,
    },
    /// A user is gone: the account may be used no more.
    UserDeleted {
        /// The account.
        principal: PrincipalId,
        /// The sessions that ended.
        ended: Vec<SessionId>,
    },
    /// A group was made.
    GroupCreated {
        /// Which.
        group: ScimGroupId,
    },
    /// A group has another name, or others in it.
    GroupChanged {
        /// Which.
        group: ScimGroupId,
        /// Who is in it now and was not.
        added: Vec<PrincipalId>,
        /// Who was in it and is not.
        removed: Vec<PrincipalId>,
    },
    /// A group is gone.
    GroupDeleted {
        /// Which.
        group: ScimGroupId,
    },
    /// Accounts have other roles.
    RolesChanged {
        /// Which roles each has now.
        accounts: Vec<RolesOf>,
    },
}

/// The roles of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolesOf {
    /// The account.
    pub principal: PrincipalId,
    /// Its roles, sorted.
    pub roles: Vec<RoleName>,
}

impl ProvisioningAct {
    /// The name that operators read.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::TokenCreated { .. } => "token_created",
            Self::TokenRevoked => "token_revoked",
            Self::UserCreated { .. } => "user_created",
            Self::UserChanged { .. } => "user_changed",
            Self::UserActivated { .. } => "user_activated",
            Self::UserDeactivated { .. } => "user_deactivated",
            Self::UserDeleted { .. } => "user_deleted",
            Self::GroupCreated { .. } => "group_created",
            Self::GroupChanged { .. } => "group_changed",
            Self::GroupDeleted { .. } => "group_deleted",
            Self::RolesChanged { .. } => "roles_changed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let id = uuid::Uuid::from_u128;
        let done = ProvisioningEvent {
            decision: Some(DecisionId(id(1))),
            client: Some(IpAddr::from([192, 0, 2, 1])),
            token: ScimTokenId(id(2)),
            connection: ConnectionName::parse("okta").unwrap(),
            act: ProvisioningAct::UserDeactivated { principal: PrincipalId(id(3)), ended: vec![SessionId(id(4))] },
        };
        let text = serde_json::to_string(&done).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"decision":"00000000-0000-0000-0000-000000000001","client":"192.0.2.1","#,
                r#""token":"00000000-0000-0000-0000-000000000002","connection":"okta","act":"user_deactivated","#,
                r#""principal":"00000000-0000-0000-0000-000000000003","ended":["00000000-0000-0000-0000-000000000004"]}"#
            )
        );
        assert_eq!(serde_json::from_str::<ProvisioningEvent>(&text).unwrap(), done);
        let act = ProvisioningAct::TokenRevoked;
        assert_eq!(serde_json::to_value(&act).unwrap()["act"], act.as_str());
    }
}
