//! The events of what a provider told: durable before it is done, and before it is answered.

use cedargate_identity::{GroupChange, Ready, UserChange};
use cedargate_model::{Event, EventBody, EventId, PrincipalId, ProvisioningAct, ProvisioningEvent, RolesOf, SessionId};

use super::admit::Caller;
use super::reply::Refused;
use crate::recorder::id_at;

/// How many accounts one event names.
const NAMED_MAX: usize = 200;

/// Does what is ready, once its events are durable: first what is said, then what follows.
pub(super) async fn done_user(
    caller: &Caller,
    ready: Ready<UserChange>,
    acts: Vec<ProvisioningAct>,
) -> Result<UserChange, Refused> {
    record(caller, acts).await?;
    let mut change = ready.commit().await?;
    if let Some(ended) = change.ended.take() {
        // From memory here they are gone at once; the other gateways hear of it.
        caller.control_plane.sessions.forget_federated(ended);
    }
    Ok(change)
}

/// The same of a group.
pub(super) async fn done_group(
    caller: &Caller,
    ready: Ready<GroupChange>,
    act: Option<ProvisioningAct>,
) -> Result<GroupChange, Refused> {
    let mut acts: Vec<_> = act.into_iter().collect();
    let change = ready.change();
    let is_gone = matches!(acts.first(), Some(ProvisioningAct::GroupDeleted { .. }));
    let is_new = matches!(acts.first(), Some(ProvisioningAct::GroupCreated { .. }));
    if change.changed && !is_gone {
        acts.extend(group_changed(change, is_new));
    }
    acts.extend(roles_changed(&change.roles));
    record(caller, acts).await?;
    Ok(ready.commit().await?)
}

/// The events of another group's change: each names so many members at most. That a group was made says all but who is in it.
fn group_changed(change: &GroupChange, is_new: bool) -> impl Iterator<Item = ProvisioningAct> {
    let events = change.added.len().max(change.removed.len()).div_ceil(NAMED_MAX).max(usize::from(!is_new));
    let named = |accounts: &[PrincipalId], event| accounts.chunks(NAMED_MAX).nth(event).unwrap_or_default().to_vec();
    (0..events).map(move |event| ProvisioningAct::GroupChanged {
        group: change.group.id,
        added: named(&change.added, event),
        removed: named(&change.removed, event),
    })
}

/// The events of another user's change.
pub(super) fn acts_of(change: &UserChange) -> Vec<ProvisioningAct> {
    let principal = change.user.id;
    let mut acts = Vec::new();
    if !change.attributes.is_empty() {
        acts.push(ProvisioningAct::UserChanged { principal, attributes: change.attributes.clone() });
    }
    match change.active {
        Some(true) => acts.push(ProvisioningAct::UserActivated { principal }),
        Some(false) => acts.push(ProvisioningAct::UserDeactivated { principal, ended: ended(change) }),
        None => {}
    }
    let roles = change.roles.clone().map(|roles| RolesOf { principal, roles });
    acts.extend(roles_changed(&Vec::from_iter(roles)));
    acts.extend(former(change));
    acts
}

/// That the account which the person had before has no roles any more.
pub(super) fn former(change: &UserChange) -> Option<ProvisioningAct> {
    let principal = change.former?;
    Some(ProvisioningAct::RolesChanged { accounts: vec![RolesOf { principal, roles: Vec::new() }] })
}

/// That sessions of before ended where somebody is told of who may not sign in.
pub(super) fn ended_before(change: &UserChange) -> Option<ProvisioningAct> {
    let ended = ended(change);
    (!ended.is_empty()).then_some(ProvisioningAct::UserDeactivated { principal: change.user.id, ended })
}

/// The sessions that end.
pub(super) fn ended(change: &UserChange) -> Vec<SessionId> {
    let ended = change.ended.as_ref().map(|ended| ended.sessions.as_slice()).unwrap_or_default();
    ended.iter().map(|ended| ended.session).collect()
}

fn roles_changed(accounts: &[RolesOf]) -> impl Iterator<Item = ProvisioningAct> {
    accounts.chunks(NAMED_MAX).map(|accounts| ProvisioningAct::RolesChanged { accounts: accounts.to_vec() })
}

async fn record(caller: &Caller, acts: Vec<ProvisioningAct>) -> Result<(), Refused> {
    let visit = &caller.visit;
    for act in acts {
        let done = ProvisioningEvent {
            decision: Some(visit.decision),
            client: Some(visit.client),
            token: caller.desk.token,
            connection: caller.desk.connection.clone(),
            act,
        };
        let id = EventId(id_at(visit.now).map_err(|error| Refused::unavailable(&error))?);
        let body = EventBody::Provisioning(Box::new(done));
        let event = Event { id, at: visit.now, tenant: Some(caller.tenant.name.clone()), body };
        caller.control_plane.recorder.record(event).await.map_err(|error| Refused::unavailable(&error))?;
    }
    Ok(())
}
