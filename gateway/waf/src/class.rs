//! What kinds of octets a value has, found in one pass: the gate before everything dearer.

/// A set of octet classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Classes(u16);

impl Classes {
    /// ASCII letters, digits and `_`. A value of these alone is one word or number and can be no attack.
    pub(crate) const WORD: Self = Self(1 << 0);
    /// What harmless texts are full of and no literal of a rule depends on: space, `-`, `,`, letters beyond ASCII.
    pub(crate) const QUIET: Self = Self(1 << 1);
    /// `+`, a space in forms.
    pub(crate) const PLUS: Self = Self(1 << 2);
    /// Octets that begin an overlong or full-width form of an ASCII character, or that no UTF-8 text has.
    pub(crate) const FOLDED: Self = Self(1 << 3);
    /// `%`, of percent-encoding.
    pub(crate) const PERCENT: Self = Self(1 << 4);
    /// `&`, of HTML entities and of shells.
    pub(crate) const AMPERSAND: Self = Self(1 << 5);
    /// `\`, of escapes and of Windows paths.
    pub(crate) const BACKSLASH: Self = Self(1 << 6);
    /// The null octet.
    pub(crate) const NUL: Self = Self(1 << 7);
    /// `<`.
    pub(crate) const LESS: Self = Self(1 << 8);
    /// `=`.
    pub(crate) const EQUALS: Self = Self(1 << 9);
    /// `;`, `|` and `>`: what joins commands.
    pub(crate) const JOIN: Self = Self(1 << 10);
    /// `$`, `{` and the back-tick: what begins an expansion.
    pub(crate) const EXPAND: Self = Self(1 << 11);
    /// `'`, `"` and `^`: what shells drop from words.
    pub(crate) const QUOTE: Self = Self(1 << 12);
    /// Every other octet.
    pub(crate) const OTHER: Self = Self(1 << 13);
    /// Besides one of the above: whatever stands in no number, date, time or version.
    pub(crate) const WORDY: Self = Self(1 << 14);
    /// Besides one of the above: whatever stands in no slug, host name, file name or UUID.
    pub(crate) const UNSLUGLIKE: Self = Self(1 << 15);

    /// No class.
    pub(crate) const NONE: Self = Self(0);
    /// What joins or begins commands in a shell.
    pub(crate) const SHELL: Self = Self::JOIN.or(Self::EXPAND).or(Self::AMPERSAND);
    /// What hints at a further encoding.
    pub(crate) const ENCODED: Self = Self::PERCENT.or(Self::AMPERSAND).or(Self::BACKSLASH).or(Self::FOLDED);
    /// A value of these alone holds no literal of any rule.
    pub(crate) const CALM: Self = Self::ONE_WORD.or(Self::QUIET).or(Self::PLUS).or(Self::FOLDED).or(Self::UNSLUGLIKE);
    /// A value of these alone is one word.
    pub(crate) const ONE_WORD: Self = Self::WORD.or(Self::WORDY);

    /// Every class that is not calm.
    pub(crate) const LOUD: Self = Self(!Self::CALM.0);

    /// The classes of these octets.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(0, |classes, &byte| classes | class(byte)))
    }

    /// Both sets' classes.
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets share a class.
    pub(crate) fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    /// Whether every class of this set is in the other.
    pub(crate) fn only(self, of: Self) -> bool {
        self.0 & !of.0 == 0
    }
}

fn class(byte: u8) -> u16 {
    // INVARIANT (a table for every octet): the table has 256 entries, so there is always one.
    TABLE.get(usize::from(byte)).copied().unwrap_or(Classes::OTHER.0)
}

static TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut rest: &mut [u16] = &mut table;
    let mut byte = 0u8;
    while let Some((entry, tail)) = rest.split_first_mut() {
        let numeric = matches!(byte, b'0'..=b'9' | b'T' | b'Z' | b' ' | b',' | b'.' | b':' | b'/' | b'+' | b'-');
        let sluglike = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        *entry = classify(byte).0
            | if numeric { 0 } else { Classes::WORDY.0 }
            | if sluglike { 0 } else { Classes::UNSLUGLIKE.0 };
        rest = tail;
        byte = byte.wrapping_add(1);
    }
    table
};

const fn classify(byte: u8) -> Classes {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => Classes::WORD,
        b' ' | b'-' | b',' | b'@' | b'!' | b'?' | b'*' | b'~' => Classes::QUIET,
        b'+' => Classes::PLUS,
        0xC0 | 0xC1 | 0xEF | 0xFF => Classes::FOLDED,
        0x80.. => Classes::QUIET,
        b'%' => Classes::PERCENT,
        b'&' => Classes::AMPERSAND,
        b'\\' => Classes::BACKSLASH,
        0 => Classes::NUL,
        b'<' => Classes::LESS,
        b'=' => Classes::EQUALS,
        b';' | b'|' | b'>' => Classes::JOIN,
        b'$' | b'{' | b'`' => Classes::EXPAND,
        b'\'' | b'"' | b'^' => Classes::QUOTE,
        _ => Classes::OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_has_exactly_one_class() {
        for byte in 0..=255u8 {
            assert_eq!(
                (Classes::of(&[byte]).0 & !Classes::WORDY.0 & !Classes::UNSLUGLIKE.0).count_ones(),
                1,
                "{byte:#x}"
            );
        }
    }

    #[test]
    fn classes_add_up() {
        let classes = Classes::of(b"a b<c");
        assert!(classes.only(Classes::ONE_WORD.or(Classes::QUIET).or(Classes::LESS).or(Classes::UNSLUGLIKE)));
        assert!(classes.any(Classes::LESS));
        assert!(!classes.any(Classes::EQUALS));
        assert!(Classes::of(b"").only(Classes::NONE));
    }
}
