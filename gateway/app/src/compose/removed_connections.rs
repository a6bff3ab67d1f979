//! Sessions of connections that are no longer configured: who came by one could not come again.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cedargate_identity::{OperatorError, Sessions, Tenants};
use cedargate_idp_adapters::connection::{Connections, LiveConnection};
use cedargate_model::{Clock as _, SystemClock};
use tokio::time::MissedTickBehavior;

/// How often it is looked whether others are at work.
const EVERY: Duration = Duration::from_secs(1);

/// Looks for ever at what this gateway itself was told and is told no more. Drop the future to stop it.
///
/// What it does not know at its start it says nothing about: a gateway beside others, without their files or with yesterday's, would end
/// everybody's sessions. So what is removed while no gateway runs is the operator's to end (`cedargate idp end-sessions`).
pub(super) async fn run(connections: Arc<ArcSwap<Connections>>, tenants: Tenants, sessions: Sessions) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = connections.load_full();
    loop {
        ticks.tick().await;
        let now = connections.load_full();
        if Arc::ptr_eq(&seen, &now) {
            continue;
        }
        match end(&seen, &now, &tenants, &sessions).await {
            Ok(()) => seen = now,
            // Tried again.
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "sessions of connections that were removed could not be ended"
            ),
        }
    }
}

/// Ends what came by connections that were, and are no more. One that leads to another issuer is another one.
async fn end(
    before: &Connections,
    now: &Connections,
    tenants: &Tenants,
    sessions: &Sessions,
) -> Result<(), OperatorError> {
    let named = |live: &LiveConnection| (live.connection.name.clone(), live.connection.kind.issuer().clone());
    for tenant in tenants.list().await? {
        let are: Vec<_> = now.of(&tenant.name).iter().map(|live| named(live)).collect();
        for (name, issuer) in before.of(&tenant.name).iter().map(|live| named(live)) {
            if are.contains(&(name.clone(), issuer.clone())) {
                continue;
            }
            let ended = sessions.end_connection(tenant.id, &name, Some(&issuer), SystemClock.now()).await?;
            tracing::info!(
                cedargate.tenant = %tenant.name,
                cedargate.connection = %name,
                cedargate.sessions = ended.len(),
                "sessions of a connection that was removed were ended"
            );
        }
    }
    Ok(())
}
