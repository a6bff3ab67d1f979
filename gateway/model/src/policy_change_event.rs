//! What became of a change of a tenant's policies, and who did it.

use serde::{Deserialize, Serialize};

use crate::{ChangeId, PolicySetId};

/// A step in the life of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChangeEvent {
    /// The change.
    pub change: ChangeId,
    /// The proposed set, by its content.
    pub set: PolicySetId,
    /// Who did it, as the command was told: at most 64 characters.
    pub person: String,
    /// What.
    #[serde(flatten)]
    pub act: PolicyChangeAct,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum PolicyChangeAct {
    /// It was proposed.
    Opened,
    /// A step was made.
    Made {
        /// Which: `check`, `analyse`, `replay`, `submit`, `approve`, `shadow`.
        step: String,
        /// Whether it passed.
        passed: bool,
        /// What was found, in a sentence: at most 2,000 octets.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// Something was refused: the change stays as it is.
    Refused {
        /// What: `submit`, `approve`, `shadow`, `live`.
        step: String,
        /// Why.
        reason: String,
    },
    /// It decides from now on.
    WentLive {
        /// The change that decided before; none for the policy directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        former: Option<ChangeId>,
    },
    /// It decides no more: another does, or the one before it does again.
    Superseded {
        /// The change that decides; none for the policy directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<ChangeId>,
    },
    /// It was given up.
    Withdrawn,
}

impl PolicyChangeAct {
    /// In words, for the terminal.
    pub fn describe(&self) -> String {
        match self {
            Self::Opened => "opened".to_owned(),
            Self::Made { step, passed: true, detail } => format!("{step} passed: {detail}"),
            Self::Made { step, passed: false, detail } => format!("{step} DID NOT PASS: {detail}"),
            Self::Refused { step, reason } => format!("{step} refused: {reason}"),
            Self::WentLive { former: Some(former) } => format!("went live after {former}"),
            Self::WentLive { former: None } => "went live after the policy directory".to_owned(),
            Self::Superseded { by: Some(by) } => format!("superseded by {by}"),
            Self::Superseded { by: None } => "superseded by the policy directory".to_owned(),
            Self::Withdrawn => "withdrawn".to_owned(),
        }
    }
}
