//! Where C runs: one thread that can compute and do nothing else.
//!
//! Before it reads its first message the thread gives up, for good, every system call but those for memory, time, randomness and waiting
//! (seccomp). Whatever a message says, nothing is opened, connected, executed or written from there. Messages come through a short queue,
//! and whoever asks waits for a bounded time.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use samael::crypto::{AllowedSignatureAlgorithm, CertificateDer, CryptoProvider as _, ReduceMode, XmlSec};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use super::witness::Witnessed;

/// How many messages may wait. Each of them is verified already, which is bounded where that is done.
const WAITING_MAX: usize = 32;

/// How long one waits for an answer, which takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(4);

/// What the thread may still ask of the kernel.
const ALLOWED: [i64; 20] = [
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_set_robust_list,
    libc::SYS_exit,
];

/// The ways to sign that our own scan admits, too.
const METHODS: [AllowedSignatureAlgorithm; 6] = [
    AllowedSignatureAlgorithm::RsaSha256,
    AllowedSignatureAlgorithm::RsaSha384,
    AllowedSignatureAlgorithm::RsaSha512,
    AllowedSignatureAlgorithm::EcdsaSha256,
    AllowedSignatureAlgorithm::EcdsaSha384,
    AllowedSignatureAlgorithm::EcdsaSha512,
];

/// A message that passed the scan, and by which certificates it has to be signed.
pub(in crate::saml) struct Question {
    pub(in crate::saml) text: String,
    pub(in crate::saml) certificates: Vec<Vec<u8>>,
}

/// What the verifier hashed where every signature is valid, and who that is about.
#[derive(Debug)]
pub(in crate::saml) struct Answer {
    pub(super) canonical: String,
    pub(super) witnessed: Witnessed,
}

#[cfg(test)]
impl Answer {
    pub(in crate::saml) fn name_id_mut(&mut self) -> &mut crate::saml::NameId {
        self.witnessed.name_id.as_mut().unwrap()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::saml) enum AskError {
    /// Nothing runs here that is not confined.
    #[error("its thread cannot be confined")]
    Unconfined(#[from] seccompiler::Error),
    #[error("its thread cannot be started")]
    Thread(#[from] std::io::Error),
    #[error("its thread is gone")]
    Gone,
    #[error("too many messages wait for it")]
    Full,
    #[error("it did not answer in time")]
    Late,
}

type Reply = SyncSender<Result<Answer, String>>;

static VERIFIER: Mutex<Option<SyncSender<(Question, Reply)>>> = Mutex::new(None);

/// Asks, and waits. Inner errors are the verifier's own: it refuses. Not for an async thread.
pub(in crate::saml) fn ask(question: Question) -> Result<Result<Answer, String>, AskError> {
    let (reply, answer) = sync_channel(1);
    let mut verifier = VERIFIER.lock().unwrap_or_else(PoisonError::into_inner);
    let queue = match verifier.take() {
        Some(queue) => queue,
        None => start()?,
    };
    match queue.try_send((question, reply)) {
        Ok(()) => *verifier = Some(queue),
        Err(TrySendError::Full(_)) => {
            *verifier = Some(queue);
            return Err(AskError::Full);
        }
        // Forgotten here: the next one who asks starts another.
        Err(TrySendError::Disconnected(_)) => return Err(AskError::Gone),
    }
    drop(verifier);
    answer.recv_timeout(PATIENCE).map_err(|error| match error {
        RecvTimeoutError::Timeout => AskError::Late,
        RecvTimeoutError::Disconnected => AskError::Gone,
    })
}

fn start() -> Result<SyncSender<(Question, Reply)>, AskError> {
    let (queue, questions) = sync_channel(WAITING_MAX);
    let (tell, told) = sync_channel(1);
    let run = move || {
        let confined = confine();
        let is_confined = confined.is_ok();
        if tell.send(confined).is_ok() && is_confined {
            serve(&questions);
        }
    };
    thread::Builder::new().name("saml-verifier".to_owned()).spawn(run)?;
    told.recv().map_err(|_| AskError::Gone)??;
    Ok(queue)
}

/// Leaves this thread nothing that reaches outside of its own memory. What is refused fails with `EPERM`.
pub(in crate::saml) fn confine() -> Result<(), seccompiler::Error> {
    let rules: BTreeMap<_, _> = ALLOWED.into_iter().map(|call| (call, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let here = std::env::consts::ARCH.try_into()?;
    let program: BpfProgram = SeccompFilter::new(rules, refused, SeccompAction::Allow, here)?.try_into()?;
    seccompiler::apply_filter(&program)
}

fn serve(questions: &Receiver<(Question, Reply)>) {
    while let Ok((question, reply)) = questions.recv() {
        let answer = catch_unwind(|| answer(&question)).unwrap_or_else(|_| Err("it panicked".to_owned()));
        // Whoever asked may have stopped waiting.
        let _gone = reply.send(answer);
    }
}

/// Verifies every signature, and reads what was hashed. Only for the thread that is confined.
pub(in crate::saml) fn answer(question: &Question) -> Result<Answer, String> {
    let certificates: Vec<_> = question.certificates.iter().cloned().map(CertificateDer::from).collect();
    let hashed = XmlSec::reduce_xml_to_signed_with_allowed_algorithms(
        &question.text,
        &certificates,
        ReduceMode::PreDigest,
        Some(&METHODS),
    );
    let canonical = hashed.map_err(|error| chain(&error))?;
    let witnessed = Witnessed::read(&canonical)?;
    Ok(Answer { canonical, witnessed })
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
