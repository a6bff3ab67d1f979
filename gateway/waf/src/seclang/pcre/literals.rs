//! What a text must have to match: what lets a search pass over a text that cannot.

use super::node::Node;
use crate::seclang::bytes::ByteSet;

/// What every matching text has: one of these literals, or an octet of this set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Required {
    /// In ASCII lower case, whatever their case in the text; of two octets or more.
    pub(crate) literals: Vec<Vec<u8>>,
    /// As they are in the text.
    pub(crate) octets: ByteSet,
}

/// How many literals a pattern may ask for, and how many texts a part may spell before it is no longer taken whole.
const LITERALS_MAX: usize = 1_000;
const SPELLINGS_MAX: usize = 64;
/// How many octets of a literal are looked for.
const LITERAL_BYTES_MAX: usize = 24;

impl Required {
    /// What a text that this pattern matches must have; none where it may match any.
    pub(crate) fn of(node: &Node) -> Option<Self> {
        Known::of(node).required
    }

    /// How often texts have it, roughly, in millionths for each octet of a text; less is better.
    fn frequency(&self) -> u64 {
        let octets: u64 = self.octets.iter().map(frequency).sum();
        // A literal costs something even where it does not occur.
        octets + self.literals.iter().map(|literal| 1 + 2 * literal_frequency(literal)).sum::<u64>()
    }
}

/// How often an octet stands in the values of ordinary requests, in millionths.
const fn frequency(octet: u8) -> u64 {
    match octet {
        b'a'..=b'z' => 30_000,
        b'0'..=b'9' => 20_000,
        b' ' => 40_000,
        b'-' | b'.' | b'/' | b'_' => 10_000,
        b'A'..=b'Z' | b',' | b':' | b'=' | b'&' | b';' | b'%' | b'+' | b'(' | b')' => 4_000,
        b'\n' | b'\r' | b'\t' | b'"' | b'\'' | b'!' | b'?' | b'*' | b'@' | b'#' | b'<'..=b'>' => 1_000,
        b'['..=b'`' | b'{'..=b'~' | b'$' => 300,
        _ => 50,
    }
}

fn literal_frequency(literal: &[u8]) -> u64 {
    literal.iter().fold(1_000_000, |product, octet| product * frequency(*octet) / 1_000_000)
}

/// What is known of a part of a pattern.
struct Known {
    /// All the texts that it matches, in lower case, where they are few.
    texts: Option<Vec<Vec<u8>>>,
    required: Option<Required>,
}

impl Known {
    fn of(node: &Node) -> Self {
        match node {
            // A place is no text; that it must hold only makes matches rarer.
            Node::Empty | Node::Look(_) | Node::Around { .. } => Self::spelt(vec![Vec::new()]),
            Node::Byte(set) => Self::of_byte(set),
            Node::Group(_, node) | Node::Atomic(node) => Self::of(node),
            Node::Concat(nodes) => Self::of_row(nodes),
            Node::Alternate(nodes) => Self::of_alternatives(nodes),
            Node::Repeat { min, max, node, .. } => Self::of(node).repeated(*min, *max),
            Node::Back { .. } => Self { texts: None, required: None },
        }
    }

    fn spelt(texts: Vec<Vec<u8>>) -> Self {
        Self { required: whole(&texts), texts: Some(texts) }
    }

    fn of_byte(set: &ByteSet) -> Self {
        let required =
            (*set != ByteSet::ALL).then(|| Required { literals: Vec::new(), octets: *set }).filter(|_| set.len() > 0);
        let texts = (set.len() as usize <= SPELLINGS_MAX).then(|| {
            let mut lower = ByteSet::EMPTY;
            set.iter().for_each(|byte| lower.insert(byte.to_ascii_lowercase()));
            lower.iter().map(|byte| vec![byte]).collect()
        });
        Self { texts, required }
    }

    /// The best of a row, whose neighbours are put together where they spell few texts.
    fn of_row(nodes: &[Node]) -> Self {
        let mut candidates = Vec::new();
        let mut run: Vec<Vec<u8>> = vec![Vec::new()];
        let mut is_spelt = true;
        for node in nodes {
            let part = Self::of(node);
            let joined = part.texts.as_deref().and_then(|texts| product(&run, texts));
            match (joined, part.texts) {
                (Some(joined), _) => run = joined,
                // What a repeated part begins with still belongs to the run before it; what cannot join begins the next.
                (None, texts) => {
                    is_spelt = false;
                    candidates.extend(part.required);
                    candidates.extend(whole(&std::mem::replace(&mut run, texts.unwrap_or_else(|| vec![Vec::new()]))));
                }
            }
        }
        candidates.extend(whole(&run));
        let required = candidates.into_iter().min_by_key(Required::frequency);
        Self { texts: is_spelt.then_some(run), required }
    }

    fn of_alternatives(nodes: &[Node]) -> Self {
        let mut texts = Some(Vec::new());
        let mut required = Some(Required { literals: Vec::new(), octets: ByteSet::EMPTY });
        for node in nodes {
            let part = Self::of(node);
            required = required.zip(part.required).and_then(|(mut all, one)| {
                all.literals.extend(one.literals);
                all.octets = all.octets.union(one.octets);
                // As they come, so that a pattern of very many does not take memory for all of them.
                if all.literals.len() > 4 * LITERALS_MAX { bounded(all) } else { Some(all) }
            });
            texts = texts.zip(part.texts).map(|(mut all, one)| {
                all.extend(one);
                all
            });
        }
        texts = texts.filter(|texts| fits(texts));
        Self { texts, required: required.and_then(bounded) }
    }

    fn repeated(self, min: u32, max: Option<u32>) -> Self {
        const TIMES_MAX: u32 = 4;
        let texts = self.texts.as_ref().zip(max.filter(|max| *max <= TIMES_MAX)).and_then(|(once, max)| {
            let mut texts = Vec::new();
            let mut times = vec![Vec::new()];
            for count in 0..=max {
                if count >= min {
                    texts.extend(times.iter().cloned());
                }
                if count < max {
                    times = product(&times, once)?;
                }
            }
            Some(texts).filter(|texts| fits(texts))
        });
        match texts {
            Some(texts) => Self::spelt(texts),
            None => Self { texts: None, required: self.required.filter(|_| min > 0) },
        }
    }
}

/// What a text has that has one of these; none where one of them is empty.
fn whole(texts: &[Vec<u8>]) -> Option<Required> {
    let mut required = Required { literals: Vec::new(), octets: ByteSet::EMPTY };
    for text in texts {
        match text.as_slice() {
            [] => return None,
            [octet] => required.octets.insert(*octet),
            _ => required.literals.push(text.clone()),
        }
    }
    required.octets = required.octets.any_case();
    bounded(required)
}

/// Known by first octets where literals are too many; none where any text has it.
fn bounded(mut required: Required) -> Option<Required> {
    // A literal with one of the octets, in either case, adds nothing.
    let octets = required.octets;
    let is_there = |octet: &u8| octets.contains(*octet) && octets.contains(octet.to_ascii_uppercase());
    required.literals.retain(|literal| !literal.iter().any(is_there));
    required.literals.sort();
    required.literals.dedup();
    if required.literals.len() > LITERALS_MAX {
        for literal in std::mem::take(&mut required.literals) {
            literal.first().iter().for_each(|octet| required.octets.insert(**octet));
        }
        required.octets = required.octets.any_case();
    }
    let is_any = required.octets == ByteSet::ALL;
    let is_none = required.literals.is_empty() && required.octets == ByteSet::EMPTY;
    (!is_any && !is_none).then_some(required)
}

/// Each head with each tail; none where that is too many, or too long.
fn product(heads: &[Vec<u8>], tails: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let longest = |texts: &[Vec<u8>]| texts.iter().map(Vec::len).max().unwrap_or(0);
    if heads.len() * tails.len() > SPELLINGS_MAX || longest(heads) + longest(tails) > LITERAL_BYTES_MAX {
        return None;
    }
    let mut texts: Vec<Vec<u8>> =
        heads.iter().flat_map(|head| tails.iter().map(move |tail| [head.as_slice(), tail].concat())).collect();
    texts.sort();
    texts.dedup();
    Some(texts)
}

fn fits(texts: &[Vec<u8>]) -> bool {
    texts.len() <= SPELLINGS_MAX && texts.iter().all(|text| text.len() <= LITERAL_BYTES_MAX)
}
