//! Somebody arrives of whom their provider told before (SCIM).

use cedargate_assertion::TenantScope;
use cedargate_identity::{ArriveError, Federation, Identity, MatchedPerson, ProvisionedArrival, Ready};
use cedargate_idp_adapters::connection::{Claims, LiveConnection};
use cedargate_idp_adapters::saml::NameId;
use cedargate_model::{AccountAct, PrincipalId, RoleName, SigninReason};
use cedargate_scim::{Membership, Resource};

use super::callback::{Ended, depart, not_arrived, store_unavailable};
use super::came::Came;
use crate::router::ControlPlane;
use crate::visit::Visit;

/// What else must hold of a sign-in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Confirming {
    /// Who it must be, where somebody confirms who they are.
    pub(super) person: Option<PrincipalId>,
    /// Whether it is weaker than was asked for.
    pub(super) is_too_weak: bool,
}

/// The account of a provisioned person, linked and with today's roles. None where the provider told nothing of them: then the
/// connection's admission decides.
///
/// # Errors
/// Why nobody is signed in: somebody whom the provider took away is not, whatever the admission is.
pub(super) async fn arrive(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    live: &LiveConnection,
    (federation, claims): (&Federation, &Claims),
    confirming: Confirming,
) -> Result<Option<Ready<Came>>, Ended> {
    let Some(rule) = &live.connection.provisioning else { return Ok(None) };
    let rules = |user: &Resource, groups: &[Membership]| -> Vec<RoleName> {
        live.connection.roles_of_provisioned(user, groups)
    };
    let identity = &federation.identity;
    let name_id = federation.name_id.as_deref().and_then(NameId::from_json);
    let format = name_id.map(|name_id| name_id.format().to_owned());
    let person = MatchedPerson { name_id_format: format.as_deref(), ..rule.person(claims) };
    let provisioning = control_plane.identities.provisioning();
    let ready = match provisioning.arrive(tenant.id, identity, person, &rules, visit.now).await {
        Ok(Some(ready)) => ready,
        Ok(None) => return Ok(None),
        Err(error @ (ArriveError::AccountDisabled(_) | ArriveError::ClaimMissing)) => {
            depart_unless(control_plane, visit, tenant, identity, &error).await?;
            return Err(not_arrived(error));
        }
        Err(error) => return Err(not_arrived(error)),
    };
    if let Err(reason) = live.connection.admits_provisioned(claims) {
        // Not what this sign-in would change, but what there was before it.
        drop(ready);
        depart(control_plane, visit, tenant, identity).await?;
        return Err(Ended::Refused(reason));
    }
    if confirming.is_too_weak {
        return Err(Ended::Refused(SigninReason::StrengthTooLow));
    }
    if confirming.person.is_some_and(|person| person != ready.change().account.id) {
        return Err(Ended::Refused(SigninReason::PersonDiffers));
    }
    Ok(Some(ready.map(came)))
}

/// The provider took away whom this identity means, and it may be another account's: of one that the person had before, or that an operator
/// gave them. What they have there ends with this. Of the account that was taken away itself, everything ended with that.
async fn depart_unless(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    identity: &Identity,
    why: &ArriveError,
) -> Result<(), Ended> {
    let owner = control_plane.identities.find(tenant.id, identity).await;
    let owner = owner.map_err(|error| Ended::Problem(store_unavailable(error)))?;
    match (owner, why) {
        (Some(owner), ArriveError::AccountDisabled(gone)) if owner.id == *gone => Ok(()),
        (Some(_), _) => depart(control_plane, visit, tenant, identity).await,
        (None, _) => Ok(()),
    }
}

fn came(ProvisionedArrival { account, roles, linked, ended }: ProvisionedArrival) -> Came {
    let former = ended.iter().flat_map(|ended| &ended.sessions);
    let mut acts: Vec<_> =
        former.map(|former| (former.principal, AccountAct::SessionsEnded { ended: vec![former.session] })).collect();
    if linked {
        acts.push((account.id, AccountAct::IdentityLinked));
    }
    if let Some(roles) = roles {
        acts.push((account.id, AccountAct::RolesChanged { roles }));
    }
    Came { account, acts, ended }
}
