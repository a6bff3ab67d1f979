//! The record: a durable, chained and signed log of every decision, and its verification.

mod broken;
mod format;
mod read;
mod spool;
#[cfg(test)]
mod testing;
mod verify;

pub use broken::{Break, Broken};
pub use format::hash::{Hash, Salt, leaf_hash};
pub use format::head::Head;
pub use format::keys::KeyId;
pub use format::marker::{Ended, Marker, Previous, Recovered, SegmentClosed, SegmentOpened};
pub use read::{Entries, Entry, EntryBody, read};
pub use spool::{
    OpenError, Priority, RecordError, Recorded, Recovery, Spool, SpoolSettings, SpoolStats, Ticket, TornTail,
};
pub use verify::{Report, Trust, UnfinishedTail, verify};
