//! Tickets, and how those who wait for one are woken.
//!
//! A caller that waits leaves its waker in the list of its commit. When the commit is done, the writer's thread wakes
//! one dispatcher task, which wakes the rest from inside the proxy's runtime; without a dispatcher it wakes them all
//! itself, which is correct and dearer: every wake from outside takes the runtime's shared queue, and often a system
//! call.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use cedargate_model::EventId;

use super::RecordError;

/// A claim on an event's durability. Dropping it does not take the event back.
#[must_use = "nothing may be answered before the ticket says that the record is durable"]
pub struct Ticket {
    pub(super) epochs: Arc<Epochs>,
    pub(super) epoch: u64,
    pub(super) event: EventId,
}

/// Proof that an event is durable. Only a [`Ticket`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    event: EventId,
}

impl Ticket {
    /// Waits until the event is durable. Costs two atomic loads where it already is.
    ///
    /// # Errors
    /// The commit failed: the event may be lost, and what it stands for must not be answered.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing but the answer.
    pub async fn durable(self) -> Result<Recorded, RecordError> {
        let mut slot = None;
        poll_fn(|context| self.epochs.poll(self.epoch, &mut slot, context)).await?;
        Ok(Recorded { event: self.event })
    }
}

impl Recorded {
    /// The event that is durable.
    pub fn event(&self) -> EventId {
        self.event
    }
}

/// Which commits are done, and who waits for which.
#[derive(Debug, Default)]
pub(crate) struct Epochs {
    /// INVARIANT (commits end in order): every epoch up to this one is done, for good or ill.
    done: AtomicU64,
    /// Whether any commit ever failed; only then is `state.failed` looked at.
    any_failed: AtomicBool,
    state: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    lists: VecDeque<(u64, Vec<Waker>)>,
    /// Emptied lists, kept for their memory.
    spare: Vec<Vec<Waker>>,
    dispatchers: Vec<(u64, Waker)>,
    dispatchers_ever: u64,
    failed: Vec<(u64, u64)>,
    closed: bool,
}

/// Ranges of failed commits that are remembered. Far more than failures between which a ticket can stay unasked.
const FAILED_RANGES_MAX: usize = 1024;

impl Epochs {
    fn poll(&self, epoch: u64, slot: &mut Option<usize>, context: &Context<'_>) -> Poll<Result<(), RecordError>> {
        if let Some(result) = self.result(epoch) {
            return Poll::Ready(result);
        }
        let mut waiting = self.waiting();
        // Asked again under the lock: the writer marks a commit done before it takes this lock to wake, so either it
        // is seen here, or the waker below is seen there.
        if self.done.load(Ordering::Acquire) >= epoch {
            drop(waiting);
            return Poll::Ready(self.result(epoch).unwrap_or(Err(RecordError::Unwritable)));
        }
        waiting.register(epoch, slot, context.waker());
        Poll::Pending
    }

    /// What became of a commit; none while it is not done.
    pub(super) fn result(&self, epoch: u64) -> Option<Result<(), RecordError>> {
        if self.done.load(Ordering::Acquire) < epoch {
            return None;
        }
        if !self.any_failed.load(Ordering::Acquire) {
            return Some(Ok(()));
        }
        let waiting = self.waiting();
        let in_doubt = waiting.failed.len() >= FAILED_RANGES_MAX
            && waiting.failed.first().is_some_and(|(first, _)| epoch < *first);
        let failed = waiting.failed.iter().any(|(first, last)| (*first..=*last).contains(&epoch));
        Some(if failed || in_doubt { Err(RecordError::Unwritable) } else { Ok(()) })
    }

    /// Says that every commit up to `epoch` is done and well, and has its waiters woken.
    pub(super) fn complete(&self, epoch: u64) {
        self.done.store(epoch, Ordering::Release);
        self.wake();
    }

    /// Says that every commit that is not done will never be.
    pub(super) fn fail_rest(&self, last: u64) {
        self.fail(self.done.load(Ordering::Acquire).saturating_add(1), last);
    }

    /// Says that the commits from `first` to `last` are done and failed, and has their waiters woken.
    pub(super) fn fail(&self, first: u64, last: u64) {
        let mut waiting = self.waiting();
        match waiting.failed.last_mut() {
            Some((_, end)) if end.saturating_add(1) == first => *end = last,
            _ => waiting.failed.push((first, last)),
        }
        if waiting.failed.len() > FAILED_RANGES_MAX {
            waiting.failed.remove(0);
        }
        drop(waiting);
        self.any_failed.store(true, Ordering::Release);
        self.complete(last);
    }

    /// Ends the dispatchers.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        let dispatchers = std::mem::take(&mut waiting.dispatchers);
        drop(waiting);
        dispatchers.into_iter().for_each(|(_, dispatcher)| dispatcher.wake());
        self.wake_here();
    }

    /// Wakes waiters from the task that polls this, until the spool closes.
    pub(super) async fn dispatch(&self) {
        let number = {
            let mut waiting = self.waiting();
            waiting.dispatchers_ever += 1;
            waiting.dispatchers_ever
        };
        let registered = Dispatching { epochs: self, number };
        poll_fn(|context| {
            let closed = self.waiting().attend(registered.number, context.waker());
            self.wake_here();
            if closed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn wake(&self) {
        let dispatcher = {
            let waiting = self.waiting();
            if waiting.lists.is_empty() {
                return;
            }
            waiting.dispatchers.first().map(|(_, waker)| waker.clone())
        };
        match dispatcher {
            Some(dispatcher) => dispatcher.wake(),
            None => self.wake_here(),
        }
    }

    fn wake_here(&self) {
        let done = self.done.load(Ordering::Acquire);
        loop {
            // Taken one list at a time and woken outside the lock: a waker may run anything.
            let mut waiting = self.waiting();
            if waiting.lists.front().is_none_or(|(epoch, _)| *epoch > done) {
                return;
            }
            let Some((_, mut list)) = waiting.lists.pop_front() else { return };
            drop(waiting);
            list.drain(..).for_each(Waker::wake);
            let mut waiting = self.waiting();
            if waiting.spare.len() < 4 {
                waiting.spare.push(list);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn register(&mut self, epoch: u64, slot: &mut Option<usize>, waker: &Waker) {
        let position = match self.lists.iter().rposition(|(of, _)| *of <= epoch) {
            Some(at) if self.lists.get(at).is_some_and(|(of, _)| *of == epoch) => at,
            before => {
                let at = before.map_or(0, |at| at + 1);
                let list = self.spare.pop().unwrap_or_default();
                self.lists.insert(at, (epoch, list));
                at
            }
        };
        let Some((_, list)) = self.lists.get_mut(position) else { return };
        match slot.and_then(|slot| list.get_mut(slot)) {
            Some(known) => known.clone_from(waker),
            None => {
                *slot = Some(list.len());
                list.push(waker.clone());
            }
        }
    }

    /// Keeps a dispatcher's waker up to date; true once the spool is closed.
    fn attend(&mut self, number: u64, waker: &Waker) -> bool {
        match self.dispatchers.iter_mut().find(|(of, _)| *of == number) {
            Some((_, known)) => known.clone_from(waker),
            None => self.dispatchers.push((number, waker.clone())),
        }
        self.closed
    }
}

/// Takes a dispatcher off the list when its task ends, however it ends.
struct Dispatching<'a> {
    epochs: &'a Epochs,
    number: u64,
}

impl Drop for Dispatching<'_> {
    fn drop(&mut self) {
        self.epochs.waiting().dispatchers.retain(|(number, _)| *number != self.number);
        // The writer may have woken this dispatcher a moment ago, and it will not run any more.
        self.epochs.wake_here();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn waker() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (count.clone(), Waker::from(count))
    }

    fn poll(epochs: &Epochs, epoch: u64, slot: &mut Option<usize>, waker: &Waker) -> Poll<Result<(), RecordError>> {
        epochs.poll(epoch, slot, &Context::from_waker(waker))
    }

    #[test]
    fn a_ticket_waits_for_its_own_commit_only() {
        let epochs = Epochs::default();
        let ((first, first_waker), (second, second_waker)) = (waker(), waker());
        let (mut a, mut b) = (None, None);
        assert!(poll(&epochs, 2, &mut b, &second_waker).is_pending());
        assert!(poll(&epochs, 1, &mut a, &first_waker).is_pending());
        epochs.complete(1);
        assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (1, 0));
        assert_eq!(poll(&epochs, 1, &mut a, &first_waker), Poll::Ready(Ok(())));
        epochs.fail(2, 2);
        assert_eq!(second.0.load(Ordering::SeqCst), 1);
        assert_eq!(poll(&epochs, 2, &mut b, &second_waker), Poll::Ready(Err(RecordError::Unwritable)));
        assert_eq!(epochs.result(1), Some(Ok(())));
    }

    #[test]
    fn a_task_polled_twice_is_woken_once() {
        let epochs = Epochs::default();
        let ((count, old), (moved, new)) = (waker(), waker());
        let mut slot = None;
        assert!(poll(&epochs, 1, &mut slot, &old).is_pending());
        assert!(poll(&epochs, 1, &mut slot, &new).is_pending());
        epochs.complete(1);
        assert_eq!((count.0.load(Ordering::SeqCst), moved.0.load(Ordering::SeqCst)), (0, 1));
    }

    #[test]
    fn with_a_dispatcher_the_writer_wakes_only_it() {
        let epochs = Epochs::default();
        let ((waiter, waiter_waker), (dispatcher, dispatcher_waker)) = (waker(), waker());
        let mut dispatch = Box::pin(epochs.dispatch());
        assert!(dispatch.as_mut().poll(&mut Context::from_waker(&dispatcher_waker)).is_pending());
        assert!(poll(&epochs, 1, &mut None, &waiter_waker).is_pending());
        epochs.complete(1);
        assert_eq!((dispatcher.0.load(Ordering::SeqCst), waiter.0.load(Ordering::SeqCst)), (1, 0));
        assert!(dispatch.as_mut().poll(&mut Context::from_waker(&dispatcher_waker)).is_pending());
        assert_eq!(waiter.0.load(Ordering::SeqCst), 1);
        epochs.close();
        assert!(dispatch.as_mut().poll(&mut Context::from_waker(&dispatcher_waker)).is_ready());
    }

    #[test]
    fn a_dispatcher_that_dies_after_being_woken_leaves_nobody_asleep() {
        let epochs = Epochs::default();
        let ((waiter, waiter_waker), (_, dispatcher_waker)) = (waker(), waker());
        let mut dispatch = Box::pin(epochs.dispatch());
        assert!(dispatch.as_mut().poll(&mut Context::from_waker(&dispatcher_waker)).is_pending());
        assert!(poll(&epochs, 1, &mut None, &waiter_waker).is_pending());
        epochs.complete(1);
        drop(dispatch);
        assert_eq!(waiter.0.load(Ordering::SeqCst), 1);
        assert!(poll(&epochs, 2, &mut None, &waiter_waker).is_pending());
        epochs.complete(2);
        assert_eq!(waiter.0.load(Ordering::SeqCst), 2);
    }
}
