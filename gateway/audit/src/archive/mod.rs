//! The archive: what gateways recorded, in one order, under trees whose roots are signed.
//!
//! `docs/reference/audit-archive.md` says what stands in it, octet by octet.

mod bundle;
pub(crate) mod checkpoint;
mod export;
mod files;
mod line;
mod proof;
mod reader;
mod seal;
mod state;
#[cfg(test)]
mod tests;
mod verify;

use std::path::Path;

pub use checkpoint::{Checkpoint, is_origin};
pub use proof::{Proved, ProvedEvent, verify_proof};
pub use reader::{ArchiveReader, ProveError, Tree};
pub use seal::{Archive, SealError, Sealed};
pub use verify::{ArchiveReport, verify_archive, verify_export};

/// Whether an archive is in this folder.
pub fn is_archive(dir: &Path) -> bool {
    dir.join(state::STATE_FILE).is_file()
}
