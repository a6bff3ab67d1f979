//! One entry as one line.
//!
//! ```text
//! {"v":1,"seq":7,"durable":5,"salt":"<32 hex>","leaf":"<64 hex>","chain":"<64 hex>","event":{...}}
//! ```
//!
//! The line has one spelling: the parser takes these keys in this order without blanks and nothing else, so that every
//! octet of a line is either covered by the leaf and the chain or fixed.

use cedargate_model::EVENT_VERSION;

use super::hash::{Hash, Salt, decode_hex, leaf_hash, next_in_chain, push_hex};

/// The largest event, as JSON. Far above any real one; it bounds a reader's memory.
pub(crate) const EVENT_BYTES_MAX: usize = 256 << 10;

/// The largest line, without its line end.
pub(crate) const LINE_BYTES_MAX: usize = EVENT_BYTES_MAX + 512;

/// What a line takes beyond its event, roughly: for sizing buffers.
pub(crate) const LINE_OVERHEAD_BYTES: usize = 288;

/// The end of the chain: where the next entry joins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// The last entry's number; zero before a boot's first.
    pub(crate) sequence: u64,
    /// Its chain value; zero before a boot's first.
    pub(crate) chain: Hash,
}

impl Link {
    /// Appends the next entry's line, and moves to it.
    ///
    /// `durable` is the last entry known to be on disk at this moment. It tells a reader whether a broken line can be
    /// the work of a crash: only if no later line knows it as durable.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, durable: u64, salt: &Salt, event: &[u8]) {
        let leaf = leaf_hash(salt, event);
        self.sequence += 1;
        self.chain = next_in_chain(&self.chain, &leaf, self.sequence, durable);

        out.reserve(event.len() + LINE_OVERHEAD_BYTES);
        out.extend_from_slice(b"{\"v\":");
        push_decimal(out, u64::from(EVENT_VERSION));
        out.extend_from_slice(b",\"seq\":");
        push_decimal(out, self.sequence);
        out.extend_from_slice(b",\"durable\":");
        push_decimal(out, durable);
        out.extend_from_slice(b",\"salt\":\"");
        push_hex(out, salt);
        out.extend_from_slice(b"\",\"leaf\":\"");
        push_hex(out, &leaf.0);
        out.extend_from_slice(b"\",\"chain\":\"");
        push_hex(out, &self.chain.0);
        out.extend_from_slice(b"\",\"event\":");
        out.extend_from_slice(event);
        out.extend_from_slice(b"}\n");
    }

    /// Accepts the next entry, and moves to it.
    pub(crate) fn follow(&mut self, line: &Line<'_>) -> Result<(), LinkError> {
        // Nothing comes after the last number; in a forged record it may stand all the same.
        let expected = self.sequence.saturating_add(1);
        if line.sequence != expected || line.sequence == self.sequence {
            return Err(LinkError::Sequence { expected, found: line.sequence });
        }
        if line.durable > self.sequence {
            return Err(LinkError::Durable { found: line.durable });
        }
        if next_in_chain(&self.chain, &line.leaf, line.sequence, line.durable) != line.chain {
            return Err(LinkError::Chain);
        }
        *self = Self { sequence: line.sequence, chain: line.chain };
        Ok(())
    }
}

/// Why an entry does not follow the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("entry {expected} was expected and entry {found} stands here")]
    Sequence { expected: u64, found: u64 },
    #[error("it calls entry {found} durable, which comes after it")]
    Durable { found: u64 },
    #[error("its chain value does not follow from the entry before it")]
    Chain,
}

/// One well-formed line whose leaf hash covers its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) sequence: u64,
    pub(crate) durable: u64,
    pub(crate) salt: Salt,
    pub(crate) leaf: Hash,
    pub(crate) chain: Hash,
    /// The event's octets, as they were hashed.
    pub(crate) event: &'a [u8],
}

/// Why some octets are no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    #[error("this is not an entry")]
    Malformed,
    #[error("the entry's version is {0}, and this program knows {EVENT_VERSION}")]
    VersionUnknown(u64),
    #[error("the event does not have the entry's leaf hash")]
    LeafMismatch,
}

impl<'a> Line<'a> {
    /// Reads a line without its line end.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, LineError> {
        let parsed = Self::parse_shape(line)?;
        if leaf_hash(&parsed.salt, parsed.event) == parsed.leaf { Ok(parsed) } else { Err(LineError::LeafMismatch) }
    }

    /// Reads a line whose leaf hash has been checked already, or will not be.
    pub(crate) fn parse_shape(line: &'a [u8]) -> Result<Self, LineError> {
        let rest = after(line, b"{\"v\":")?;
        let (version, rest) = decimal(rest)?;
        if version != u64::from(EVENT_VERSION) {
            return Err(LineError::VersionUnknown(version));
        }
        let (sequence, rest) = decimal(after(rest, b",\"seq\":")?)?;
        let (durable, rest) = decimal(after(rest, b",\"durable\":")?)?;
        let (salt, rest) = hex(after(rest, b",\"salt\":\"")?)?;
        let (leaf, rest) = hex(after(rest, b"\",\"leaf\":\"")?)?;
        let (chain, rest) = hex(after(rest, b"\",\"chain\":\"")?)?;
        let event = after(rest, b"\",\"event\":")?.strip_suffix(b"}").ok_or(LineError::Malformed)?;
        if !(event.starts_with(b"{") && event.ends_with(b"}")) {
            return Err(LineError::Malformed);
        }
        Ok(Self { sequence, durable, salt, leaf: Hash(leaf), chain: Hash(chain), event })
    }
}

fn after<'a>(text: &'a [u8], expected: &[u8]) -> Result<&'a [u8], LineError> {
    text.strip_prefix(expected).ok_or(LineError::Malformed)
}

/// A number without leading zeros, so that it has one spelling.
fn decimal(text: &[u8]) -> Result<(u64, &[u8]), LineError> {
    let length = text.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(length).ok_or(LineError::Malformed)?;
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with(b"0")) {
        return Err(LineError::Malformed);
    }
    let number = digits
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .ok_or(LineError::Malformed)?;
    Ok((number, rest))
}

fn hex<const N: usize>(text: &[u8]) -> Result<([u8; N], &[u8]), LineError> {
    let (digits, rest) = text.split_at_checked(N * 2).ok_or(LineError::Malformed)?;
    Ok((decode_hex(digits).ok_or(LineError::Malformed)?, rest))
}

fn push_decimal(out: &mut Vec<u8>, number: u64) {
    // Twenty digits hold any u64.
    let mut digits = [0_u8; 20];
    let mut rest = number;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        used += 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend(digits.iter().skip(20 - used));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(sequence: u64, durable: u64, event: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut link = Link { sequence: sequence - 1, chain: Hash::ZERO };
        link.append(&mut out, durable, &[7; 16], event);
        assert_eq!(out.pop(), Some(b'\n'));
        out
    }

    #[test]
    fn another_spelling_of_the_same_line_is_refused() {
        let good = String::from_utf8(line(12, 3, br#"{"a":1}"#)).unwrap();
        assert!(Line::parse(good.as_bytes()).is_ok());
        for (from, to) in [
            ("\"seq\":12", "\"seq\":012"),
            ("\"seq\":12", "\"seq\": 12"),
            ("\"seq\":12", "\"seq\":99999999999999999999999"),
            ("\"salt\":\"0", "\"salt\":\"A"),
            ("{\"v\":1,", "{ \"v\":1,"),
            (",\"event\":{", ",\"event\": {"),
            ("}}", "}} "),
            ("}}", "}"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert!(Line::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let newer = good.replacen("\"v\":1", "\"v\":2", 1);
        assert_eq!(Line::parse(newer.as_bytes()), Err(LineError::VersionUnknown(2)));
    }

    #[test]
    fn an_entry_that_calls_itself_durable_is_refused() {
        let text = line(5, 5, b"{}");
        let mut link = Link { sequence: 4, chain: Hash::ZERO };
        assert_eq!(link.follow(&Line::parse(&text).unwrap()), Err(LinkError::Durable { found: 5 }));
    }

    #[test]
    fn nothing_follows_the_last_number() {
        let mut link = Link { sequence: u64::MAX, chain: Hash::ZERO };
        for number in [0, u64::MAX] {
            let text = line(1, 0, b"{}");
            let mut next = Line::parse(&text).unwrap();
            next.sequence = number;
            next.chain = next_in_chain(&Hash::ZERO, &next.leaf, number, 0);
            assert!(matches!(link.follow(&next), Err(LinkError::Sequence { .. })), "{number}");
        }
    }

    proptest! {
        #[test]
        fn what_is_appended_is_followed(
            start in 0_u64..u64::MAX - 2, behind in 0_u64..9, salt: [u8; 16], body in "[ -~]{0,40}",
        ) {
            let event = format!("{{{body}}}");
            let mut writer = Link { sequence: start, chain: Hash::of(b"before") };
            let mut reader = writer;
            let mut out = Vec::new();
            writer.append(&mut out, start.saturating_sub(behind), &salt, event.as_bytes());
            let line = Line::parse(out.strip_suffix(b"\n").unwrap()).unwrap();
            prop_assert_eq!(line.event, event.as_bytes());
            prop_assert_eq!(line.salt, salt);
            prop_assert_eq!(reader.follow(&line), Ok(()));
            prop_assert_eq!(reader, writer);
        }

        #[test]
        fn any_changed_octet_is_noticed(at in 0_usize..400, to: u8) {
            let good = line(12, 3, br#"{"kind":"outcome","status":200}"#);
            let at = at % good.len();
            let mut bad = good.clone();
            bad[at] = to;
            prop_assume!(bad != good);
            let mut link = Link { sequence: 11, chain: Hash::ZERO };
            prop_assert!(Line::parse(&bad).map_or(true, |line| link.follow(&line).is_err()));
        }

        #[test]
        fn no_octets_make_the_parser_panic(octets: Vec<u8>) {
            let _ = Line::parse(&octets);
        }
    }
}
