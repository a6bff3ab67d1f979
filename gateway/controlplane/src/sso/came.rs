//! Whose account somebody has for whom a provider vouches, and what that changes.

use cedargate_identity::{Account, Arrived, EndedSessions};
use cedargate_model::{AccountAct, PrincipalId};

/// Somebody who came by a provider's word.
#[derive(Debug)]
pub(super) struct Came {
    /// Their account, as it is from now on.
    pub(super) account: Account,
    /// What becomes of which account, for the record.
    pub(super) acts: Vec<(PrincipalId, AccountAct)>,
    /// The sessions that end with it.
    pub(super) ended: Option<EndedSessions>,
}

impl Came {
    /// By what the provider says at this sign-in.
    pub(super) fn by_claims(Arrived { account, created, roles_changed }: Arrived) -> Self {
        let roles = || account.roles.clone();
        let act = match (created, roles_changed) {
            (true, _) => Some(AccountAct::AccountCreated { roles: roles() }),
            (false, true) => Some(AccountAct::RolesChanged { roles: roles() }),
            (false, false) => None,
        };
        let acts = act.map(|act| (account.id, act)).into_iter().collect();
        Self { account, acts, ended: None }
    }
}
