//! What an exchange can be cut by from outside: its session may end while it is open, or a new policy refuse it.
//!
//! Most exchanges are over before anybody could want that. They pay for one allocation, and for one load whenever they are polled.
//! One that may stay open is held ([`Lifeline::hold`]), and looked after by [`OpenExchanges`](crate::open::OpenExchanges).

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use cedargate_model::Refusal;
use tokio::sync::oneshot;

use crate::cut::Cut;

/// One exchange's, shared by its task, its hooks and whoever looks after it.
#[derive(Debug, Default)]
pub(crate) struct Lifeline {
    /// Set by a hook, and so within the poll of the very task that reads it.
    is_held: AtomicBool,
    severed: Mutex<Option<oneshot::Receiver<Severed>>>,
    /// Whether the client has said something since it was asked.
    heard: AtomicBool,
    octets: AtomicU64,
}

/// Why an exchange is cut, and what is left to be said of it.
#[derive(Debug)]
pub(crate) struct Severed {
    pub(crate) refusal: Refusal,
    pub(crate) cut: Cut,
    pub(crate) status: Option<u16>,
}

impl Lifeline {
    /// From now on it can be cut by what is given back.
    pub(crate) fn hold(&self, octets: u64) -> oneshot::Sender<Severed> {
        let (severing, severed) = oneshot::channel();
        *self.severed() = Some(severed);
        self.octets.store(octets, Ordering::Relaxed);
        self.is_held.store(true, Ordering::Release);
        severing
    }

    pub(crate) fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Acquire)
    }

    /// The client was sent so many octets more of its answer.
    pub(crate) fn sent(&self, octets: usize) {
        if self.is_held() {
            self.octets.fetch_add(u64::try_from(octets).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    pub(crate) fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }

    /// The client has said something.
    pub(crate) fn hear(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Whether the client has said something since the last time.
    pub(crate) fn take_heard(&self) -> bool {
        self.heard.swap(false, Ordering::Relaxed)
    }

    /// Runs an exchange to its end, or until it is cut: then it is not polled again, and the caller drops it. Of one that nobody
    /// looks after any more, which is nobody's wish, there is nothing to be said; it is cut all the same.
    pub(crate) async fn until_cut<F: Future + Unpin>(&self, exchange: &mut F) -> Result<F::Output, Option<Severed>> {
        poll_fn(|cx| {
            if let Poll::Ready(done) = Pin::new(&mut *exchange).poll(cx) {
                if self.is_held() {
                    // Whoever looks after it sees that it has ended.
                    *self.severed() = None;
                }
                return Poll::Ready(Ok(done));
            }
            // After the exchange: whatever was held just now is waited for from here on.
            self.poll_severed(cx).map(Err)
        })
        .await
    }

    fn poll_severed(&self, cx: &mut Context<'_>) -> Poll<Option<Severed>> {
        if !self.is_held() {
            return Poll::Pending;
        }
        let mut severed = self.severed();
        let Some(receiver) = severed.as_mut() else { return Poll::Pending };
        match Pin::new(receiver).poll(cx) {
            Poll::Ready(Ok(cut)) => Poll::Ready(Some(cut)),
            Poll::Ready(Err(_)) => {
                *severed = None;
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn severed(&self) -> MutexGuard<'_, Option<oneshot::Receiver<Severed>>> {
        self.severed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn what_has_ended_is_nobodys_to_look_after() {
        let lifeline = Lifeline::default();
        let mut exchange = Box::pin(async { lifeline.hold(0) });
        let severing = lifeline.until_cut(&mut exchange).await.unwrap();
        assert!(severing.is_closed(), "it came to its end");

        let lifeline = Lifeline::default();
        let severing = lifeline.hold(0);
        drop(lifeline);
        assert!(severing.is_closed(), "its client went away");
    }

    #[tokio::test]
    async fn what_nobody_looks_after_any_more_is_cut() {
        let lifeline = Lifeline::default();
        drop(lifeline.hold(0));
        let mut exchange = Box::pin(pending::<()>());
        assert!(matches!(lifeline.until_cut(&mut exchange).await, Err(None)));
    }
}
