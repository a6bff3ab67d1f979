//! The spool's own entries: where a segment begins, what it follows, and where it ends.

use cedargate_model::Micros;
use serde::{Deserialize, Serialize};

use super::hash::Hash;

/// What the spool says about its own files. Stands in an entry's `event`, like any event, and is chained like any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Marker {
    /// The first entry of every segment.
    SegmentOpened(SegmentOpened),
    /// The last entry of a segment that was closed in order.
    SegmentClosed(SegmentClosed),
}

/// The first entry of every segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentOpened {
    /// The gateway that writes.
    pub instance: String,
    /// Its boot, counted from 1. Numbers may be left out, where a boot wrote nothing durable.
    pub boot: u64,
    /// The segment in that boot, counted from 1.
    pub segment: u64,
    /// When it was opened.
    pub at: Micros,
    /// The end of the record before this segment; none in a directory's first.
    pub previous: Option<Previous>,
    /// Segments of this boot that were begun and given up before this one: nothing in them is part of the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub abandoned: Vec<u64>,
    /// What the boot found; only in a boot's first segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Recovered>,
}

/// The end of the record before a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previous {
    /// The boot of its last entry.
    pub boot: u64,
    /// The segment of its last entry.
    pub segment: u64,
    /// Its last entry's number.
    pub sequence: u64,
    /// Its last entry's chain value.
    pub chain: Hash,
    /// How it ended there.
    pub ended: Ended,
}

/// How a segment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// In order, by its closing entry.
    Closed,
    /// By a failed write or sync. What stands after its last entry is not part of the record.
    Retired,
    /// By a crash.
    Crashed,
    /// By damage that a crash does not explain.
    Damaged,
}

/// What a boot found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovered {
    /// How many heads there were.
    pub heads: u64,
    /// The SHA-256 of the last head's line; zero where there was none.
    pub last_head: Hash,
    /// The names of quarantined tails of the boot before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<String>,
    /// Damage that a crash does not explain, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// The last entry of a segment that was closed in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentClosed {
    /// When it was closed.
    pub at: Micros,
    /// Whether the boot ended with it.
    pub last: bool,
    /// The number of the signed head that covers everything before this entry. It was durable before this entry was
    /// written, so a missing one was removed.
    pub head: u64,
    /// The SHA-256 of that head's line.
    pub head_hash: Hash,
}

impl Marker {
    /// Reads an entry's event as a marker; none where it is an ordinary event.
    ///
    /// # Errors
    /// It is a marker by its kind, and is not well-formed.
    pub(crate) fn parse(event: &[u8]) -> Result<Option<Self>, serde_json::Error> {
        // An ordinary event begins with its id; the spool writes the kind of its own entries first.
        if event.starts_with(b"{\"kind\":\"segment_") { serde_json::from_slice(event).map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_reads_back_and_an_event_is_none() {
        let marker = Marker::SegmentOpened(SegmentOpened {
            instance: "gw-1".into(),
            boot: 2,
            segment: 1,
            at: Micros(5),
            previous: Some(Previous { boot: 1, segment: 3, sequence: 9, chain: Hash::ZERO, ended: Ended::Crashed }),
            abandoned: vec![],
            recovered: Some(Recovered { heads: 4, last_head: Hash::ZERO, quarantined: vec![], damage: None }),
        });
        let text = serde_json::to_vec(&marker).unwrap();
        assert_eq!(Marker::parse(&text).unwrap(), Some(marker));
        assert_eq!(Marker::parse(br#"{"id":"x","kind":"segment_opened"}"#).unwrap(), None);
        assert!(Marker::parse(br#"{"kind":"segment_closed"}"#).is_err());
    }
}
