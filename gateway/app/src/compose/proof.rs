//! The gateway proves its own record, at start and now and then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use cedargate_audit::{Break, Broken, is_archive, verify, verify_archive};
use cedargate_dataplane::Gateway;
use ed25519_dalek::VerifyingKey;

use super::StartError;
use crate::config::Audit;

/// How much the thread yields to the rest (`nice`): proving may take as long as it likes.
const NICENESS: i32 = 15;

/// A thread that proves the record until this is dropped.
pub(super) struct Prover {
    _stop: mpsc::Sender<()>,
}

impl Prover {
    /// Starts it. `keys` are the record's, the one that signs now first; `counted` is what opening the record has counted
    /// already.
    pub(super) fn start(
        config: &Audit,
        keys: Vec<VerifyingKey>,
        gateway: Arc<Gateway>,
        mut counted: Counted,
    ) -> Result<Self, StartError> {
        let (stop, stopped) = mpsc::channel();
        let (dir, every) = (config.dir.clone(), config.verify_interval);
        let mut archive = Archived { dir: config.archive_dir.clone(), last: None, counted: Counted::Nothing };
        let prove = move || {
            yield_to_others();
            repeat(&stopped, every, || {
                let holds = prove_once(&dir, keys.first().copied(), &gateway, &mut counted);
                let archive_holds = archive.prove_once(&keys, &gateway);
                if holds && archive_holds {
                    gateway.metrics.audit_holds();
                }
            });
        };
        let thread = thread::Builder::new().name("audit-prover".to_owned()).spawn(prove);
        thread.map_err(|source| StartError::Machine { doing: "the thread that proves the audit log", source })?;
        Ok(Self { _stop: stop })
    }
}

/// Which break has been counted. Each is counted once and told at every proof, until the record holds again.
pub(super) enum Counted {
    Nothing,
    /// The one that was found when the record was opened. A proof may meet it at another place: where it was written down.
    AtStart,
    /// The one that a proof found.
    Proved(Broken),
}

impl Counted {
    /// Whether a break is another than the one counted last; now it is that one.
    fn is_new(&mut self, broken: &Broken) -> bool {
        let is_new = match self {
            Self::Nothing => true,
            Self::AtStart => false,
            // What is said about it beside that may change while the record grows.
            Self::Proved(last) => (last.what, &last.file, last.line) != (broken.what, &broken.file, broken.line),
        };
        *self = Self::Proved(broken.clone());
        is_new
    }
}

/// Proves now and then, until the sender is gone. A proof that panics says nothing, and the next one may: nobody would
/// notice that no proof comes any more.
pub(super) fn repeat(stopped: &Receiver<()>, every: Duration, mut prove: impl FnMut()) {
    loop {
        // What a proof leaves behind when it panics is dropped with it.
        if catch_unwind(AssertUnwindSafe(&mut prove)).is_err() {
            tracing::error!(error.type = "audit_proof_panicked", "the proof of the audit log panicked and is tried again");
        }
        match stopped.recv_timeout(every) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The archive, and what it was when it was proved last.
struct Archived {
    dir: PathBuf,
    /// Its checkpoint then: an archive that was set back since shows, as long as the gateway runs.
    last: Option<String>,
    counted: Counted,
}

impl Archived {
    /// Whether it holds, or is not there yet.
    fn prove_once(&mut self, keys: &[VerifyingKey], gateway: &Gateway) -> bool {
        let now = std::fs::read_to_string(self.dir.join("checkpoint")).ok();
        if self.last.is_none() && !is_archive(&self.dir) {
            return true;
        }
        let proved = verify_archive(&self.dir, keys, self.last.as_slice());
        let entries = proved.as_ref().map(|report| report.entries).map_err(Clone::clone);
        let holds = judge(entries, "archive", gateway, &mut self.counted);
        if holds {
            self.last = now;
        }
        holds
    }
}

fn prove_once(dir: &Path, key: Option<VerifyingKey>, gateway: &Gateway, counted: &mut Counted) -> bool {
    judge(verify(dir, key).map(|report| report.entries), "spool", gateway, counted)
}

/// Says and counts what a proof found; gives whether it holds.
fn judge(proved: Result<u64, Broken>, part: &'static str, gateway: &Gateway, counted: &mut Counted) -> bool {
    match proved {
        Ok(entries) => {
            *counted = Counted::Nothing;
            tracing::info!(cedargate.audit.part = part, cedargate.audit.entries = entries, "the audit log holds");
            true
        }
        // Whoever holds many connections open must not make it look as if somebody had touched the record.
        Err(broken) if broken.what == Break::Exhausted => {
            tracing::warn!(
                cedargate.audit.part = part,
                cedargate.audit.file = broken.file,
                cedargate.audit.detail = broken.detail,
                "the audit log could not be proved this time"
            );
            false
        }
        Err(broken) => {
            gateway.metrics.audit_chain_broken(u64::from(counted.is_new(&broken)));
            tracing::error!(
                error.type = "audit_chain_broken",
                cedargate.audit.part = part,
                cedargate.audit.file = broken.file,
                cedargate.audit.line = broken.line,
                cedargate.audit.sequence = broken.sequence,
                cedargate.audit.detail = broken.detail,
                "the audit log is broken"
            );
            false
        }
    }
}

/// On Linux a thread has its own niceness. Where it cannot be set, the proof is merely less modest.
pub(super) fn yield_to_others() {
    let _best_effort = rustix::process::setpriority_process(None, NICENESS);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(file: &str, detail: &str) -> Broken {
        let (file, detail) = (file.to_owned(), detail.to_owned());
        Broken { file, line: Some(1), sequence: None, what: Break::TailCut, detail }
    }

    #[test]
    fn a_break_is_counted_once() {
        let mut counted = Counted::Nothing;
        assert!(counted.is_new(&broken("a", "it ends with entry 1")));
        assert!(!counted.is_new(&broken("a", "it ends with entry 2")));
        assert!(counted.is_new(&broken("b", "-")), "another one is new");

        let mut counted = Counted::AtStart;
        assert!(!counted.is_new(&broken("a", "-")), "it was counted when the record was opened");
        assert!(!counted.is_new(&broken("a", "-")));
        assert!(counted.is_new(&broken("b", "-")));
    }

    #[test]
    fn a_proof_that_panics_is_tried_again() {
        let (stop, stopped) = mpsc::channel();
        let (mut stop, mut proofs) = (Some(stop), 0);
        repeat(&stopped, Duration::ZERO, || {
            proofs += 1;
            assert_ne!(proofs, 1, "the first proof panics");
            drop(stop.take());
        });
        assert_eq!(proofs, 2);
    }
}
