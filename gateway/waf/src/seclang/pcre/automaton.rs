//! Patterns that an automaton can express: in linear time, and with little to build when rules are loaded.
//!
//! A pattern is one automaton without states of its own (an NFA). Whether and where a text matches is told by a DFA whose
//! states are made as texts need them; only where it does are groups looked for. `regex-automata`'s own choice of engines
//! makes more of a pattern (literals, a reversed automaton, a DFA of one pass), which takes three times as long to load
//! and saves nothing here: literals were looked for before.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::available_parallelism;

use regex_automata::hybrid::dfa;
use regex_automata::nfa::thompson::backtrack::{self, BoundedBacktracker};
use regex_automata::nfa::thompson::pikevm::{self, PikeVM};
use regex_automata::nfa::thompson::{Compiler, Config, NFA};
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Hir, Look as HirLook, Repetition};

use super::node::{Greed, Look, Node};
use super::{Groups, PatternError};

/// What one pattern's automaton may take.
const NFA_BYTES_MAX: usize = 4 << 20;
/// What the states that one search's DFA makes may take: so much for each of the automaton's states, within bounds. Where
/// that is too little they are made anew, and at last the search goes on without them.
const CACHE_BYTES_PER_STATE: usize = 256;
const CACHE_BYTES: (usize, usize) = (64 << 10, 512 << 10);
/// How much of that is kept for searches to come: for as many as run at a time, on proxy threads and aside. What a moment of more
/// threads took is let go of.
static IDLE_MAX: LazyLock<usize> = LazyLock::new(|| 2 * available_parallelism().map_or(1, usize::from));
/// How many octets the search for groups may take to remember where it has been; a longer text is searched otherwise.
const VISITED_BYTES_MAX: usize = 64 << 10;
/// How many groups are kept: rules know ten, the whole match and nine.
const GROUPS_MAX: usize = 10;

/// The same pattern for `regex-automata`; none where it needs to look around, or back.
pub(super) fn lower(node: &Node) -> Option<Hir> {
    Some(match node {
        Node::Empty => Hir::empty(),
        Node::Byte(set) => {
            let ranges = set.ranges().into_iter().map(|(first, last)| ClassBytesRange::new(first, last));
            Hir::class(Class::Bytes(ClassBytes::new(ranges)))
        }
        Node::Look(look) => Hir::look(match look {
            Look::Start => HirLook::Start,
            Look::End => HirLook::End,
            Look::LineStart => HirLook::StartLF,
            Look::LineEnd => HirLook::EndLF,
            Look::WordBoundary => HirLook::WordAscii,
            Look::NoWordBoundary => HirLook::WordAsciiNegate,
        }),
        Node::Group(index, node) => {
            Hir::capture(Capture { index: u32::try_from(*index).ok()?, name: None, sub: Box::new(lower(node)?) })
        }
        Node::Concat(nodes) => Hir::concat(nodes.iter().map(lower).collect::<Option<_>>()?),
        Node::Alternate(nodes) => Hir::alternation(nodes.iter().map(lower).collect::<Option<_>>()?),
        Node::Repeat { greed: Greed::Possessive, .. } | Node::Around { .. } | Node::Atomic(_) | Node::Back { .. } => {
            return None;
        }
        Node::Repeat { min, max, greed, node } => Hir::repetition(Repetition {
            min: *min,
            max: *max,
            greedy: *greed == Greed::Greedy,
            sub: Box::new(lower(node)?),
        }),
    })
}

/// A pattern that is ready to run, with what searches have learned of it.
#[derive(Debug)]
pub(super) struct Automaton {
    forward: dfa::DFA,
    backtracker: BoundedBacktracker,
    vm: PikeVM,
    anchored: Anchored,
    groups: usize,
    /// What no search uses now. One stack for all threads: what one thread's search has made of the DFA the next one's
    /// finds, so that a thread's first request costs no more than another's.
    #[expect(clippy::vec_box, reason = "each search takes one and gives it back: a pointer moves, not the caches")]
    idle: Mutex<Vec<Box<Memory>>>,
}

/// What a search writes to.
#[derive(Debug)]
struct Memory {
    forward: dfa::Cache,
    backtracker: Option<backtrack::Cache>,
    vm: Option<pikevm::Cache>,
}

impl Automaton {
    pub(super) fn new(hir: &Hir) -> Result<Self, PatternError> {
        let config = Config::new().utf8(false).nfa_size_limit(Some(NFA_BYTES_MAX));
        let nfa = Compiler::new().configure(config).build_from_hir(hir).map_err(too_large)?;
        let groups = nfa.group_info().slot_len() / 2;
        let anchored = if nfa.is_always_start_anchored() { Anchored::Yes } else { Anchored::No };
        let forward = dfa::Builder::new().configure(dfa_config(&nfa)).build_from_nfa(nfa.clone());
        let visited = BoundedBacktracker::config().visited_capacity(VISITED_BYTES_MAX);
        let backtracker = BoundedBacktracker::builder().configure(visited).build_from_nfa(nfa.clone());
        Ok(Self {
            forward: forward.map_err(too_large)?,
            backtracker: backtracker.map_err(too_large)?,
            vm: PikeVM::new_from_nfa(nfa).map_err(too_large)?,
            anchored,
            groups: groups.min(GROUPS_MAX),
            idle: Mutex::default(),
        })
    }

    /// What it takes, without what searches need.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.forward.get_nfa().memory_usage()
    }

    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        let mut memory = self.take();
        let input = Input::new(text).anchored(self.anchored).earliest(true);
        let found = self.find_end(&input, &mut memory).is_some();
        self.give_back(memory);
        found
    }

    /// Where the groups of the first match are; whether there is one.
    pub(super) fn groups(&self, text: &[u8], groups: &mut Groups) -> bool {
        let mut memory = self.take();
        let input = Input::new(text).anchored(self.anchored);
        let end = self.find_end(&input, &mut memory);
        if let Some(end) = end {
            // No match that begins before it ends behind it.
            self.find_groups(&input.span(0..end), &mut memory, groups);
        }
        self.give_back(memory);
        end.is_some()
    }

    fn find_end(&self, input: &Input<'_>, memory: &mut Memory) -> Option<usize> {
        match self.forward.try_search_fwd(&mut memory.forward, input) {
            Ok(half) => half.map(|half| half.offset()),
            // The text needs more states than there is room for.
            Err(_) => {
                let mut slots = [None; 2];
                let vm = memory.vm.get_or_insert_with(|| self.vm.create_cache());
                self.vm.search_slots(vm, input, &mut slots);
                let [_, end] = slots;
                end.map(NonMaxUsize::get)
            }
        }
    }

    fn find_groups(&self, input: &Input<'_>, memory: &mut Memory, groups: &mut Groups) {
        let mut slots = [None; 2 * GROUPS_MAX];
        let slots = slots.get_mut(..2 * self.groups).unwrap_or_default();
        let backtracker = memory.backtracker.get_or_insert_with(|| self.backtracker.create_cache());
        if self.backtracker.try_search_slots(backtracker, input, slots).is_err() {
            let vm = memory.vm.get_or_insert_with(|| self.vm.create_cache());
            self.vm.search_slots(vm, input, slots);
        }
        groups.extend(slots.chunks_exact(2).map(|pair| match pair {
            [Some(start), Some(end)] => Some((start.get(), end.get())),
            _ => None,
        }));
    }

    fn take(&self) -> Box<Memory> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Box::new(Memory { forward: self.forward.create_cache(), backtracker: None, vm: None }))
    }

    fn give_back(&self, memory: Box<Memory>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < *IDLE_MAX {
            idle.push(memory);
        }
    }
}

fn too_large(error: impl std::error::Error + Send + Sync + 'static) -> PatternError {
    PatternError::TooLarge(Box::new(error))
}

fn dfa_config(nfa: &NFA) -> dfa::Config {
    let (least, most) = CACHE_BYTES;
    dfa::Config::new()
        .cache_capacity((nfa.states().len() * CACHE_BYTES_PER_STATE).clamp(least, most))
        .skip_cache_capacity_check(true)
        // Where states are forgotten again and again before they have paid, the slower engine is the faster one.
        .minimum_cache_clear_count(Some(3))
        .minimum_bytes_per_state(Some(10))
}
