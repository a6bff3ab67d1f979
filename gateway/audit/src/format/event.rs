//! An event as JSON.
//!
//! Every forwarded request makes two, a decision and an outcome, so these are written by hand: `serde`'s flattened and
//! tagged types take five times as long. What is written here is what `serde` would write, octet for octet; a property
//! holds it to that, and everything is read back by `serde`.

use cedargate_model::{
    ClientCertificate, Decision, Event, EventBody, Facts, Inspection, InspectionPlace, Outcome, OutcomeEnd, Shadowed,
    Subject, Verdict, append_address,
};
use uuid::Uuid;

/// Appends an event.
///
/// # Errors
/// As `serde_json`'s own, which for our types means a defect.
pub(crate) fn append_json(out: &mut Vec<u8>, event: &Event) -> serde_json::Result<()> {
    match &event.body {
        EventBody::Decision(decision) => {
            begin(out, event, "decision");
            append_decision(out, decision);
            out.push(b'}');
            Ok(())
        }
        EventBody::Outcome(outcome) => {
            begin(out, event, "outcome");
            append_outcome(out, outcome);
            out.push(b'}');
            Ok(())
        }
        // Rare enough.
        EventBody::Amendment(_)
        | EventBody::Folded(_)
        | EventBody::Signin(_)
        | EventBody::Account(_)
        | EventBody::Admission(_)
        | EventBody::Token(_)
        | EventBody::Provisioning(_)
        | EventBody::Key(_)
        | EventBody::PolicyChange(_)
        | EventBody::ServiceEvent(_) => serde_json::to_writer(out, event),
    }
}

fn begin(out: &mut Vec<u8>, event: &Event, kind: &str) {
    out.extend_from_slice(b"{\"id\":\"");
    push_uuid(out, event.id.0);
    out.extend_from_slice(b"\",\"at\":");
    out.extend_from_slice(itoa::Buffer::new().format(event.at.0).as_bytes());
    if let Some(tenant) = &event.tenant {
        text(out, "tenant", tenant.as_str());
    }
    text(out, "kind", kind);
}

fn append_decision(out: &mut Vec<u8>, decision: &Decision) {
    // All of them by name: whoever adds one has to say here how it is written.
    let Decision {
        decision,
        request,
        verdict,
        client,
        client_certificate,
        method,
        host,
        path,
        route,
        service,
        action,
        resource,
        subject,
        inspection,
        snapshot,
        determined_by,
        facts,
        shadow,
    } = decision;
    id(out, "decision", decision.0);
    id(out, "request", request.0);
    match verdict {
        Verdict::Allow => text(out, "verdict", "allow"),
        Verdict::Preflight => text(out, "verdict", "preflight"),
        Verdict::Refuse { stage, code, detail } => {
            text(out, "verdict", "refuse");
            text(out, "stage", stage.as_str());
            text(out, "code", code.as_str());
            if !detail.is_empty() {
                text(out, "detail", detail);
            }
        }
    }
    key(out, "client");
    out.push(b'"');
    append_address(out, *client);
    out.push(b'"');
    if let Some(certificate) = client_certificate {
        let ClientCertificate { fingerprint, subject, names } = &**certificate;
        out.extend_from_slice(b",\"client_certificate\":{\"fingerprint\":");
        push_text(out, fingerprint);
        text(out, "subject", subject);
        list(out, "names", names.iter().map(AsRef::as_ref));
        out.push(b'}');
    }
    text(out, "method", method);
    text(out, "host", host);
    text(out, "path", path);
    optional(out, "route", route.as_ref().map(|route| route.as_str()));
    optional(out, "service", service.as_deref());
    optional(out, "action", action.as_deref());
    optional(out, "resource", resource.as_deref());
    if let Some(Subject { principal, session, level, credential }) = subject {
        out.extend_from_slice(b",\"subject\":{\"principal\":\"");
        push_uuid(out, principal.0);
        out.push(b'"');
        id(out, "session", session.0);
        number(out, "level", u64::from(*level));
        if !credential.is_session() {
            text(out, "credential", credential.as_str());
        }
        out.push(b'}');
    }
    if let Some(inspection) = inspection {
        append_inspection(out, inspection);
    }
    optional(out, "snapshot", snapshot.as_ref().map(|snapshot| snapshot.as_str()));
    if !determined_by.is_empty() {
        list(out, "determined_by", determined_by.iter().map(|policy| policy.as_str()));
    }
    if let Some(facts) = facts {
        append_facts(out, facts);
    }
    if let Some(shadow) = shadow {
        let Shadowed { snapshot, decided, determined_by } = &**shadow;
        out.extend_from_slice(b",\"shadow\":{\"snapshot\":");
        push_text(out, snapshot.as_str());
        text(out, "decided", decided);
        if !determined_by.is_empty() {
            list(out, "determined_by", determined_by.iter().map(|policy| policy.as_str()));
        }
        out.push(b'}');
    }
}

fn append_facts(out: &mut Vec<u8>, facts: &Facts) {
    let Facts { v, tenant, now, roles, methods, authenticated_at } = facts;
    out.extend_from_slice(b",\"facts\":{\"v\":");
    out.extend_from_slice(itoa::Buffer::new().format(*v).as_bytes());
    id(out, "tenant", tenant.0);
    signed(out, "now", now.0);
    if !roles.is_empty() {
        list(out, "roles", roles.iter().map(|role| role.as_str()));
    }
    if !methods.is_empty() {
        list(out, "methods", methods.iter().map(|method| method.as_str()));
    }
    if let Some(at) = authenticated_at {
        signed(out, "authenticated_at", at.0);
    }
    out.push(b'}');
}

fn append_inspection(out: &mut Vec<u8>, inspection: &Inspection) {
    let Inspection { score, rules, tags, places, limit } = inspection;
    out.extend_from_slice(b",\"inspection\":{\"score\":");
    out.extend_from_slice(itoa::Buffer::new().format(*score).as_bytes());
    list(out, "rules", rules.iter().map(AsRef::as_ref));
    if !tags.is_empty() {
        list(out, "tags", tags.iter().map(AsRef::as_ref));
    }
    if !places.is_empty() {
        out.extend_from_slice(b",\"places\":[");
        for (index, InspectionPlace { rule, variable, offset }) in places.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"{\"rule\":" } else { b",{\"rule\":" });
            push_text(out, rule);
            text(out, "variable", variable);
            if let Some(offset) = offset {
                number(out, "offset", u64::from(*offset));
            }
            out.push(b'}');
        }
        out.push(b']');
    }
    optional(out, "limit", limit.as_deref());
    out.push(b'}');
}

fn append_outcome(out: &mut Vec<u8>, outcome: &Outcome) {
    let Outcome { decision, status, response_bytes, duration_micros, end, inspection } = outcome;
    id(out, "decision", decision.0);
    if let Some(status) = status {
        number(out, "status", u64::from(*status));
    }
    number(out, "response_bytes", *response_bytes);
    number(out, "duration_micros", *duration_micros);
    let end = match end {
        OutcomeEnd::Complete => "complete",
        OutcomeEnd::ClientGone => "client_gone",
        OutcomeEnd::UpstreamBroke => "upstream_broke",
        OutcomeEnd::Cut => "cut",
    };
    text(out, "end", end);
    if let Some(inspection) = inspection {
        append_inspection(out, inspection);
    }
}

/// A further member's name: none of ours needs escaping.
fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn id(out: &mut Vec<u8>, name: &str, id: Uuid) {
    key(out, name);
    out.push(b'"');
    push_uuid(out, id);
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, name: &str, number: u64) {
    key(out, name);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn signed(out: &mut Vec<u8>, name: &str, number: i64) {
    key(out, name);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    push_text(out, value);
}

fn optional(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        text(out, name, value);
    }
}

fn list<'a>(out: &mut Vec<u8>, name: &str, values: impl Iterator<Item = &'a str>) {
    key(out, name);
    out.push(b'[');
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_text(out, value);
    }
    out.push(b']');
}

fn push_uuid(out: &mut Vec<u8>, id: Uuid) {
    out.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
}

fn push_text(out: &mut Vec<u8>, value: &str) {
    if is_plain(value.as_bytes()) {
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    } else {
        // Text into memory cannot fail.
        let _ = serde_json::to_writer(out, value);
    }
}

/// Whether nothing in it has to be escaped. Eight octets at a time: an entry has some twenty texts, and looking at each
/// octet was a third of writing it.
fn is_plain(octets: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // An octet below `least` borrows from its own high bit, which it did not have.
    let any_below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word & HIGH;
    let any_is = |word: u64, octet: u8| any_below(word ^ (ONES * u64::from(octet)), 1);
    let (words, rest) = octets.as_chunks::<8>();
    let special = words
        .iter()
        .map(|word| u64::from_ne_bytes(*word))
        .fold(0, |special, word| special | any_below(word, b' ') | any_is(word, b'"') | any_is(word, b'\\'));
    special == 0 && rest.iter().all(|octet| *octet >= b' ' && *octet != b'"' && *octet != b'\\')
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use cedargate_model::{
        AuthnMethod, Credential, DecisionId, EventId, Micros, PolicyId, PrincipalId, RefusalCode, RequestId, RoleName,
        RouteId, SessionId, SnapshotId, Stage, TenantId, TenantName,
    };
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;

    fn uuid() -> impl Strategy<Value = Uuid> {
        any::<u128>().prop_map(Uuid::from_u128)
    }

    /// Anything, and what has to be escaped more often than by chance.
    fn words() -> impl Strategy<Value = String> {
        prop_oneof!["[ -~]{0,20}", "\\PC{0,8}", "[\"\\\\/\u{0}-\u{1f}\u{7f}\u{2028}a]{0,24}"]
    }

    fn verdict() -> impl Strategy<Value = Verdict> {
        let code = prop::sample::select(RefusalCode::ALL.to_vec());
        let stage = prop::sample::select(RefusalCode::ALL.iter().map(|code| code.stage()).collect::<Vec<Stage>>());
        prop_oneof![
            Just(Verdict::Allow),
            Just(Verdict::Preflight),
            (stage, code, words()).prop_map(|(stage, code, detail)| Verdict::Refuse { stage, code, detail }),
        ]
    }

    fn credential() -> impl Strategy<Value = Credential> {
        prop::sample::select(vec![
            Credential::Session,
            Credential::SessionToken,
            Credential::ApiKey,
            Credential::KeyToken,
            Credential::WorkloadToken,
            Credential::IssuerToken,
            Credential::Certificate,
            Credential::ScimToken,
        ])
    }

    prop_compose! {
        fn facts()(
            tenant in uuid(),
            times in any::<(i64, Option<i64>)>(),
            roles in prop::collection::vec("[a-z][a-z0-9_-]{0,9}", 0..3),
            methods in prop::collection::vec(prop::sample::select(vec![
                AuthnMethod::Pwd, AuthnMethod::Otp, AuthnMethod::Hwk, AuthnMethod::Fed, AuthnMethod::Swk, AuthnMethod::Pop,
            ]), 0..3),
        ) -> Facts {
            let roles = roles.iter().map(|role| RoleName::parse(role).unwrap()).collect();
            let (now, authenticated_at) = (Micros(times.0), times.1.map(Micros));
            Facts { v: Facts::VERSION, tenant: TenantId(tenant), now, roles, methods, authenticated_at }
        }
    }

    prop_compose! {
        fn decision()(
            ids in (uuid(), uuid()),
            verdict in verdict(),
            client in any::<IpAddr>(),
            certificate in of((words(), words(), prop::collection::vec(words(), 0..3))),
            texts in (words(), words(), words()),
            routed in of((words(), words(), words())),
            subject in of((uuid(), uuid(), any::<u8>(), credential())),
            inspection in of(inspection()),
            snapshot in of(words()),
            determined_by in prop::collection::vec(words(), 0..3),
            facts in of(facts()),
        ) -> Decision {
            let (route, action, resource) = match routed {
                Some((route, action, resource)) => (Some(route), Some(action), Some(resource)),
                None => (None, None, None),
            };
            Decision {
                decision: DecisionId(ids.0),
                request: RequestId(ids.1),
                verdict,
                client,
                client_certificate: certificate.map(|(fingerprint, subject, names)| {
                    Arc::new(ClientCertificate { fingerprint, subject, names })
                }),
                method: texts.0,
                host: texts.1,
                path: texts.2,
                route: route.map(|text| RouteId::from(&*text)),
                service: action.as_deref().map(Into::into),
                action: action.map(Into::into),
                resource,
                subject: subject.map(|(principal, session, level, credential)| Subject {
                    principal: PrincipalId(principal), session: SessionId(session), level, credential,
                }),
                inspection,
                snapshot: snapshot.map(|text| SnapshotId::from(&*text)),
                determined_by: determined_by.iter().map(|text| PolicyId::from(&**text)).collect(),
                shadow: facts.as_ref().and_then(|facts| facts.roles.first()).map(|role| {
                    let determined_by = determined_by.iter().map(|text| PolicyId::from(&**text)).collect();
                    Arc::new(Shadowed { snapshot: role.as_str().into(), decided: role.as_str().into(), determined_by })
                }),
                facts: facts.map(Arc::new),
            }
        }
    }

    prop_compose! {
        fn inspection()(
            score: u32, rules in prop::collection::vec(words(), 0..3), offset in of(any::<u32>()),
        ) -> Inspection {
            let rules: Vec<Arc<str>> = rules.into_iter().map(Into::into).collect();
            let place = |rule: &Arc<str>| InspectionPlace { rule: rule.clone(), variable: rule.to_string(), offset };
            Inspection {
                score,
                tags: rules.clone(),
                places: rules.iter().map(place).collect(),
                limit: offset.and_then(|_| rules.first().cloned()),
                rules,
            }
        }
    }

    prop_compose! {
        fn outcome()(
            decision in uuid(), status in of(any::<u16>()), figures in any::<(u64, u64)>(),
            end in prop::sample::select(vec![OutcomeEnd::Complete, OutcomeEnd::ClientGone, OutcomeEnd::UpstreamBroke, OutcomeEnd::Cut]),
            inspection in of(inspection()),
        ) -> Outcome {
            let (decision, inspection) = (DecisionId(decision), inspection.map(Box::new));
            Outcome { decision, status, response_bytes: figures.0, duration_micros: figures.1, end, inspection }
        }
    }

    proptest! {
        /// INVARIANT (one spelling): readers and the specification know one form of an event.
        #[test]
        fn what_is_written_by_hand_is_what_serde_writes(
            id in uuid(),
            at: i64,
            tenant in of("[a-z]{1,9}"),
            body in prop_oneof![
                decision().prop_map(|decision| EventBody::Decision(Arc::new(decision))),
                outcome().prop_map(EventBody::Outcome),
            ],
        ) {
            let tenant = tenant.map(|name| TenantName::parse(&name).unwrap());
            let event = Event { id: EventId(id), at: Micros(at), tenant, body };
            let mut written = Vec::new();
            append_json(&mut written, &event).unwrap();
            prop_assert_eq!(String::from_utf8(written).unwrap(), serde_json::to_string(&event).unwrap());
        }
    }
}
