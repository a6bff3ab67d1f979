//! What must not matter, over generated policies, callers, resources and contexts: the index, the cache, and what the
//! ladder leaves untried. The policies are not validated, so that some of them err.

mod generate;
mod histories;
mod inputs;
mod oracle;
mod plan;
mod toy;

use std::net::IpAddr;

use cedar_policy::{Policy, PolicyId};
use cedargate_model::{AuthnMethod, Caller, Credential, Micros};
use proptest::prelude::*;

use self::generate::{MORNING_SECONDS, Person, caller, context, policies};
use self::toy::{ADDRESSES, routed};
use crate::judge::{Outcome, every_way};
use crate::{Context, Decisions, Query, Snapshot, WafFindings};

/// A snapshot that decides by these policies and no others.
fn deciding_by<T: AsRef<str>>(policies: &[T]) -> Snapshot {
    let parse = |(n, text): (usize, &T)| Policy::parse(Some(PolicyId::new(format!("p/{n}"))), text).unwrap();
    let base = toy::build(1, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    base.with_policies(&policies.iter().enumerate().map(parse).collect::<Vec<_>>())
}

fn question() -> impl Strategy<Value = (Caller, usize, Context)> {
    (caller(), 0..ADDRESSES.len(), context())
}

/// Whether the toy's schema does not name whoever asks: `Read` is for people.
fn is_kept_from(caller: &Caller, address: usize) -> bool {
    caller.principal().is_some_and(|principal| match principal.credential {
        Credential::ScimToken => true,
        credential => ADDRESSES[address].0 == "Read" && !credential.is_of_person(),
    })
}

/// Found by the property below: whether `Item::"a"` is there to look at depends on which resource is asked about.
#[test]
fn a_literal_that_may_be_the_resource_is_a_read_of_the_resource() {
    let text = "permit (principal, action, resource) when { Toy::Item::\"a\".tenant == principal.tenant };";
    let snapshot = deciding_by(&[text]);
    let decisions = Decisions::new(1 << 20);
    let context = Context {
        now: Micros(0),
        client: IpAddr::from([192, 0, 2, 1]),
        certificate: None,
        waf: WafFindings::default(),
    };
    for address in [1, 2] {
        let query = Query { caller: &Caller::Anonymous, routed: &routed(&snapshot, address), context: &context };
        assert_eq!(decisions.outcome(&snapshot, &query), snapshot.judge(&query));
    }
}

/// Found by the histories: only the action that was asked for and its groups were shown to Cedar, so that another one was in
/// no group, against what validation had proved about the policy.
#[test]
fn an_action_is_in_its_group_whichever_is_asked_for() {
    let text = "permit (principal, action, resource) when { Toy::Action::\"Look\" in Toy::Action::\"writes\" };";
    let snapshot = deciding_by(&[text]);
    let context = Context {
        now: Micros(0),
        client: IpAddr::from([192, 0, 2, 1]),
        certificate: None,
        waf: WafFindings::default(),
    };
    for address in 0..ADDRESSES.len() {
        let query = Query { caller: &Caller::Anonymous, routed: &routed(&snapshot, address), context: &context };
        assert!(matches!(snapshot.judge(&query), Outcome::Allow(_)), "{address}");
    }
}

/// Somebody of the tenant who signed in with a password so many seconds ago.
fn signed_in(age_seconds: i64) -> Caller {
    let methods = vec![AuthnMethod::Pwd];
    let authenticated_at = MORNING_SECONDS - age_seconds;
    let credential = Credential::Session;
    Person { id: 1, tenant: 1, version: 1, roles: Vec::new(), level: 1, methods, authenticated_at, credential }
        .caller("a")
}

/// What somebody who signed in so long ago is told by one policy.
fn told(condition: &str, age_seconds: i64) -> Outcome {
    let snapshot = deciding_by(&[format!("permit (principal, action, resource) when {{ {condition} }};")]);
    let (now, client) = (Micros(MORNING_SECONDS * 1_000_000), IpAddr::from([192, 0, 2, 1]));
    let context = Context { now, client, certificate: None, waf: WafFindings::default() };
    snapshot.judge(&Query { caller: &signed_in(age_seconds), routed: &routed(&snapshot, 0), context: &context })
}

#[test]
fn nobody_is_asked_for_a_sign_in_that_is_older_than_theirs() {
    // The ladder's 300 seconds would be permitted. A fresh sign-in meets that demand at once and is denied again.
    let authn = "context.authn.age_seconds";
    assert!(matches!(told(&format!("{authn} >= 100"), 80), Outcome::Deny(_)));
    assert!(matches!(told(&format!("context.authn.level >= 2 && {authn} >= 100"), 80), Outcome::Deny(_)));

    for (age_max, asked) in [(300, 300), (250, 60), (60, 60)] {
        let Outcome::StepUp(needed, _) = told(&format!("{authn} <= {age_max}"), 4_000) else { panic!("{age_max}") };
        assert_eq!((needed.level, needed.max_age_seconds), (1, Some(asked)));
    }
    assert!(matches!(told(&format!("{authn} <= 59"), 4_000), Outcome::Deny(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_index_changes_neither_decision_nor_reasons_nor_errors(
        policies in policies(),
        questions in prop::collection::vec(question(), 1..4),
    ) {
        let snapshot = deciding_by(&policies);
        for (caller, address, context) in &questions {
            let query = Query { caller, routed: &routed(&snapshot, *address), context };
            let (indexed, full) = every_way::answers(&snapshot, &query);
            prop_assert_eq!(indexed, full);
        }
    }

    #[test]
    fn a_cached_decision_equals_a_fresh_one(
        policies in policies(),
        questions in prop::collection::vec(question(), 1..12),
    ) {
        let snapshot = deciding_by(&policies);
        let decisions = Decisions::new(1 << 20);
        for (caller, address, context) in questions.iter().chain(&questions) {
            let query = Query { caller, routed: &routed(&snapshot, *address), context };
            let (cached, fresh) = (decisions.outcome(&snapshot, &query), snapshot.judge(&query));
            prop_assert_eq!(&cached, &fresh);
        }
    }

    #[test]
    fn an_evaluation_error_never_allows(policies in policies(), (caller, address, context) in question()) {
        let snapshot = deciding_by(&policies);
        let query = Query { caller: &caller, routed: &routed(&snapshot, address), context: &context };
        let (_, full) = every_way::answers(&snapshot, &query);
        let outcome = snapshot.judge(&query);
        if is_kept_from(&caller, address) {
            prop_assert_eq!(outcome, Outcome::Deny([].into()), "whatever policies say");
            return Ok(());
        }
        prop_assert_eq!(matches!(outcome, Outcome::Failed(_)), !full.errors.is_empty());
        prop_assert_eq!(matches!(outcome, Outcome::Allow(_)), full.permitted && full.errors.is_empty());
    }

    #[test]
    fn the_ladder_leaves_untried_only_what_would_not_help(
        policies in policies(),
        (caller, address, context) in question(),
    ) {
        let snapshot = deciding_by(&policies);
        prop_assume!(!is_kept_from(&caller, address));
        let query = Query { caller: &caller, routed: &routed(&snapshot, address), context: &context };
        if let Outcome::Deny(_) | Outcome::StepUp(..) = snapshot.judge(&query) {
            let (pruned, everything) = every_way::needed(&snapshot, &query);
            prop_assert_eq!(pruned, everything);
        }
    }
}
