//! W3C Trace Context: the header that says which trace a request belongs to, and below which span.

use std::fmt;

/// A span of a trace, as the header `traceparent` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace: [u8; 16],
    span: [u8; 8],
    /// Whether the trace is being recorded.
    sampled: bool,
}

impl TraceParent {
    /// Parses a `traceparent` (W3C Trace Context §3.2). `None` if it is malformed, which restarts the trace.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (version, rest) = (bytes.get(..2)?, bytes.get(55..)?);
        // A later version may have more behind a further hyphen; `ff` is no version.
        let version_known = version == b"00";
        let [version] = hex(version)?;
        if version == 0xFF || (version_known && !rest.is_empty()) || !matches!(rest, [] | [b'-', ..]) {
            return None;
        }
        if [2, 35, 52].iter().any(|at| bytes.get(*at) != Some(&b'-')) {
            return None;
        }
        let trace: [u8; 16] = hex(bytes.get(3..35)?)?;
        let span: [u8; 8] = hex(bytes.get(36..52)?)?;
        let [flags]: [u8; 1] = hex(bytes.get(53..55)?)?;
        (trace != [0; 16] && span != [0; 8]).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }

    /// The first span of a new trace, from `random` octets. Not sampled: that is the operator's to decide.
    pub fn root(random: [u8; 24]) -> Self {
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        trace.iter_mut().chain(&mut span).zip(random).for_each(|(to, from)| *to = from);
        // All zeroes is no id (§3.2.2.3).
        trace[15] |= u8::from(trace == [0; 16]);
        Self { trace, span: nonzero(span), sampled: false }
    }

    /// A span below this one, in the same trace.
    #[must_use]
    pub fn child(self, random: [u8; 8]) -> Self {
        Self { span: nonzero(random), ..self }
    }

    /// The same span, with the trace recorded or not.
    #[must_use]
    pub fn with_sampled(self, sampled: bool) -> Self {
        Self { sampled, ..self }
    }

    /// Whether the trace is being recorded.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The trace's id, never all zeroes.
    pub fn trace(&self) -> [u8; 16] {
        self.trace
    }

    /// The span's id, never all zeroes.
    pub fn span(&self) -> [u8; 8] {
        self.span
    }

    /// The trace's id in lower-case hexadecimal, as logs have it.
    pub fn trace_id(&self) -> String {
        self.to_string().get(3..35).unwrap_or_default().to_owned()
    }

    /// The header's value.
    pub fn to_ascii(self) -> [u8; 55] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let mut write = |at: usize, octets: &[u8]| {
            let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 0xF]);
            text.iter_mut().skip(at).zip(digits).for_each(|(to, digit)| {
                *to = DIGITS.get(usize::from(digit)).copied().unwrap_or_default();
            });
        };
        write(3, &self.trace);
        write(36, &self.span);
        write(53, &[u8::from(self.sampled)]);
        text
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digits and hyphens only.
        f.write_str(std::str::from_utf8(&self.to_ascii()).unwrap_or_default())
    }
}

fn nonzero(mut span: [u8; 8]) -> [u8; 8] {
    span[7] |= u8::from(span == [0; 8]);
    span
}

/// Exactly `N` octets of lower-case hexadecimal.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut octets = [0; N];
    let pairs = text.as_chunks::<2>();
    if pairs.0.len() != N || !pairs.1.is_empty() {
        return None;
    }
    for (octet, [high, low]) in octets.iter_mut().zip(pairs.0) {
        *octet = digit(*high)? << 4 | digit(*low)?;
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn malformed_trace_parents_are_not_taken() {
        for text in [
            "",
            "00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = GOOD.replacen("00", "01", 1) + "-more";
        assert_eq!(TraceParent::parse(&later), TraceParent::parse(GOOD));
    }

    #[test]
    fn random_that_is_all_zero_still_gives_ids() {
        let root = TraceParent::root([0; 24]);
        assert_eq!(TraceParent::parse(&root.to_string()), Some(root));
        assert_eq!(TraceParent::parse(&root.child([0; 8]).to_string()), Some(root));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(random: [u8; 24], span: [u8; 8]) {
            let child = TraceParent::root(random).child(span);
            prop_assert_eq!(TraceParent::parse(&child.to_string()), Some(child));
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,70}|[0-9a-f-]{50,60}") {
            let _ = TraceParent::parse(&text);
        }
    }
}
