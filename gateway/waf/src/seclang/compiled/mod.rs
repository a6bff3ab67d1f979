//! Which rules and values cannot match.
//!
//! Before a phase's rules run, every value that they look at is scanned once: each distinct text that transformations
//! make of it goes through one automaton of all the literals that rules need, and its octets are compared with those
//! that others need. A rule is then visited only for the values that have what it needs. What remains is run plainly,
//! so the compiler can only pass over what does not match; that it never passes over more, a test of random rules and
//! requests says.

mod bits;
mod gate;
mod memo;
mod plan;
mod quick;
mod scan;
mod silent;
mod switch;

pub(super) use self::bits::Bits;
use self::gate::Gate;
pub(super) use self::memo::{Failed, Hash};
use self::quick::Quick;
pub(super) use self::scan::Found;
use self::switch::PhasePlans;
pub(super) use self::switch::Removed;
use super::program::Program;
use super::store::Store;
use super::variable::{List, Part};

/// What the compiler knows of a program.
#[derive(Debug)]
pub(super) struct Compiled {
    phases: Vec<PhasePlans>,
    gates: Vec<Option<Gate>>,
    /// Rules that are visited whatever a scan finds.
    always: Bits,
    /// What is asked of those that only compare a number.
    quick: Vec<Option<Quick>>,
}

impl Compiled {
    pub(super) fn new(program: &Program) -> Self {
        let gates: Vec<Option<Gate>> = program.rules.iter().map(Gate::of).collect();
        let mut always = Bits::default();
        for (index, gate) in gates.iter().enumerate() {
            if gate.is_none() {
                always.insert(index);
            }
        }
        let phases = (1..=5).map(|phase| PhasePlans::new(program, phase)).collect();
        let quick = program.rules.iter().map(Quick::of).collect();
        Self { phases, gates, always, quick }
    }

    pub(super) fn gated(&self) -> usize {
        self.gates.len() - self.always.len()
    }

    /// Whether a rule may match by what TX holds now.
    pub(super) fn may_match(&self, rule: usize, store: &Store) -> bool {
        self.quick.get(rule).is_none_or(|quick| quick.is_none_or(|quick| quick.holds(store)))
    }

    /// Whether a rule's first link need only look at the values found for it.
    pub(super) fn is_gated(&self, rule: usize) -> bool {
        !self.always.contains(rule)
    }
}

/// The largest place in a list that a value's number has room for; lists are bounded far below.
const INDEX_MAX: usize = 0xFFFF_FFFF;

/// A value, as one number that is compared quickly.
pub(super) fn key(list: List, part: Part, index: usize) -> u64 {
    (list as u64) << 40 | (part as u64) << 36 | index as u64
}
