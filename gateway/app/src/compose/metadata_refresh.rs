//! SAML providers' metadata, fetched anew where an address is configured: a new certificate is known before it signs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use cedargate_controlplane::Recorder as _;
use cedargate_idp_adapters::connection::{Connections, LiveConnection};
use cedargate_idp_adapters::oidc::ProviderHttp;
use cedargate_idp_adapters::saml::{News, SamlClient};
use cedargate_model::{
    Clock as _, ConnectionName, Event, EventBody, EventId, KeyEvent, Micros, SystemClock, TenantName,
};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::control::SpoolRecorder;

/// How often it is looked whether any is due: what failed is tried again at the next look.
const EVERY: Duration = Duration::from_secs(60);

/// One connection with a provider that publishes its metadata.
#[derive(Clone)]
struct Due {
    tenant: TenantName,
    connection: ConnectionName,
    client: Arc<SamlClient>,
}

/// Looks for ever. Drop the future to stop it.
pub(super) async fn run(connections: Arc<ArcSwap<Connections>>, recorder: SpoolRecorder) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let recorder = Arc::new(recorder);
    let mut http = None;
    let mut done: Vec<(Arc<SamlClient>, Instant)> = Vec::new();
    let mut failing: BTreeSet<(TenantName, ConnectionName)> = BTreeSet::new();
    loop {
        ticks.tick().await;
        let published = published(&connections.load());
        done.retain(|(client, at)| {
            at.elapsed() < client.refresh_every() && published.iter().any(|due| Arc::ptr_eq(&due.client, client))
        });
        let due = published.into_iter().filter(|due| !done.iter().any(|(client, _)| Arc::ptr_eq(&due.client, client)));
        // One that takes its time keeps no other waiting.
        let mut refreshing = JoinSet::new();
        for due in due {
            let Some(http) = provider_http(&mut http) else { break };
            let recorder = Arc::clone(&recorder);
            refreshing.spawn(async move { (refresh(&due, &http, &recorder).await, due) });
        }
        while let Some(joined) = refreshing.join_next().await {
            let Ok((refreshed, due)) = joined else { continue };
            let name = (due.tenant, due.connection);
            match refreshed {
                Ok(()) => {
                    failing.remove(&name);
                    done.push((due.client, Instant::now()));
                }
                // Told once, until it works again.
                Err(error) if failing.insert(name.clone()) => tracing::warn!(
                    error = &*error as &dyn std::error::Error,
                    error.type = "saml_metadata_refresh_failed",
                    cedargate.tenant = %name.0,
                    cedargate.connection = %name.1,
                    "a provider's published metadata is not taken up: what was known is used on"
                ),
                Err(_) => {}
            }
        }
    }
}

fn published(connections: &Connections) -> Vec<Due> {
    let of = |(tenant, live): (&TenantName, &Arc<LiveConnection>)| {
        let client = live.saml().filter(|client| client.settings().published.is_some())?;
        Some(Due { tenant: tenant.clone(), connection: live.connection.name.clone(), client: Arc::clone(client) })
    };
    connections.all().filter_map(of).collect()
}

fn provider_http(made: &mut Option<ProviderHttp>) -> Option<ProviderHttp> {
    if made.is_none() {
        *made = ProviderHttp::new(true)
            .inspect_err(|error| {
                tracing::error!(error = error as &dyn std::error::Error, "no provider's metadata can be fetched");
            })
            .ok();
    }
    made.clone()
}

/// Nothing is taken up before it is recorded.
async fn refresh(
    due: &Due,
    http: &ProviderHttp,
    recorder: &SpoolRecorder,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let now = SystemClock.now();
    let Some(news) = due.client.refresh(http, now).await? else { return Ok(()) };
    recorder.record(event(due, &news, now)).await?;
    due.client.take_up(news);
    tracing::info!(
        cedargate.tenant = %due.tenant,
        cedargate.connection = %due.connection,
        "a provider's published metadata is taken up"
    );
    Ok(())
}

fn event(due: &Due, news: &News, now: Micros) -> Event {
    let key = news.signing.first().cloned().unwrap_or_default();
    let former = news.removed.first().cloned().unwrap_or_else(|| key.clone());
    let purpose = format!("saml {}", due.connection);
    let taken = KeyEvent { purpose, key, former, withdrawn: news.removed.clone() };
    Event { id: EventId(Uuid::now_v7()), at: now, tenant: Some(due.tenant.clone()), body: EventBody::Key(taken) }
}
