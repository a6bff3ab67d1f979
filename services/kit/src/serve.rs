//! From command line to a running service, and to its orderly end.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use cedargate_migrations::{MigrateError, MigrationSet, OpenError, Pool, StoreError, StoreUrl, StoreUrlError};
use cedargate_model::{Clock, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::idempotency::IDEMPOTENCY;
use crate::keys::RefreshError;
use crate::list::{CURSOR_SECRET, CursorSecret};
use crate::listen::{Bound, ListenError};
use crate::problem::chain;
use crate::relay::{Destination, Place, Relay};
use crate::trace::{TelemetryError, TelemetryOptions};
use crate::{KeySource, Keys, Kit, Listen, OUTBOX, log};

/// How long requests in flight may take once the service is asked to stop.
pub const GRACE: Duration = Duration::from_secs(20);

/// How long the batch of events under way may take beyond that.
const DELIVERY_GRACE: Duration = Duration::from_secs(5);

/// A service, as it is made of its parts.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name, which is the audience of the assertions meant for it.
    pub name: &'static str,
    /// Its tables.
    pub schema: &'static MigrationSet,
    /// Its routes.
    pub routes: fn() -> Router<Kit>,
}

/// What an operator says about a service.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeOptions {
    /// Where to listen: `unix:PATH`, or `127.0.0.1:PORT`
    #[arg(long, env = "CEDARGATE_SERVICE_LISTEN", value_name = "PLACE")]
    pub listen: Listen,
    /// Where the service keeps its rows.
    #[command(flatten)]
    pub store: StoreOption,
    /// The gateway's issuer URL, exactly as its configuration says it
    #[arg(long, env = "CEDARGATE_ISSUER", value_name = "URL")]
    pub issuer: String,
    /// Where the gateway's public keys are: `file:PATH`, or `http://HOST:PORT/.well-known/cedargate/jwks.json`
    #[arg(long, env = "CEDARGATE_IDENTITY_KEYS", value_name = "SOURCE")]
    pub identity_keys: KeySource,
    /// Where the service tells its spans.
    #[command(flatten)]
    pub telemetry: TelemetryOptions,
    /// Where events are delivered.
    #[command(flatten)]
    pub events: EventsOptions,
}

/// Where a service says what it did, as an operator says it. Without both, what was done stays in the outbox.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct EventsOptions {
    /// Where the gateway takes events (`ingest.listen`): `unix:PATH`, or `http://HOST:PORT`
    #[arg(long, env = "CEDARGATE_EVENTS_TO", value_name = "PLACE", requires = "events_credential")]
    pub events_to: Option<Place>,
    /// The file with the credential that `cedargate service credential create` printed; it may be replaced at any time
    #[arg(long, env = "CEDARGATE_EVENTS_CREDENTIAL_FILE", value_name = "FILE", requires = "events_to")]
    pub events_credential: Option<PathBuf>,
}

impl EventsOptions {
    fn destination(&self) -> Option<Destination> {
        let (place, credential_file) = (self.events_to.clone()?, self.events_credential.clone()?);
        Some(Destination { place, credential_file })
    }
}

/// Where a service keeps its rows, as an operator says it.
#[derive(Clone, Debug, clap::Args)]
pub struct StoreOption {
    /// Where the service keeps its rows: `sqlite:PATH`, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`
    // Text, parsed later: `clap` repeats what it could not parse, and a store's URL may hold a password.
    #[arg(long, env = "CEDARGATE_SERVICE_STORE", value_name = "URL", hide_env_values = true)]
    store: String,
}

impl StoreOption {
    /// The store.
    ///
    /// # Errors
    /// [`ServeError::Store`], which does not repeat the text.
    pub fn url(&self) -> Result<StoreUrl, ServeError> {
        Ok(StoreUrl::parse(&self.store)?)
    }
}

/// Why a service did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It cannot listen.
    #[error("the service cannot listen")]
    Listen(#[from] ListenError),
    /// The text names no store.
    #[error("`--store` is not usable")]
    Store(#[from] StoreUrlError),
    /// Its store cannot be opened.
    #[error("the service's store cannot be opened")]
    Open(#[from] OpenError),
    /// Its schema cannot be brought up to date.
    #[error("the service's schema cannot be brought up to date")]
    Migrate(#[from] MigrateError),
    /// The operating system gives no randomness for the cursors' secret.
    #[error("the operating system gives no randomness")]
    Randomness(#[source] getrandom::Error),
    /// The cursors' secret cannot be kept.
    #[error("the cursors' secret cannot be kept")]
    CursorSecret(#[source] StoreError),
    /// The source of the keys cannot be used.
    #[error("the source of the gateway's keys cannot be used")]
    Keys(#[from] RefreshError),
    /// Spans cannot be told where they are to be told.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// Delivery cannot be set up.
    #[error("the delivery of events cannot be set up")]
    Delivery(#[from] reqwest::Error),
    /// The operating system refused signals or sockets.
    #[error("the operating system does not let the service run")]
    System(#[from] io::Error),
}

impl Service {
    /// Runs the service until SIGTERM or SIGINT, then finishes what is in flight.
    ///
    /// It starts without the gateway: until the keys have been read it answers 503 and is not ready.
    ///
    /// # Errors
    /// [`ServeError`] if it cannot start.
    pub async fn serve(&self, options: &ServeOptions) -> Result<(), ServeError> {
        log::init();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let pool = open_store(self, &options.store.url()?).await?;
        let keys = Arc::new(Keys::new(options.identity_keys.clone(), options.issuer.as_str(), self.name)?);
        let (traces, exporter) = options.telemetry.start(self.name)?.unzip();
        let kit = Kit::new(pool.clone(), self.schema, Arc::clone(&keys), Arc::clone(&clock)).traced(traces);
        let bound = options.listen.bind().await?;
        tracing::info!(cedargate.service = self.name, cedargate.listen = ?options.listen, "service started");
        let keeping = tokio::spawn(keys.keep_current());
        let delivering = deliver(&kit, options.events.destination(), clock)?;

        run(bound, kit.app((self.routes)()), stop_signal()?).await;

        keeping.abort();
        // After the last request, so that nothing that was committed is left behind without need.
        delivering.end().await;
        pool.close().await;
        // It blocks until what waits is told, or time is up.
        let _told = tokio::task::spawn_blocking(move || drop(exporter)).await;
        tracing::info!(cedargate.service = self.name, "service stopped");
        Ok(())
    }
}

/// The delivery that runs beside the service.
struct Delivering(Option<(watch::Sender<bool>, JoinHandle<()>)>);

fn deliver(kit: &Kit, destination: Option<Destination>, clock: Arc<dyn Clock>) -> Result<Delivering, reqwest::Error> {
    let Some(destination) = destination else {
        tracing::warn!("events are not delivered: `--events-to` says no place; what is done stays in the outbox");
        return Ok(Delivering(None));
    };
    if destination.place.leaves_the_machine() {
        tracing::warn!("events and their credential leave this machine in clear text");
    }
    let relay = Relay::new(kit.pool().clone(), clock, &destination, Arc::clone(kit.delivery()))?;
    let (stop, stopped) = watch::channel(false);
    Ok(Delivering(Some((stop, tokio::spawn(relay.run(stopped))))))
}

impl Delivering {
    /// Lets the batch that is under way come to its end, but not for ever: what it held is delivered at the next start.
    async fn end(self) {
        let Some((stop, running)) = self.0 else { return };
        stop.send_replace(true);
        let abort = running.abort_handle();
        if tokio::time::timeout(DELIVERY_GRACE, running).await.is_err() {
            abort.abort();
            tracing::warn!(
                cedargate.grace_s = DELIVERY_GRACE.as_secs(),
                "a batch of events was cut off; it is delivered again"
            );
        }
    }
}

/// What the kit itself keeps in every service's store. The table `cursor_secret` belongs to no tenant.
pub const SCHEMAS: [&MigrationSet; 3] = [&OUTBOX, &IDEMPOTENCY, &CURSOR_SECRET];

/// Opens a service's store and brings its schema up to date, the kit's tables first.
///
/// # Errors
/// [`ServeError::Open`], [`ServeError::Migrate`], [`ServeError::Randomness`] or [`ServeError::CursorSecret`].
pub async fn open_store(service: &Service, store: &StoreUrl) -> Result<Pool, ServeError> {
    let pool = Pool::open(store).await?;
    let now = SystemClock.now();
    for set in SCHEMAS.into_iter().chain([service.schema]) {
        // What was done is logged there; whether it sufficed is what readiness asks.
        let _migrated = pool.migrate(set, now).await?;
    }
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh).map_err(ServeError::Randomness)?;
    CursorSecret::make(&pool, fresh, now).await.map_err(ServeError::CursorSecret)?;
    Ok(pool)
}

/// Ends a program: says on standard error why it failed, with all causes.
pub fn report(result: Result<(), Box<dyn std::error::Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if standard error is closed.
            let _written = writeln!(std::io::stderr(), "error: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Serves until `stop`, then for at most [`GRACE`] longer.
async fn run(bound: Bound, app: Router, stop: impl Future<Output = ()> + Send + 'static) {
    let (stopping, stopped) = watch::channel(false);
    tokio::spawn(async move {
        stop.await;
        tracing::info!(cedargate.grace_s = GRACE.as_secs(), "service stops: no new connections");
        stopping.send_replace(true);
    });
    let served = {
        let stopped = stopped.clone();
        async move {
            match bound {
                Bound::Tcp(listener) => {
                    let serve = axum::serve(listener, app);
                    serve.with_graceful_shutdown(wait(stopped)).await
                }
                Bound::Unix(listener, path) => {
                    let served = axum::serve(listener, app).with_graceful_shutdown(wait(stopped)).await;
                    // Best effort: a socket that stays behind is recognised as stale at the next start.
                    let _removed = std::fs::remove_file(path);
                    served
                }
            }
        }
    };
    let overdue = async {
        wait(stopped).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = served => {
            if let Err(error) = served {
                tracing::error!(error.cause = %error, "serving ended");
            }
        }
        () = overdue => tracing::warn!(cedargate.grace_s = GRACE.as_secs(), "requests in flight were cut off"),
    }
}

async fn wait(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is no reason to stop accepting later than now.
    let _stopped = stopped.wait_for(|stopped| *stopped).await;
}

/// Resolves at the first SIGTERM or SIGINT.
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
