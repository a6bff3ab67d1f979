//! What a policy set in the shadow of the live one would decide. Nothing of it reaches the answer.

use std::sync::Arc;

use cedargate_model::{Canonical, DecisionId, Shadowed};
use cedargate_policy::{Decisions, Query, Routing};

use crate::site::PolicyShadow;

impl PolicyShadow {
    /// Whether this request is one of those that it is asked of, by the random end of the decision's id.
    pub(crate) fn is_asked(&self, decision: DecisionId) -> bool {
        decision.0.as_u128() % 100 < u128::from(self.percent)
    }

    /// Asks the same question of it. Gives what it says where that is something else than what was `decided`.
    pub(crate) fn ask(
        &self,
        decisions: &Decisions,
        query: &Query<'_>,
        canonical: &Canonical,
        decision: DecisionId,
        decided: &str,
    ) -> Option<Arc<Shadowed>> {
        let snapshot = self.snapshot.id().clone();
        let Routing::Found(routed) = self.snapshot.routes().find(&canonical.method, &canonical.path) else {
            return Some(Arc::new(Shadowed { snapshot, decided: "no_route".into(), determined_by: Arc::new([]) }));
        };
        let verdict = decisions.decide(&self.snapshot, &Query { routed: &routed, ..*query }, decision);
        let differs = verdict.as_str() != decided;
        differs.then(|| {
            let determined_by = Arc::clone(verdict.basis().determined_by());
            Arc::new(Shadowed { snapshot, decided: verdict.as_str().into(), determined_by })
        })
    }
}
