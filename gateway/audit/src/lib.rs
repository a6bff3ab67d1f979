//! The record: a durable, chained and signed log of every decision, and its verification.

mod broken;
mod hash;
mod read;
mod spool;
mod verify;

pub use broken::{Break, Broken};
pub use hash::{Hash, Salt, leaf_hash};
pub use read::{Entry, read};
pub use spool::{
    OpenError, Priority, RecordError, Recorded, Recovery, Spool, SpoolSettings, SpoolStats, Ticket, TornTail,
};
pub use verify::{Report, verify};
