//! Where sign-ins are recorded.

use async_trait::async_trait;
use cedargate_model::Event;

/// Makes events durable. The app implements it with the audit spool.
#[async_trait]
pub trait Recorder: Send + Sync {
    /// Returns once the event is durable.
    ///
    /// # Errors
    /// [`RecordUnavailable`] where it may not be; then whatever it stands for must not be answered.
    async fn record(&self, event: Event) -> Result<(), RecordUnavailable>;
}

/// The event could not be made durable. A retry may help.
#[derive(Debug, thiserror::Error)]
#[error("the event could not be recorded")]
pub struct RecordUnavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);
