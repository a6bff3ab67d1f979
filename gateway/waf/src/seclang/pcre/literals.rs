//! Literals that a text must have to match: what lets a search pass over a text that cannot.

use super::node::Node;
use crate::seclang::bytes::ByteSet;

/// What every matching text has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Required {
    /// One of these texts, in ASCII lower case, whatever its case in the text.
    AnyOf(Vec<Vec<u8>>),
    /// An octet of this set.
    Byte(ByteSet),
    /// Nothing that is known.
    Nothing,
}

/// How many literals a pattern may ask for, and how many texts a part may spell before it is no longer taken whole.
const LITERALS_MAX: usize = 250;
const SPELLINGS_MAX: usize = 64;
const LITERAL_BYTES_MAX: usize = 24;

impl Required {
    /// What a text that this pattern matches must have.
    pub(crate) fn of(node: &Node) -> Self {
        best(node).unwrap_or(Self::Nothing)
    }

    /// How rarely a text has it, roughly; larger is rarer.
    fn worth(&self) -> usize {
        match self {
            Self::AnyOf(literals) => {
                let shortest = literals.iter().map(Vec::len).min().unwrap_or(0);
                // A third octet counts for more than fewer literals, a fifth hardly.
                shortest.min(5) * 1000 - literals.len().min(900)
            }
            Self::Byte(set) => 300_usize.saturating_sub(set.len() as usize),
            Self::Nothing => 0,
        }
    }
}

/// The best requirement of a part; none where it may match without any.
fn best(node: &Node) -> Option<Required> {
    if let Some(texts) = spelt(node) {
        return whole(texts);
    }
    match node {
        Node::Byte(set) => (*set != ByteSet::ALL).then_some(Required::Byte(*set)),
        Node::Group(_, node) | Node::Atomic(node) => best(node),
        Node::Repeat { min, node, .. } if *min > 0 => best(node),
        Node::Concat(nodes) => best_in_row(nodes),
        Node::Alternate(nodes) => nodes.iter().map(best).collect::<Option<Vec<_>>>().and_then(any),
        Node::Empty | Node::Look(_) | Node::Repeat { .. } | Node::Around { .. } | Node::Back { .. } => None,
    }
}

/// The best of a row, whose neighbours are put together where they spell few texts.
fn best_in_row(nodes: &[Node]) -> Option<Required> {
    let mut candidates = Vec::new();
    let mut run: Vec<Vec<u8>> = vec![Vec::new()];
    for node in nodes {
        if let Some(texts) = spelt(node) {
            if run.len() * texts.len() <= SPELLINGS_MAX {
                run = product(&run, &texts);
                continue;
            }
            candidates.extend(whole(std::mem::replace(&mut run, texts)));
            continue;
        }
        // What a repeated part begins with still belongs to the run before it.
        candidates.extend(whole(std::mem::replace(&mut run, vec![Vec::new()])));
        candidates.extend(best(node));
    }
    candidates.extend(whole(run));
    candidates.into_iter().max_by_key(Required::worth)
}

fn whole(texts: Vec<Vec<u8>>) -> Option<Required> {
    if texts.is_empty() || texts.iter().any(Vec::is_empty) {
        return None;
    }
    if texts.iter().all(|text| text.len() == 1) {
        let mut set = ByteSet::EMPTY;
        texts.iter().flatten().for_each(|byte| set.insert(*byte));
        let set = set.any_case();
        return (set != ByteSet::ALL).then_some(Required::Byte(set));
    }
    Some(Required::AnyOf(texts))
}

/// One of several requirements: their literals together, or their octets where one of them is known by no more.
fn any(of: Vec<Required>) -> Option<Required> {
    let mut literals: Vec<Vec<u8>> = Vec::new();
    let mut set = ByteSet::EMPTY;
    let mut only_octets = false;
    for required in &of {
        match required {
            Required::AnyOf(texts) => {
                texts.iter().filter_map(|text| text.first()).for_each(|byte| set.insert(*byte));
                literals.extend(texts.iter().cloned());
            }
            Required::Byte(bytes) => {
                set = set.union(*bytes);
                only_octets = true;
            }
            Required::Nothing => return None,
        }
    }
    literals.sort();
    literals.dedup();
    if only_octets || literals.len() > LITERALS_MAX {
        let set = set.any_case();
        return (set != ByteSet::ALL).then_some(Required::Byte(set));
    }
    Some(Required::AnyOf(literals))
}

/// All the texts that a part matches, in lower case, where they are few.
fn spelt(node: &Node) -> Option<Vec<Vec<u8>>> {
    let texts = match node {
        // A place is no text; that it must hold only makes matches rarer.
        Node::Empty | Node::Look(_) | Node::Around { .. } => vec![Vec::new()],
        Node::Byte(set) if set.len() as usize > 2 * SPELLINGS_MAX => return None,
        Node::Byte(set) => {
            let mut bytes: Vec<_> = set.iter().map(|byte| vec![byte.to_ascii_lowercase()]).collect();
            bytes.dedup();
            bytes.sort();
            bytes.dedup();
            bytes
        }
        Node::Group(_, node) | Node::Atomic(node) => spelt(node)?,
        Node::Concat(nodes) => {
            let mut texts = vec![Vec::new()];
            for node in nodes {
                texts = product(&texts, &spelt(node)?);
                if texts.len() > SPELLINGS_MAX {
                    return None;
                }
            }
            texts
        }
        Node::Alternate(nodes) => {
            let mut texts = Vec::new();
            for node in nodes {
                texts.extend(spelt(node)?);
            }
            texts
        }
        Node::Repeat { min, max: Some(max), node, .. } if *max <= 4 => {
            let once = spelt(node)?;
            let mut texts = Vec::new();
            let mut times = vec![Vec::new()];
            for count in 0..=*max {
                if count >= *min {
                    texts.extend(times.iter().cloned());
                }
                if times.len() * once.len() > SPELLINGS_MAX {
                    return None;
                }
                times = product(&times, &once);
            }
            texts
        }
        Node::Repeat { .. } | Node::Back { .. } => return None,
    };
    let fits = texts.len() <= LITERALS_MAX && texts.iter().all(|text| text.len() <= LITERAL_BYTES_MAX);
    fits.then_some(texts)
}

fn product(heads: &[Vec<u8>], tails: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> =
        heads.iter().flat_map(|head| tails.iter().map(move |tail| [head.as_slice(), tail].concat())).collect();
    texts.sort();
    texts.dedup();
    texts
}
