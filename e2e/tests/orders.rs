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
    let world = World::shared();
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
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let id = draft(&world, &clerk, "read@example.org", 1);
    let headers = [("Cookie", &*clerk.cookie), ("If-None-Match", "\"1\"")];
    let answer = world.ask("acme", "GET", &format!("/orders/orders/{id}"), &headers, b"");
    assert_eq!((answer.status, answer.header("etag")), (304, Some("\"1\"")), "{answer:?}");
}

#[test]
fn who_takes_an_order_does_not_confirm_it_and_a_large_one_has_its_own_way() {
    let world = World::shared();
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

#[test]
fn another_tenant_finds_nothing_of_an_order() {
    let world = World::shared();
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
