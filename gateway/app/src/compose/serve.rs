//! `cedargate serve`: opens everything, hands it to the server, and closes it in order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use cedargate_assertion::{IssuedCache, Issuer, SigningKeys, Verifier};
use cedargate_audit::{Recovery, Spool};
use cedargate_controlplane::{AUDIENCE, ControlPlane, router};
use cedargate_dataplane::{Gateway, Issuers, Metrics, Server};
use cedargate_identity::{
    Accounts, Factors, Identities, KeptPosts, Notices, OperatorEvents, PolicyChanges, Sessions, SpentAttempts, Tenants,
    WebauthnCeremonies,
};
use cedargate_idp_adapters::connection::Connections;
use cedargate_idp_adapters::local::{LocalAccounts, LocalSettings};
use cedargate_idp_adapters::second::SecondFactors;
use cedargate_idp_adapters::webauthn::Webauthn;
use cedargate_idp_adapters::workload::Workloads;
use cedargate_idp_adapters::{BrowserKept, KnownDevices, SigninAttempts, Vault};
use cedargate_migrations::Pool;
use cedargate_model::{Clock, SystemClock};
use cedargate_policy::Decisions;
use cedargate_telemetry::Exporter;
use cedargate_tokens::{KeyLook, TenantUrls, TokenAuthority, TokenKeys};
use ed25519_dalek::SigningKey;
use rustix::process::{Resource, getrlimit};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::admin::{self, Admin};
use super::check::warnings;
use super::connections::Watched;
use super::control::{self, CONTROL_SOCKET, SpoolRecorder};
use super::figures::Figures;
use super::keeper::Keeper;
use super::key_record::KeyRecord;
use super::live_sets::LiveSets;
use super::log::{LinesDropped, Log};
use super::proof::{Counted, Prover};
use super::receipts::ArchivedReceipts;
use super::reload::{Reloader, Seen, report_failed, rule_sets_of, warn_of_unknown_services};
use super::rule_sets::RuleLoader;
use super::sealing::Sealer;
use super::signals::Stop;
use super::sites::{FailedTenant, Loaded, SiteLoader};
use super::token_keys::TokenKeyRing;
use super::traces::{self, Prepared};
use super::workloads::WatchedWorkloads;
use super::{
    StartError, admissions, certificates, connections, ingest, key_record, listeners, metadata_refresh,
    operator_events, parts, removed_connections, store, workloads,
};
use crate::config::{Config, SecretUse};
use crate::files;
use crate::keys::{KeyRing, Purpose};

/// The public keys' file in the state directory.
const JWKS_FILE: &str = "jwks.json";

/// Threads for what goes on beside requests: reloading, maintenance of sessions.
const BACKGROUND_THREADS: usize = 1;

/// How often it is looked whether the listeners are there.
const LISTEN_POLL: Duration = Duration::from_millis(10);

/// A listener that is not there by then failed in a way that the checks before did not foresee: somebody took its address
/// in between.
const LISTEN_DEADLINE: Duration = Duration::from_secs(15);

/// Runs the gateway until it is asked to end.
///
/// # Errors
/// Whatever keeps it from starting, before any listener is open; or the record could not be closed in order.
pub(crate) fn serve(config: Config, ring: KeyRing) -> Result<(), StartError> {
    let log = Log::start(&config.telemetry.log_filter)
        .map_err(|source| StartError::Machine { doing: "the log's thread", source })?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), base_url = %config.listen.base_url, "starting");
    for warning in warnings(&config) {
        tracing::warn!("{warning}");
    }
    let open_files = open_files_max();
    let background = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(BACKGROUND_THREADS)
        .thread_name("background")
        .enable_all()
        .build()
        .map_err(|source| StartError::Machine { doing: "the runtime", source })?;

    let stop = Stop::on_signals(&background)?;
    let running = start(&config, ring, &background, &stop, log.dropped());
    // Said on standard error, too; whoever keeps the log finds it there.
    let running =
        running.inspect_err(|error| tracing::error!(error = error as &dyn std::error::Error, "cannot start"))?;
    // The server has raised it as far as it may.
    tracing::info!(
        cedargate.open_files.before = open_files,
        cedargate.open_files.max = open_files_max(),
        "the limit of open files"
    );
    let silent = Arc::new(AtomicBool::new(false));
    background.spawn(announce(listeners::of(&config), stop.clone(), Arc::clone(&silent)));
    running.server.run(stop.subscribe());
    // While the store is there to be asked for the last figures.
    drop(running.exporter);
    background.block_on(end(&running.gateway, &running.pool));
    drop(running.provers);
    // Reloading may be in the middle of a build: nothing of it is waited for.
    background.shutdown_background();
    running.gateway.spool.close().map_err(StartError::Close)?;
    if silent.load(Ordering::Acquire) {
        return Err(StartError::NotListening(LISTEN_DEADLINE.as_secs()));
    }
    tracing::info!("ended");
    Ok(())
}

/// How many files the process may have open; none where nothing limits it.
fn open_files_max() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Everything that runs.
struct Running {
    server: Server,
    gateway: Arc<Gateway>,
    pool: Pool,
    provers: Option<(Prover, Sealer)>,
    exporter: Option<Exporter>,
}

/// Opens and wires everything, in the order in which one part needs another.
fn start(
    config: &Config,
    ring: KeyRing,
    background: &Runtime,
    stop: &Stop,
    lines_dropped: LinesDropped,
) -> Result<Running, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (identity, audit, token) = (ring.identity()?, ring.audit()?, ring.token()?);
    let tls = certificates::load(config)?;
    listeners::check_addresses(config)?;
    let pool = background.block_on(store::open(&config.store))?;
    let jwks_file = config.store.state_dir.join(JWKS_FILE);
    write_jwks(&jwks_file, &identity)?;

    let tenants = Tenants::new(pool.clone());
    let listed = background.block_on(tenants.list())?;
    let certificates = certificates::watched(config);
    let seen = Seen::of(listed.clone(), &config.policies.dir, &ring, &certificates);
    let mut loader = SiteLoader::new(&config.policies.dir, config.listen.base_url.clone())
        .with_shadow_percent(config.policies.shadow_percent);
    let mut sets = LiveSets::new(PolicyChanges::new(pool.clone()));
    let _ = background.block_on(sets.look())?;
    loader.take_sets(sets.of(&listed));
    let loaded = some_site(loader.load(&listed)?)?;

    let tenants_connections = connections::read(&config.connections, &config.policies.dir, SecretUse::Needed)?;
    let connections = connections::live(tenants_connections, &Connections::default())?;
    let connections = Arc::new(ArcSwap::from_pointee(connections));

    let issuers = Arc::new(ArcSwap::from_pointee(workloads::live(&config.workloads, &Workloads::default())?));

    let limits = config.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.sessions)).collect();
    let sessions = Sessions::new(pool.clone(), config.sessions).with_limits(limits);
    let accounts = Accounts::new(pool.clone());
    let local = LocalAccounts::new(accounts.clone(), LocalSettings::default())?;
    let (admissions, courier) = (admissions::admissions(config, &pool, &local)?, admissions::courier(config, &pool)?);
    let vault: Arc<dyn Vault> = Arc::new(ring.vault());
    let second = SecondFactors::new(Factors::new(pool.clone()), Arc::clone(&vault));
    let kept = BrowserKept::new(Arc::clone(&vault), SpentAttempts::new(pool.clone()));
    let webauthn = Webauthn::new(
        Factors::new(pool.clone()),
        accounts.clone(),
        WebauthnCeremonies::new(pool.clone()),
        Arc::clone(&vault),
        kept.clone(),
        config.listen.base_url.public_place(),
    );
    let posts = KeptPosts::new(pool.clone());
    let issuer = Issuer::new(config.listen.base_url.to_string(), identity);
    let verifier = Verifier::new(issuer.url(), AUDIENCE, issuer.keys().jwks());
    let verifier = Arc::new(ArcSwap::from_pointee(verifier));
    let base = &config.listen.base_url;
    let urls = TenantUrls::new(base.scheme().as_str(), base.authority_of(base.domain()));
    let overlap = config.policies.reload_interval;
    let tokens = Arc::new(ArcSwap::from_pointee(TokenAuthority::new(urls, token, overlap)));
    let (audit_key, audit_keys) = (audit.clone(), ring.audit_publics()?);
    let (settings, engine, upstreams) = (parts::settings(config)?, parts::engine()?, parts::upstreams(config)?);
    let mut rules = RuleLoader::new(config);
    let rule_sets = rules.start(rule_sets_of(&loaded.sites))?;
    let (addresses, quotas) = (parts::addresses(config)?, parts::quotas(config)?);
    let metrics = Metrics::new().map_err(|error| StartError::Metrics(error.to_string()))?;
    let socket = config.store.state_dir.join(CONTROL_SOCKET);
    listeners::check_socket(&socket)?;
    ingest::check_place(config)?;
    // After everything that may fail for reasons of configuration: opening the record writes to it.
    let (spool, counted) = open_spool(config, audit, &clock, &metrics)?;

    let key_record = Arc::new(KeyRecord::open(config.store.state_dir.join(key_record::FILE), spool.clone()));
    // One that could not be recorded is tried again: it signs already, and nothing is answered without the record.
    let is_recorded = key_record.taken_up(Purpose::Identity, issuer.keys(), true);
    let failed_identity_key = (!is_recorded).then_some(seen.identity_key());
    let _ = key_record.taken_up(Purpose::Token, tokens.load().keys(), true);
    let token_keys = TokenKeyRing::new(ring.clone(), Arc::clone(&tokens), sessions.clone(), Arc::clone(&key_record));
    let token_keys = Arc::new(token_keys);
    let key_look = Arc::new(KeyLook::new(Arc::clone(&token_keys) as Arc<dyn TokenKeys>));

    let (tracing, prepared) = traces::prepare(config);
    let gateway = Arc::new(Gateway {
        settings,
        sites: ArcSwap::from_pointee(loaded.sites),
        decisions: Decisions::new(config.limits.decisions_cached_bytes_max),
        sessions: sessions.clone(),
        tokens: Arc::clone(&tokens),
        issuers: Issuers::new(Arc::clone(&issuers)),
        token_keys: Arc::clone(&key_look),
        engine,
        rule_sets: ArcSwap::from_pointee(rule_sets),
        spool: spool.clone(),
        forms: Some(Arc::new(Keeper { posts: posts.clone(), vault: Arc::clone(&vault), clock: Arc::clone(&clock) })),
        issuer: ArcSwap::from_pointee(issuer),
        issued: IssuedCache::new(config.limits.assertions_cached_max),
        upstreams,
        addresses,
        quotas,
        metrics,
        tracing,
        clock: Arc::clone(&clock),
    });
    gateway.metrics.policies_taken_up(loaded.failed.is_empty());
    for failed in &loaded.failed {
        gateway.metrics.policy_reload_failed();
        report_failed(&failed.tenant, &failed.problems);
    }
    warn_of_unknown_services(&gateway, loaded.services.iter().map(AsRef::as_ref));

    if let Some(hosts) = &tls {
        certificates::tell(hosts, &gateway.metrics);
    }
    let mut server = Server::new(Arc::clone(&gateway), &parts::server(config, tls.clone()));
    let figures = Figures {
        gateway: Arc::clone(&gateway),
        pool: pool.clone(),
        traffic: server.traffic(),
        lines_dropped,
        otlp: prepared.as_ref().map(Prepared::counted),
        notices: Notices::new(pool.clone()),
        notices_counted: courier.counted(),
        audit_queue_bytes_max: config.audit.queue_bytes_max,
    };
    let exporter = prepared.map(|prepared| prepared.start(&figures)).transpose()?;
    let control_plane = ControlPlane {
        sessions: sessions.clone(),
        accounts,
        local,
        connections: Arc::clone(&connections),
        workloads: Arc::clone(&issuers),
        token_keys: key_look,
        identities: Identities::new(pool.clone()),
        attempts: SigninAttempts::new(kept.clone()),
        devices: KnownDevices::new(kept),
        posts,
        second,
        webauthn,
        admissions,
        consents: admissions::consents(config, &pool),
        vault,
        tenants: tenants.clone(),
        verifier: Arc::clone(&verifier),
        tokens,
        recorder: Arc::new(SpoolRecorder(spool.clone())),
        receipts: Arc::new(ArchivedReceipts::new(config.audit.archive_dir.clone())),
        clock: Arc::clone(&clock),
        services: parts::service_links(config),
    };
    server.add(control::service(router(control_plane), &socket));
    let admin = Admin {
        gateway: Arc::clone(&gateway),
        pool: pool.clone(),
        listeners: listeners::of(config).into(),
        control: socket.into(),
        stop: stop.clone(),
        figures: figures.clone(),
    };
    server.add(admin::service(admin, config.listen.admin_address));
    // What is discarded here would be in nobody's record: it waits for a gateway that records.
    if !config.danger.recording_off {
        background.spawn(operator_events::run(OperatorEvents::new(pool.clone()), SpoolRecorder(spool.clone())));
    }
    background.spawn(async move { courier.run(&SystemClock).await });
    let recorder = SpoolRecorder(spool.clone());
    if let Some(events) = ingest::service(config, &gateway, spool) {
        server.add(events);
    }

    // Whoever has no such files, beside gateways that have, says nothing about what was removed.
    if config.connections.dir.is_some() {
        background.spawn(removed_connections::run(Arc::clone(&connections), tenants.clone(), sessions.clone()));
        background.spawn(metadata_refresh::run(Arc::clone(&connections), recorder));
    }
    background.spawn(workloads::keep_keys(Arc::clone(&issuers)));
    let policies = config.policies.dir.clone();
    let reloader = Reloader {
        gateway: Arc::clone(&gateway),
        loader,
        rules,
        tenants,
        sets,
        policies,
        ring,
        key_record,
        token_keys,
        verifier,
        jwks_file,
        tls,
        certificates,
        connections: Watched::new(config.connections.clone(), config.policies.dir.clone(), connections),
        workloads: WatchedWorkloads::new(config.workloads.clone(), Arc::clone(&issuers), sessions.clone()),
        seen,
        failed_identity_key,
    };
    background.spawn(reloader.run(config.policies.reload_interval));
    let listening = sessions.clone();
    background.spawn(async move { listening.run_listening(&SystemClock).await });
    background.spawn(async move { sessions.run_maintenance(&SystemClock).await });
    let provers = match config.danger.recording_off {
        true => None,
        false => {
            let sealer = Sealer::start(&config.audit, audit_key, audit_keys.clone(), Arc::clone(&gateway))?;
            Some((Prover::start(&config.audit, audit_keys, Arc::clone(&gateway), counted)?, sealer))
        }
    };
    Ok(Running { server, gateway, pool, provers, exporter })
}

/// A tenant whose policies have mistakes keeps nobody else from starting; where nobody is left, nothing starts.
fn some_site(mut loaded: Loaded) -> Result<Loaded, StartError> {
    let none = loaded.sites.iter().all(|site| site.snapshot.is_none());
    match loaded.failed.pop() {
        Some(FailedTenant { tenant, problems }) if none => Err(StartError::TenantPolicies { tenant, problems }),
        failed => {
            loaded.failed.extend(failed);
            Ok(loaded)
        }
    }
}

/// Opens the record, says what it found, and counts it.
fn open_spool(
    config: &Config,
    key: SigningKey,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
) -> Result<(Spool, Counted), StartError> {
    if config.danger.recording_off {
        return Ok((Spool::danger_discarding(), Counted::Nothing));
    }
    let (spool, recovery) = Spool::open(parts::spool(config), key, Arc::clone(clock))?;
    let Recovery { boot, torn, damage } = recovery;
    tracing::info!(cedargate.audit.boot = boot, "the audit log is open");
    for tail in torn {
        tracing::warn!(
            cedargate.audit.file = tail.file,
            cedargate.audit.bytes = tail.bytes,
            cedargate.audit.quarantined_as = tail.quarantined_as,
            "a torn tail was set aside: nobody was answered on the strength of it"
        );
    }
    let mut counted = Counted::Nothing;
    if let Some(broken) = damage {
        metrics.audit_chain_broken(1);
        counted = Counted::AtStart;
        tracing::error!(
            error.type = "audit_chain_broken",
            cedargate.audit.file = broken.file,
            cedargate.audit.line = broken.line,
            cedargate.audit.detail = broken.detail,
            "the audit log was damaged while the gateway was down"
        );
    }
    Ok((spool, counted))
}

/// Publishes the public keys for services that read them from a file.
pub(super) fn write_jwks(path: &Path, keys: &SigningKeys) -> Result<(), StartError> {
    let file = |source| StartError::File { path: PathBuf::from(path), source };
    files::replace(path, (keys.jwks().to_json() + "\n").as_bytes(), 0o644).map_err(file)
}

/// Says so once every listener accepts connections, or ends the server if they do not come up.
async fn announce(addresses: Vec<SocketAddr>, stop: Stop, silent: Arc<AtomicBool>) {
    let up = async {
        for address in &addresses {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(LISTEN_POLL).await;
            }
        }
    };
    if tokio::time::timeout(LISTEN_DEADLINE, up).await.is_err() {
        tracing::error!("the listeners did not come up: ending");
        silent.store(true, Ordering::Release);
        stop.ask();
        return;
    }
    let shown: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
    tracing::info!(addresses = shown.join(" "), "listening");
}

/// Writes down what was kept in memory.
async fn end(gateway: &Gateway, pool: &Pool) {
    if let Err(error) = gateway.sessions.maintain(SystemClock.now()).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the sessions' last uses could not be written down");
    }
    pool.close().await;
}
