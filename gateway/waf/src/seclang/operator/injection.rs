//! libinjection, and what can be told without it.

use std::sync::LazyLock;

use libinjectionrs::sqli::sqli_data::SQL_KEYWORDS;
use libinjectionrs::{SqliFlags, SqliState, detect_xss};

use crate::injection::with_short_words;
use crate::seclang::bytes::ByteSet;

/// The fingerprint of the SQL that libinjection finds, if any.
pub(super) fn sqli(value: &[u8]) -> Option<String> {
    if value.is_empty() {
        return None;
    }
    let value = with_short_words(value);
    let mut state = SqliState::new(&value, SqliFlags::FLAG_NONE);
    state.detect().then(|| state.fingerprint_string())
}

pub(super) fn is_xss(value: &[u8]) -> bool {
    detect_xss(value).is_injection()
}

/// Whether libinjection could take a value, whose octets are given, for SQL. It folds a value to a fingerprint of at most
/// five tokens, and no fingerprint that is SQL's is of nothing but bare words, numbers, operators, commas, dots, colons
/// and semicolons: a word that SQL knows, a quote, a parenthesis or a comment is in each of them. Nor is any of one word.
pub(crate) fn may_be_sqli(value: &[u8], seen: &ByteSet) -> bool {
    !(seen.within(&LETTERS) || seen.within(&PLAIN) && is_plain(value))
}

const LETTERS: ByteSet = ByteSet::range(b'a', b'z').union(ByteSet::range(b'A', b'Z')).union(ByteSet::of(b"_"));
const DIGITS: ByteSet = ByteSet::range(b'0', b'9');
/// Octets that make no other tokens, as long as no two `-` stand together.
const PLAIN: ByteSet = LETTERS.union(DIGITS).union(ByteSet::of(b" \t\r\n.,:;-+/="));

/// Whether a text of such octets has no word that SQL knows, and no comment.
fn is_plain(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        if LETTERS.contains(byte) {
            let len = rest.iter().take_while(|byte| LETTERS.contains(**byte) || DIGITS.contains(**byte)).count();
            let (word, behind) = rest.split_at_checked(len).unwrap_or((rest, b""));
            if SQL_WORDS.may_have(word) {
                return false;
            }
            rest = behind;
        } else if DIGITS.contains(byte) {
            let len = rest.iter().take_while(|byte| DIGITS.contains(**byte)).count();
            rest = rest.get(len..).unwrap_or_default();
            // A number's suffix, or a word that begins behind it.
            if rest.first().is_some_and(|byte| LETTERS.contains(*byte)) {
                return false;
            }
        } else if byte == b'-' && after.first() == Some(&b'-') {
            return false;
        } else {
            rest = after;
        }
    }
    true
}

/// The words that libinjection knows, and the first ones of those of several words.
static SQL_WORDS: LazyLock<Words> = LazyLock::new(|| {
    let mut words = Words([0; WORDS]);
    for keyword in SQL_KEYWORDS.iter().filter(|keyword| keyword.token_type != FINGERPRINT) {
        // A single word that libinjection takes for a bare word or a number is like any other.
        if !keyword.word.contains(' ') && matches!(keyword.token_type, b'n' | b'1') {
            continue;
        }
        let first = keyword.word.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next();
        words.insert(first.unwrap_or_default().as_bytes());
    }
    words
});

/// What libinjection calls a fingerprint among its keywords.
const FINGERPRINT: u8 = b'F';

/// A set of words in any case, by their hashes alone: it may have more than were put in.
struct Words([u64; WORDS]);

/// For 900 words one in twenty others is taken for one of them.
const WORDS: usize = 256;

impl Words {
    fn insert(&mut self, word: &[u8]) {
        let (place, bit) = Self::bit(word);
        if let Some(place) = self.0.get_mut(place) {
            *place |= bit;
        }
    }

    fn may_have(&self, word: &[u8]) -> bool {
        let (place, bit) = Self::bit(word);
        self.0.get(place).is_some_and(|place| place & bit != 0)
    }

    fn bit(word: &[u8]) -> (usize, u64) {
        let fold = |hash: u32, octet: &u8| (hash ^ u32::from(octet.to_ascii_lowercase())).wrapping_mul(0x0100_0193);
        let hash = word.iter().fold(0x811C_9DC5, fold);
        let hash = (hash ^ hash >> 16) as usize;
        (hash >> 6 & (WORDS - 1), 1 << (hash & 63))
    }
}

/// In every context that libinjection tries, markup needs a tag's beginning, an attribute's end, or an equals sign.
pub(crate) fn may_be_xss(seen: &ByteSet) -> bool {
    const MARKUP: ByteSet = ByteSet::of(b"<>=");
    seen.meets(&MARKUP)
}
