//! What would have to be different for a request that was refused.

use std::sync::Arc;

use cedargate_model::{AuthnStrength, Caller, Credential, Micros, Principal, PrincipalId, RoleName, SessionId};

use crate::judge::Outcome;
use crate::platform::MEMBER;
use crate::recorded::AskedAgain;
use crate::{Needed, Query, Snapshot};

/// Something under which the same request would be permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The role that would have to be given; none where no further one is needed.
    pub role: Option<RoleName>,
    /// The sign-in that would be asked for then; none where the present one would do.
    pub needed: Option<Needed>,
}

impl AskedAgain {
    /// What would have to be different: a stronger or fresher sign-in, or one more role. Empty where nothing of that helps, as
    /// where a policy forbids it whoever asks.
    pub fn alternatives(&self, snapshot: &Snapshot) -> Vec<Alternative> {
        match snapshot.judge(&self.query()) {
            Outcome::Allow(_) | Outcome::Failed(_) => return Vec::new(),
            Outcome::StepUp(needed, _) => return vec![Alternative { role: None, needed: Some(needed) }],
            Outcome::SignIn(_) | Outcome::Deny(_) => {}
        }
        let given = |role: &RoleName| matches!(role.as_str(), MEMBER | RoleName::ANONYMOUS);
        let roles = snapshot.roles().iter().map(|role| &role.name).filter(|role| !given(role));
        let helps = roles.filter_map(|role| {
            let caller = with_role(&self.caller, role, snapshot, self.context.now);
            match snapshot.judge(&Query { caller: &caller, ..self.query() }) {
                Outcome::Allow(_) => Some(Alternative { role: Some(role.clone()), needed: None }),
                Outcome::StepUp(needed, _) => Some(Alternative { role: Some(role.clone()), needed: Some(needed) }),
                Outcome::SignIn(_) | Outcome::Deny(_) | Outcome::Failed(_) => None,
            }
        });
        helps.collect()
    }
}

/// The same caller with one role more; for an anonymous one, a person who has just signed in and has it.
fn with_role(caller: &Caller, role: &RoleName, snapshot: &Snapshot, now: Micros) -> Caller {
    let mut principal = match caller.principal() {
        Some(principal) => Principal::clone(principal),
        None => Principal {
            id: PrincipalId(uuid::Uuid::nil()),
            tenant: snapshot.tenant().id,
            tenant_name: snapshot.tenant().name.clone(),
            display: String::new(),
            roles: Vec::new(),
            session: SessionId(uuid::Uuid::nil()),
            credential: Credential::Session,
            strength: AuthnStrength { level: 1, methods: Vec::new() },
            authenticated_at: now,
            version: 1,
        },
    };
    if !principal.roles.contains(role) {
        principal.roles.push(role.clone());
        principal.roles.sort();
    }
    Caller::Principal(Arc::new(principal))
}
