//! Does the tenant's snapshot permit it? If not: would a stronger or fresher sign-in?

use cedargate_model::{Canonical, Challenge, Micros, Refusal, RefusalCode};
use cedargate_policy::{Allowed, Context, Decisions, Query, Verdict, WafFindings};

use super::route::Found;
use crate::metrics::Metrics;
use crate::trail::Trail;

/// Decides. The answer is a proof that forwarding asks for.
///
/// # Errors
/// 401 to sign in or to sign in more strongly, 403 naming the decision, 500 when a policy's evaluation erred: Cedar
/// would skip that policy, we refuse.
pub(crate) fn authorize(
    (decisions, metrics): (&Decisions, &Metrics),
    found: &Found,
    canonical: &Canonical,
    waf: WafFindings,
    now: Micros,
    trail: &mut Trail,
) -> Result<Allowed, Refusal> {
    let decision = trail.decision();
    let context = Context { now, client: canonical.client, certificate: trail.event.client_certificate.clone(), waf };
    let query = Query { caller: &trail.caller, routed: &found.routed, context: &context };
    let verdict = decisions.decide(&found.snapshot, &query, decision);
    let shadow = found.site.shadow.as_ref().filter(|shadow| shadow.is_asked(decision));
    let shadowed = shadow.and_then(|shadow| {
        let shadowed = shadow.ask(decisions, &query, canonical, decision, verdict.as_str());
        metrics.policy_shadow(shadowed.is_none());
        shadowed
    });
    trail.decided_by(verdict.basis(), found.snapshot.tenant().id, now);
    trail.shadowed(shadowed);
    match verdict {
        Verdict::Allow(allowed) => Ok(allowed),
        Verdict::SignIn(_) => Err(Refusal::from(RefusalCode::SigninRequired).with(Challenge::SignIn)),
        Verdict::StepUp(needed) => Err(Refusal::from(RefusalCode::StepUpRequired)
            .with(Challenge::StepUp { level: needed.level(), max_age_seconds: needed.max_age_seconds() })),
        Verdict::Deny(_) => {
            let is_program = trail.caller.principal().is_some_and(|principal| principal.credential.is_bearer());
            let challenge =
                if is_program { Challenge::InsufficientScope(decision) } else { Challenge::Decision(decision) };
            Err(Refusal::from(RefusalCode::Forbidden).with(challenge))
        }
        Verdict::Failed(failed) => {
            let errors = failed.errors().join("; ");
            tracing::error!(cedargate.decision.id = %decision, error = errors, "policy evaluation failed");
            Err(Refusal::new(RefusalCode::DecisionFailed, errors))
        }
    }
}
