//! Patterns that an automaton can express.

use regex_automata::meta::{Config, Regex};
use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Hir, Look as HirLook, Repetition};

use super::PatternError;
use super::node::{Greed, Look, Node};

/// What one pattern's automaton may take while it is built, and what its caches may take while it runs.
const NFA_BYTES_MAX: usize = 16 << 20;
const CACHE_BYTES_MAX: usize = 512 << 10;

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

pub(super) fn build(hir: &Hir) -> Result<Regex, PatternError> {
    let config =
        Config::new().utf8_empty(false).nfa_size_limit(Some(NFA_BYTES_MAX)).hybrid_cache_capacity(CACHE_BYTES_MAX);
    Regex::builder().configure(config).build_from_hir(hir).map_err(|error| PatternError::TooLarge(Box::new(error)))
}
