//! An order on its whole way: through the gateway with its key and its tag, by those who may.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

use cedargate_e2e::{Person, World};
use serde_json::{Value, json};

fn send(
    world: &World,
    person: &Person,
    target: &str,
    more: &[(&str, &str)],
    body: &Value,
) -> cedargate_e2e::http::Answer {
    let tenant = person.host.split('.').next().unwrap_or_default();
    let headers = [&[("Cookie", &*person.cookie), ("Content-Type", "application/json")], more].concat();
    world.ask(tenant, "POST", target, &headers, body.to_string().as_bytes())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A draft of a new customer, for `quantity` pieces of 500.00 each.
fn draft(world: &World, clerk: &Person, email: &str, quantity: i64) -> String {
    let customer = send(world, clerk, "/orders/customers", &[], &json!({"name": "A customer", "email": email}));
    assert_eq!(customer.status, 201, "{customer:?}\n{}", world.logs());
    let line = json!({
        "sku": "A", "description": "A thing", "quantity": quantity, "unit_price_minor": 50_000, "tax_rate_bp": 0,
    });
    let order = json!({"customer": customer.json()["id"], "currency": "EUR", "lines": [line]});
    let order = send(world, clerk, "/orders/orders", &[], &order);
    assert_eq!((order.status, order.header("etag")), (201, Some("\"1\"")), "{order:?}");
    text(&order.json()["id"])
}

#[test]
fn an_order_is_placed_once_however_often_it_is_sent() {
    let world = World::as_the_demo_inspects();
    let clerk = world.sign_in("clerk", "acme");
    let id = draft(&world, &clerk, "once@example.org", 1);
    let place = format!("/orders/orders/{id}/place");
    let headers = [("If-Match", "\"1\""), ("Idempotency-Key", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"")];
    let first = send(&world, &clerk, &place, &headers, &json!({}));
    let again = send(&world, &clerk, &place, &headers, &json!({}));
    assert_eq!((first.status, first.header("idempotency-replayed")), (200, None), "{first:?}");
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")), "{again:?}");
    assert_eq!((first.json(), first.header("etag")), (again.json(), again.header("etag")));
    // Each is decided and recorded by itself, whoever answers it.
    for answer in [&first, &again] {
        let decision = world.decision(answer);
        assert_eq!(decision.action.as_deref(), Some("Orders::Action::\"PlaceOrder\""));
    }
    let stale = send(&world, &clerk, &format!("/orders/orders/{id}/place"), &headers[..1], &json!({}));
    assert_eq!((stale.status, stale.code()), (412, "precondition_failed".to_owned()));
}

#[test]
fn a_read_that_is_still_so_is_not_sent_again() {
    let world = World::as_the_demo_inspects();
    let clerk = world.sign_in("clerk", "acme");
    let id = draft(&world, &clerk, "read@example.org", 1);
    let headers = [("Cookie", &*clerk.cookie), ("If-None-Match", "\"1\"")];
    let answer = world.ask("acme", "GET", &format!("/orders/orders/{id}"), &headers, b"");
    assert_eq!((answer.status, answer.header("etag")), (304, Some("\"1\"")), "{answer:?}");
}

#[test]
fn who_takes_an_order_does_not_confirm_it_and_a_large_one_has_its_own_way() {
    let world = World::as_the_demo_inspects();
    let (clerk, manager) = (world.sign_in("clerk", "acme"), world.sign_in("manager", "acme"));
    let any = [("If-Match", "*")];
    for (email, quantity, small, large) in [("small@example.org", 20, 200, 409), ("large@example.org", 21, 409, 200)] {
        let id = draft(&world, &clerk, email, quantity);
        let path = |verb: &str| format!("/orders/orders/{id}/{verb}");
        assert_eq!(send(&world, &clerk, &path("place"), &any, &json!({})).status, 200);
        for verb in ["confirm", "confirm-large"] {
            let refused = send(&world, &clerk, &path(verb), &any, &json!({}));
            assert_eq!((refused.status, refused.code()), (403, "forbidden".to_owned()), "{verb}");
        }
        let answer = send(&world, &manager, &path("confirm"), &any, &json!({}));
        assert_eq!(answer.status, small, "{answer:?}");
        let answer = send(&world, &manager, &path("confirm-large"), &any, &json!({}));
        assert_eq!(answer.status, large, "{answer:?}");
    }
}

/// Globex asks for a second factor where an order is large: who has none adds one, who has one shows a code of it.
#[test]
fn a_large_order_at_globex_waits_for_a_second_factor_and_is_then_confirmed() {
    let world = World::as_the_demo_inspects();
    let (clerk, manager) = (world.sign_in("clerk", "globex"), world.sign_in("manager", "globex"));
    let any = [("If-Match", "*")];
    let place = |email| {
        let id = draft(&world, &clerk, email, 21);
        assert_eq!(send(&world, &clerk, &format!("/orders/orders/{id}/place"), &any, &json!({})).status, 200);
        format!("/orders/orders/{id}/confirm-large")
    };
    let confirm = |person: &Person, path: &str| send(&world, person, path, &any, &json!({}));
    let [first, second] = [place("first@example.org"), place("second@example.org")];
    let refused = confirm(&manager, &first);
    assert_eq!((refused.status, refused.code()), (401, "step_up_required".to_owned()), "{refused:?}");
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("insufficient_user_authentication") && challenge.contains("aal2"), "{challenge}");

    let refused = send(&world, &manager, "/auth/account/totp", &[], &json!({"name": "phone"}));
    assert_eq!((refused.status, refused.code()), (401, "factor_unconfirmed".to_owned()), "a cookie is not enough");
    let wanted = json!({"name": "phone", "password": world.password()});
    let begun = send(&world, &manager, "/auth/account/totp", &[], &wanted).json();
    let (id, key) = (text(&begun["id"]), text(&begun["key"]));
    let step = cedargate_e2e::totp::step_now();
    let code = json!({"code": cedargate_e2e::totp::code(&key, step)});
    let enrolled = send(&world, &manager, &format!("/auth/account/totp/{id}"), &[], &code);
    assert_eq!(enrolled.status, 200, "{enrolled:?}\n{}", world.logs());
    assert_eq!(enrolled.json()["recovery_codes"].as_array().unwrap().len(), 10);
    let strong = Person { cookie: cookie(&enrolled), ..manager.clone() };
    assert_eq!(confirm(&strong, &first).status, 200);
    assert_eq!(confirm(&manager, &second).code(), "signin_required", "the session before is over");

    let again = world.sign_in("manager", "globex");
    assert_eq!(confirm(&again, &second).code(), "step_up_required");
    assert_eq!(send(&world, &again, "/auth/step-up", &[], &code).code(), "proof_failed", "a code counts once");
    // The next step's code is good already, and still.
    let code = json!({"code": cedargate_e2e::totp::code(&key, (step + 1).max(cedargate_e2e::totp::step_now()))});
    let stepped_up = send(&world, &again, "/auth/step-up", &[], &code);
    assert_eq!((stepped_up.status, &stepped_up.json()["level"]), (200, &json!(2)), "{stepped_up:?}");
    let strong = Person { cookie: cookie(&stepped_up), ..again };
    assert_eq!(confirm(&strong, &second).status, 200);
    let shown = world.cedargate(&["audit", "show", "--tenant", "globex", "state/audit"]).unwrap();
    for act in ["added totp", "drew 10 recovery codes", "failed totp", "stepped up to 2 by totp"] {
        assert!(shown.contains(act), "{act} in {shown}");
    }
    assert!(!shown.contains(&key));
}

fn cookie(answer: &cedargate_e2e::http::Answer) -> String {
    text(&json!(answer.header("set-cookie").unwrap().split(';').next().unwrap()))
}

#[test]
fn another_tenant_finds_nothing_of_an_order() {
    let world = World::as_the_demo_inspects();
    let (clerk, other) = (world.sign_in("clerk", "acme"), world.sign_in("clerk", "globex"));
    let id = draft(&world, &clerk, "mine@example.org", 1);
    let answer = world.get(&other, &format!("/orders/orders/{id}"));
    assert_eq!((answer.status, answer.code()), (404, "not_found".to_owned()));
    let answer = send(&world, &other, &format!("/orders/orders/{id}/place"), &[("If-Match", "*")], &json!({}));
    assert_eq!((answer.status, answer.code()), (404, "not_found".to_owned()));
    let listed = world.get(&clerk, "/orders/orders?sort=-total_minor,id");
    assert_eq!((listed.status, listed.code()), (400, "query_invalid".to_owned()));
    let listed = world.get(&clerk, "/orders/orders?sort=-total_minor&state=draft");
    assert_eq!(listed.status, 200, "{listed:?}");
}
