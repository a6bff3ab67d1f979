//! Sets of octets, and octets as text.

/// From this length on a table of what was seen is faster than setting bits.
const TABLE_BYTES_MIN: usize = 256;

/// A set of octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(crate) const EMPTY: Self = Self([0; 4]);
    pub(crate) const ALL: Self = Self([u64::MAX; 4]);

    /// The set of these octets.
    pub(crate) const fn of(bytes: &[u8]) -> Self {
        let mut set = Self::EMPTY;
        let mut rest = bytes;
        while let [first, more @ ..] = rest {
            set = set.with(*first);
            rest = more;
        }
        set
    }

    /// The set of the octets from `first` to `last`, both in it.
    pub(crate) const fn range(first: u8, last: u8) -> Self {
        let mut set = Self::EMPTY;
        let mut byte = first as u16;
        while byte <= last as u16 {
            set = set.with(byte as u8);
            byte += 1;
        }
        set
    }

    pub(crate) const fn with(self, byte: u8) -> Self {
        let bit = 1 << (byte & 63);
        let [a, b, c, d] = self.0;
        Self(match byte >> 6 {
            0 => [a | bit, b, c, d],
            1 => [a, b | bit, c, d],
            2 => [a, b, c | bit, d],
            _ => [a, b, c, d | bit],
        })
    }

    pub(crate) fn insert(&mut self, byte: u8) {
        *self = self.with(byte);
    }

    pub(crate) const fn contains(&self, byte: u8) -> bool {
        let [a, b, c, d] = self.0;
        let word = match byte >> 6 {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        };
        word >> (byte & 63) & 1 == 1
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a | e, b | f, c | g, d | h])
    }

    pub(crate) const fn complement(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([!a, !b, !c, !d])
    }

    pub(crate) const fn meets(&self, other: &Self) -> bool {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        a & e | b & f | c & g | d & h != 0
    }

    /// Whether everything in here is in the other set, too.
    pub(crate) const fn within(&self, other: &Self) -> bool {
        !self.meets(&other.complement())
    }

    pub(crate) fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Its octets, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u8> {
        let words = self.0;
        (0_u8..4).zip(words).flat_map(|(at, word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = u8::try_from(left.trailing_zeros()).ok().filter(|bit| *bit < 64)?;
                left &= left - 1;
                Some(at << 6 | bit)
            })
        })
    }

    /// Its octets as runs, each with its first and last.
    pub(crate) fn ranges(&self) -> Vec<(u8, u8)> {
        let mut ranges: Vec<(u8, u8)> = Vec::new();
        for byte in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == byte => *last = byte,
                _ => ranges.push((byte, byte)),
            }
        }
        ranges
    }

    /// The same letters in both cases.
    pub(crate) const fn any_case(self) -> Self {
        // In the second word, `A` to `Z` are bits 1 to 26, and `a` to `z` stand 32 further.
        const UPPER: u64 = 0x07FF_FFFE;
        let [a, word, c, d] = self.0;
        let letters = (word | word >> 32) & UPPER;
        Self([a, word | letters | letters << 32, c, d])
    }

    /// The octets that occur in a text.
    pub(crate) fn seen_in(text: &[u8]) -> Self {
        let mut words = [0_u64; 4];
        if text.len() < TABLE_BYTES_MIN {
            for &byte in text {
                if let Some(word) = words.get_mut(usize::from(byte >> 6)) {
                    *word |= 1 << (byte & 63);
                }
            }
            return Self(words);
        }
        let mut seen = [false; 256];
        for &byte in text {
            if let Some(slot) = seen.get_mut(usize::from(byte)) {
                *slot = true;
            }
        }
        for (word, flags) in words.iter_mut().zip(seen.chunks_exact(64)) {
            for (bit, &flag) in flags.iter().enumerate() {
                *word |= u64::from(flag) << bit;
            }
        }
        Self(words)
    }
}

/// The number that a text starts with, as C's `atoi` reads it: none is zero.
pub(crate) fn integer(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let value = digits
        .iter()
        .map_while(|byte| char::from(*byte).to_digit(10))
        .fold(0_i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit)));
    if negative { -value } else { value }
}

/// The value of a hexadecimal digit.
pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The octet that two hexadecimal digits spell.
pub(crate) fn hex_pair(high: u8, low: u8) -> Option<u8> {
    Some(hex_digit(high)? << 4 | hex_digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sets() {
        let set = ByteSet::range(b'a', b'f').union(ByteSet::of(b"\x00\xFF"));
        assert_eq!(set.iter().collect::<Vec<_>>(), b"\x00abcdef\xFF");
        assert_eq!(set.complement().len(), 248);
        assert!(ByteSet::seen_in(b"face\xFF").within(&set));
        assert!(!ByteSet::seen_in(b"gage").within(&set));
        assert!(ByteSet::of(b"aZ1@[`{").any_case() == ByteSet::of(b"aAzZ1@[`{"));
        assert_eq!(set.ranges(), [(0, 0), (b'a', b'f'), (0xFF, 0xFF)]);
    }

    #[test]
    fn numbers_are_read_as_c_does() {
        for (text, value) in
            [("12a", 12), ("", 0), (" -3", -3), ("+7", 7), ("x1", 0), ("99999999999999999999", i64::MAX)]
        {
            assert_eq!(integer(text.as_bytes()), value, "{text}");
        }
    }
}
