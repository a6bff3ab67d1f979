//! Orders: their fields, their amounts, their lines while they are drafts.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use cedargate_migrations::testing::each_engine;
use common::{customer, done, draft, last_entry, line, order, people, rows, service, text};
use serde_json::{Value, json};

#[each_engine]
async fn a_new_order_with_wrong_fields_is_refused_naming_all_of_them() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = customer(&ann, "a@example.org").await;
    let with = |field: &str, value: Value| {
        let mut line = line(1);
        line[field] = value;
        json!({"customer": id, "currency": "EUR", "lines": [line]})
    };
    for (body, fields) in [
        (json!({}), vec!["customer", "currency"]),
        (json!({"customer": "x", "currency": "eur"}), vec!["customer", "currency"]),
        (json!({"customer": id, "currency": "XXX"}), vec!["currency"]),
        (json!({"customer": id, "currency": "EUR", "total_minor": 1}), vec!["total_minor"]),
        (json!({"customer": id, "currency": "EUR", "state": "placed"}), vec!["state"]),
        (json!({"customer": id, "currency": "EUR", "number": 1}), vec!["number"]),
        (
            json!({"customer": id, "currency": "EUR", "lines": [line(1), {}]}),
            vec![
                "lines[1].sku",
                "lines[1].description",
                "lines[1].quantity",
                "lines[1].unit_price_minor",
                "lines[1].tax_rate_bp",
            ],
        ),
        (with("quantity", json!(0)), vec!["lines[0].quantity"]),
        (with("quantity", json!(-1)), vec!["lines[0].quantity"]),
        (with("quantity", json!(1.5)), vec!["lines[0].quantity"]),
        (with("quantity", json!(i64::MAX)), vec!["lines[0].quantity"]),
        (with("quantity", json!(u64::MAX)), vec!["lines[0].quantity"]),
        (with("unit_price_minor", json!(-1)), vec!["lines[0].unit_price_minor"]),
        (with("tax_rate_bp", json!(10_001)), vec!["lines[0].tax_rate_bp"]),
        (with("total_minor", json!(1)), vec!["lines[0].total_minor"]),
        (with("sku", json!("a b")), vec!["lines[0].sku"]),
    ] {
        let answer = ann.post("/orders/orders", body.clone()).await;
        assert_eq!((answer.status, answer.fields()), (422, fields), "{body}");
    }
    let answer = ann.post("/orders/orders", json!({"customer": uuid::Uuid::from_u128(9), "currency": "EUR"})).await;
    assert_eq!((answer.status, answer.code(), answer.fields()), (422, "customer_unknown", vec!["customer"]));
    assert_eq!(rows(&service).await, [1, 0, 0, 1]);
}

/// Each factor within its bounds, the product far beyond what any integer of ours holds.
#[each_engine]
async fn what_costs_more_than_an_order_can_is_refused() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = customer(&ann, "a@example.org").await;
    let line = |quantity: i64, price: i64| json!({"sku": "A", "description": "x", "quantity": quantity, "unit_price_minor": price, "tax_rate_bp": 10_000});
    let post = async |lines: Value| {
        ann.post("/orders/orders", json!({"customer": id, "currency": "EUR", "lines": lines})).await
    };
    assert_eq!(post(json!([line(1_000_000, 1_000_000_000_000)])).await.fields(), ["lines[0].quantity"]);
    let half = line(4_000, 1_000_000_000_000);
    assert_eq!(post(json!([half])).await.json["total_minor"], 8_000_000_000_000_000_i64);
    assert_eq!(post(json!([half, half])).await.fields(), ["lines"]);
    assert_eq!(rows(&service).await, [1, 1, 1, 2]);
}

#[each_engine]
async fn ten_thousand_lines_are_refused_before_they_are_looked_at() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = customer(&ann, "a@example.org").await;
    // As short as lines can be: within the bound on bodies.
    let many: Vec<Value> = (0..10_000).map(|_| json!({})).collect();
    let answer = ann.post("/orders/orders", json!({"customer": id, "currency": "EUR", "lines": many})).await;
    assert_eq!((answer.status, answer.fields()), (422, vec!["lines"]));
    // Whole ones are beyond it.
    let many: Vec<Value> = (0..10_000).map(line).collect();
    let answer = ann.post("/orders/orders", json!({"customer": id, "currency": "EUR", "lines": many})).await;
    assert_eq!((answer.status, answer.code()), (413, "body_too_large"));
    // And the most that there may be is kept.
    let most: Vec<Value> = (0..200).map(line).collect();
    assert_eq!(draft(&ann, &id, json!(most)).await.json["total_minor"], 199 * 200 / 2);
    let one_more: Vec<Value> = (0..201).map(line).collect();
    let answer = ann.post("/orders/orders", json!({"customer": id, "currency": "EUR", "lines": one_more})).await;
    assert_eq!(answer.fields(), ["lines"]);
}

#[each_engine]
async fn an_order_adds_up_line_by_line_and_is_kept_with_its_entry() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = customer(&ann, "a@example.org").await;
    let lines = json!([
        {"sku": "GLV", "description": "Gloves", "quantity": 3, "unit_price_minor": 849, "tax_rate_bp": 1_900},
        {"sku": "SAL", "description": "Saline", "quantity": 1, "unit_price_minor": 50, "tax_rate_bp": 700},
    ]);
    let created = draft(&ann, &id, lines).await;
    // 2547 at 19 % is 483.93, 50 at 7 % is 3.5: halves go up.
    let amounts = |thing: &Value| ["net_minor", "tax_minor", "total_minor"].map(|name| thing[name].as_i64());
    assert_eq!(amounts(&created.json["lines"][0]), [2_547, 484, 3_031].map(Some));
    assert_eq!(amounts(&created.json["lines"][1]), [50, 4, 54].map(Some));
    assert_eq!(amounts(&created.json), [2_597, 488, 3_085].map(Some));
    assert_eq!((&created.json["state"], &created.json["number"]), (&json!("draft"), &json!(1)));
    let path = created.header("location").to_owned();
    let got = ann.get(&path).await;
    assert_eq!((got.header("etag"), &got.json), ("\"1\"", &created.json));
    assert_eq!(ann.with("if-none-match", "\"1\"").get(&path).await.status, 304);

    let entry = last_entry(&service).await;
    assert_eq!(entry.action, "CreateOrder");
    assert_eq!(entry.resource, format!("Orders::Order::\"{}\"", text(&created.json["id"])));
    let detail: Value = serde_json::from_str(&entry.detail).unwrap_or_default();
    assert_eq!(detail, json!({"number": 1, "lines": 2, "total_minor": 3_085, "currency": "EUR"}));
}

#[each_engine]
async fn lines_change_in_drafts_only_and_only_by_who_saw_them() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = order(&ann, &[]).await;
    let path = format!("/orders/orders/{id}/lines");
    let new = json!({"lines": [line(5), line(6)]});
    assert_eq!(ann.put(&path, new.clone()).await.code(), "precondition_required");
    assert_eq!(ann.clone().with("if-match", "\"2\"").put(&path, new.clone()).await.code(), "precondition_failed");
    let seen = ann.clone().with("if-match", "\"1\"");
    assert_eq!(seen.put(&path, json!({})).await.fields(), ["lines"]);
    let changed = seen.put(&path, new.clone()).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""));
    assert_eq!((&changed.json["total_minor"], changed.json["lines"].as_array().map(Vec::len)), (&json!(11), Some(2)));
    assert_eq!(ann.get(&format!("/orders/orders/{id}")).await.json, changed.json);
    assert_eq!(last_entry(&service).await.action, "ReplaceLines");

    done(&ann, &id, "place").await;
    let before = rows(&service).await;
    let answer = ann.with("if-match", "*").put(&path, new).await;
    assert_eq!((answer.status, answer.code(), answer.fields()), (409, "order_not_draft", vec!["state"]));
    assert_eq!(rows(&service).await, before);
}

#[each_engine]
async fn lists_are_filtered_and_sorted() {
    let service = service().await;
    let (ann, _) = people(&service);
    let (one, two) = (customer(&ann, "a@example.org").await, customer(&ann, "b@example.org").await);
    for (customer, currency, price) in
        [(&one, "EUR", 30), (&two, "EUR", 10), (&one, "CHF", 20), (&two, "JPY", 20), (&one, "EUR", 20)]
    {
        let body = json!({"customer": customer, "currency": currency, "lines": [line(price)]});
        assert_eq!(ann.post("/orders/orders", body).await.status, 201);
    }
    let third = text(&ann.get("/orders/orders?sort=number").await.json["items"][2]["id"]);
    done(&ann, &third, "place").await;
    let numbers = async |query: &str| {
        let answer = ann.get(&format!("/orders/orders?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        let items = answer.json["items"].as_array().cloned().unwrap_or_default();
        items.iter().filter_map(|order| order["number"].as_i64()).collect::<Vec<_>>()
    };
    assert_eq!(numbers("").await, [1, 2, 3, 4, 5]);
    assert_eq!(numbers("sort=-created_at").await, [5, 4, 3, 2, 1]);
    assert_eq!(numbers("sort=total_minor").await, [2, 3, 4, 5, 1]);
    assert_eq!(numbers("sort=currency,-total_minor").await, [3, 1, 5, 2, 4]);
    assert_eq!(numbers("state=placed").await, [3]);
    assert_eq!(numbers(&format!("customer={two}&sort=-number")).await, [4, 2]);
    assert_eq!(numbers(&format!("customer={one}&currency=EUR&total_minor.gte=20&total_minor.lt=30")).await, [5]);
    assert_eq!(numbers("created_at.lt=1790000000000000").await, [0; 0]);
    assert_eq!(numbers("created_at.gte=1790000000000000&limit=2").await, [1, 2]);

    // Two keys, one falling, walked in pages of one.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ann.get(&format!("/orders/orders?sort=currency,-total_minor&limit=1{cursor}")).await.json;
        seen.push(page["items"][0]["number"].as_i64().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [3, 1, 5, 2, 4]);
    for (query, field) in
        [("sort=state", "sort"), ("state=lost", "state"), ("total_minor=5", "total_minor"), ("customer=x", "customer")]
    {
        assert_eq!(ann.get(&format!("/orders/orders?{query}")).await.fields(), [field], "{query}");
    }
}
