//! Events for tests.

use std::net::IpAddr;
use std::sync::Arc;

use cedargate_model::{
    Decision, DecisionId, Event, EventBody, EventId, Micros, Outcome, OutcomeEnd, RefusalCode, RequestId, TenantName,
    Verdict,
};
use uuid::Uuid;

/// An allowed request's event, numbered.
pub(crate) fn allowed(number: u64) -> Event {
    event(number, "192.0.2.1", Verdict::Allow)
}

/// A refused request's event, numbered.
pub(crate) fn refused(number: u64, client: &str, code: RefusalCode) -> Event {
    event(number, client, Verdict::Refuse { stage: code.stage(), code, detail: String::new() })
}

/// An outcome's event, numbered.
pub(crate) fn outcome(number: u64) -> Event {
    let body = EventBody::Outcome(Outcome {
        decision: DecisionId(id(number)),
        status: Some(200),
        response_bytes: 5,
        duration_micros: 7,
        end: OutcomeEnd::Complete,
        inspection: None,
    });
    Event { id: EventId(id(number)), at: at(number), tenant: None, body }
}

fn event(number: u64, client: &str, verdict: Verdict) -> Event {
    let decision = Decision {
        decision: DecisionId(id(number)),
        request: RequestId(id(number)),
        verdict,
        client: client.parse::<IpAddr>().unwrap(),
        client_certificate: None,
        method: "GET".into(),
        host: "acme.localhost".into(),
        path: format!("/inventory/items/{number}"),
        route: None,
        service: None,
        action: None,
        resource: None,
        subject: None,
        inspection: None,
        snapshot: None,
        determined_by: Arc::new([]),
        facts: None,
        shadow: None,
    };
    let tenant = Some(TenantName::parse("acme").unwrap());
    Event { id: EventId(id(number)), at: at(number), tenant, body: EventBody::Decision(Arc::new(decision)) }
}

fn id(number: u64) -> Uuid {
    Uuid::from_u128(u128::from(number))
}

fn at(number: u64) -> Micros {
    Micros(1_700_000_000_000_000 + i64::try_from(number).unwrap())
}
