//! Two policy sets of a tenant: who gains what, who loses what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cedar_policy::{EntityTypeName, EntityUid, Policy};
use cedar_policy_symcc::CompiledPolicySet;
use cedargate_policy::{Model, ModelAction, Route};
use serde::Serialize;
use serde_json::Value;

use crate::example::{Example, is_allowed, said};
use crate::situation::Situation;
use crate::solver::{Analyst, Answer, Asking, Question};
use crate::world::{PutError, World, people_first};

/// How one set relates to another: equal to it, or what it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Both allow the same.
    Equal,
    /// What is proposed allows less, and nothing more.
    Stricter,
    /// What is proposed allows more, and nothing less.
    Looser,
    /// What is proposed allows some things more and some less.
    Incomparable,
    /// Nobody knows: a second approver has to look.
    Undecided,
}

impl Relation {
    fn of(gains: bool, loses: bool) -> Self {
        match (gains, loses) {
            (false, false) => Self::Equal,
            (false, true) => Self::Stricter,
            (true, false) => Self::Looser,
            (true, true) => Self::Incomparable,
        }
    }

    /// `equal`, `stricter`, `looser`, `incomparable` or `undecided`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Stricter => "stricter",
            Self::Looser => "looser",
            Self::Incomparable => "incomparable",
            Self::Undecided => "undecided",
        }
    }
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Refused today, allowed by what is proposed.
    Gains,
    /// Allowed today, refused by what is proposed.
    Loses,
}

/// What changes for one kind of principal, one action and one resource type.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// `Cedargate::User`
    pub principal_type: String,
    /// `Inventory::Action::"GetItem"`
    pub action: String,
    /// `Inventory::Item`
    pub resource_type: String,
    /// How what is proposed relates to what is live.
    pub relation: Relation,
    /// A request for each way in which they differ.
    pub shown: Vec<Shown>,
    /// Why nobody knows, where nobody does.
    pub undecided: Vec<String>,
}

/// A request that is decided in one way today and in another by what is proposed.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Which way.
    pub direction: Direction,
    /// The request.
    pub example: Example,
    /// What the live set makes of it.
    pub live: String,
    /// What the proposed set makes of it.
    pub proposed: String,
}

/// All that changes for a tenant.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Whose policies.
    pub tenant: String,
    /// All in all. Undecided where any part is.
    pub relation: Relation,
    /// What is not equal, by action.
    pub differences: Vec<Difference>,
    /// How many kinds of request were compared.
    pub compared: usize,
    /// How many questions the solver was asked; where the policies are the same, there is nothing to ask.
    pub questions: usize,
    /// How long it took.
    pub millis: u128,
}

impl Comparison {
    /// Whether all of it is known.
    pub fn is_decided(&self) -> bool {
        self.relation != Relation::Undecided
    }
}

impl Analyst {
    /// Compares what is proposed with what is live. Both are of one tenant.
    pub fn compare(&self, live: &Model, proposed: &Model) -> Comparison {
        let mut asking = self.begin();
        let live_actions: BTreeMap<&EntityUid, ModelAction<'_>> = live.actions().map(|a| (a.uid(), a)).collect();
        let next_actions: BTreeMap<&EntityUid, ModelAction<'_>> = proposed.actions().map(|a| (a.uid(), a)).collect();
        let all: BTreeSet<&EntityUid> = live_actions.keys().chain(next_actions.keys()).copied().collect();
        let (mut compared, mut differences) = (0, Vec::new());
        for uid in all {
            let (was, is) = (live_actions.get(uid).copied(), next_actions.get(uid).copied());
            let applies = [was, is].into_iter().flatten();
            let types: BTreeSet<EntityTypeName> = applies.flat_map(|action| action.principal_types()).collect();
            compared += types.len();
            let moved = moved(was, is);
            if moved.is_none() && is_same(was, is) {
                continue;
            }
            for kind in people_first(types) {
                let pair = Pair { was: Side::of(live, was, &kind), is: Side::of(proposed, is, &kind) };
                differences.extend(pair.compare(uid, &kind, moved.as_deref(), &mut asking));
            }
        }
        let any = |relation| differences.iter().any(|difference: &Difference| difference.relation == relation);
        let both = any(Relation::Incomparable);
        let relation = if any(Relation::Undecided) {
            Relation::Undecided
        } else {
            Relation::of(both || any(Relation::Looser), both || any(Relation::Stricter))
        };
        Comparison {
            tenant: proposed.snapshot().tenant().name.to_string(),
            relation,
            differences,
            compared,
            questions: asking.questions(),
            millis: asking.elapsed().as_millis(),
        }
    }
}

/// What else leads to an action than before. Policies know actions and no addresses, so that a route which changes hands changes what
/// people may do without a policy that differs: that is for somebody to look at.
fn moved(was: Option<ModelAction<'_>>, is: Option<ModelAction<'_>>) -> Option<String> {
    let (was, is) = (way_to(was?.route()), way_to(is?.route()));
    (was != is).then(|| format!("the route has changed: {was} became {is}"))
}

/// All of a route that says which requests come to its action, and what holds them to it.
fn way_to(route: &Route) -> String {
    let Route { method, path, service, upgrade, grpc, client_certificate, any_site, cors, inspection, .. } = route;
    let mut text = format!("`{method} {path}` to `{service}`");
    let mut also = |said: bool, what: String| {
        if said {
            text.push_str(", ");
            text.push_str(&what);
        }
    };
    also(upgrade.is_some(), format!("upgrade {upgrade:?}"));
    also(*grpc, "gRPC".to_owned());
    also(*client_certificate, "with a client certificate".to_owned());
    also(*any_site, "from any site".to_owned());
    also(!cors.is_empty(), format!("from {cors:?}"));
    also(true, format!("{inspection:?}"));
    text
}

/// Whether an action is decided by the same policies on both sides, whatever they are called and wherever they stand.
fn is_same(was: Option<ModelAction<'_>>, is: Option<ModelAction<'_>>) -> bool {
    let (Some(was), Some(is)) = (was, is) else { return false };
    let (before, after) = (meaning(was), meaning(is));
    was.groups() == is.groups()
        && was.principal_types() == is.principal_types()
        && was.resource_type() == is.resource_type()
        && was.route().fixed_resource() == is.route().fixed_resource()
        && before == after
        // What cannot be written as JSON is the same as nothing.
        && !before.contains(&None)
}

/// The policies of an action without their names and places; none where they cannot be compared as texts.
fn meaning(action: ModelAction<'_>) -> BTreeSet<Option<String>> {
    action.policies().values().map(|policy| bare(policy)).collect()
}

pub(crate) fn bare(policy: &Policy) -> Option<String> {
    let mut json = policy.to_json().ok()?;
    if let Value::Object(fields) = &mut json {
        fields.remove("annotations");
    }
    Some(json.to_string())
}

/// One side of a comparison: an action for one kind of principal, where there is such a thing.
struct Side<'m> {
    model: &'m Model,
    action: Option<ModelAction<'m>>,
}

impl<'m> Side<'m> {
    fn of(model: &'m Model, action: Option<ModelAction<'m>>, kind: &EntityTypeName) -> Self {
        Self { model, action: action.filter(|action| action.principal_types().contains(kind)) }
    }

    fn verdict(&self, situation: &Situation, uid: &EntityUid) -> Option<cedargate_policy::Verdict> {
        let action = self.action?;
        situation.ask(self.model, uid, &action.resource_type().to_string())
    }
}

struct Pair<'m> {
    was: Side<'m>,
    is: Side<'m>,
}

impl Pair<'_> {
    fn compare(
        &self,
        uid: &EntityUid,
        kind: &EntityTypeName,
        moved: Option<&str>,
        asking: &mut Asking<'_>,
    ) -> Option<Difference> {
        let resource = [&self.is, &self.was].into_iter().find_map(|side| side.action);
        let mut difference = Difference {
            principal_type: kind.to_string(),
            action: uid.to_string(),
            resource_type: resource.map(|action| action.resource_type().to_string()).unwrap_or_default(),
            relation: Relation::Equal,
            shown: Vec::new(),
            undecided: moved.map(str::to_owned).into_iter().collect(),
        };
        match self.compiled(kind) {
            Ok((was, is)) => {
                for direction in [Direction::Gains, Direction::Loses] {
                    let (more, less) = match direction {
                        Direction::Gains => (is.as_ref(), was.as_ref()),
                        Direction::Loses => (was.as_ref(), is.as_ref()),
                    };
                    let question = match (more, less) {
                        (Some(more), Some(less)) => Question::Implies(more, less),
                        (Some(more), None) => Question::AlwaysDenies(more),
                        (None, _) => continue,
                    };
                    match asking.ask(question) {
                        Answer::Holds => {}
                        Answer::Undecided(why) => difference.undecided.push(why),
                        Answer::Not(env) => match self.show(uid, direction, &env) {
                            Some(shown) => difference.shown.push(shown),
                            None => difference.undecided.push(
                                "the solver found a difference in a request that the decision point does not confirm"
                                    .to_owned(),
                            ),
                        },
                    }
                }
                difference.undecided.extend(self.may_fail(kind, asking));
            }
            Err(error) => difference.undecided.push(error.to_string()),
        }
        let any = |direction| difference.shown.iter().any(|shown| shown.direction == direction);
        difference.relation = if difference.undecided.is_empty() {
            Relation::of(any(Direction::Gains), any(Direction::Loses))
        } else {
            Relation::Undecided
        };
        (difference.relation != Relation::Equal).then_some(difference)
    }

    /// Both sides as the solver reads them, under the proposed schema where there is one.
    fn compiled(
        &self,
        kind: &EntityTypeName,
    ) -> Result<(Option<CompiledPolicySet>, Option<CompiledPolicySet>), PutError> {
        let side = self.is.action.map(|action| (self.is.model, action));
        let side = side.or_else(|| self.was.action.map(|action| (self.was.model, action)));
        let Some((model, action)) = side else { return Ok((None, None)) };
        let world = World::new(model, action, kind.clone())?;
        let compile = |side: &Side<'_>| -> Result<Option<CompiledPolicySet>, PutError> {
            side.action.map(|action| world.compile(action.policies().into_values())).transpose()
        };
        Ok((compile(&self.was)?, compile(&self.is)?))
    }

    fn show(&self, uid: &EntityUid, direction: Direction, env: &cedar_policy_symcc::Env) -> Option<Shown> {
        let side = if self.is.action.is_some() { &self.is } else { &self.was };
        let same = |situation: &Situation| {
            let was = is_allowed(self.was.verdict(situation, uid).as_ref());
            let is = is_allowed(self.is.verdict(situation, uid).as_ref());
            match direction {
                Direction::Gains => !was && is,
                Direction::Loses => was && !is,
            }
        };
        let situation = Situation::of(env, side.model).filter(|found| same(found))?.plainest(&same);
        Some(Shown {
            direction,
            example: Example::of(&situation, side.action?, &same),
            live: said(self.was.verdict(&situation, uid).as_ref()),
            proposed: said(self.is.verdict(&situation, uid).as_ref()),
        })
    }

    /// What Cedar would skip, and the gateway refuses: a policy whose evaluation fails. Of what was validated strictly, only
    /// sums, differences and moments can, by leaving their range.
    fn may_fail(&self, kind: &EntityTypeName, asking: &mut Asking<'_>) -> Vec<String> {
        let Some(action) = self.is.action else { return Vec::new() };
        let before: BTreeSet<Option<String>> = self.was.action.map(meaning).unwrap_or_default();
        let new = action.policies().into_values().filter(|policy| !before.contains(&bare(policy)));
        let Ok(world) = World::new(self.is.model, action, kind.clone()) else { return Vec::new() };
        let mut reasons = Vec::new();
        for policy in new.filter(|policy| may_overflow(policy)) {
            let answer = world.compile_alone(policy).map(|compiled| asking.ask(Question::NeverErrors(&compiled)));
            match answer {
                Ok(Answer::Holds) => {}
                Ok(Answer::Not(_)) => reasons.push(format!(
                    "the policy `{}` may leave the range of numbers or moments, and what cannot be evaluated is refused",
                    policy.id()
                )),
                Ok(Answer::Undecided(why)) => reasons.push(why),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        reasons
    }
}

fn may_overflow(policy: &Policy) -> bool {
    const MAY: [&str; 7] = ["+", "-", "*", "neg", "offset", "durationSince", "toDate"];
    fn within(value: &Value) -> bool {
        match value {
            Value::Object(fields) => fields.iter().any(|(name, inner)| MAY.contains(&name.as_str()) || within(inner)),
            Value::Array(items) => items.iter().any(within),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
    policy.to_json().map_or(true, |json| within(&json))
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = match self.differences.len() {
            0 => String::new(),
            1 => " in 1 of them".to_owned(),
            n => format!(" in {n} of them"),
        };
        writeln!(f, "{}: {}{count}", self.tenant, self.relation.as_str())?;
        for difference in &self.differences {
            let Difference { principal_type, action, resource_type, relation, .. } = difference;
            writeln!(f, "\n  {principal_type} {action} {resource_type}: {}", relation.as_str())?;
            for shown in &difference.shown {
                let what = match shown.direction {
                    Direction::Gains => "more is allowed",
                    Direction::Loses => "less is allowed",
                };
                writeln!(f, "    {what}: {}", shown.example)?;
                writeln!(f, "      live:     {}", shown.live)?;
                writeln!(f, "      proposed: {}", shown.proposed)?;
            }
            for why in &difference.undecided {
                writeln!(f, "    undecided: {why}")?;
            }
        }
        write!(
            f,
            "{} kinds of request compared, {} questions to the solver, {} ms",
            self.compared, self.questions, self.millis
        )
    }
}
