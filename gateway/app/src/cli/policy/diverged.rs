//! What the set in the shadow decided otherwise, by the audit log.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use cedargate_audit::search;
use cedargate_model::{Decision, Event, EventBody, Micros, PolicyId, TenantName, Verdict};
use serde::Serialize;

use super::super::Failure;
use super::super::audit::moment;

/// The most that are shown.
const DIVERGED_MAX: usize = 10_000;

/// A request that both sets decided, and not alike.
#[derive(Debug, Serialize)]
pub(super) struct Diverged {
    at: Micros,
    #[serde(flatten)]
    decision: std::sync::Arc<Decision>,
}

/// Reads them.
pub(super) fn read(log: &Path, tenant: &TenantName, times: (Micros, Micros)) -> Result<Vec<Diverged>, Failure> {
    let mut found = Vec::new();
    let diverges = |line: &[u8]| memchr::memmem::find(line, br#","shadow":{"#).is_some();
    let take = |event: &[u8]| {
        if let Ok(Event { at, tenant: Some(of), body: EventBody::Decision(decision), .. }) =
            serde_json::from_slice(event)
            && of == *tenant
            && decision.shadow.is_some()
        {
            found.push(Diverged { at, decision });
        }
        if found.len() < DIVERGED_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    search(log, times, diverges, take)
        .map_err(|broken| Failure::unavailable_because("the log cannot be read", &broken))?;
    Ok(found)
}

/// One line each, for people.
pub(super) fn text(found: &[Diverged]) -> String {
    let mut text = format!("{} sampled requests were decided otherwise in the shadow\n", found.len());
    for Diverged { at, decision } in found {
        let Some(shadow) = &decision.shadow else { continue };
        let was = match &decision.verdict {
            Verdict::Allow | Verdict::Preflight => "allow".to_owned(),
            Verdict::Refuse { code, .. } => code.to_string(),
        };
        let who = decision.subject.as_ref().map_or("anonymous".to_owned(), |subject| subject.principal.to_string());
        let by: Vec<_> = shadow.determined_by.iter().map(PolicyId::as_str).collect();
        let by = if by.is_empty() { "by no policy".to_owned() } else { by.join(", ") };
        let (at, id, decided) = (moment(at.0), decision.decision, &shadow.decided);
        let _ = writeln!(
            text,
            "  {at} {id} {} {} {who}: {was}, in the shadow {decided} {by}",
            decision.method, decision.path
        );
    }
    text
}
