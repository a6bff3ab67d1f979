//! What a decision says, with its reasons.

use std::sync::Arc;

use cedargate_model::{DecisionId, PolicyId, SnapshotId};

/// What a tenant's snapshot says to one request. Anything but [`Verdict::Allow`] ends the walk.
#[derive(Debug)]
#[must_use = "a decision that nobody enforces is an open door"]
pub enum Verdict {
    /// Permitted.
    Allow(Allowed),
    /// Denied as it stands, but a stronger or fresher sign-in would be permitted.
    StepUp(StepUp),
    /// Denied, and the caller is anonymous: somebody who signs in may be permitted.
    SignIn(Denied),
    /// Denied.
    Deny(Denied),
    /// A policy's evaluation erred, or the question does not belong to this snapshot. Cedar would skip the policy; we
    /// refuse and alert.
    Failed(Failed),
}

impl Verdict {
    /// A short name for logs, tables and policy tests: `allow`, `step_up`, `sign_in`, `deny`, `failed`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::StepUp(_) => "step_up",
            Self::SignIn(_) => "sign_in",
            Self::Deny(_) => "deny",
            Self::Failed(_) => "failed",
        }
    }

    /// Which decision this is, by which snapshot and which policies.
    pub fn basis(&self) -> &Basis {
        match self {
            Self::Allow(allowed) => &allowed.basis,
            Self::StepUp(step_up) => &step_up.basis,
            Self::SignIn(denied) | Self::Deny(denied) => &denied.basis,
            Self::Failed(failed) => &failed.basis,
        }
    }
}

/// What every verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    decision: DecisionId,
    snapshot: SnapshotId,
    determined_by: Arc<[PolicyId]>,
}

impl Basis {
    pub(crate) fn new(decision: DecisionId, snapshot: SnapshotId, determined_by: Arc<[PolicyId]>) -> Self {
        Self { decision, snapshot, determined_by }
    }

    /// The decision's id.
    pub fn decision(&self) -> DecisionId {
        self.decision
    }

    /// The snapshot that decided.
    pub fn snapshot(&self) -> &SnapshotId {
        &self.snapshot
    }

    /// The policies that determined it, sorted: the permits of an allow, the forbids of a deny. Empty where nothing
    /// permitted, which is a deny.
    pub fn determined_by(&self) -> &Arc<[PolicyId]> {
        &self.determined_by
    }
}

/// Proof that a request was decided and allowed. Only a snapshot makes one, and forwarding spends it.
#[derive(Debug)]
pub struct Allowed {
    basis: Basis,
}

impl Allowed {
    pub(crate) fn new(basis: Basis) -> Self {
        Self { basis }
    }

    /// The decision's id.
    pub fn decision(&self) -> DecisionId {
        self.basis.decision
    }

    /// The snapshot that decided.
    pub fn snapshot(&self) -> &SnapshotId {
        &self.basis.snapshot
    }

    /// The permits that determined it, sorted.
    pub fn determined_by(&self) -> &Arc<[PolicyId]> {
        &self.basis.determined_by
    }
}

/// Denied as it stands; what sign-in would be permitted (RFC 9470).
#[derive(Debug)]
pub struct StepUp {
    basis: Basis,
    needed: Needed,
}

/// The weakest sign-in of the ladder that would be permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needed {
    /// The authentication assurance level.
    pub level: u8,
    /// The age in seconds that the sign-in may have, where it must be fresher than the present one.
    pub max_age_seconds: Option<u64>,
}

impl StepUp {
    pub(crate) fn new(basis: Basis, needed: Needed) -> Self {
        Self { basis, needed }
    }

    /// The decision's id.
    pub fn decision(&self) -> DecisionId {
        self.basis.decision
    }

    /// The snapshot that decided.
    pub fn snapshot(&self) -> &SnapshotId {
        &self.basis.snapshot
    }

    /// The forbids that determined the deny, sorted; empty where nothing permitted.
    pub fn determined_by(&self) -> &Arc<[PolicyId]> {
        &self.basis.determined_by
    }

    /// The authentication assurance level that would be permitted.
    pub fn level(&self) -> u8 {
        self.needed.level
    }

    /// The age in seconds that the sign-in may have, where it must be fresher than the present one.
    pub fn max_age_seconds(&self) -> Option<u64> {
        self.needed.max_age_seconds
    }
}

/// Denied.
#[derive(Debug)]
pub struct Denied {
    basis: Basis,
}

impl Denied {
    pub(crate) fn new(basis: Basis) -> Self {
        Self { basis }
    }

    /// The decision's id.
    pub fn decision(&self) -> DecisionId {
        self.basis.decision
    }

    /// The snapshot that decided.
    pub fn snapshot(&self) -> &SnapshotId {
        &self.basis.snapshot
    }

    /// The forbids that determined it, sorted; empty where nothing permitted.
    pub fn determined_by(&self) -> &Arc<[PolicyId]> {
        &self.basis.determined_by
    }
}

/// Not decided: a refusal and an alert, never an allow.
#[derive(Debug)]
pub struct Failed {
    basis: Basis,
    errors: Vec<String>,
}

impl Failed {
    pub(crate) fn new(basis: Basis, errors: Vec<String>) -> Self {
        Self { basis, errors }
    }

    /// The decision's id.
    pub fn decision(&self) -> DecisionId {
        self.basis.decision
    }

    /// The snapshot that could not decide.
    pub fn snapshot(&self) -> &SnapshotId {
        &self.basis.snapshot
    }

    /// What went wrong, for the operator: which policy erred and how. Never for the client.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }
}
