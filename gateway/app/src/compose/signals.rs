//! Being asked to end: SIGTERM and SIGINT, counted from the first moment on.

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::StartError;

/// How often the process was asked to end. The first time requests in flight still finish, the second time nothing does.
#[derive(Clone, Debug)]
pub(super) struct Stop(watch::Sender<u32>);

impl Stop {
    /// Takes over both signals. From here on neither ends the process by itself, whatever has been set up by then.
    ///
    /// # Errors
    /// The machine refuses handlers.
    pub(super) fn on_signals(background: &Runtime) -> Result<Self, StartError> {
        let doing = "the handlers of SIGTERM and SIGINT";
        let failed = |source| StartError::Machine { doing, source };
        let _runtime = background.enter();
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let stop = Self(watch::Sender::new(0));
        let counted = stop.clone();
        background.spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                counted.ask();
            }
        });
        Ok(stop)
    }

    /// Asks once more.
    pub(super) fn ask(&self) {
        self.0.send_modify(|asked| *asked = asked.saturating_add(1));
    }

    /// Whether anybody has asked.
    pub(super) fn is_asked(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// For those who wait to be asked.
    pub(super) fn subscribe(&self) -> watch::Receiver<u32> {
        self.0.subscribe()
    }
}
