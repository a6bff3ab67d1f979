//! What the clients saw, to be compared with what was recorded and what was kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::http::Answer;

/// Every answer, and every write by its number.
#[derive(Default)]
pub(super) struct Ledger {
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    /// Answers that name their request.
    pub(super) answers: Vec<Seen>,
    /// Answers that do not, by status.
    pub(super) nameless: HashMap<u16, u64>,
    /// What became of each write, by its SKU.
    pub(super) writes: HashMap<String, Write>,
    /// Requests that were sent and left without waiting for an answer, or got none.
    pub(super) unanswered: HashMap<&'static str, u64>,
    /// What no client may see.
    pub(super) wrong: Vec<String>,
}

/// One answer.
pub(super) struct Seen {
    pub(super) request: Uuid,
    pub(super) status: u16,
    /// The refusal's code, where it is one of the gateway's.
    pub(super) code: Option<String>,
}

/// What a client knows of its write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// 201: it must be there.
    Acknowledged,
    /// Refused before anything was forwarded: it must not be there.
    Refused,
    /// No answer, or one that cannot know (an upstream that broke off): it may be there, once.
    Unknown,
}

impl Ledger {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an answer.
    pub(super) fn answered(&self, answer: &Answer) {
        let code = answer.code();
        let named = answer.header("cedargate-request").map(str::to_owned).unwrap_or_else(|| answer.field("request"));
        let mut inner = self.lock();
        match named.parse() {
            Ok(request) => {
                let code = (answer.status >= 400 && !code.is_empty()).then_some(code);
                inner.answers.push(Seen { request, status: answer.status, code });
            }
            Err(_) => *inner.nameless.entry(answer.status).or_default() += 1,
        }
    }

    /// Notes a request that got no answer.
    pub(super) fn unanswered(&self, why: &'static str) {
        *self.lock().unanswered.entry(why).or_default() += 1;
    }

    /// Notes something that no client may see.
    pub(super) fn wrong(&self, what: String) {
        let mut inner = self.lock();
        if inner.wrong.len() < 20 {
            inner.wrong.push(what);
        }
    }

    /// Notes what is known of a write.
    pub(super) fn wrote(&self, sku: String, write: Write) {
        self.lock().writes.insert(sku, write);
    }
}
