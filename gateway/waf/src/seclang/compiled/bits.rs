//! Sets of rules.

/// A set of small numbers.
#[derive(Clone, Debug, Default)]
pub(in crate::seclang) struct Bits(Vec<u64>);

impl Bits {
    pub(in crate::seclang) fn insert(&mut self, index: usize) {
        let word = index / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (index % 64);
        }
    }

    pub(in crate::seclang) fn contains(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Makes it the same as another.
    pub(super) fn copy(&mut self, other: &Self) {
        self.0.clear();
        self.0.extend_from_slice(&other.0);
    }

    pub(in crate::seclang) fn clear(&mut self) {
        self.0.iter_mut().for_each(|word| *word = 0);
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The first member in `from..to`.
    pub(super) fn next(&self, from: usize, to: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut bits = self.0.get(word)? & (u64::MAX << (from % 64));
        loop {
            if bits != 0 {
                let index = word * 64 + bits.trailing_zeros() as usize;
                return (index < to).then_some(index);
            }
            word += 1;
            if word * 64 >= to {
                return None;
            }
            bits = *self.0.get(word)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_in_order() {
        let mut bits = Bits::default();
        for index in [3, 64, 200] {
            bits.insert(index);
        }
        assert_eq!(bits.next(0, 300), Some(3));
        assert_eq!(bits.next(4, 300), Some(64));
        assert_eq!(bits.next(65, 300), Some(200));
        assert_eq!(bits.next(65, 200), None);
        assert_eq!(bits.next(201, 999), None);
        assert_eq!(bits.len(), 3);
    }
}
