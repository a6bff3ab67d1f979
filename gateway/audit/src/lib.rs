//! The record: a durable, chained and signed log of every decision, and its verification.
//!
//! Three things are always true of it:
//! - a [`Recorded`] exists only for an event that is on disk, so whatever takes one cannot be answered too early;
//! - whoever got one finds the event after any crash, whole and in its place ([`Spool::open`] mends what a crash tore,
//!   and drops nothing silently);
//! - [`verify`] names the first place where anything that had been durable was changed, removed, moved or cut, also
//!   while the writer runs. What it cannot see is said in `docs/decisions/0003-audit-spool.md`.
//!
//! ```
//! use std::sync::Arc;
//! use cedargate_audit::{Priority, Spool, SpoolSettings, read, verify};
//! use cedargate_model::{DecisionId, Event, EventBody, EventId, Micros, Outcome, OutcomeEnd, SystemClock};
//! use ed25519_dalek::SigningKey;
//!
//! # fn event() -> Event {
//! #     let (decision, end) = (DecisionId(uuid::Uuid::from_u128(2)), OutcomeEnd::Complete);
//! #     let outcome = Outcome { decision, status: Some(200), response_bytes: 0, duration_micros: 0, end, inspection: None };
//! #     Event { id: EventId(uuid::Uuid::from_u128(1)), at: Micros(0), tenant: None, body: EventBody::Outcome(outcome) }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let key = SigningKey::from_bytes(&[7; 32]); // from a sealed file, in life
//! let trusted = key.verifying_key();
//! let (spool, recovery) = Spool::open(SpoolSettings::new(dir, "gw-1"), key, Arc::new(SystemClock))?;
//! assert!(recovery.damage.is_none());
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! tokio::spawn(spool.dispatch()); // once, on the runtime that awaits tickets
//! let ticket = spool.record(&event(), Priority::Known)?; // before the work begins
//! let recorded = ticket.durable().await?; // before the answer's first byte
//! assert_eq!(recorded.event(), event().id);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! spool.close()?;
//!
//! let report = verify(dir, Some(trusted))?;
//! assert_eq!(read(dir).filter(|entry| entry.as_ref().is_ok_and(|entry| entry.event().is_some())).count(), 1);
//! assert_eq!(report.heads, 2);
//! # Ok(())
//! # }
//! ```
//!
//! Where things stand: `format` is what the files hold, octet by octet; `spool` writes them; `read` and `verify` need
//! nothing of the spool. To add a kind of event: one variant in `cedargate_model::EventBody`, and nothing here.

mod archive;
mod bounded;
mod broken;
mod format;
mod read;
mod spool;
#[cfg(test)]
mod testing;
mod tree;
mod verify;

pub use archive::{
    Archive, ArchiveReader, ArchiveReport, Checkpoint, ProveError, Proved, ProvedEvent, SealError, Sealed, Tree,
    is_archive, is_origin, verify_archive, verify_export, verify_proof,
};
pub use broken::{Break, Broken};
pub use format::hash::{Hash, Salt, leaf_hash};
pub use format::head::Head;
pub use format::keys::KeyId;
pub use format::marker::{Ended, Marker, Previous, Recovered, SegmentClosed, SegmentOpened};
pub use read::{Entries, Entry, EntryBody, read, search};
pub use spool::{
    OpenError, Priority, RecordError, Recorded, Recovery, Spool, SpoolSettings, SpoolStats, Ticket, TornTail,
};
pub use verify::{HeadsOfKey, Report, Trust, UnfinishedTail, verify};
