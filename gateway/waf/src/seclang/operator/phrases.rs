//! Many phrases at once.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// Phrases, in any case.
#[derive(Debug)]
pub(crate) struct Phrases {
    automaton: AhoCorasick,
    phrases: Vec<Vec<u8>>,
}

impl Phrases {
    pub(super) fn new(phrases: Vec<Vec<u8>>) -> Option<Self> {
        if phrases.is_empty() {
            return None;
        }
        // A DFA would be faster, but few values get as far as this, and it takes long to build.
        let kind = Some(AhoCorasickKind::ContiguousNFA);
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).kind(kind).build(&phrases).ok()?;
        let phrases = phrases.iter().map(|phrase| phrase.to_ascii_lowercase()).collect();
        Some(Self { automaton, phrases })
    }

    /// The first phrase that ends in the value, as its place there.
    pub(super) fn find(&self, value: &[u8]) -> Option<(usize, usize)> {
        self.automaton.find(value).map(|found| (found.start(), found.end()))
    }

    /// How much memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.automaton.memory_usage() + self.phrases.iter().map(Vec::capacity).sum::<usize>()
    }

    /// The phrases, in lower case.
    pub(crate) fn texts(&self) -> &[Vec<u8>] {
        &self.phrases
    }
}

/// The phrases of `@pm`: words, of which `|41 42|` are octets.
pub(super) fn of_argument(argument: &str) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    // Octets first: they may be spaces, which then are none that part words.
    let parts: Vec<_> = argument.split('|').collect();
    if parts.len() < 3 || parts.len().is_multiple_of(2) {
        return argument.split_whitespace().map(|word| word.as_bytes().to_vec()).collect();
    }
    let mut phrases = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index % 2 == 1 {
            bytes.extend(part.split_whitespace().filter_map(|octet| u8::from_str_radix(octet, 16).ok()));
            continue;
        }
        let mut words = part.split(char::is_whitespace);
        bytes.extend_from_slice(words.next().unwrap_or_default().as_bytes());
        for word in words {
            phrases.push(std::mem::replace(&mut bytes, word.as_bytes().to_vec()));
        }
    }
    phrases.push(bytes);
    phrases.retain(|phrase| !phrase.is_empty());
    phrases
}

/// The phrases of a file: a line each, but for empty lines and those that begin with `#`.
pub(super) fn of_file(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.as_bytes().to_vec()).collect()
}
