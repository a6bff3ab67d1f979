//! What scans found for texts that come again: an array of JSON objects has the same names in each of them, and many
//! values twice.

use crate::seclang::store::Span;

/// How many texts are remembered: a new one takes the place of an old one.
const PLACES: usize = 1_024;
/// How many rules are remembered with them; beyond, texts are forgotten.
const RULES_MAX: usize = 64 << 10;

/// Texts of one source, by what they hash to, and the rules that a scan of them found.
#[derive(Debug, Default)]
pub(super) struct Memo {
    places: Vec<Place>,
    rules: Vec<usize>,
    /// What is of another round is forgotten: a round is one source of one phase of one transaction.
    round: u32,
}

/// A text that was scanned.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    round: u32,
    hash: u32,
    /// The first member of the list that had it.
    member: u32,
    from: u32,
    len: u32,
}

/// A text's hash, good enough to tell most texts apart: who makes them collide makes scans happen that would have, anyway.
#[derive(Clone, Copy, Debug)]
pub(in crate::seclang) struct Hash(u32);

impl Hash {
    pub(in crate::seclang) fn of(text: &[u8]) -> Self {
        const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
        let (words, rest) = text.as_chunks::<8>();
        let mut hash = text.len() as u64;
        for word in words {
            hash = (hash.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
        }
        for octet in rest {
            hash = (hash.rotate_left(5) ^ u64::from(*octet)).wrapping_mul(FACTOR);
        }
        let [_, _, _, _, a, b, c, d] = (hash ^ hash >> 32).wrapping_mul(FACTOR).to_le_bytes();
        Self(u32::from_le_bytes([a, b, c, d]))
    }

    const fn place(self) -> usize {
        self.0 as usize % PLACES
    }
}

impl Memo {
    /// Forgets all.
    pub(super) fn begin(&mut self) {
        self.rules.clear();
        self.places.resize(PLACES, Place::default());
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            // Rounds begin again, so what is left of the first ones must not be taken for theirs.
            self.places.fill(Place::default());
            self.round = 1;
        }
    }

    /// The member whose text has this hash, and which of the rules were found for it; whether it has the same text is for the
    /// caller to say.
    pub(super) fn find(&self, hash: Hash) -> Option<(usize, std::ops::Range<usize>)> {
        let place = self.places.get(hash.place()).filter(|place| place.round == self.round && place.hash == hash.0)?;
        let from = place.from as usize;
        Some((place.member as usize, from..from + place.len as usize))
    }

    pub(super) fn rule(&self, at: usize) -> Option<usize> {
        self.rules.get(at).copied()
    }

    /// Remembers what was found for a member's text.
    pub(super) fn keep(&mut self, hash: Hash, member: usize, found: &[usize]) {
        if self.rules.len() + found.len() > RULES_MAX {
            self.begin();
        }
        let (Ok(member), Ok(from), Ok(len)) =
            (u32::try_from(member), u32::try_from(self.rules.len()), u32::try_from(found.len()))
        else {
            return;
        };
        self.rules.extend_from_slice(found);
        if let Some(place) = self.places.get_mut(hash.place()) {
            *place = Place { round: self.round, hash: hash.0, member, from, len };
        }
    }
}

/// Texts that one rule did not match.
#[derive(Debug, Default)]
pub(in crate::seclang) struct Failed {
    places: Vec<(u32, u32, Span)>,
    round: u32,
}

/// How many such texts are remembered.
const FAILED_PLACES: usize = 128;

impl Failed {
    /// Forgets all.
    pub(in crate::seclang) fn begin(&mut self) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 || self.places.is_empty() {
            self.places.clear();
            self.places.resize(FAILED_PLACES, Default::default());
            self.round = 1;
        }
    }

    /// A text of this hash.
    pub(in crate::seclang) fn find(&self, hash: Hash) -> Option<Span> {
        let (round, known, span) = *self.places.get(hash.0 as usize % FAILED_PLACES)?;
        (round == self.round && known == hash.0).then_some(span)
    }

    pub(in crate::seclang) fn keep(&mut self, hash: Hash, span: Span) {
        if let Some(place) = self.places.get_mut(hash.0 as usize % FAILED_PLACES) {
            *place = (self.round, hash.0, span);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_remembered_for_one_round() {
        let mut memo = Memo { round: u32::MAX - 1, ..Memo::default() };
        for _ in 0..3 {
            memo.begin();
            let hash = Hash::of(b"a longer text");
            assert!(memo.find(hash).is_none());
            memo.keep(hash, 7, &[3, 5]);
            let (member, rules) = memo.find(hash).unwrap();
            assert_eq!((member, rules.filter_map(|at| memo.rule(at)).collect::<Vec<_>>()), (7, vec![3, 5]));
        }
    }

    #[test]
    fn too_much_is_forgotten() {
        let mut memo = Memo::default();
        memo.begin();
        memo.keep(Hash::of(b"a"), 1, &[1; RULES_MAX]);
        memo.keep(Hash::of(b"b"), 2, &[1]);
        assert!(memo.find(Hash::of(b"a")).is_none());
        assert!(memo.find(Hash::of(b"b")).is_some());
    }
}
