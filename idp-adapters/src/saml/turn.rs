//! Turns at reading and verifying: a message is some milliseconds of a core, and whoever sends one is not known yet.
//!
//! Each connection has its own, so that whoever floods one keeps nobody from signing in by another. Behind them all share what may run at
//! once, first come first served: a connection never stands there more often than it has turns, so that this takes a moment only.

use std::sync::Arc;
use std::time::Duration;

use cedargate_model::SigninReason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::client::SamlClient;
use crate::Refused;

/// How many turns a connection has at one time.
pub(super) const OF_CONNECTION: usize = 2;

/// How many messages are read or verified at one time, of all connections.
const AT_ONCE: usize = 2;

/// How long one waits for a turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(4);

static AT_WORK: Semaphore = Semaphore::const_new(AT_ONCE);

/// A turn at a connection's messages. Whoever has one spends what the message belongs to, and not before.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    _own: OwnedSemaphorePermit,
}

impl SamlClient {
    /// A turn.
    ///
    /// # Errors
    /// `saml_busy` for one who waited too long.
    pub async fn turn(self: &Arc<Self>) -> Result<Turn, Refused> {
        match tokio::time::timeout(TURN_TIMEOUT, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(own)) => Ok(Turn { _own: own }),
            Ok(Err(_)) | Err(_) => Err(SigninReason::SamlBusy.into()),
        }
    }
}

impl Turn {
    /// Does some of the turn's work, on a thread that may be kept busy.
    pub(super) async fn work<T, W>(&self, work: W) -> Result<T, Refused>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T, Refused> + Send + 'static,
    {
        let at_work = AT_WORK.acquire().await.map_err(|closed| Refused::because(SigninReason::SamlBusy, closed))?;
        let worked = tokio::task::spawn_blocking(work).await;
        drop(at_work);
        // A library that panics on a message has not verified it.
        worked.map_err(|lost| Refused::because(SigninReason::SamlSignature, lost))?
    }
}
