//! Standing properties: proved for every request that can arrive, or refuted by one.

use std::fmt;

use cedar_policy::{EntityTypeName, Policy};
use cedargate_policy::{Model, ModelAction, Place, Property};
use serde::Serialize;

use crate::example::{Example, is_allowed, said};
use crate::situation::Situation;
use crate::solver::{Analyst, Answer, Asking, Question};
use crate::world::{PutError, World, people_first};

/// What came of one property.
#[derive(Clone, Debug, Serialize)]
pub struct Proof {
    /// Its id.
    pub id: String,
    /// What it says.
    pub says: String,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// What is known of it.
    #[serde(flatten)]
    pub finding: Finding,
    /// For how many kinds of request it says something.
    pub kinds: usize,
}

/// What is known of a property.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// It holds of every request that can arrive.
    Proved,
    /// It does not hold of this one.
    Refuted {
        /// The request.
        example: Example,
        /// What the policies make of it.
        decision: String,
    },
    /// Nobody knows, and why.
    Undecided {
        /// Every reason.
        reasons: Vec<String>,
    },
}

/// What came of all properties of a tenant.
#[derive(Clone, Debug, Serialize)]
pub struct Proofs {
    /// Whose policies.
    pub tenant: String,
    /// Each property, by id.
    pub proofs: Vec<Proof>,
    /// How many questions the solver was asked.
    pub questions: usize,
    /// How long it took.
    pub millis: u128,
}

impl Proofs {
    /// Whether every one is proved.
    pub fn all_proved(&self) -> bool {
        self.proofs.iter().all(|proof| matches!(proof.finding, Finding::Proved))
    }
}

impl Analyst {
    /// Proves the standing properties of a tenant, or refutes them.
    pub fn prove(&self, model: &Model) -> Proofs {
        let mut asking = self.begin();
        let proofs = model.properties().iter().map(|property| prove(model, property, &mut asking)).collect();
        Proofs {
            tenant: model.snapshot().tenant().name.to_string(),
            proofs,
            questions: asking.questions(),
            millis: asking.elapsed().as_millis(),
        }
    }
}

fn prove(model: &Model, property: &Property, asking: &mut Asking<'_>) -> Proof {
    let mut reasons = Vec::new();
    let mut kinds = 0;
    let proof = |finding, kinds| Proof {
        id: property.id.to_string(),
        says: property.says.to_string(),
        place: property.place.clone(),
        finding,
        kinds,
    };
    for action in model.actions().filter(|action| is_about(&property.policy, *action)) {
        for kind in people_first(action.principal_types()) {
            kinds += 1;
            match answer(model, property, action, &kind, asking) {
                Ok(Answer::Holds) => {}
                Ok(Answer::Undecided(why)) => reasons.push(format!("{}: {why}", action.name())),
                Ok(Answer::Not(env)) => match refutation(model, property, action, &env) {
                    Some(refuted) => return proof(refuted, kinds),
                    None => reasons.push(format!(
                        "{}: the solver found a request that the decision point does not confirm",
                        action.name()
                    )),
                },
                Err(error) => reasons.push(format!("{}: {error}", action.name())),
            }
        }
    }
    reasons.dedup();
    proof(if reasons.is_empty() { Finding::Proved } else { Finding::Undecided { reasons } }, kinds)
}

/// Whether a property's action scope admits an action.
fn is_about(policy: &Policy, action: ModelAction<'_>) -> bool {
    use cedar_policy::ActionConstraint::{Any, Eq, In};
    match policy.action_constraint() {
        Any => true,
        Eq(uid) => uid == *action.uid(),
        In(uids) => uids.iter().any(|uid| uid == action.uid() || action.groups().contains(uid)),
    }
}

fn answer(
    model: &Model,
    property: &Property,
    action: ModelAction<'_>,
    kind: &EntityTypeName,
    asking: &mut Asking<'_>,
) -> Result<Answer, PutError> {
    let world = World::new(model, action, kind.clone())?;
    let policies = action.policies();
    let live = world.compile(policies.values().copied())?;
    Ok(if property.is_never() {
        // The forbid changes nothing: what is allowed stays allowed with it.
        let with = world.compile(policies.values().copied().chain([&property.policy]))?;
        asking.ask(Question::Implies(&live, &with))
    } else {
        let alone = world.compile([&property.policy])?;
        asking.ask(Question::Implies(&alone, &live))
    })
}

fn refutation(
    model: &Model,
    property: &Property,
    action: ModelAction<'_>,
    env: &cedar_policy_symcc::Env,
) -> Option<Finding> {
    let kind = action.resource_type().to_string();
    let verdict = |situation: &Situation| situation.ask(model, action.uid(), &kind);
    let same = |situation: &Situation| {
        let found = verdict(situation);
        found.is_some()
            && is_allowed(found.as_ref()) == property.is_never()
            && situation.satisfies(model, action.uid(), &kind, &property.policy)
    };
    let situation = Situation::of(env, model).filter(|found| same(found))?.plainest(&same);
    Some(Finding::Refuted {
        example: Example::of(&situation, action, &same),
        decision: said(verdict(&situation).as_ref()),
    })
}

impl fmt::Display for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:", self.tenant)?;
        for Proof { id, says, place, finding, kinds } in &self.proofs {
            match finding {
                Finding::Proved => writeln!(f, "  proved    {id}: {says} ({kinds} kinds of request)")?,
                Finding::Refuted { example, decision } => {
                    writeln!(f, "  REFUTED   {id} ({place}): {says}")?;
                    writeln!(f, "            {example}")?;
                    writeln!(f, "            and is {decision}")?;
                }
                Finding::Undecided { reasons } => {
                    writeln!(f, "  UNDECIDED {id} ({place}): {says}")?;
                    for reason in reasons {
                        writeln!(f, "            {reason}")?;
                    }
                }
            }
        }
        write!(f, "{} properties, {} questions to the solver, {} ms", self.proofs.len(), self.questions, self.millis)
    }
}
