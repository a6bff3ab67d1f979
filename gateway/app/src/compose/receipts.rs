//! Receipts from the archive of the record.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use cedargate_audit::{ArchiveReader, ProveError, Tree};
use cedargate_controlplane::{Receipts, ReceiptsUnavailable};
use cedargate_model::{EventId, TenantName};

/// The archive in a folder.
pub(super) struct ArchivedReceipts {
    dir: PathBuf,
    /// Finding an event reads the list of all ids: one at a time is enough, however many ask.
    turn: Mutex<()>,
}

impl ArchivedReceipts {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, turn: Mutex::new(()) }
    }
}

impl Receipts for ArchivedReceipts {
    fn prove(&self, tenant: &TenantName, event: EventId) -> Result<Option<String>, ReceiptsUnavailable> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let proof =
            ArchiveReader::open(&self.dir).and_then(|archive| archive.prove(event, &Tree::Tenant(tenant.clone())));
        match proof {
            Ok(proof) => Ok(Some(proof)),
            // Before the first sealing there is no archive.
            Err(ProveError::NotSealed(_) | ProveError::NoTree(_) | ProveError::NoArchive(_)) => Ok(None),
            Err(error) => Err(ReceiptsUnavailable(Box::new(error))),
        }
    }

    fn checkpoint(&self, tenant: &TenantName) -> Result<Option<String>, ReceiptsUnavailable> {
        match fs::read_to_string(self.dir.join(format!("tenants/{tenant}/checkpoint"))) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReceiptsUnavailable(Box::new(error))),
        }
    }
}
