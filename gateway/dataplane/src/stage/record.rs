//! One event for the decision, on its way to the disk before anything acts on it.

use cedargate_audit::{Priority, Spool};
use cedargate_model::{Caller, Event, Refusal, RefusalCode};

use crate::exchange::Record;

/// Hands a decision or an amendment to the spool and returns at once; [`Record::durable`] waits.
///
/// # Errors
/// 503 when the spool is full or not writable: what cannot be recorded is not done.
pub(crate) fn record(spool: &Spool, event: &Event, caller: &Caller) -> Result<Record, Refusal> {
    let priority = match caller {
        Caller::Principal(_) => Priority::Known,
        Caller::Anonymous => Priority::Unknown,
    };
    spool
        .record(event, priority)
        .map(Record::Pending)
        .map_err(|error| Refusal::new(RefusalCode::RecordUnavailable, error.to_string()))
}
