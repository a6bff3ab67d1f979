//! Keys of access tokens that this gateway has not heard of yet.
//!
//! Of several gateways that share their keys one takes up a new key before the others, and signs with it. A token of it that comes to
//! another one is no forgery: the keys are looked at, and the token is then verified or not. Whoever makes up names of keys has them
//! looked at no more than ten times a second, and waits for that himself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// How often the keys are looked at at most for the sake of tokens.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Where the keys of access tokens come from.
pub trait TokenKeys: Send + Sync {
    /// Takes up what has changed, if anything has. It may block.
    fn look(&self);
}

/// Has the keys looked at for whoever needs one that is not known.
pub struct KeyLook {
    keys: Arc<dyn TokenKeys>,
    /// When the last look began.
    last: Mutex<Option<Instant>>,
}

impl KeyLook {
    /// Looks at these keys.
    pub fn new(keys: Arc<dyn TokenKeys>) -> Self {
        Self { keys, last: Mutex::new(None) }
    }

    /// Keys that nobody changes: for examples and tests.
    pub fn settled() -> Self {
        struct Settled;
        impl TokenKeys for Settled {
            fn look(&self) {}
        }
        Self::new(Arc::new(Settled))
    }

    /// Comes back once a look that began after this call has ended: a key that was there when it was called is known then. One look
    /// serves all who wait.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn look(&self) {
        let came = Instant::now();
        let mut last = self.last.lock().await;
        if let Some(last) = *last {
            if last > came {
                return;
            }
            sleep_until(last + LOOK_EVERY).await;
        }
        let began = Instant::now();
        let keys = Arc::clone(&self.keys);
        let looked = tokio::task::spawn_blocking(move || keys.look()).await;
        *last = Some(began);
        if let Err(broken) = looked {
            tracing::error!(error = &broken as &dyn std::error::Error, "the keys of tokens could not be looked at");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl TokenKeys for Counted {
        fn look(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn one_look_serves_all_who_wait_for_it() {
        let counted = Arc::new(Counted::default());
        let looks = Arc::new(KeyLook::new(Arc::clone(&counted) as Arc<dyn TokenKeys>));
        looks.look().await;
        assert_eq!(counted.0.load(Ordering::SeqCst), 1);
        // All of them come while nobody can look.
        let held = looks.last.lock().await;
        let mut waiting: Vec<_> = (0..50).map(|_| Box::pin(looks.look())).collect();
        for one in &mut waiting {
            assert!(futures_poll(one.as_mut()).is_pending());
        }
        drop(held);
        for one in waiting {
            one.await;
        }
        assert_eq!(counted.0.load(Ordering::SeqCst), 2);
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}
