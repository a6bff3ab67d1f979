//! What operators did with the store, carried from there into the record.

use std::time::Duration;

use cedargate_controlplane::{RecordUnavailable, Recorder};
use cedargate_identity::{OperatorEvents, StoreError};
use cedargate_model::{Clock as _, SystemClock};
use tokio::time::MissedTickBehavior;

/// How often it is looked whether any wait.
const EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
enum CarryError {
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("the record cannot take it")]
    Unrecorded(#[from] RecordUnavailable),
}

/// Carries them for ever. Drop the future to stop it: what was not given up waits for the next one.
pub(super) async fn run(events: OperatorEvents, recorder: impl Recorder) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut works = true;
    loop {
        ticks.tick().await;
        let carried = carry(&events, &recorder).await;
        // Once for an outage.
        match &carried {
            Ok(()) if !works => tracing::info!("operators' events are recorded again"),
            Err(error) if works => {
                tracing::warn!(error = error as &dyn std::error::Error, "operators' events wait for the record");
            }
            Ok(()) | Err(_) => {}
        }
        works = carried.is_ok();
    }
}

async fn carry(events: &OperatorEvents, recorder: &impl Recorder) -> Result<(), CarryError> {
    while let Some(taken) = events.take(SystemClock.now()).await? {
        if taken.unreadable() > 0 {
            tracing::error!(
                cedargate.events = taken.unreadable(),
                error.type = "operator_events_unreadable",
                "operators' events are set aside for a newer gateway: this one cannot read them"
            );
        }
        for event in taken.events() {
            recorder.record(event.clone()).await?;
        }
        events.give_up(&taken).await?;
    }
    Ok(())
}
