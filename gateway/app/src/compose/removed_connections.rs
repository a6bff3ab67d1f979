//! Sessions of connections that are no longer configured: who came by one could not come again.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cedargate_identity::{OperatorError, Sessions, Tenants};
use cedargate_idp_adapters::connection::Connections;
use cedargate_model::{Clock as _, SystemClock};
use tokio::time::MissedTickBehavior;

/// How often it is looked whether others are at work.
const EVERY: Duration = Duration::from_secs(1);

/// Looks for ever, also for what was removed while the gateway was down. Drop the future to stop it.
pub(super) async fn run(connections: Arc<ArcSwap<Connections>>, tenants: Tenants, sessions: Sessions) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen: Option<Arc<Connections>> = None;
    loop {
        ticks.tick().await;
        let now = connections.load_full();
        if seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &now)) {
            continue;
        }
        match end(&now, &tenants, &sessions).await {
            Ok(()) => seen = Some(now),
            // Tried again.
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "sessions of connections that were removed could not be ended"
            ),
        }
    }
}

async fn end(connections: &Connections, tenants: &Tenants, sessions: &Sessions) -> Result<(), OperatorError> {
    for tenant in tenants.list().await? {
        let names: Vec<_> = connections.of(&tenant.name).iter().map(|live| live.connection.name.clone()).collect();
        for removed in sessions.end_of_removed(tenant.id, &names, SystemClock.now()).await? {
            tracing::info!(
                cedargate.tenant = %tenant.name,
                cedargate.connection = %removed,
                "sessions of a connection that was removed were ended"
            );
        }
    }
    Ok(())
}
