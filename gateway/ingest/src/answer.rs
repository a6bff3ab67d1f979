//! What a service is told about each event.

use cedargate_model::EventId;
use serde::Serialize;

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The service's id for it; none where not even that could be read.
    pub event: Option<EventId>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of an event. Its words, and the codes', never change their meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// It is in the record, durably, since this request.
    Accepted,
    /// It was in the record already, saying the same.
    Duplicate,
    /// It could not be taken now. Say it again, and nothing of the same tenant before it.
    Later {
        /// Why.
        code: LaterCode,
    },
    /// It is not taken, and saying it again does not help until somebody has mended something.
    Refused {
        /// Why.
        code: RefusedCode,
        /// In words, for whoever wrote the service.
        detail: String,
    },
}

/// Why an event could not be taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LaterCode {
    /// Its decision was made a moment ago and is not in the record yet.
    DecisionPending,
    /// The record does not keep up or cannot be written.
    RecordUnavailable,
    /// One before it in the batch could not be taken, and events keep their order.
    AfterAnother,
}

/// Why an event is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedCode {
    /// It is not written as it should be.
    EventMalformed,
    /// There is no such tenant.
    TenantUnknown,
    /// There is no decision of this id that allowed something of this tenant at this service.
    DecisionUnknown,
    /// The decision is older than the record is looked through.
    DecisionTooOld,
    /// An event of this id said something else before.
    EventConflict,
}

impl Outcome {
    /// Its word for counting: one of a closed set.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Later { .. } => "later",
            Self::Refused { code, .. } => match code {
                RefusedCode::EventMalformed => "event_malformed",
                RefusedCode::TenantUnknown => "tenant_unknown",
                RefusedCode::DecisionUnknown => "decision_unknown",
                RefusedCode::DecisionTooOld => "decision_too_old",
                RefusedCode::EventConflict => "event_conflict",
            },
        }
    }

    /// Every word that [`Outcome::as_str`] has.
    pub const WORDS: [&str; 8] = [
        "accepted",
        "duplicate",
        "later",
        "event_malformed",
        "tenant_unknown",
        "decision_unknown",
        "decision_too_old",
        "event_conflict",
    ];
}
