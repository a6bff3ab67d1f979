//! Parts of a phase that are skipped as a whole: rules above the paranoia level that a site has chosen are neither scanned
//! for nor visited. Which parts these are is known when the phase begins, for what decides it does not change within it.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::bits::Bits;
use super::gate::Gate;
use super::plan::{PhasePlan, Visit};
use super::quick::Quick;
use super::silent;
use crate::seclang::program::{Control, Program, Rule, SetName, Target};
use crate::seclang::store::Store;
use crate::seclang::template::Part;
use crate::seclang::variable::List;

/// How many plans of a phase are kept: one for each way that its switches have stood.
const PLANS_MAX: usize = 8;
/// How many different conditions count.
const SWITCHES_MAX: usize = 32;

/// What controls took out of a transaction.
#[derive(Clone, Copy, Debug)]
pub(in crate::seclang) struct Removed<'t> {
    pub(in crate::seclang) rules: &'t Bits,
    pub(in crate::seclang) targets: &'t [(Arc<[usize]>, Target)],
}

impl Removed<'_> {
    /// Whether a rule that looks at TX does not do what it would.
    fn changes(&self, rule: usize) -> bool {
        let blinds = |(rules, target): &(Arc<[usize]>, Target)| target.lists == [List::Tx] && rules.contains(&rule);
        self.rules.contains(rule) || self.targets.iter().any(blinds)
    }
}

/// A phase's plans.
#[derive(Debug, Default)]
pub(super) struct PhasePlans {
    phase: u8,
    switches: Vec<Switch>,
    /// Rules that do nothing but jump, whose matches no rule asks for.
    silent: Bits,
    plans: [OnceLock<(u32, PhasePlan)>; PLANS_MAX],
    /// The plan for everything, where there would be too many others.
    whole: OnceLock<PhasePlan>,
}

/// A condition, and the rules that skip others where it holds.
#[derive(Debug)]
struct Switch {
    condition: Quick,
    skips: Vec<(usize, Range<usize>)>,
}

impl PhasePlans {
    pub(super) fn new(program: &Program, phase: u8) -> Self {
        let range = program.phase(phase);
        let rules = || range.clone().filter_map(|index| Some((index, program.rules.get(index)?)));
        let mut switches: Vec<Switch> = Vec::new();
        for (index, rule) in rules() {
            let (Some(next), Some(condition)) = (rule.next, Quick::of(rule)) else { continue };
            let skipped = index + 1..next;
            let is_stable = rules().all(|(_, other)| !may_set(program, other, condition.index()));
            // No rule before this one may jump to the middle of what it skips.
            let is_entered =
                rules().any(|(other, rule)| other < index && rule.next.is_some_and(|next| skipped.contains(&next)));
            let is_removed = rules().any(|(_, other)| may_remove(other, index));
            if rule.links.len() != 1 || !is_stable || is_entered || is_removed {
                continue;
            }
            let skip = (index, skipped);
            if let Some(switch) = switches.iter_mut().find(|switch| switch.condition == condition) {
                switch.skips.push(skip);
            } else if switches.len() < SWITCHES_MAX {
                switches.push(Switch { condition, skips: vec![skip] });
            }
        }
        let mut silent = Bits::default();
        if !silent::looks_back(program) {
            rules().filter(|(_, rule)| silent::is_silent(rule)).for_each(|(index, _)| silent.insert(index));
        }
        Self { phase, switches, silent, ..Self::default() }
    }

    /// The plan for how the switches stand. `removed` are rules that do not run in this transaction.
    pub(super) fn choose(
        &self,
        program: &Program,
        gates: &[Option<Gate>],
        store: &Store,
        removed: &Removed<'_>,
    ) -> &PhasePlan {
        let mut key = 0;
        for (bit, switch) in self.switches.iter().enumerate() {
            // One that does not do what it would cannot be told beforehand, and such exchanges are few.
            if switch.skips.iter().any(|(rule, _)| removed.changes(*rule)) {
                return self.whole(program, gates);
            }
            if switch.condition.holds(store) {
                key |= 1 << bit;
            }
        }
        for place in &self.plans {
            let (of, plan) = place.get_or_init(|| (key, self.plan(program, gates, key)));
            if *of == key {
                return plan;
            }
        }
        self.whole(program, gates)
    }

    fn whole(&self, program: &Program, gates: &[Option<Gate>]) -> &PhasePlan {
        self.whole.get_or_init(|| PhasePlan::new(program, self.phase, gates, |_| Visit::AsFound))
    }

    fn plan(&self, program: &Program, gates: &[Option<Gate>], key: u32) -> PhasePlan {
        let skips = |stands: bool| {
            let so = self.switches.iter().enumerate().filter(move |(bit, _)| (key >> bit & 1 == 1) == stands);
            so.flat_map(|(_, switch)| &switch.skips)
        };
        let skipped: Vec<&Range<usize>> = skips(true).map(|(_, range)| range).collect();
        // Those that do not hold do nothing. Those that hold have skipped what they skip, and many do nothing else.
        let mut done = Bits::default();
        skips(false).for_each(|(rule, _)| done.insert(*rule));
        skips(true).filter(|(rule, _)| self.silent.contains(*rule)).for_each(|(rule, _)| done.insert(*rule));
        PhasePlan::new(program, self.phase, gates, |rule| {
            if skipped.iter().any(|range| range.contains(&rule)) || done.contains(rule) {
                Visit::Never
            } else {
                Visit::AsFound
            }
        })
    }
}

/// Whether a rule may take another out of the phase that both are in.
fn may_remove(rule: &Rule, index: usize) -> bool {
    let mut controls = rule.links.iter().flat_map(|link| &link.controls);
    controls.any(|control| match control {
        Control::RemoveRules(rules) => rules.contains(&index),
        Control::RemoveTargets(rules, target) => target.lists == [List::Tx] && rules.contains(&index),
        _ => false,
    })
}

/// Whether a rule may set a member of TX.
fn may_set(program: &Program, rule: &Rule, index: usize) -> bool {
    const CAPTURES: usize = 10;
    let name = program.tx.get(index).map_or("", |name| &**name);
    index < CAPTURES
        || rule.links.iter().flat_map(|link| &link.sets).filter(|set| set.list == List::Tx).any(|set| match &set.name {
            SetName::At(at) => *at == index,
            SetName::Template(template) => match template.parts.first() {
                Some(Part::Text(begin)) => name.as_bytes().starts_with(&begin.to_ascii_lowercase()),
                _ => true,
            },
        })
}
