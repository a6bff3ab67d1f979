//! A deadline for a request's body that passes unread: on HTTP/2 nothing else has one. Pingora bounds reads of a body in HTTP/1
//! only, and once a service has answered nobody would ever give up on a client that keeps its half of a stream open.
//!
//! An exchange moves while either side says something: a gRPC client may be silent for long while it is told something. A service
//! that is silent is bounded by its route's timeout; once its answer is complete, the client has one more deadline and no other.

use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep;

/// The body of one stream. The walk and the hooks tell it what happens, the stream's task waits for its end.
///
/// A lock for each piece: it is one stream's own, and so never contended.
#[derive(Debug)]
pub(crate) struct Stall<T> {
    state: Mutex<State<T>>,
    watched: Notify,
}

#[derive(Debug)]
enum State<T> {
    /// The walk is under way; it has deadlines of its own.
    Walking,
    /// The body passes.
    Passing { moved: Instant, limit: Duration, answered: Answered, then: T },
    /// It has ended.
    Over,
}

/// What the client has been told so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: Option<u16>,
    pub(crate) octets: u64,
    pub(crate) is_complete: bool,
}

impl<T> Stall<T> {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State::Walking), watched: Notify::new() }
    }

    /// From now on something must happen every `limit`. `then` is what is handed out if it does not.
    pub(crate) fn watch(&self, limit: Duration, then: T) {
        let answered = Answered::default();
        *self.state() = State::Passing { moved: Instant::now(), limit, answered, then };
        self.watched.notify_one();
    }

    /// Either side has said something: the service so many octets, the client none that matter here.
    pub(crate) fn moved(&self, octets: usize) {
        self.account(|answered| answered.octets += u64::try_from(octets).unwrap_or(u64::MAX));
    }

    /// The answer has begun.
    pub(crate) fn answering(&self, status: u16) {
        self.account(|answered| answered.status = Some(status));
    }

    /// The answer is complete: what the client still says moves nothing.
    pub(crate) fn answered(&self) {
        self.account(|answered| answered.is_complete = true);
    }

    /// The body has ended, or the exchange has.
    pub(crate) fn over(&self) {
        *self.state() = State::Over;
    }

    fn account(&self, of: impl FnOnce(&mut Answered)) {
        if let State::Passing { moved, answered, .. } = &mut *self.state()
            && !answered.is_complete
        {
            *moved = Instant::now();
            of(answered);
        }
    }

    /// Waits until nothing has happened for too long. For ever, if that never comes.
    pub(crate) async fn stalled(&self) -> (T, Answered) {
        loop {
            let left = match &*self.state() {
                State::Walking => None,
                State::Passing { moved, limit, .. } => Some(limit.saturating_sub(moved.elapsed())),
                State::Over => Some(Duration::MAX),
            };
            match left {
                None => self.watched.notified().await,
                Some(Duration::MAX) => pending().await,
                Some(Duration::ZERO) => {
                    if let State::Passing { answered, then, .. } = std::mem::replace(&mut *self.state(), State::Over) {
                        return (then, answered);
                    }
                }
                Some(left) => sleep(left).await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    const NEVER: Duration = Duration::from_secs(3_600);

    fn is_stalled(stall: &Stall<&'static str>) -> Option<Answered> {
        let mut waiting = pin!(stall.stalled());
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready((_, answered)) => Some(answered),
            std::task::Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn only_a_body_that_passes_can_stall() {
        let stall = Stall::new();
        assert_eq!(is_stalled(&stall), None, "the walk is under way");
        stall.watch(NEVER, "cut");
        assert_eq!(is_stalled(&stall), None, "there is time");
        stall.watch(Duration::ZERO, "cut");
        assert_eq!(is_stalled(&stall), Some(Answered::default()));
        assert_eq!(is_stalled(&stall), None, "it is cut once");
        stall.watch(Duration::ZERO, "cut");
        stall.over();
        assert_eq!(is_stalled(&stall), None, "it has ended");
    }

    #[tokio::test]
    async fn what_the_client_was_told_is_known_and_a_complete_answer_moves_no_more() {
        let stall = Stall::new();
        stall.watch(Duration::ZERO, "cut");
        stall.answering(200);
        stall.moved(3);
        stall.answered();
        stall.moved(4);
        let answered = Answered { status: Some(200), octets: 3, is_complete: true };
        assert_eq!(is_stalled(&stall), Some(answered));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_later_is_cut_then() {
        let stall = Stall::new();
        stall.watch(Duration::from_millis(5), "cut");
        // The clock of the runtime is paused and that of the account is not: it looks again until both agree.
        assert_eq!(stall.stalled().await.0, "cut");
    }
}
