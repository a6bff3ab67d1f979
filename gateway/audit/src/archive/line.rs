//! One archived entry as one line.
//!
//! ```text
//! {"index":12,"tenant_index":3,"source":"gw-1","boot":1,"seq":7,"durable":5,"salt":"<32 hex>","event":{...}}
//! ```
//!
//! As in the spool, a line has one spelling. `tenant_index` is there where the event is a tenant's; the four from
//! `source` on are missing in what the sealing itself says.

use cedargate_model::{EventId, Micros, TenantName};
use serde::{Deserialize, Serialize};

use crate::format::hash::{Hash, Salt, decode_hex, leaf_hash, push_hex};

/// One archived entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Archived<'a> {
    /// Its leaf's place in the installation's tree.
    pub(crate) index: u64,
    /// Its leaf's place in its tenant's tree.
    pub(crate) tenant_index: Option<u64>,
    /// Where it stood before; none for what the sealing says.
    pub(crate) from: Option<Origin<'a>>,
    pub(crate) salt: Salt,
    /// The event's octets, as they were hashed.
    pub(crate) event: &'a [u8],
}

/// An entry's place in a gateway's spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin<'a> {
    pub(crate) source: &'a str,
    pub(crate) boot: u64,
    pub(crate) sequence: u64,
    pub(crate) durable: u64,
}

/// What the sealing says of a spool, so that the tree covers the spool's chain: an entry's `event` like any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum SealingMarker {
    /// A spool is sealed up to here.
    Sealed(SealedUpTo),
}

/// How far a spool is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealedUpTo {
    pub(crate) at: Micros,
    pub(crate) source: String,
    pub(crate) boot: u64,
    pub(crate) sequence: u64,
    pub(crate) chain: Hash,
}

/// What of an event decides where it belongs.
#[derive(Debug, Deserialize)]
pub(crate) struct Belongs {
    /// None in what the log says of itself.
    pub(crate) id: Option<EventId>,
    pub(crate) tenant: Option<TenantName>,
}

impl<'a> Archived<'a> {
    /// Appends the line, with its line end.
    pub(crate) fn append(&self, out: &mut Vec<u8>) {
        let mut number = itoa::Buffer::new();
        let mut field = |out: &mut Vec<u8>, name: &str, value: u64| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(number.format(value).as_bytes());
        };
        field(out, "{\"index\":", self.index);
        if let Some(index) = self.tenant_index {
            field(out, ",\"tenant_index\":", index);
        }
        if let Some(Origin { source, boot, sequence, durable }) = self.from {
            out.extend_from_slice(b",\"source\":\"");
            out.extend_from_slice(source.as_bytes());
            field(out, "\",\"boot\":", boot);
            field(out, ",\"seq\":", sequence);
            field(out, ",\"durable\":", durable);
        }
        out.extend_from_slice(b",\"salt\":\"");
        push_hex(out, &self.salt);
        out.extend_from_slice(b"\",\"event\":");
        out.extend_from_slice(self.event);
        out.extend_from_slice(b"}\n");
    }

    /// Reads a line without its line end; none where it is not one in its one spelling.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let (index, mut rest) = number(line.strip_prefix(b"{\"index\":")?)?;
        let mut tenant_index = None;
        if let Some(after) = rest.strip_prefix(b",\"tenant_index\":") {
            let (index, after) = number(after)?;
            (tenant_index, rest) = (Some(index), after);
        }
        let mut from = None;
        if let Some(after) = rest.strip_prefix(b",\"source\":\"") {
            let (source, after) = after.split_at_checked(memchr::memchr(b'"', after)?)?;
            let source = std::str::from_utf8(source).ok()?;
            let (boot, after) = number(after.strip_prefix(b"\",\"boot\":")?)?;
            let (sequence, after) = number(after.strip_prefix(b",\"seq\":")?)?;
            let (durable, after) = number(after.strip_prefix(b",\"durable\":")?)?;
            (from, rest) = (Some(Origin { source, boot, sequence, durable }), after);
        }
        let (salt, rest) = rest.strip_prefix(b",\"salt\":\"")?.split_at_checked(32)?;
        let event = rest.strip_prefix(b"\",\"event\":")?.strip_suffix(b"}")?;
        let whole = event.starts_with(b"{") && event.ends_with(b"}");
        whole.then_some(Self { index, tenant_index, from, salt: decode_hex(salt)?, event })
    }

    /// Its leaf.
    pub(crate) fn leaf(&self) -> Hash {
        leaf_hash(&self.salt, self.event)
    }

    /// Whose it is.
    pub(crate) fn belongs(&self) -> Option<Belongs> {
        serde_json::from_slice(self.event).ok()
    }

    /// What the sealing says here; none where it is an entry of a gateway.
    pub(crate) fn marker(&self) -> Option<SealedUpTo> {
        if self.from.is_some() {
            return None;
        }
        serde_json::from_slice(self.event).ok().map(|SealingMarker::Sealed(up_to)| up_to)
    }
}

/// A number without leading zeros.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let length = text.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(length)?;
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with(b"0")) {
        return None;
    }
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_reads_back_and_has_one_spelling(
            index: u64, tenant_index: Option<u64>, place: Option<(u64, u64, u64)>, salt: [u8; 16], event in "[ -~]{0,40}",
            at in any::<prop::sample::Index>(), to: u8,
        ) {
            let event = format!("{{{event}}}");
            let from = place.map(|(boot, sequence, durable)| Origin { source: "gw-1", boot, sequence, durable });
            let archived = Archived { index, tenant_index, from, salt, event: event.as_bytes() };
            let mut line = vec![];
            archived.append(&mut line);
            prop_assert_eq!(line.pop(), Some(b'\n'));
            prop_assert_eq!(Archived::parse(&line), Some(archived));

            let mut other = line.clone();
            let at = at.index(other.len());
            other[at] = to;
            prop_assume!(other != line);
            prop_assert_ne!(Archived::parse(&other), Some(archived));
        }
    }
}
