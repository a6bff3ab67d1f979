//! The life of a change of policies, as the store holds it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use cedargate_identity::{
    ChangeState, ChangeStep, LivePolicies, OperatorEvents, POLICY_CHANGES_MAX, POLICY_SET_BYTES_MAX, PolicyChangeError,
    PolicyChanges,
};
use cedargate_migrations::testing::each_engine;
use cedargate_model::{ChangeId, EventBody, PolicyChangeAct, PolicySetId, TenantId};
use uuid::Uuid;

use crate::house::{House, NOW};

struct Desk {
    house: House,
    changes: PolicyChanges,
    steps: BTreeSet<ChangeStep>,
}

impl Desk {
    async fn new(steps: &[ChangeStep]) -> Self {
        let house = House::new().await;
        let changes = PolicyChanges::new(house.pool.clone());
        Self { house, changes, steps: steps.iter().copied().collect() }
    }

    fn acme(&self) -> TenantId {
        self.house.acme
    }

    async fn open(&self, letter: &str) -> ChangeId {
        let set = PolicySetId::from(letter.repeat(64).as_str());
        self.changes.open(self.acme(), (&set, "{}"), ("a title", "ann"), NOW).await.unwrap()
    }

    async fn make(&self, change: ChangeId, step: ChangeStep, passed: bool) {
        self.changes.made(self.acme(), change, (step, passed, "found"), "ann", NOW).await.unwrap();
    }

    async fn submit(&self, change: ChangeId) -> Result<(), PolicyChangeError> {
        self.changes.submit(self.acme(), change, &self.steps, "ann", NOW).await
    }

    async fn approve(&self, change: ChangeId, by: &str) -> Result<(), PolicyChangeError> {
        self.changes.approve(self.acme(), change, by, NOW).await
    }

    async fn go_live(&self, change: ChangeId) -> Result<LivePolicies, PolicyChangeError> {
        self.changes.go_live(self.acme(), change, &self.steps, "ann", NOW).await
    }

    async fn state(&self, change: ChangeId) -> ChangeState {
        self.changes.find(self.acme(), change).await.unwrap().0.state
    }

    /// One that is checked, submitted and approved.
    async fn ready(&self, letter: &str) -> ChangeId {
        let change = self.open(letter).await;
        self.make(change, ChangeStep::Check, true).await;
        self.submit(change).await.unwrap();
        self.approve(change, "bo").await.unwrap();
        change
    }
}

fn refused<T: std::fmt::Debug>(done: Result<T, PolicyChangeError>, reason: &str) {
    match done {
        Err(PolicyChangeError::Refused(said)) => assert!(said.contains(reason), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[each_engine]
async fn a_change_goes_live_and_back_and_is_seen_by_every_gateway() {
    let desk = Desk::new(&[ChangeStep::Check, ChangeStep::Review]).await;
    let (one, two) = (desk.ready("a").await, desk.ready("b").await);
    let elsewhere = PolicyChanges::new(desk.house.another_process().await);
    assert_eq!(elsewhere.all_live().await.unwrap(), []);

    desk.go_live(one).await.unwrap();
    let live = LivePolicies { serial: 1, change: Some(one), former: None, shadow: None };
    assert_eq!(elsewhere.all_live().await.unwrap(), [(desk.acme(), live)]);
    assert_eq!(
        elsewhere.texts(desk.acme(), one).await.unwrap(),
        (PolicySetId::from(&*"a".repeat(64)), "{}".to_owned())
    );

    // What was found and agreed beside another live set counts no more.
    refused(desk.go_live(two).await, "`check` was not made beside the live set; 0 of 1 people");
    desk.make(two, ChangeStep::Check, true).await;
    desk.approve(two, "bo").await.unwrap();
    let live = desk.go_live(two).await.unwrap();
    assert_eq!((live.serial, live.change, live.former), (2, Some(two), Some(one)));
    assert_eq!((desk.state(one).await, desk.state(two).await), (ChangeState::Superseded, ChangeState::Live));

    let live = desk.changes.go_back(desk.acme(), false, "ann", NOW).await.unwrap();
    assert_eq!((live.serial, live.change, live.former), (3, Some(one), None));
    assert_eq!((desk.state(one).await, desk.state(two).await), (ChangeState::Live, ChangeState::Superseded));
    // Somebody else went back at the same moment: the directory is not what they meant.
    let unawares = desk.changes.go_back(desk.acme(), false, "bo", NOW).await;
    assert!(matches!(unawares, Err(PolicyChangeError::DirectoryBefore)), "{unawares:?}");
    let live = desk.changes.go_back(desk.acme(), true, "ann", NOW).await.unwrap();
    assert_eq!((live.serial, live.change), (4, None));
    let nothing = desk.changes.go_back(desk.acme(), true, "ann", NOW).await;
    assert!(matches!(nothing, Err(PolicyChangeError::NothingBefore)), "{nothing:?}");
}

#[each_engine]
async fn whoever_wrote_it_does_not_approve_and_nobody_counts_twice() {
    let desk = Desk::new(&ChangeStep::ALL).await;
    let change = desk.open("a").await;
    refused(desk.approve(change, "bo").await, "it is draft");
    refused(desk.submit(change).await, "`check` was not made");
    desk.make(change, ChangeStep::Check, false).await;
    refused(desk.submit(change).await, "`check` did not pass: found");
    desk.make(change, ChangeStep::Check, true).await;
    refused(desk.submit(change).await, "`replay` was not made beside the live set; `analyse` was not made");
    desk.make(change, ChangeStep::Replay, true).await;
    desk.make(change, ChangeStep::Analyse, false).await;
    desk.submit(change).await.unwrap();
    refused(desk.approve(change, "ann").await, "somebody else has to approve");
    desk.approve(change, "bo").await.unwrap();
    refused(desk.approve(change, "bo").await, "has approved it already");
    // What analysis did not prove needs one more.
    refused(desk.go_live(change).await, "1 of 2 people have approved it; it was not evaluated in the shadow");
    desk.approve(change, "cy").await.unwrap();
    desk.changes.shadow(desk.acme(), change, &desk.steps, "ann", NOW).await.unwrap();
    let in_shadow = async || desk.changes.all_live().await.unwrap().first().and_then(|(_, live)| live.shadow);
    assert_eq!(in_shadow().await, Some(change));
    desk.go_live(change).await.unwrap();
    assert_eq!(in_shadow().await, None);
}

#[each_engine]
async fn a_proved_analysis_needs_one_person() {
    let desk = Desk::new(&[ChangeStep::Analyse, ChangeStep::Review]).await;
    let change = desk.open("a").await;
    desk.make(change, ChangeStep::Check, true).await;
    desk.make(change, ChangeStep::Analyse, true).await;
    desk.submit(change).await.unwrap();
    desk.approve(change, "bo").await.unwrap();
    desk.go_live(change).await.unwrap();
}

#[each_engine]
async fn every_step_and_every_refusal_is_left_for_the_record() {
    let desk = Desk::new(&[ChangeStep::Review]).await;
    let change = desk.open("a").await;
    refused(desk.go_live(change).await, "it was not submitted");
    desk.changes.withdraw(desk.acme(), change, "ann", NOW).await.unwrap();
    refused(desk.changes.withdraw(desk.acme(), change, "ann", NOW).await, "it is withdrawn");
    let taken = OperatorEvents::new(desk.house.pool.clone()).take(NOW).await.unwrap().unwrap();
    let mut acts: Vec<String> = taken
        .events()
        .iter()
        .map(|event| match &event.body {
            EventBody::PolicyChange(done) => {
                assert_eq!((done.change, &*done.person), (change, "ann"));
                match &done.act {
                    PolicyChangeAct::Refused { step, .. } => format!("refused {step}"),
                    act => act.describe(),
                }
            }
            other => panic!("{other:?}"),
        })
        .collect();
    acts.sort();
    assert_eq!(acts, ["opened", "refused live", "withdrawn"]);
}

#[each_engine]
async fn changes_are_bounded_and_each_tenants_own() {
    let desk = Desk::new(&[]).await;
    let set = PolicySetId::from(&*"a".repeat(64));
    let large = "x".repeat(POLICY_SET_BYTES_MAX + 1);
    let kept = desk.changes.open(desk.acme(), (&set, &large), ("a title", "ann"), NOW).await;
    assert!(matches!(kept, Err(PolicyChangeError::TooLarge)));
    let change = desk.open("a").await;
    let other = desk.changes.find(desk.house.globex, change).await;
    assert!(matches!(other, Err(PolicyChangeError::Unknown(_))), "{other:?}");
    let unknown = desk.changes.withdraw(desk.acme(), ChangeId(Uuid::from_u128(9)), "ann", NOW).await;
    assert!(matches!(unknown, Err(PolicyChangeError::Unknown(_))), "{unknown:?}");

    for _ in 1..POLICY_CHANGES_MAX {
        desk.open("b").await;
    }
    let full = desk.changes.open(desk.acme(), (&set, "{}"), ("a title", "ann"), NOW).await;
    assert!(matches!(full, Err(PolicyChangeError::TooMany)), "{full:?}");
    desk.changes.withdraw(desk.acme(), change, "ann", NOW).await.unwrap();
    desk.open("b").await;
    let gone = desk.changes.find(desk.acme(), change).await;
    assert!(matches!(gone, Err(PolicyChangeError::Unknown(_))), "{gone:?}");
}
