//! The gateway seals its own record, beside what it does otherwise.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use cedargate_audit::{Archive, SealError, Sealed};
use cedargate_dataplane::Gateway;
use cedargate_model::SystemClock;
use ed25519_dalek::{SigningKey, VerifyingKey};

use super::StartError;
use super::proof::{repeat, yield_to_others};
use crate::config::Audit;

/// A thread that seals the record until this is dropped.
pub(super) struct Sealer {
    _stop: mpsc::Sender<()>,
}

impl Sealer {
    /// Starts it. `keys` are the record's own: the one that signs now, and those that signed before.
    pub(super) fn start(
        config: &Audit,
        key: SigningKey,
        keys: Vec<VerifyingKey>,
        gateway: Arc<Gateway>,
    ) -> Result<Self, StartError> {
        let (stop, stopped) = mpsc::channel();
        let Audit { dir, archive_dir, origin, seal_interval: every, .. } = config.clone();
        let mut sealing = Sealing { spool: dir, archive_dir, origin, key, keys, archive: None };
        let seal = move || {
            yield_to_others();
            repeat(&stopped, every, || sealing.once(&gateway));
        };
        let thread = thread::Builder::new().name("audit-sealer".to_owned()).spawn(seal);
        thread.map_err(|source| StartError::Machine { doing: "the thread that seals the audit log", source })?;
        Ok(Self { _stop: stop })
    }
}

struct Sealing {
    spool: PathBuf,
    archive_dir: PathBuf,
    origin: String,
    key: SigningKey,
    keys: Vec<VerifyingKey>,
    /// Held from one sealing to the next. Opened anew after one that failed, so that nothing half done is built on.
    archive: Option<Archive>,
}

impl Sealing {
    fn once(&mut self, gateway: &Gateway) {
        match self.seal() {
            Ok(Sealed { size, broken, .. }) => {
                if broken.is_empty() {
                    gateway.metrics.audit_sealed(size);
                } else {
                    gateway.metrics.audit_sealing_failed();
                }
                // Whether the record holds is for its proof to count; here it is only not sealed.
                for broken in broken {
                    tracing::error!(
                        error.type = "audit_sealing_failed",
                        cedargate.audit.file = broken.file,
                        cedargate.audit.line = broken.line,
                        cedargate.audit.detail = broken.detail,
                        "the audit log is broken and is sealed no further"
                    );
                }
            }
            Err(SealError::Locked(_)) => tracing::info!("another process seals in the archive of the audit log"),
            Err(error) => {
                gateway.metrics.audit_sealing_failed();
                tracing::error!(
                    error.type = "audit_sealing_failed",
                    error = &error as &dyn std::error::Error,
                    "the audit log could not be sealed"
                );
            }
        }
    }

    fn seal(&mut self) -> Result<Sealed, SealError> {
        let mut archive = match self.archive.take() {
            Some(archive) => archive,
            None => {
                let clock = Arc::new(SystemClock);
                Archive::open(&self.archive_dir, &self.origin, self.key.clone(), &self.keys, clock)?
            }
        };
        let sealed = archive.seal([self.spool.as_path()])?;
        self.archive = Some(archive);
        Ok(sealed)
    }
}
