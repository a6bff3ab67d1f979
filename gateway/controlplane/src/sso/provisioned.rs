//! Somebody arrives of whom their provider told before (SCIM).

use cedargate_assertion::TenantScope;
use cedargate_identity::{Account, ArriveError, Federation, MatchedPerson};
use cedargate_idp_adapters::connection::{Claims, LiveConnection};
use cedargate_idp_adapters::saml::NameId;
use cedargate_model::{AccountAct, PrincipalId, RoleName, SigninReason};
use cedargate_scim::{Membership, Resource};

use super::callback::{Ended, record_of_provider, store_unavailable};
use crate::problem::{FAILED, Problem};
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
) -> Result<Option<Account>, Ended> {
    let Some(rule) = &live.connection.provisioning else { return Ok(None) };
    let rules = |user: &Resource, groups: &[Membership]| -> Vec<RoleName> {
        live.connection.roles_of_provisioned(user, groups)
    };
    let identity = &federation.identity;
    let name_id = federation.name_id.as_deref().and_then(NameId::from_json);
    let format = name_id.map(|name_id| name_id.format().to_owned());
    let person = MatchedPerson { name_id_format: format.as_deref(), ..rule.person(claims) };
    let provisioning = control_plane.identities.provisioning();
    let arriving = provisioning.arrive(tenant.id, identity, person, &rules, visit.now).await;
    let ready = match arriving {
        Ok(Some(ready)) => ready,
        Ok(None) => return Ok(None),
        Err(ArriveError::NotAdmitted) => return Err(Ended::Refused(SigninReason::NotAdmitted)),
        Err(ArriveError::AccountDisabled(_)) => return Err(Ended::Refused(SigninReason::AccountDisabled)),
        Err(ArriveError::FormatDiffers(_)) => return Err(Ended::Refused(SigninReason::SamlNameId)),
        Err(ArriveError::Store(error)) => return Err(Ended::Problem(store_unavailable(error))),
        Err(error @ (ArriveError::Roles(_) | ArriveError::Entropy(_))) => {
            return Err(Ended::Problem(Problem::new(FAILED).because(error)));
        }
    };
    live.connection.admits_provisioned(claims).map_err(Ended::Refused)?;
    if confirming.is_too_weak {
        return Err(Ended::Refused(SigninReason::StrengthTooLow));
    }
    let arrived = ready.change();
    if confirming.person.is_some_and(|person| person != arrived.account.id) {
        return Err(Ended::Refused(SigninReason::PersonDiffers));
    }
    let ended = arrived.ended.as_ref().map(|ended| ended.sessions.as_slice()).unwrap_or_default();
    let mut acts: Vec<(PrincipalId, AccountAct)> = Vec::new();
    for former in ended {
        acts.push((former.principal, AccountAct::SessionsEnded { ended: vec![former.session] }));
    }
    if arrived.linked {
        acts.push((arrived.account.id, AccountAct::IdentityLinked));
    }
    if let Some(roles) = arrived.roles.clone() {
        acts.push((arrived.account.id, AccountAct::RolesChanged { roles }));
    }
    for (principal, act) in acts {
        record_of_provider(control_plane, visit, tenant, &identity.connection, principal, act).await?;
    }
    let arrived = ready.commit().await.map_err(|error| Ended::Problem(store_unavailable(error)))?;
    if let Some(ended) = arrived.ended {
        control_plane.sessions.forget_federated(ended);
    }
    Ok(Some(arrived.account))
}
