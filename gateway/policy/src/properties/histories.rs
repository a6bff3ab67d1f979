//! What one long-lived cache says, over generated histories: snapshots of two tenants swapped in and out, people's roles
//! and sign-ins changing, time passing. Every answer is compared with plain Cedar's over all policies.
//!
//! `make test` runs the same few dozen histories each time. `CEDARGATE_DECISION_HISTORIES=5000` runs so many new ones and
//! says their seed; `CEDARGATE_DECISION_SEED` repeats them.

use std::cell::RefCell;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

use cedargate_model::{AuthnMethod, Caller, Credential, Micros};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::generate::{self, MORNING_SECONDS, Person};
use super::inputs::{Asked, Blindfolds, Input};
use super::oracle::Oracle;
use super::plan::{Plan, plan};
use super::toy;
use crate::{Context, Decisions, Query, Snapshot, WafFindings};

/// How many histories `make test` runs. Enough that each input of a decision matters in some of them.
const HISTORIES: u32 = 24;
const SEED: u64 = 2;

/// One thing that happens before the next question.
#[derive(Clone, Debug)]
enum Event {
    Snapshot(usize),
    Address(usize),
    Anonymous(bool),
    Person(u128),
    Home(u128),
    Roles(Vec<&'static str>),
    Level(u8),
    Methods(Vec<AuthnMethod>),
    SignIn,
    /// Time passes, and the sign-in gets older.
    Pass(i64),
    /// Time passes, and the person proves who it is again, so that the sign-in stays as old as it was.
    PassKeepingFresh(i64),
    Client(IpAddr),
    Score(u32),
    Credential(Credential),
    /// The next question goes to another snapshot than the one that routed the request.
    Astray(usize),
    /// Every other thing happens by itself, and is undone.
    Sweep,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0..6_usize).prop_map(Event::Snapshot),
        3 => (0..toy::ADDRESSES.len()).prop_map(Event::Address),
        1 => any::<bool>().prop_map(Event::Anonymous),
        1 => (1..3_u128).prop_map(Event::Person),
        1 => prop::sample::select(vec![1_u128, 1, 2]).prop_map(Event::Home),
        2 => generate::roles().prop_map(Event::Roles),
        2 => (1..4_u8).prop_map(Event::Level),
        1 => generate::methods().prop_map(Event::Methods),
        1 => Just(Event::SignIn),
        2 => prop::sample::select(vec![0_i64, 1, 29, 61, 240, 3_600]).prop_map(Event::Pass),
        1 => prop::sample::select(vec![31_i64, 61, 3_600]).prop_map(Event::PassKeepingFresh),
        1 => generate::client().prop_map(Event::Client),
        1 => prop::sample::select(vec![0_u32, 4, 5]).prop_map(Event::Score),
        1 => (1..6_usize).prop_map(Event::Astray),
        2 => Just(Event::Sweep),
    ]
}

fn history() -> impl Strategy<Value = (Vec<Plan>, Vec<Event>)> {
    (prop::collection::vec(plan(), 1..=2), prop::collection::vec(event(), 0..30))
}

/// The single changes of a sweep.
fn changes() -> Vec<Event> {
    let text = |address: &str| Event::Client(address.parse().unwrap());
    let roles = [vec![], vec!["one"], vec!["two"], vec!["one", "two"]];
    let methods = [vec![AuthnMethod::Pwd], vec![AuthnMethod::Otp], vec![AuthnMethod::Pwd, AuthnMethod::Otp]];
    let mut changes = vec![Event::Anonymous(true), Event::SignIn, text("10.0.0.1"), text("192.0.2.1")];
    changes.extend((0..6).map(Event::Snapshot));
    changes.extend((0..toy::ADDRESSES.len()).map(Event::Address));
    changes.extend([1, 2].map(Event::Person));
    changes.extend([1, 2].map(Event::Home));
    changes.extend(roles.map(Event::Roles));
    changes.extend([1, 2, 3].map(Event::Level));
    changes.extend(methods.map(Event::Methods));
    changes.extend([31, 61, 300].map(Event::Pass));
    changes.extend([31, 61].map(Event::PassKeepingFresh));
    changes.extend([0, 5].map(Event::Score));
    changes.extend([Credential::Session, Credential::SessionToken, Credential::ApiKey].map(Event::Credential));
    changes
}

/// The snapshots of a history and the cache that all of its questions go to.
struct World {
    snapshots: Vec<(Snapshot, Oracle)>,
    decisions: Decisions,
    changes: Vec<Event>,
}

/// What has become of everything that a question is made of.
#[derive(Clone)]
struct Situation {
    live: usize,
    astray: usize,
    address: usize,
    anonymous: bool,
    person: Person,
    now: i64,
    client: IpAddr,
    score: u32,
}

impl Situation {
    fn at_first() -> Self {
        let (methods, authenticated_at) = (vec![AuthnMethod::Pwd], MORNING_SECONDS);
        Self {
            live: 0,
            astray: 0,
            address: 1,
            anonymous: false,
            person: Person {
                id: 1,
                tenant: 1,
                version: 1,
                roles: vec!["one"],
                level: 1,
                methods,
                authenticated_at,
                credential: Credential::Session,
            },
            now: MORNING_SECONDS,
            client: IpAddr::from([192, 0, 2, 1]),
            score: 0,
        }
    }

    fn happens(&mut self, event: &Event) {
        self.astray = 0;
        match event {
            Event::Snapshot(n) => self.live = *n,
            Event::Address(address) => self.address = *address,
            Event::Anonymous(anonymous) => self.anonymous = *anonymous,
            Event::Person(id) => self.person.id = *id,
            Event::Home(tenant) => self.person.tenant = *tenant,
            Event::Roles(roles) => {
                // As the store does: what an account may do never changes without its version.
                self.person.version += i64::from(self.person.roles != *roles);
                self.person.roles.clone_from(roles);
            }
            Event::Level(level) => self.person.level = *level,
            Event::Methods(methods) => self.person.methods.clone_from(methods),
            Event::SignIn => self.person.authenticated_at = self.now,
            Event::Pass(seconds) => {
                self.pass(*seconds);
            }
            Event::PassKeepingFresh(seconds) => self.person.authenticated_at += self.pass(*seconds),
            Event::Client(client) => self.client = *client,
            Event::Score(score) => self.score = *score,
            Event::Credential(credential) => self.person.credential = *credential,
            Event::Astray(by) => self.astray = *by,
            Event::Sweep => {}
        }
    }

    /// Lets time pass, until the morning is over, and says how much did.
    fn pass(&mut self, seconds: i64) -> i64 {
        let before = self.now;
        self.now = (before + seconds).min(MORNING_SECONDS + 11 * 3600);
        self.now - before
    }
}

impl World {
    fn of(built: impl Iterator<Item = Snapshot>) -> Self {
        let with_oracle = |snapshot| {
            let oracle = Oracle::of(&snapshot);
            (snapshot, oracle)
        };
        Self { snapshots: built.map(with_oracle).collect(), decisions: Decisions::new(1 << 20), changes: changes() }
    }

    fn live_through(&self, events: &[Event], blindfolds: &RefCell<Blindfolds>) -> Result<(), TestCaseError> {
        let mut situation = Situation::at_first();
        self.ask(&situation, blindfolds)?;
        for event in events.iter().chain([&Event::Sweep]) {
            situation.happens(event);
            self.ask(&situation, blindfolds)?;
            if let Event::Sweep = event {
                for change in &self.changes {
                    let mut other = situation.clone();
                    other.happens(change);
                    self.ask(&other, blindfolds)?;
                }
            }
        }
        Ok(())
    }

    /// Asks the cache twice and Cedar once.
    fn ask(&self, at: &Situation, blindfolds: &RefCell<Blindfolds>) -> Result<(), TestCaseError> {
        let site = |n: usize| &self.snapshots[n % self.snapshots.len()];
        let (snapshot, oracle) = site(at.live);
        let router = &site(at.live + at.astray).0;
        let caller = if at.anonymous { Caller::Anonymous } else { at.person.caller("a") };
        let context = Context {
            now: Micros(at.now * 1_000_000),
            client: at.client,
            certificate: None,
            waf: WafFindings::scored(at.score),
        };
        let routed = toy::routed(router, at.address);
        let query = Query { caller: &caller, routed: &routed, context: &context };
        let first = self.decisions.outcome(snapshot, &query);
        let again = self.decisions.outcome(snapshot, &query);
        prop_assert_eq!(&first, &again);
        if router.id() != snapshot.id() {
            prop_assert!(matches!(first, crate::judge::Outcome::Failed(_)), "another snapshot's route was decided");
            return Ok(());
        }
        let fresh = oracle.outcome(&caller, at.address, &context);
        prop_assert_eq!(&first, &fresh, "{:?} asks for {} in {:?}", &caller, routed.resource(), &context);
        let asked = Asked { snapshot: snapshot.id(), address: at.address, caller: &caller, context: &context };
        blindfolds.borrow_mut().see(&asked, &fresh);
        Ok(())
    }
}

/// One policy, and then everything that a question is made of changes by itself: whatever a cache leaves out shows at once.
#[test]
fn however_policies_read_a_request_the_cache_answers_as_cedar_does() {
    let blindfolds = RefCell::new(Blindfolds::default());
    let sound = generate::SOUND.iter().flat_map(|(_, texts)| texts.iter());
    let alone = sound.chain(&generate::UNSOUND).map(|condition| vec![permit(condition)]);
    // What is asked of somebody who may not yet, where another policy errs.
    let forbid = |condition: &&str| format!("forbid (principal, action, resource) when {{ {condition} && false }};");
    let in_doubt = generate::UNSOUND.iter().map(|unsound| vec![permit("context.authn.level >= 2"), forbid(unsound)]);
    for policies in alone.chain(in_doubt) {
        let world = World::of(std::iter::once(Plan::Unchecked(policies.clone()).build(1)));
        world.live_through(&[], &blindfolds).unwrap_or_else(|error| panic!("{policies:?}: {error}"));
        blindfolds.borrow_mut().forget();
    }
    let blindfolds = blindfolds.into_inner();
    println!("{} questions; {}", blindfolds.questions(), blindfolds.shown());
    assert_eq!(blindfolds.never_mattered().collect::<Vec<_>>(), [Input::Snapshot]);
}

fn permit(condition: &str) -> String {
    format!("permit (principal, action, resource) when {{ {condition} }};")
}

#[test]
fn through_any_history_the_cache_answers_as_cedar_does() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let histories = number("CEDARGATE_DECISION_HISTORIES");
    let new_seed = || RandomState::new().hash_one(0);
    let seed = number("CEDARGATE_DECISION_SEED").unwrap_or_else(|| histories.map_or(SEED, |_| new_seed()));
    let cases = histories.map_or(HISTORIES, |histories| u32::try_from(histories).unwrap());
    println!("{cases} histories from CEDARGATE_DECISION_SEED={seed}");

    let config = Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let (blindfolds, hits) = (RefCell::new(Blindfolds::default()), RefCell::new(0));
    let ran = TestRunner::new(config).run(&history(), |(plans, events)| {
        // Each plan is tenant 1's snapshot and tenant 2's.
        let world = World::of(plans.iter().flat_map(|plan| [plan.build(1), plan.build(2)]));
        world.live_through(&events, &blindfolds)?;
        *hits.borrow_mut() += world.decisions.stats().hits;
        blindfolds.borrow_mut().forget();
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}\nseed {seed}"));

    let blindfolds = blindfolds.into_inner();
    println!("{} questions, {} answered from the cache; {}", blindfolds.questions(), hits.borrow(), blindfolds.shown());
    assert!(*hits.borrow() > u64::from(cases) * 10, "the cache was hardly asked");
    // The test's own proof: a cache that left any one of these out of its key would have given a wrong answer.
    if histories.is_some_and(|histories| histories < 500) {
        return println!("too few of them to ask whether each input mattered");
    }
    let missed: Vec<Input> = blindfolds.never_mattered().collect();
    assert!(missed.is_empty(), "no two of these histories' questions differ in {missed:?} alone and in their answers");
}
