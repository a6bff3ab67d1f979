//! What is scanned in a phase: which values, in which transformations, for which rules.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::bits::Bits;
use super::gate::Gate;
use crate::seclang::bytes::ByteSet;
use crate::seclang::program::{Program, Select};
use crate::seclang::transform::Transform;
use crate::seclang::variable::{List, Part};

/// A set of a tree's nodes.
pub(super) type Nodes = u128;
/// How many nodes a tree may have; rules beyond are asked about every text.
const NODES_MAX: usize = 128;

/// How many octets of a literal are looked for.
const LITERAL_BYTES_MAX: usize = 8;
/// How many octets of literals a DFA is made of: it is twice as fast as the other kind, and several times as large.
const DFA_BYTES_MAX: usize = 64 << 10;

/// A node as a set; one beyond those that sets hold is all of them, so that its rules are asked about every text.
pub(super) fn node_bit(at: usize) -> Nodes {
    if at < NODES_MAX { 1 << at } else { Nodes::MAX }
}

/// The plan of one phase.
#[derive(Debug, Default)]
pub(super) struct PhasePlan {
    /// The place of its first rule.
    pub(super) begin: usize,
    /// Rules that are visited whatever a scan finds.
    pub(super) always: Bits,
    /// All literals of the phase's rules, in any case; none where there are none.
    pub(super) literals: Option<AhoCorasick>,
    pub(super) literals_len: usize,
    /// The rules that each literal is needed by.
    pub(super) needed_by: Vec<Vec<usize>>,
    pub(super) sources: Vec<Source>,
}

/// What a plan does with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    /// It is known to do nothing.
    Never,
    /// Where a scan finds what it needs, or always, if it needs nothing that is known.
    AsFound,
}

/// Values that rules of a phase look at.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) list: List,
    pub(super) part: Part,
    pub(super) select: Select,
    /// The transformations of these rules as a tree, parents first; the first is the value itself.
    pub(super) tree: Vec<Node>,
    /// For each of the phase's rules, the nodes whose texts it tests and needs literals in; empty where there are none.
    pub(super) rules: Vec<Nodes>,
    /// All of these nodes.
    pub(super) literal_nodes: Nodes,
    /// A value with none of these octets is left as it is by every node but the loud ones.
    pub(super) sensitive: ByteSet,
    /// The nodes whose texts may differ from any value's, and those behind them.
    pub(super) loud: Vec<usize>,
    /// All others.
    pub(super) quiet: Nodes,
    /// What is asked of a text's octets.
    pub(super) octets: Vec<(OctetGate, usize, Nodes)>,
}

/// What is asked of a text's octets.
#[derive(Clone, Copy, Debug)]
pub(super) enum OctetGate {
    Any(ByteSet),
    Sqli,
    Xss,
}

/// A text that is made of another.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: usize,
    pub(super) transform: Option<Transform>,
    /// Whether a rule needs this text: others are only on the way.
    pub(super) wanted: bool,
}

impl PhasePlan {
    pub(super) fn new(program: &Program, phase: u8, gates: &[Option<Gate>], visit: impl Fn(usize) -> Visit) -> Self {
        let mut plan = Self::default();
        let mut literals: Vec<Vec<u8>> = Vec::new();
        let mut numbers: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let begin = program.phase(phase).start;
        plan.begin = begin;
        for index in program.phase(phase).filter(|index| visit(*index) == Visit::AsFound) {
            let (Some(rule), Some(gate)) = (program.rules.get(index), gates.get(index)) else { continue };
            let Some(gate) = gate else {
                plan.always.insert(index);
                continue;
            };
            if let Gate::AnyOf(texts, _) = gate {
                for text in texts {
                    let number = *numbers.entry(beginning(text)).or_insert_with(|| {
                        literals.push(beginning(text));
                        plan.needed_by.push(Vec::new());
                        literals.len() - 1
                    });
                    if let Some(rules) = plan.needed_by.get_mut(number)
                        && rules.last() != Some(&index)
                    {
                        rules.push(index);
                    }
                }
            }
            let Some(link) = rule.links.first() else { continue };
            for target in &link.targets {
                for &list in target.lists {
                    let source = plan.source(list, target.part, &target.select);
                    source.add((index, index - begin), gate, &link.transforms, link.multi_match);
                }
            }
        }
        plan.sources.iter_mut().for_each(Source::find_loud);
        plan.literals_len = literals.len();
        if !literals.is_empty() {
            let octets: usize = literals.iter().map(Vec::len).sum();
            let is_fast = phase < 3 && octets <= DFA_BYTES_MAX;
            plan.literals = AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .kind(Some(if is_fast { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA }))
                .build(&literals)
                .ok();
        }
        plan
    }

    fn source(&mut self, list: List, part: Part, select: &Select) -> &mut Source {
        let known = self
            .sources
            .iter()
            .position(|source| source.list == list && source.part == part && same(&source.select, select));
        let index = known.unwrap_or(self.sources.len());
        if known.is_none() {
            let tree = vec![Node { parent: 0, transform: None, wanted: true }];
            self.sources.push(Source {
                list,
                part,
                select: select.clone(),
                tree,
                rules: Vec::new(),
                literal_nodes: 0,
                sensitive: ByteSet::EMPTY,
                loud: Vec::new(),
                quiet: 0,
                octets: Vec::new(),
            });
        }
        #[expect(clippy::indexing_slicing, reason = "the index is of a source that is known or was just added")]
        &mut self.sources[index]
    }
}

/// What is looked for of a literal: long lists of long phrases would make an automaton that takes long to build, and their
/// first octets are rare enough.
fn beginning(literal: &[u8]) -> Vec<u8> {
    literal.get(..LITERAL_BYTES_MAX).unwrap_or(literal).to_ascii_lowercase()
}

fn same(one: &Select, other: &Select) -> bool {
    match (one, other) {
        (Select::All, Select::All) => true,
        (Select::At(one), Select::At(other)) => one == other,
        (Select::Name(one), Select::Name(other)) => one.eq_ignore_ascii_case(other),
        _ => false,
    }
}

impl Source {
    fn add(&mut self, (rule, in_phase): (usize, usize), gate: &Gate, transforms: &[Transform], each_step: bool) {
        let mut nodes: Nodes = 0;
        let mut at = 0;
        let note = |nodes: &mut Nodes, at: usize| *nodes |= node_bit(at);
        if each_step {
            note(&mut nodes, at);
        }
        for transform in transforms {
            at = self.node(at, *transform);
            if each_step {
                note(&mut nodes, at);
                self.want(at);
            }
        }
        note(&mut nodes, at);
        self.want(at);
        let gate = match gate {
            Gate::AnyOf(literals, octets) => {
                if !literals.is_empty() {
                    self.add_literals(in_phase, nodes);
                }
                if *octets == ByteSet::EMPTY {
                    return;
                }
                OctetGate::Any(*octets)
            }
            Gate::Sqli => OctetGate::Sqli,
            Gate::Xss => OctetGate::Xss,
        };
        self.octets.push((gate, rule, nodes));
    }

    fn add_literals(&mut self, in_phase: usize, nodes: Nodes) {
        if in_phase >= self.rules.len() {
            self.rules.resize(in_phase + 1, 0);
        }
        if let Some(known) = self.rules.get_mut(in_phase) {
            *known |= nodes;
        }
        self.literal_nodes |= nodes;
    }

    fn find_loud(&mut self) {
        for (index, node) in self.tree.iter().enumerate() {
            let changes = node.transform.map(|transform| transform.changes());
            match changes {
                Some(None) => self.loud.push(index),
                _ if index > 0 && self.loud.contains(&node.parent) => self.loud.push(index),
                Some(Some(changes)) => {
                    self.sensitive = self.sensitive.union(changes);
                    self.quiet |= node_bit(index);
                }
                None => self.quiet |= node_bit(index),
            }
        }
    }

    fn want(&mut self, at: usize) {
        if let Some(node) = self.tree.get_mut(at) {
            node.wanted = true;
        }
    }

    fn node(&mut self, parent: usize, transform: Transform) -> usize {
        let known = self.tree.iter().position(|node| node.parent == parent && node.transform == Some(transform));
        known.unwrap_or_else(|| {
            self.tree.push(Node { parent, transform: Some(transform), wanted: false });
            self.tree.len() - 1
        })
    }
}
