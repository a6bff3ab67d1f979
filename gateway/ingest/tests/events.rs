//! What is taken, what is not, and what the record holds afterwards.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod house;

use cedargate_ingest::Outcome;
use cedargate_model::{Clock as _, DecisionId, Micros, Verdict};
use serde_json::{Value, json};
use uuid::Uuid;

use house::{ACME, ANN, GLOBEX, House, RECORDED_WITHIN, SEGMENT_BYTES, drawn, event};

fn pair(result: &str, code: &str) -> (String, String) {
    (result.to_owned(), code.to_owned())
}

fn with(mut event: Value, key: &str, value: Value) -> Value {
    event[key] = value;
    event
}

#[tokio::test]
async fn what_a_service_did_stands_in_the_record_under_its_decision() {
    let house = House::new();
    let decision = house.allow().await;
    let event = event(decision);
    assert_eq!(house.tell_one(&event).await, pair("accepted", ""));
    let recorded = house.recorded();
    assert_eq!(recorded.len(), 1);
    assert_eq!((recorded[0].decision, &*recorded[0].service), (decision, "inventory"));
    assert_eq!(recorded[0].principal, Some(ANN), "who asked is the decision's to say");
    assert_eq!(recorded[0].event.to_string(), event["event"].as_str().unwrap());
    assert_eq!(recorded[0].detail["sku"], "A");
    house.verify();
}

#[tokio::test]
async fn a_decision_that_is_not_this_tenants_and_this_services_covers_nothing() {
    let house = House::new();
    let (mine, refused) = (house.allow().await, house.refuse().await);
    let theirs = house.decide("globex", "inventory", Verdict::Allow).await;
    let elsewhere = house.decide("acme", "orders", Verdict::Allow).await;
    let preflight = house.decide("acme", "inventory", Verdict::Preflight).await;
    let nowhere = DecisionId(Uuid::now_v7());
    house.pass(611);
    for event in [
        event(theirs),
        with(event(mine), "tenant", json!(GLOBEX.0)),
        event(elsewhere),
        event(refused),
        event(preflight),
        event(nowhere),
        event(DecisionId(Uuid::new_v4())),
        event(DecisionId(Uuid::nil())),
    ] {
        assert_eq!(house.tell_one(&event).await, pair("refused", "decision_unknown"), "{event}");
    }
    let of_nobody = with(event(mine), "tenant", json!(Uuid::from_u128(99)));
    assert_eq!(house.tell_one(&of_nobody).await, pair("refused", "tenant_unknown"));
    let said = house.tell(&house.orders, &[event(mine)]).await;
    assert_eq!(said.outcome(0), pair("refused", "decision_unknown"), "the event's service is the credential's");
    assert_eq!(house.recorded(), []);
}

#[tokio::test]
async fn a_young_decision_that_is_not_there_may_still_come_and_an_old_one_is_given_up() {
    let house = House::new();
    let unheard = event(DecisionId(Uuid::now_v7()));
    assert_eq!(house.tell_one(&unheard).await, pair("later", "decision_pending"));
    house.pass(600);
    assert_eq!(house.tell_one(&unheard).await, pair("later", "decision_pending"), "its body may have trickled in");
    house.pass(11);
    assert_eq!(house.tell_one(&unheard).await, pair("refused", "decision_unknown"));
    let decision = house.allow().await;
    house.pass(91 * 24 * 60 * 60);
    assert_eq!(house.tell_one(&event(decision)).await, pair("refused", "decision_too_old"));
}

/// A decision is recorded when its request's body has arrived, and its id is from when the request did.
#[tokio::test]
async fn a_decision_whose_body_trickled_in_is_found() {
    const STEP_SECONDS: u64 = 61;
    for (prompt_ones, segment_bytes) in [(0, 4 << 20), (50, 4 << 20), (50, SEGMENT_BYTES)] {
        let mut house = House::with_segments(segment_bytes);
        let steps_late = usize::try_from(RECORDED_WITHIN.as_secs() / STEP_SECONDS).unwrap();
        let (mut trickling, mut events) = (Vec::new(), Vec::new());
        for step in 0..2 * steps_late {
            trickling.push(drawn(house.clock.now()));
            for _ in 0..prompt_ones {
                events.push(event(house.allow().await));
            }
            if let Some(step) = step.checked_sub(steps_late) {
                house.record(trickling[step], "acme", "inventory", Verdict::Allow).await;
                // By itself: its neighbours do not say how far to look.
                let late = event(trickling[step]);
                assert_eq!(house.tell_one(&late).await, pair("accepted", ""), "step {step}, {prompt_ones} prompt ones");
            }
            house.pass(i64::try_from(STEP_SECONDS).unwrap());
        }
        let segments = std::fs::read_dir(house.dir.path().join("audit")).unwrap();
        let segments =
            segments.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("audit-"));
        assert_eq!(segments.count() > 1, segment_bytes == SEGMENT_BYTES);
        house.restart();
        let late = trickling[..steps_late].iter().map(|decision| event(*decision));
        for batch in events.into_iter().chain(late).collect::<Vec<_>>().chunks(200) {
            let answer = house.tell(&house.inventory, batch).await;
            assert!((0..batch.len()).all(|at| answer.outcome(at) == pair("accepted", "")), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn an_event_said_again_is_recorded_once_and_one_that_changed_is_refused() {
    let mut house = House::new();
    let decision = house.allow().await;
    let said = event(decision);
    assert_eq!(house.tell_one(&said).await, pair("accepted", ""));
    let other = with(said.clone(), "resource", json!("Inventory::Item::\"8\""));
    for restarts in 0..3 {
        assert_eq!(house.tell_one(&said).await, pair("duplicate", ""), "after {restarts} restarts");
        assert_eq!(house.tell_one(&other).await, pair("refused", "event_conflict"), "after {restarts} restarts");
        house.pass(24 * 60 * 60);
        house.restart();
    }
    assert_eq!(house.recorded().len(), 1);
    assert_eq!(house.counts.lock().unwrap().get("event_conflict"), Some(&3));
    house.verify();
}

/// Were the record looked through for it, the event would be found there and this one be a conflict.
#[tokio::test]
async fn a_decision_that_was_made_up_costs_no_look_at_what_was_said() {
    let mut house = House::new();
    let said = event(house.allow().await);
    assert_eq!(house.tell_one(&said).await, pair("accepted", ""));
    house.pass(3_600);
    house.restart();
    let long_ago = Micros(house.clock.now().0 - 60 * 24 * 3_600 * 1_000_000);
    let made_up = with(said.clone(), "decision", json!(drawn(long_ago)));
    assert_eq!(house.tell_one(&made_up).await, pair("refused", "decision_unknown"));
    let other = with(said.clone(), "action", json!("DeleteItem"));
    assert_eq!(house.tell_one(&other).await, pair("refused", "event_conflict"));
    assert_eq!(house.tell_one(&said).await, pair("duplicate", ""));
    assert_eq!(house.recorded().len(), 1);
}

#[tokio::test]
async fn an_event_twice_in_one_batch_is_recorded_once() {
    let house = House::new();
    let decision = house.allow().await;
    let said = event(decision);
    let other = with(said.clone(), "action", json!("DeleteItem"));
    let answer = house.tell(&house.inventory, &[said.clone(), event(decision), said, other]).await;
    let outcomes: Vec<_> = (0..4).map(|at| answer.outcome(at)).collect();
    assert_eq!(
        outcomes,
        [pair("accepted", ""), pair("accepted", ""), pair("duplicate", ""), pair("refused", "event_conflict")]
    );
    assert_eq!(house.recorded().len(), 2);
}

#[tokio::test]
async fn the_same_id_of_two_services_is_two_events() {
    let house = House::new();
    let (one, other) = (house.allow().await, house.decide("acme", "orders", Verdict::Allow).await);
    let said = event(one);
    assert_eq!(house.tell_one(&said).await, pair("accepted", ""));
    let same_id = with(event(other), "event", said["event"].clone());
    assert_eq!(house.tell(&house.orders, &[same_id]).await.outcome(0), pair("accepted", ""));
    assert_eq!(house.recorded().len(), 2);
}

/// The log has grown over many segments and boots since; everything is found, and nothing twice.
#[tokio::test]
async fn a_backlog_of_days_is_taken_whole_and_once() {
    let mut house = House::new();
    let mut events = Vec::new();
    for day in 0..3 {
        for _ in 0..40 {
            events.push(event(house.allow().await));
            house.pass(600);
            for _ in 0..3 {
                house.decide("globex", "inventory", Verdict::Allow).await;
            }
        }
        if day < 2 {
            house.restart();
        }
    }
    let half = house.tell(&house.inventory, &events[..60]).await;
    assert!((0..60).all(|at| half.outcome(at) == pair("accepted", "")), "{half:?}");
    house.restart();
    let all = house.tell(&house.inventory, &events).await;
    for at in 0..events.len() {
        assert_eq!(all.outcome(at).0, if at < 60 { "duplicate" } else { "accepted" }, "{at}");
    }
    assert_eq!(house.recorded().len(), events.len());
    house.verify();
}

#[tokio::test]
async fn one_bad_line_does_not_hold_up_the_others() {
    let house = House::new();
    let decision = house.allow().await;
    let deep = (0..9).fold(json!(1), |inner, _| json!({ "a": inner }));
    let batch = [event(decision), json!({"event": 7}), with(event(decision), "detail", deep), event(decision)];
    let answer = house.tell(&house.inventory, &batch).await;
    assert_eq!(answer.outcome(0).0, "accepted");
    assert_eq!(answer.outcome(1), pair("refused", "event_malformed"));
    assert_eq!(answer.outcome(2), pair("refused", "event_malformed"));
    assert_eq!(answer.body["results"][2]["event"], batch[2]["event"]);
    assert_eq!(answer.outcome(3).0, "accepted");
}

#[tokio::test]
async fn a_record_that_cannot_be_written_takes_nothing_and_loses_nothing() {
    let house = House::new();
    let decision = house.allow().await;
    let said = event(decision);
    house.spool().close().unwrap();
    let answer = house.tell(&house.inventory, &[said, event(decision)]).await;
    assert_eq!(answer.outcome(0), pair("later", "record_unavailable"));
    assert_eq!(answer.outcome(1), pair("later", "after_another"));
    assert_eq!(house.recorded(), []);
}

/// Whoever hangs up before the answer has still been heard: saying it again is a duplicate.
#[tokio::test]
async fn a_batch_is_worked_on_to_its_end_whoever_waits() {
    let house = House::new();
    let events: Vec<_> = {
        let decision = house.allow().await;
        (0..20).map(|_| event(decision)).collect()
    };
    for event in &events {
        let telling = house.tell(&house.inventory, std::slice::from_ref(event));
        // Polled a few times, then dropped.
        tokio::select! {
            biased;
            _answer = telling => {}
            () = tokio::task::yield_now() => {}
        }
    }
    while house.tell(&house.inventory, &events).await.code() == (503, "busy") {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.recorded().len(), events.len());
}

#[tokio::test]
async fn every_outcome_has_its_word() {
    let house = House::new();
    let decision = house.allow().await;
    let said = event(decision);
    house
        .tell(&house.inventory, &[said.clone(), said, json!({}), with(event(decision), "tenant", json!(Uuid::nil()))])
        .await;
    let counts = house.counts.lock().unwrap();
    assert!(counts.keys().all(|word| Outcome::WORDS.contains(word)), "{counts:?}");
    assert_eq!(counts.get("accepted"), Some(&1));
    assert_eq!(ACME.0, Uuid::from_u128(1));
}
