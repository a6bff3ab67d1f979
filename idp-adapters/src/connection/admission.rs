//! What a provider's word about a person comes to: in or out, and with which roles.

use cedargate_model::{AuthnStrength, RoleName, SigninReason};
use serde_json::Value;

use super::strength::strength_of;
use super::{ClaimMatch, Claims, Connection};

/// Who gets an account at the first sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nobody: only people whose identity an operator linked to an account sign in.
    Known,
    /// Whoever a rule gives a role. Also the condition of every later sign-in: without a role left, nobody is let in.
    WithRole,
    /// Everybody whom the provider signs in and whom `required` lets through.
    Anyone,
}

/// What gives a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRule {
    /// When.
    pub when: ClaimMatch,
    /// Which.
    pub role: RoleName,
}

/// What claims come to by a connection's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Judgement {
    /// In or out.
    pub verdict: Verdict,
    /// The roles that follow, sorted and once each.
    pub roles: Vec<RoleName>,
    /// Which of the role rules hold, by their place.
    pub rules_held: Vec<usize>,
    /// Which requirements do not hold, by their place.
    pub required_missing: Vec<usize>,
    /// How strong the sign-in is.
    pub strength: AuthnStrength,
    /// What the person is shown as.
    pub display: Option<String>,
}

/// In or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// In; an account is made where there is none.
    Admitted,
    /// In, if there is an account.
    IfKnown,
    /// Out.
    Refused(SigninReason),
}

impl Connection {
    /// Judges verified claims. The same for a sign-in, for a preview and for a test.
    pub fn judge(&self, claims: &Claims) -> Judgement {
        let held = |(at, rule): (usize, &RoleRule)| rule.when.holds(claims).then_some(at);
        let rules_held: Vec<_> = self.roles.iter().enumerate().filter_map(held).collect();
        let mut roles: Vec<_> =
            rules_held.iter().filter_map(|at| self.roles.get(*at)).map(|rule| rule.role.clone()).collect();
        roles.sort();
        roles.dedup();
        let missing = |(at, required): (usize, &ClaimMatch)| (!required.holds(claims)).then_some(at);
        let required_missing: Vec<_> = self.required.iter().enumerate().filter_map(missing).collect();
        let verdict = match self.admission {
            _ if !required_missing.is_empty() => Verdict::Refused(SigninReason::ClaimRequired),
            Admission::WithRole if roles.is_empty() => Verdict::Refused(SigninReason::RoleRequired),
            Admission::WithRole | Admission::Anyone => Verdict::Admitted,
            Admission::Known => Verdict::IfKnown,
        };
        Judgement {
            verdict,
            roles,
            rules_held,
            required_missing,
            strength: strength_of(claims, &self.strengths),
            display: display(claims),
        }
    }
}

/// Where a person's address or name is found, in this order: claims of OpenID providers, then attributes as SAML providers call them
/// (Entra ID's claim types, LDAP's names and their OIDs), then the NameID.
const DISPLAYED: [&str; 10] = [
    "email",
    "preferred_username",
    "upn",
    "name",
    "mail",
    "emailAddress",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "name_id",
];

/// What a person would recognise. None of it names anybody to us.
fn display(claims: &Claims) -> Option<String> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    DISPLAYED.into_iter().find_map(text).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use cedargate_model::ConnectionName;
    use serde_json::json;

    use super::*;
    use crate::connection::{ClaimPath, ConnectionKind};
    use crate::oidc::OidcSettings;

    fn says(claim: &str, value: &str) -> ClaimMatch {
        ClaimMatch { claim: ClaimPath::parse(claim).unwrap(), value: value.to_owned() }
    }

    fn connection(admission: Admission) -> Connection {
        let rule =
            |value: &str, role: &str| RoleRule { when: says("groups", value), role: RoleName::parse(role).unwrap() };
        Connection {
            name: ConnectionName::parse("okta").unwrap(),
            title: "Okta".to_owned(),
            email_domains: vec![],
            admission,
            required: vec![says("hd", "acme.example")],
            roles: vec![rule("warehouse", "clerk"), rule("heads", "manager"), rule("office", "clerk")],
            strengths: vec![],
            provisioning: None,
            kind: ConnectionKind::Oidc(OidcSettings::for_tests("https://idp.example")),
        }
    }

    fn verdict(admission: Admission, claims: Value) -> Verdict {
        connection(admission).judge(claims.as_object().unwrap()).verdict
    }

    #[test]
    fn who_is_in_depends_on_claims_and_admission() {
        let nobody = json!({ "hd": "acme.example" });
        let clerk = json!({ "hd": "acme.example", "groups": ["warehouse"] });
        let stranger = json!({ "hd": "evil.example", "groups": ["warehouse"] });
        let out = Verdict::Refused(SigninReason::ClaimRequired);
        for admission in [Admission::Known, Admission::WithRole, Admission::Anyone] {
            assert_eq!(verdict(admission, stranger.clone()), out, "{admission:?}");
            assert_eq!(verdict(admission, json!({})), out, "{admission:?}");
        }
        assert_eq!(verdict(Admission::Known, clerk.clone()), Verdict::IfKnown);
        assert_eq!(verdict(Admission::WithRole, clerk), Verdict::Admitted);
        assert_eq!(verdict(Admission::WithRole, nobody.clone()), Verdict::Refused(SigninReason::RoleRequired));
        assert_eq!(verdict(Admission::Anyone, nobody), Verdict::Admitted);
    }

    #[test]
    fn roles_are_those_of_the_rules_that_hold_once_each() {
        let claims = json!({ "groups": ["office", "warehouse", "heads", "admin"], "email": " ada@acme.example " });
        let judged = connection(Admission::Anyone).judge(claims.as_object().unwrap());
        let names: Vec<_> = judged.roles.iter().map(RoleName::as_str).collect();
        assert_eq!((names, judged.rules_held), (vec!["clerk", "manager"], vec![0, 1, 2]));
        assert_eq!(judged.required_missing, [0]);
        assert_eq!(judged.display.as_deref(), Some("ada@acme.example"));
    }
}
