//! People of whom a provider tells beside sign-ins (SCIM): how a sign-in finds them, and which roles they have.

use cedargate_identity::{MatchBy, MatchedPerson};
use cedargate_model::{RoleName, SigninReason};
use cedargate_scim::{GroupsBy, Membership, Resource, role_claims};
use serde_json::Value;

use super::{ClaimPath, Claims, Connection};

/// Which claim of a sign-in says which provisioned person it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisioningRule {
    /// What of the person it is.
    pub by: MatchBy,
    /// The claim.
    pub claim: ClaimPath,
    /// By what the rules for roles name groups.
    pub groups: GroupsBy,
}

impl ProvisioningRule {
    /// Whom verified claims mean. Only a text means somebody: a list would leave a choice.
    pub fn person<'c>(&self, claims: &'c Claims) -> MatchedPerson<'c> {
        MatchedPerson { by: self.by, value: self.claim.find(claims).and_then(Value::as_str), name_id_format: None }
    }
}

impl Connection {
    /// The roles of somebody of whom the provider told, by the same rules as at a sign-in.
    pub fn roles_of_provisioned(&self, user: &Resource, groups: &[Membership]) -> Vec<RoleName> {
        let by = self.provisioning.as_ref().map_or(GroupsBy::DisplayName, |rule| rule.groups);
        let claims = role_claims(user, groups, by);
        let mut roles: Vec<_> =
            self.roles.iter().filter(|rule| rule.when.holds(&claims)).map(|rule| rule.role.clone()).collect();
        roles.sort();
        roles.dedup();
        roles
    }

    /// Whether a provisioned person is let in whose sign-in says this: what is required holds for them, too, while their roles are what
    /// the provider told before.
    ///
    /// # Errors
    /// Why not.
    pub fn admits_provisioned(&self, claims: &Claims) -> Result<(), SigninReason> {
        match self.required.iter().all(|required| required.holds(claims)) {
            true => Ok(()),
            false => Err(SigninReason::ClaimRequired),
        }
    }
}
