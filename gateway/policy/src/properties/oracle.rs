//! What Cedar says by itself: every policy, no index, no cache, and a request written down a second time from the schema's
//! comments rather than by the code under test.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context as CedarContext, Decision, Entities, EntityUid, Policy, PolicySet, Request, Schema,
};
use cedargate_model::{Caller, Credential, Micros, PolicyId};
use serde_json::{Value, json};

use super::generate::MORNING_SECONDS;
use super::toy;
use crate::judge::Outcome;
use crate::verdict::Needed;
use crate::{Context, Snapshot};

/// A snapshot's policies, and the actions of its schema.
pub(super) struct Oracle {
    policies: PolicySet,
    actions: Entities,
    tenant: String,
}

/// How somebody signed in.
#[derive(Clone, PartialEq)]
struct SignedIn {
    level: u8,
    methods: BTreeSet<String>,
    age_seconds: i64,
}

/// Who asks for what, with the entities that Cedar is shown.
struct Asked {
    principal: EntityUid,
    action: EntityUid,
    resource: EntityUid,
    entities: Entities,
}

struct Answer {
    permitted: bool,
    determined_by: Arc<[PolicyId]>,
    errors: Vec<String>,
}

impl Oracle {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let parse = |id: &PolicyId| {
            Policy::parse(Some(cedar_policy::PolicyId::new(id.as_str())), snapshot.policy_text(id).unwrap()).unwrap()
        };
        let (schema, _) = Schema::from_cedarschema_str(&(toy::platform_schema() + toy::SCHEMA)).unwrap();
        Self {
            policies: PolicySet::from_policies(snapshot.policies().map(parse)).unwrap(),
            actions: schema.action_entities().unwrap(),
            tenant: snapshot.tenant().id.to_string(),
        }
    }

    /// What a caller is told who asks for one of the toy's addresses.
    pub(super) fn outcome(&self, caller: &Caller, address: usize, context: &Context) -> Outcome {
        let is = |those: &[Credential]| caller.principal().is_some_and(|known| those.contains(&known.credential));
        let is_program = is(&[
            Credential::ApiKey,
            Credential::KeyToken,
            Credential::WorkloadToken,
            Credential::IssuerToken,
            Credential::Certificate,
        ]);
        if is(&[Credential::ScimToken]) || is_program && toy::ADDRESSES[address].0 == "Read" {
            // Its schema names identity providers nowhere, and service accounts not there.
            return Outcome::Deny([].into());
        }
        let present = SignedIn::of(caller, context.now);
        let asked = self.asked(caller, address);
        let answer = self.ask(&asked, context, &present);
        if !answer.errors.is_empty() {
            return Outcome::Failed(answer.errors);
        }
        if answer.permitted {
            return Outcome::Allow(answer.determined_by);
        }
        if matches!(caller, Caller::Anonymous) {
            return Outcome::SignIn(answer.determined_by);
        }
        if is_program {
            return Outcome::Deny(answer.determined_by);
        }
        for (sign_in, max_age_seconds) in present.stronger_or_fresher() {
            let tried = self.ask(&asked, context, &sign_in);
            if tried.permitted && tried.errors.is_empty() {
                return Outcome::StepUp(Needed { level: sign_in.level, max_age_seconds }, answer.determined_by);
            }
        }
        Outcome::Deny(answer.determined_by)
    }

    fn asked(&self, caller: &Caller, address: usize) -> Asked {
        let (action, resource) = toy::ADDRESSES[address];
        let action: EntityUid = format!("Toy::Action::\"{action}\"").parse().unwrap();
        let resource: EntityUid = format!("Toy::{resource}").parse().unwrap();
        let (principal, tenant, roles) = self.shown(caller);
        let entity = |kind: &str, id: &str| json!({"type": kind, "id": id});
        let tenant_of = |id: &str| json!({"tenant": {"__entity": entity("Cedargate::Tenant", id)}});
        let entities = json!([
            {
                "uid": {"type": principal.0, "id": principal.1},
                "attrs": tenant_of(&tenant),
                "parents": roles.iter().map(|role| entity("Cedargate::Role", role)).collect::<Vec<_>>(),
            },
            {
                "uid": {"type": resource.type_name().to_string(), "id": resource.id().unescaped()},
                "attrs": tenant_of(&self.tenant),
                "parents": [],
            },
        ]);
        let entities = self.actions.clone().add_entities_from_json_value(entities, None).unwrap();
        let principal: EntityUid = format!("{}::\"{}\"", principal.0, principal.1).parse().unwrap();
        Asked { principal, action, resource, entities }
    }

    fn ask(&self, asked: &Asked, context: &Context, authn: &SignedIn) -> Answer {
        let context = CedarContext::from_json_value(written(context, authn), None).unwrap();
        let (principal, action, resource) = (asked.principal.clone(), asked.action.clone(), asked.resource.clone());
        let request = Request::new(principal, action, resource, context, None).unwrap();
        let response = Authorizer::new().is_authorized(&request, &self.policies, &asked.entities);
        let mut determined_by: Vec<PolicyId> =
            response.diagnostics().reason().map(|id| PolicyId::from(AsRef::<str>::as_ref(id))).collect();
        determined_by.sort();
        let mut errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
        errors.sort();
        Answer { permitted: response.decision() == Decision::Allow, determined_by: determined_by.into(), errors }
    }

    /// A caller's entity, tenant and roles. An anonymous one belongs to whom it asks.
    fn shown(&self, caller: &Caller) -> ((&'static str, String), String, BTreeSet<String>) {
        match caller {
            Caller::Anonymous => {
                let roles = BTreeSet::from(["anonymous".to_owned()]);
                (("Cedargate::Anonymous", "anonymous".to_owned()), self.tenant.clone(), roles)
            }
            Caller::Principal(principal) => {
                let own = principal.roles.iter().map(ToString::to_string).filter(|role| role != "anonymous");
                // Whoever wrote this list must say of a further credential what it makes of a principal.
                let (kind, member) = match principal.credential {
                    Credential::Session => ("Cedargate::User", Some("member")),
                    Credential::SessionToken => ("Cedargate::User", None),
                    Credential::ApiKey
                    | Credential::KeyToken
                    | Credential::WorkloadToken
                    | Credential::IssuerToken
                    | Credential::Certificate => ("Cedargate::ServiceAccount", None),
                    Credential::ScimToken => ("Cedargate::ScimToken", None),
                };
                let roles = own.filter(|role| role != "member").chain(member.map(str::to_owned)).collect();
                ((kind, principal.id.to_string()), principal.tenant.to_string(), roles)
            }
        }
    }
}

impl SignedIn {
    fn of(caller: &Caller, now: Micros) -> Self {
        match caller {
            Caller::Anonymous => Self { level: 0, methods: BTreeSet::new(), age_seconds: 1 << 32 },
            Caller::Principal(principal) => Self {
                level: principal.strength.level,
                methods: principal.strength.methods.iter().map(|method| method.as_str().to_owned()).collect(),
                age_seconds: ((now.0 - principal.authenticated_at.0) / 1_000_000).max(0),
            },
        }
    }

    /// The whole ladder, least first, with the age that would be asked for.
    fn stronger_or_fresher(&self) -> Vec<(Self, Option<u64>)> {
        let mut sign_ins = vec![self.clone()];
        for (level, method) in toy::STRONGER.into_iter().filter(|(level, _)| *level > self.level) {
            let methods = self.methods.iter().cloned().chain([method.to_owned()]).collect();
            sign_ins.push(Self { level, methods, age_seconds: self.age_seconds });
        }
        let mut ladder = Vec::new();
        for sign_in in sign_ins {
            ladder.push((sign_in.clone(), None));
            for seconds in toy::FRESH_SECONDS {
                let age_seconds = i64::try_from(seconds).unwrap();
                if age_seconds < self.age_seconds {
                    ladder.push((Self { age_seconds, ..sign_in.clone() }, Some(seconds)));
                }
            }
        }
        ladder.split_off(1)
    }
}

/// A context as JSON.
fn written(context: &Context, authn: &SignedIn) -> Value {
    let client = match context.client {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 @ IpAddr::V4(_) => v4,
    };
    // Everything happens on one morning, from eight o'clock.
    let seconds = context.now.0.div_euclid(1_000_000) - MORNING_SECONDS;
    assert!((0..12 * 3600).contains(&seconds), "{seconds} s is not on that morning");
    let now = format!("2027-01-15T{:02}:{:02}:{:02}Z", 8 + seconds / 3600, seconds / 60 % 60, seconds % 60);
    json!({
        "authn": {"level": authn.level, "methods": authn.methods, "age_seconds": authn.age_seconds},
        "waf": {"score": context.waf.score, "rules": *context.waf.rules, "tags": *context.waf.tags},
        "client": {"__extn": {"fn": "ip", "arg": client.to_string()}},
        "now": {"__extn": {"fn": "datetime", "arg": now}},
    })
}
