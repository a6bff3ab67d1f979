//! Changes of tenants' policies: what was proposed, what was found, who agreed, and which set is live.
//!
//! Whoever may write to the store is believed who they say they are; that is the operator's command line.

use std::collections::BTreeSet;

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{ChangeId, EventBody, Micros, PolicyChangeAct, PolicyChangeEvent, PolicySetId, TenantId};
use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

use crate::random::{EntropyError, uuid_at};
use crate::{OperatorError, operator_events};

/// The most changes that are kept of a tenant. Those that are over are forgotten, the oldest first; the record has them.
pub const POLICY_CHANGES_MAX: usize = 100;

/// The most octets of a proposed set.
pub const POLICY_SET_BYTES_MAX: usize = 4 << 20;

/// The most steps of one change.
const STEPS_MAX: usize = 500;

/// Why something was not done with a change.
#[derive(Debug, thiserror::Error)]
pub enum PolicyChangeError {
    /// There is no such change.
    #[error("there is no change `{0}`")]
    Unknown(ChangeId),
    /// The set is too large to be kept.
    #[error("the set has more than {POLICY_SET_BYTES_MAX} octets")]
    TooLarge,
    /// There are too many.
    #[error("{POLICY_CHANGES_MAX} changes are under way; withdraw one")]
    TooMany,
    /// Not yet, or not any more.
    #[error("{0}")]
    Refused(String),
    /// Nothing was live before.
    #[error("there is nothing to go back to: the policy directory decides")]
    NothingBefore,
    /// Only the policy directory was live before, and that was not what was asked for.
    #[error("before it the policy directory decided; say so if that is meant")]
    DirectoryBefore,
    /// Somebody else changed it at the same moment.
    #[error("another command was faster; look again")]
    Overtaken,
    /// No id could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl From<OperatorError> for PolicyChangeError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Entropy(error) => Self::Entropy(error),
            OperatorError::Store(error) => Self::Store(error),
        }
    }
}

/// What may be asked of a change before it goes live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeStep {
    /// Parses, validates strictly, and its cases pass.
    Check,
    /// Compared with the live set by symbolic analysis, and held against the standing properties.
    Analyse,
    /// Recorded decisions were made again by it.
    Replay,
    /// Others approved it.
    Review,
    /// Evaluated beside the live set.
    Shadow,
}

impl ChangeStep {
    /// All, in their order.
    pub const ALL: [Self; 5] = [Self::Check, Self::Analyse, Self::Replay, Self::Review, Self::Shadow];

    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Analyse => "analyse",
            Self::Replay => "replay",
            Self::Review => "review",
            Self::Shadow => "shadow",
        }
    }

    /// The step of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }
}

/// Where a change is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeState {
    /// Proposed.
    Draft,
    /// Others are asked to look at it.
    Submitted,
    /// Evaluated beside the live set.
    Shadow,
    /// It decides.
    Live,
    /// It decided, and does no more.
    Superseded,
    /// Given up.
    Withdrawn,
}

impl ChangeState {
    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::Shadow => "shadow",
            Self::Live => "live",
            Self::Superseded => "superseded",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Draft, Self::Submitted, Self::Shadow, Self::Live, Self::Superseded, Self::Withdrawn]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    fn is_under_way(self) -> bool {
        matches!(self, Self::Draft | Self::Submitted | Self::Shadow)
    }
}

/// A change.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyChange {
    /// Which.
    pub id: ChangeId,
    /// The proposed set, by its content.
    pub set: PolicySetId,
    /// What it is for.
    pub title: String,
    /// Who wrote it.
    pub author: String,
    /// Where it is.
    pub state: ChangeState,
    /// Since when it is there.
    pub opened_at: Micros,
    /// What was done with it, oldest first.
    pub steps: Vec<StepDone>,
}

/// Something that was done with a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepDone {
    /// `check`, `analyse`, `replay`, `submit`, `approve` or `shadow`.
    pub step: String,
    /// Whether it passed.
    pub passed: bool,
    /// Beside which live set: what was found beside another counts no more.
    pub serial: i64,
    /// Who did it.
    pub person: String,
    /// When.
    pub at: Micros,
    /// What was found.
    pub detail: String,
}

/// What decides for a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LivePolicies {
    /// Counts every change of what is live.
    pub serial: i64,
    /// The change that is live; none for the policy directory.
    pub change: Option<ChangeId>,
    /// The one before it; none for the policy directory.
    pub former: Option<ChangeId>,
    /// The change that is evaluated beside it.
    pub shadow: Option<ChangeId>,
}

/// The changes of a store.
#[derive(Clone, Debug)]
pub struct PolicyChanges {
    pool: Pool,
}

impl PolicyChange {
    /// What is still missing before it may be submitted.
    pub fn missing_before_review(&self, steps: &BTreeSet<ChangeStep>, serial: i64) -> Vec<String> {
        let mut missing = Vec::new();
        for step in [ChangeStep::Check, ChangeStep::Replay] {
            // Nothing goes on that does not even parse.
            let asked = step == ChangeStep::Check || steps.contains(&step);
            match self.last(step.as_str(), serial) {
                Some(done) if done.passed => {}
                Some(done) if asked => missing.push(format!("`{}` did not pass: {}", step.as_str(), done.detail)),
                None if asked => missing.push(format!("`{}` was not made beside the live set", step.as_str())),
                Some(_) | None => {}
            }
        }
        if steps.contains(&ChangeStep::Analyse) && self.last(ChangeStep::Analyse.as_str(), serial).is_none() {
            missing.push("`analyse` was not made beside the live set".to_owned());
        }
        missing
    }

    /// What is still missing before it may decide, or be evaluated in the shadow.
    pub fn missing_before(&self, to: ChangeState, steps: &BTreeSet<ChangeStep>, serial: i64) -> Vec<String> {
        let mut missing = self.missing_before_review(steps, serial);
        if self.state == ChangeState::Draft {
            missing.push("it was not submitted".to_owned());
        }
        let (wanted, given) = (self.approvals_wanted(steps, serial), self.approvals(serial).len());
        if given < wanted {
            missing.push(format!("{given} of {wanted} people have approved it"));
        }
        if to == ChangeState::Live && steps.contains(&ChangeStep::Shadow) && self.last("shadow", serial).is_none() {
            missing.push("it was not evaluated in the shadow of the live set".to_owned());
        }
        missing
    }

    /// How many have to approve. What analysis did not prove needs one more.
    pub fn approvals_wanted(&self, steps: &BTreeSet<ChangeStep>, serial: i64) -> usize {
        let unproved = steps.contains(&ChangeStep::Analyse)
            && !self.last(ChangeStep::Analyse.as_str(), serial).is_some_and(|done| done.passed);
        usize::from(steps.contains(&ChangeStep::Review)) + usize::from(unproved)
    }

    /// Who has approved it beside this live set.
    pub fn approvals(&self, serial: i64) -> BTreeSet<&str> {
        let approvals = self.steps.iter().filter(|done| done.step == "approve" && done.serial == serial);
        approvals.map(|done| &*done.person).filter(|person| *person != self.author).collect()
    }

    fn last(&self, step: &str, serial: i64) -> Option<&StepDone> {
        self.steps.iter().rev().find(|done| done.step == step && done.serial == serial)
    }
}

impl PolicyChanges {
    /// The changes in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Keeps a proposed set, whose texts are an object of JSON by path, and opens a change with it.
    ///
    /// # Errors
    /// [`PolicyChangeError`].
    pub async fn open(
        &self,
        tenant: TenantId,
        (set, texts): (&PolicySetId, &str),
        (title, author): (&str, &str),
        now: Micros,
    ) -> Result<ChangeId, PolicyChangeError> {
        const KEEP: &str = "
INSERT INTO policy_sets (tenant_id, id, texts, created_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, id) DO NOTHING";
        const OPEN: &str = "
INSERT INTO policy_changes (tenant_id, id, set_id, title, author, state, opened_at)
VALUES ($1, $2, $3, $4, $5, 'draft', $6)";
        if texts.len() > POLICY_SET_BYTES_MAX {
            return Err(PolicyChangeError::TooLarge);
        }
        let id = ChangeId(uuid_at(now)?);
        let mut tx = self.pool.tenant(tenant).begin().await?;
        make_room(&mut tx).await?;
        tx.query(KEEP).bind(set.as_str()).bind(texts).bind(now.0).execute().await?;
        let open = tx.query(OPEN).bind(id.0).bind(set.as_str()).bind(title).bind(author).bind(now.0);
        open.execute().await?;
        leave(&mut tx, id, set, author, PolicyChangeAct::Opened, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// A tenant's changes, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, tenant: TenantId) -> Result<Vec<PolicyChange>, StoreError> {
        let mut tx = self.pool.tenant(tenant).read().await?;
        changes(&mut tx).await
    }

    /// A change, with what was done with it, and what is live beside it.
    ///
    /// # Errors
    /// [`PolicyChangeError::Unknown`], or the store's.
    pub async fn find(
        &self,
        tenant: TenantId,
        change: ChangeId,
    ) -> Result<(PolicyChange, LivePolicies), PolicyChangeError> {
        let mut tx = self.pool.tenant(tenant).read().await?;
        let live = live(&mut tx).await?.unwrap_or_default();
        Ok((find(&mut tx, change).await?, live))
    }

    /// The texts of a change's set, an object of JSON by path, and the set that they should be.
    ///
    /// # Errors
    /// [`PolicyChangeError::Unknown`], or the store's.
    pub async fn texts(&self, tenant: TenantId, change: ChangeId) -> Result<(PolicySetId, String), PolicyChangeError> {
        const TEXTS: &str = "
SELECT s.id, s.texts
FROM policy_changes AS c
JOIN policy_sets AS s ON s.tenant_id = c.tenant_id AND s.id = c.set_id
WHERE c.tenant_id = $1
  AND c.id = $2";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let found: Option<(String, String)> = tx.query(TEXTS).bind(change.0).fetch_optional().await?;
        let (set, texts) = found.ok_or(PolicyChangeError::Unknown(change))?;
        Ok((PolicySetId::from(&*set), texts))
    }

    /// What is live for whom: tenants that were never changed this way are not named.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn all_live(&self) -> Result<Vec<(TenantId, LivePolicies)>, StoreError> {
        const LIVE: &str = "
SELECT tenant_id, serial, change_id, former_id, shadow_id
FROM policy_live
ORDER BY tenant_id";
        let mut tx = self.pool.read_system().await?;
        let rows: Vec<LiveRow> = tx.query(LIVE).fetch_all().await?;
        Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), row.into_live())).collect())
    }

    /// Writes down what a step found.
    ///
    /// # Errors
    /// [`PolicyChangeError::Refused`] for a change that is over, or the store's.
    pub async fn made(
        &self,
        tenant: TenantId,
        change: ChangeId,
        (step, passed, detail): (ChangeStep, bool, &str),
        person: &str,
        now: Micros,
    ) -> Result<(), PolicyChangeError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let (found, live) = (find(&mut tx, change).await?, live(&mut tx).await?.unwrap_or_default());
        if !found.state.is_under_way() {
            return Err(over(&found));
        }
        note(&mut tx, &found, (step.as_str(), passed, detail), live.serial, person, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Asks others to look at it.
    ///
    /// # Errors
    /// [`PolicyChangeError::Refused`] with what is missing; that is recorded.
    pub async fn submit(
        &self,
        tenant: TenantId,
        change: ChangeId,
        steps: &BTreeSet<ChangeStep>,
        person: &str,
        now: Micros,
    ) -> Result<(), PolicyChangeError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let (found, live) = (find(&mut tx, change).await?, live(&mut tx).await?.unwrap_or_default());
        let missing = match found.state {
            ChangeState::Draft => found.missing_before_review(steps, live.serial),
            _ => vec![format!("it is {}", found.state.as_str())],
        };
        if !missing.is_empty() {
            return refuse(tx, &found, "submit", missing, person, now).await;
        }
        note(&mut tx, &found, ("submit", true, ""), live.serial, person, now).await?;
        move_to(&mut tx, &found, ChangeState::Submitted).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Approves it. Who wrote it, or submitted it, may not, and nobody counts twice.
    ///
    /// # Errors
    /// [`PolicyChangeError::Refused`]; that is recorded.
    pub async fn approve(
        &self,
        tenant: TenantId,
        change: ChangeId,
        person: &str,
        now: Micros,
    ) -> Result<(), PolicyChangeError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let (found, live) = (find(&mut tx, change).await?, live(&mut tx).await?.unwrap_or_default());
        let submitted_by = |done: &StepDone| done.step == "submit" && done.person == person;
        let missing = if !matches!(found.state, ChangeState::Submitted | ChangeState::Shadow) {
            vec![format!("it is {}", found.state.as_str())]
        } else if person == found.author || found.steps.iter().any(submitted_by) {
            vec![format!("`{person}` wrote or submitted it: somebody else has to approve")]
        } else if found.approvals(live.serial).contains(person) {
            vec![format!("`{person}` has approved it already")]
        } else {
            Vec::new()
        };
        if !missing.is_empty() {
            return refuse(tx, &found, "approve", missing, person, now).await;
        }
        note(&mut tx, &found, ("approve", true, ""), live.serial, person, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Has it evaluated beside the live set from now on.
    ///
    /// # Errors
    /// [`PolicyChangeError::Refused`] with what is missing; that is recorded.
    pub async fn shadow(
        &self,
        tenant: TenantId,
        change: ChangeId,
        steps: &BTreeSet<ChangeStep>,
        person: &str,
        now: Micros,
    ) -> Result<(), PolicyChangeError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let (found, row) = (find(&mut tx, change).await?, live(&mut tx).await?);
        let live = row.clone().unwrap_or_default();
        let mut missing = found.missing_before(ChangeState::Shadow, steps, live.serial);
        if !found.state.is_under_way() {
            missing = vec![format!("it is {}", found.state.as_str())];
        }
        if !missing.is_empty() {
            return refuse(tx, &found, "shadow", missing, person, now).await;
        }
        if let Some(other) = live.shadow.filter(|other| *other != change) {
            let other = find(&mut tx, other).await?;
            move_to(&mut tx, &other, ChangeState::Submitted).await?;
        }
        note(&mut tx, &found, ("shadow", true, ""), live.serial, person, now).await?;
        move_to(&mut tx, &found, ChangeState::Shadow).await?;
        let next = LivePolicies { shadow: Some(change), ..live };
        set_live(&mut tx, row.is_some(), next.serial, &next, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Makes it live. What was live is kept to go back to.
    ///
    /// # Errors
    /// [`PolicyChangeError::Refused`] with what is missing; that is recorded.
    pub async fn go_live(
        &self,
        tenant: TenantId,
        change: ChangeId,
        steps: &BTreeSet<ChangeStep>,
        person: &str,
        now: Micros,
    ) -> Result<LivePolicies, PolicyChangeError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let (found, row) = (find(&mut tx, change).await?, live(&mut tx).await?);
        let live = row.clone().unwrap_or_default();
        let mut missing = found.missing_before(ChangeState::Live, steps, live.serial);
        if !found.state.is_under_way() {
            missing = vec![format!("it is {}", found.state.as_str())];
        }
        if !missing.is_empty() {
            return refuse(tx, &found, "live", missing, person, now).await;
        }
        if let Some(former) = live.change {
            let former = find(&mut tx, former).await?;
            supersede(&mut tx, &former, Some(change), person, now).await?;
        }
        if let Some(other) = live.shadow.filter(|other| *other != change) {
            let other = find(&mut tx, other).await?;
            move_to(&mut tx, &other, ChangeState::Submitted).await?;
        }
        move_to(&mut tx, &found, ChangeState::Live).await?;
        let act = PolicyChangeAct::WentLive { former: live.change };
        leave(&mut tx, found.id, &found.set, person, act, now).await?;
        let next = LivePolicies { serial: live.serial + 1, change: Some(change), former: live.change, shadow: None };
        set_live(&mut tx, row.is_some(), live.serial, &next, now).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Makes the set live again that was before. The policy directory is that only for somebody who says so: of two who go back at the
    /// same moment, the second one would come there unawares.
    ///
    /// # Errors
    /// [`PolicyChangeError::NothingBefore`], [`PolicyChangeError::DirectoryBefore`], or the store's.
    pub async fn go_back(
        &self,
        tenant: TenantId,
        to_directory: bool,
        person: &str,
        now: Micros,
    ) -> Result<LivePolicies, PolicyChangeError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let live = live(&mut tx).await?.ok_or(PolicyChangeError::NothingBefore)?;
        let change = live.change.ok_or(PolicyChangeError::NothingBefore)?;
        if live.former.is_none() && !to_directory {
            return Err(PolicyChangeError::DirectoryBefore);
        }
        let found = find(&mut tx, change).await?;
        supersede(&mut tx, &found, live.former, person, now).await?;
        if let Some(former) = live.former {
            let former = find(&mut tx, former).await?;
            move_to(&mut tx, &former, ChangeState::Live).await?;
            let act = PolicyChangeAct::WentLive { former: Some(change) };
            leave(&mut tx, former.id, &former.set, person, act, now).await?;
        }
        // Whoever goes back twice comes to the directory, and not here again.
        let next = LivePolicies { serial: live.serial + 1, change: live.former, former: None, shadow: live.shadow };
        set_live(&mut tx, true, live.serial, &next, now).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Gives it up.
    ///
    /// # Errors
    /// [`PolicyChangeError::Refused`] for a change that is live or over, or the store's.
    pub async fn withdraw(
        &self,
        tenant: TenantId,
        change: ChangeId,
        person: &str,
        now: Micros,
    ) -> Result<(), PolicyChangeError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let (found, live) = (find(&mut tx, change).await?, live(&mut tx).await?);
        if !found.state.is_under_way() {
            return Err(over(&found));
        }
        if let Some(live) = live.filter(|live| live.shadow == Some(change)) {
            let next = LivePolicies { shadow: None, ..live };
            set_live(&mut tx, true, next.serial, &next, now).await?;
        }
        move_to(&mut tx, &found, ChangeState::Withdrawn).await?;
        leave(&mut tx, found.id, &found.set, person, PolicyChangeAct::Withdrawn, now).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn over(change: &PolicyChange) -> PolicyChangeError {
    PolicyChangeError::Refused(format!("it is {}", change.state.as_str()))
}

/// Says what is missing, and leaves it for the record: an attempt is worth knowing of.
async fn refuse<T>(
    mut tx: TenantTx,
    change: &PolicyChange,
    step: &str,
    missing: Vec<String>,
    person: &str,
    now: Micros,
) -> Result<T, PolicyChangeError> {
    let reason = cut(&missing.join("; "));
    let act = PolicyChangeAct::Refused { step: step.to_owned(), reason: reason.clone() };
    leave(&mut tx, change.id, &change.set, person, act, now).await?;
    tx.commit().await?;
    Err(PolicyChangeError::Refused(reason))
}

async fn supersede(
    tx: &mut TenantTx,
    change: &PolicyChange,
    by: Option<ChangeId>,
    person: &str,
    now: Micros,
) -> Result<(), PolicyChangeError> {
    move_to(tx, change, ChangeState::Superseded).await?;
    leave(tx, change.id, &change.set, person, PolicyChangeAct::Superseded { by }, now).await
}

async fn note(
    tx: &mut TenantTx,
    change: &PolicyChange,
    (step, passed, detail): (&str, bool, &str),
    serial: i64,
    person: &str,
    now: Micros,
) -> Result<(), PolicyChangeError> {
    const NOTE: &str = "
INSERT INTO policy_change_steps (tenant_id, change_id, number, step, passed, serial, person, done_at, detail)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    if change.steps.len() >= STEPS_MAX {
        return Err(PolicyChangeError::Refused(format!("{STEPS_MAX} steps were made of it; open another")));
    }
    let detail = cut(detail);
    let number = i64::try_from(change.steps.len()).unwrap_or(i64::MAX) + 1;
    let note = tx.query(NOTE).bind(change.id.0).bind(number).bind(step).bind(i64::from(passed)).bind(serial);
    match note.bind(person).bind(now.0).bind(&*detail).execute().await {
        Err(StoreError::Conflict(_)) => return Err(PolicyChangeError::Overtaken),
        done => done?,
    };
    let act = PolicyChangeAct::Made { step: step.to_owned(), passed, detail };
    leave(tx, change.id, &change.set, person, act, now).await
}

/// As much of a text as is kept.
fn cut(text: &str) -> String {
    const BYTES_MAX: usize = 2_000;
    let mut end = text.len().min(BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

async fn leave(
    tx: &mut TenantTx,
    change: ChangeId,
    set: &PolicySetId,
    person: &str,
    act: PolicyChangeAct,
    now: Micros,
) -> Result<(), PolicyChangeError> {
    let event = PolicyChangeEvent { change, set: set.clone(), person: person.to_owned(), act };
    Ok(operator_events::leave_body(tx, EventBody::PolicyChange(Box::new(event)), now).await?)
}

async fn move_to(tx: &mut TenantTx, change: &PolicyChange, to: ChangeState) -> Result<(), PolicyChangeError> {
    const MOVE: &str = "
UPDATE policy_changes
SET state = $4
WHERE tenant_id = $1
  AND id = $2
  AND state = $3";
    let moved = tx.query(MOVE).bind(change.id.0).bind(change.state.as_str()).bind(to.as_str()).execute().await?;
    if moved == 1 { Ok(()) } else { Err(PolicyChangeError::Overtaken) }
}

/// Writes what is live, if it is still what was read: of two commands at once one is told that it was too slow.
async fn set_live(
    tx: &mut TenantTx,
    is_there: bool,
    before: i64,
    next: &LivePolicies,
    now: Micros,
) -> Result<(), PolicyChangeError> {
    const INSERT: &str = "
INSERT INTO policy_live (tenant_id, serial, change_id, former_id, shadow_id, changed_at)
VALUES ($1, $2, $3, $4, $5, $6)";
    const UPDATE: &str = "
UPDATE policy_live
SET serial = $2, change_id = $3, former_id = $4, shadow_id = $5, changed_at = $6
WHERE tenant_id = $1
  AND serial = $7";
    let id = |change: Option<ChangeId>| change.map(|change| change.0);
    let query = tx.query(if is_there { UPDATE } else { INSERT }).bind(next.serial).bind(id(next.change));
    let query = query.bind(id(next.former)).bind(id(next.shadow)).bind(now.0);
    let query = if is_there { query.bind(before) } else { query };
    match query.execute().await {
        Ok(1) => Ok(()),
        Ok(_) | Err(StoreError::Conflict(_)) => Err(PolicyChangeError::Overtaken),
        Err(error) => Err(error.into()),
    }
}

async fn live(tx: &mut TenantTx) -> Result<Option<LivePolicies>, StoreError> {
    const LIVE: &str = "
SELECT tenant_id, serial, change_id, former_id, shadow_id
FROM policy_live
WHERE tenant_id = $1";
    let row: Option<LiveRow> = tx.query(LIVE).fetch_optional().await?;
    Ok(row.map(LiveRow::into_live))
}

async fn find(tx: &mut TenantTx, change: ChangeId) -> Result<PolicyChange, PolicyChangeError> {
    const CHANGE: &str = "
SELECT id, set_id, title, author, state, opened_at
FROM policy_changes
WHERE tenant_id = $1
  AND id = $2";
    let row: Option<ChangeRow> = tx.query(CHANGE).bind(change.0).fetch_optional().await?;
    let mut found = row.ok_or(PolicyChangeError::Unknown(change))?.into_change()?;
    found.steps = steps(tx, change).await?;
    Ok(found)
}

async fn changes(tx: &mut TenantTx) -> Result<Vec<PolicyChange>, StoreError> {
    const CHANGES: &str = "
SELECT id, set_id, title, author, state, opened_at
FROM policy_changes
WHERE tenant_id = $1
ORDER BY id DESC
LIMIT 200";
    let rows: Vec<ChangeRow> = tx.query(CHANGES).fetch_all().await?;
    rows.into_iter().map(ChangeRow::into_change).collect()
}

async fn steps(tx: &mut TenantTx, change: ChangeId) -> Result<Vec<StepDone>, StoreError> {
    const STEPS: &str = "
SELECT step, passed, serial, person, done_at, detail
FROM policy_change_steps
WHERE tenant_id = $1
  AND change_id = $2
ORDER BY number";
    let rows: Vec<StepRow> = tx.query(STEPS).bind(change.0).fetch_all().await?;
    Ok(rows.into_iter().map(StepRow::into_step).collect())
}

/// Forgets the oldest changes that are over, and sets that no change has any more.
async fn make_room(tx: &mut TenantTx) -> Result<(), PolicyChangeError> {
    const FORGET: &str = "
DELETE FROM policy_changes
WHERE tenant_id = $1
  AND id = $2";
    const SWEEP: &str = "
DELETE FROM policy_sets
WHERE tenant_id = $1
  AND id NOT IN (
      SELECT set_id
      FROM policy_changes
      WHERE tenant_id = $1
  )";
    let (all, live) = (changes(tx).await?, live(tx).await?.unwrap_or_default());
    if all.len() < POLICY_CHANGES_MAX {
        return Ok(());
    }
    let is_kept = |change: &&PolicyChange| {
        change.state.is_under_way() || [live.change, live.former, live.shadow].contains(&Some(change.id))
    };
    let oldest = all.iter().rev().find(|change| !is_kept(change)).ok_or(PolicyChangeError::TooMany)?;
    tx.query(FORGET).bind(oldest.id.0).execute().await?;
    tx.query(SWEEP).execute().await?;
    Ok(())
}

#[derive(FromRow)]
struct ChangeRow {
    id: Uuid,
    set_id: String,
    title: String,
    author: String,
    state: String,
    opened_at: i64,
}

impl ChangeRow {
    fn into_change(self) -> Result<PolicyChange, StoreError> {
        let Self { id, set_id, title, author, state, opened_at } = self;
        let impossible =
            || StoreError::Impossible { table: "policy_changes", column: "state", id: id.hyphenated().to_string() };
        let state = ChangeState::parse(&state).ok_or_else(impossible)?;
        let set = PolicySetId::from(&*set_id);
        Ok(PolicyChange {
            id: ChangeId(id),
            set,
            title,
            author,
            state,
            opened_at: Micros(opened_at),
            steps: Vec::new(),
        })
    }
}

#[derive(FromRow)]
struct StepRow {
    step: String,
    passed: i64,
    serial: i64,
    person: String,
    done_at: i64,
    detail: String,
}

impl StepRow {
    fn into_step(self) -> StepDone {
        let Self { step, passed, serial, person, done_at, detail } = self;
        StepDone { step, passed: passed == 1, serial, person, at: Micros(done_at), detail }
    }
}

#[derive(FromRow)]
struct LiveRow {
    tenant_id: Uuid,
    serial: i64,
    change_id: Option<Uuid>,
    former_id: Option<Uuid>,
    shadow_id: Option<Uuid>,
}

impl LiveRow {
    fn into_live(self) -> LivePolicies {
        let id = |id: Option<Uuid>| id.map(ChangeId);
        let Self { serial, change_id, former_id, shadow_id, .. } = self;
        LivePolicies { serial, change: id(change_id), former: id(former_id), shadow: id(shadow_id) }
    }
}
