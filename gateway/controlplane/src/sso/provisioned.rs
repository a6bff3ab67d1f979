//! Somebody arrives of whom their provider told before (SCIM).

use cedargate_assertion::TenantScope;
use cedargate_identity::{Federation, MatchedPerson, ProvisionedArrival, Ready};
use cedargate_idp_adapters::connection::{Claims, LiveConnection};
use cedargate_idp_adapters::saml::NameId;
use cedargate_model::{AccountAct, Micros, PrincipalId, RoleName, SigninReason};
use cedargate_scim::{Membership, Resource};

use super::callback::{Ended, not_arrived};
use super::came::Came;
use crate::router::ControlPlane;

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
    tenant: &TenantScope,
    live: &LiveConnection,
    (federation, claims): (&Federation, &Claims),
    confirming: Confirming,
    now: Micros,
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
    let arriving = provisioning.arrive(tenant.id, identity, person, &rules, now).await;
    let Some(ready) = arriving.map_err(not_arrived)? else { return Ok(None) };
    live.connection.admits_provisioned(claims).map_err(Ended::Refused)?;
    if confirming.is_too_weak {
        return Err(Ended::Refused(SigninReason::StrengthTooLow));
    }
    if confirming.person.is_some_and(|person| person != ready.change().account.id) {
        return Err(Ended::Refused(SigninReason::PersonDiffers));
    }
    Ok(Some(ready.map(came)))
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
