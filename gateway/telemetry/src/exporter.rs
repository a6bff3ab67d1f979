//! The thread that gathers spans, reads metrics, and tells a collector.

use std::path::PathBuf;
use std::pin::Pin;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Uri;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prometheus::proto::MetricFamily;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::delivery::{ClientError, Delivery, DeliveryError};
use crate::queue::{Counted, Finished, Waiting, add};
use crate::span::text;
use crate::{Endpoint, Headers, metrics};

/// How many finished things are told of in one message; each may be a dozen spans of some 300 octets.
const BATCH_MAX: usize = 256;

/// How long the first of a batch waits for others.
const LINGER: Duration = Duration::from_secs(1);

/// How long is waited before each further try of a message that may pass later.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// How often at most the log tells of losses.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// Where to, as whom, and within which bounds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The collector.
    pub endpoint: Endpoint,
    /// What it wants to see.
    pub headers: Headers,
    /// A PEM file of certificate authorities; none for the system's.
    pub authorities: Option<PathBuf>,
    /// How long one message may take; and at the end, how long everything that still waits.
    pub timeout: Duration,
    /// How many finished things may wait.
    pub queue_max: usize,
    /// How often metrics are sent.
    pub metrics_interval: Duration,
    /// Who tells.
    pub resource: Resource,
}

/// Who tells: what every span and metric has in common.
#[derive(Clone, Debug)]
pub struct Resource {
    service_name: String,
    service_version: String,
    service_instance: String,
}

impl Resource {
    /// A service's name, its version, and which of several instances this is.
    pub fn new(name: impl Into<String>, version: impl Into<String>, instance: impl Into<String>) -> Self {
        Self { service_name: name.into(), service_version: version.into(), service_instance: instance.into() }
    }

    fn to_proto(&self) -> ProtoResource {
        ProtoResource {
            attributes: vec![
                text("service.name", &*self.service_name),
                text("service.version", &*self.service_version),
                text("service.instance.id", &*self.service_instance),
            ],
            ..ProtoResource::default()
        }
    }
}

impl Settings {
    /// The usual bounds.
    pub fn new(endpoint: Endpoint, resource: Resource) -> Self {
        Self {
            endpoint,
            headers: Headers::default(),
            authorities: None,
            timeout: Duration::from_secs(5),
            queue_max: 4096,
            metrics_interval: Duration::from_secs(30),
            resource,
        }
    }

    /// Finds what would keep an exporter from starting, without sending anything.
    ///
    /// # Errors
    /// The collector's certificate authorities cannot be read.
    pub fn check(&self) -> Result<(), StartError> {
        self.delivery().map(drop)
    }

    fn delivery(&self) -> Result<Delivery, StartError> {
        let (is_tls, headers) = (self.endpoint.is_tls(), self.headers.clone());
        Ok(Delivery::new(is_tls, self.authorities.as_deref(), headers, self.timeout)?)
    }
}

/// Reads the metrics as they stand.
pub type MetricSource = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<MetricFamily>> + Send>> + Send>;

/// Why an exporter could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The collector cannot be spoken to as configured.
    #[error("the collector cannot be spoken to")]
    Client(#[from] ClientError),
    /// The operating system gives no thread.
    #[error("the operating system has no thread for the exporter")]
    Thread(#[from] std::io::Error),
}

/// The running exporter. Dropping it ends it as [`Exporter::stop`] does.
pub struct Exporter {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Starts the thread.
    ///
    /// # Errors
    /// The collector's certificate authorities cannot be read, or there is no thread. A collector that is away is none: it
    /// may come.
    pub fn start<T: Finished>(
        settings: Settings,
        waiting: Waiting<T>,
        metrics: Option<MetricSource>,
    ) -> Result<Self, StartError> {
        let delivery = settings.delivery()?;
        let Settings { endpoint, timeout, metrics_interval, resource, .. } = settings;
        let (traces_at, metrics_at) = (endpoint.signal("traces"), endpoint.signal("metrics"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopping) = watch::channel(false);
        let Waiting { receiver, counted } = waiting;
        let work = Work {
            delivery,
            // A parsed endpoint has both.
            traces_at: traces_at.unwrap_or_default(),
            metrics_at: metrics_at.unwrap_or_default(),
            resource: resource.to_proto(),
            scope: InstrumentationScope {
                name: "cedargate".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..InstrumentationScope::default()
            },
            receiver,
            counted,
            metrics,
            metrics_interval,
            began: unix_now(),
            stopping,
            told: Told { lost: 0, metrics_failed: 0, next: Instant::now() },
            batch: Vec::with_capacity(BATCH_MAX),
            under_way: 0,
        };
        let run = move || runtime.block_on(work.run(timeout));
        let thread = thread::Builder::new().name("telemetry".to_owned()).spawn(run)?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Tells the collector what still waits, within the timeout, and ends. Blocks until then.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(error.type = "telemetry_panicked", "the exporter panicked: nothing is told any more");
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the thread owns.
struct Work<T> {
    delivery: Delivery,
    traces_at: Uri,
    metrics_at: Uri,
    resource: ProtoResource,
    scope: InstrumentationScope,
    receiver: mpsc::Receiver<T>,
    counted: std::sync::Arc<Counted>,
    metrics: Option<MetricSource>,
    metrics_interval: Duration,
    began: u64,
    stopping: watch::Receiver<bool>,
    told: Told,
    /// What is gathered, and how many spans are on their way: accounted for if time runs out.
    batch: Vec<T>,
    under_way: usize,
}

/// What the log has been told of losses.
struct Told {
    lost: u64,
    metrics_failed: u64,
    next: Instant,
}

/// Why gathering ended.
enum Gathered {
    Spans,
    MetricsDue,
    Stop,
}

impl<T: Finished> Work<T> {
    /// Works until it is asked to stop, and then for `patience` at most.
    async fn run(mut self, patience: Duration) {
        let mut stopping = self.stopping.clone();
        let overdue = async {
            // An error says that nobody is left who could ask: as good as being asked.
            let _ = stopping.wait_for(|stop| *stop).await;
            sleep(patience).await;
        };
        tokio::select! {
            () = self.work() => {}
            () = overdue => {}
        }
        self.receiver.close();
        let mut left = self.batch.len() + self.under_way;
        while self.receiver.try_recv().is_ok() {
            left += 1;
        }
        add(&self.counted.export_failed, left);
        self.told.next = Instant::now();
        self.complain(None);
    }

    async fn work(&mut self) {
        let mut due = interval(self.metrics_interval);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let gathered = self.gather(&mut due).await;
            self.tell_spans().await;
            match gathered {
                Gathered::Spans => {}
                Gathered::MetricsDue => self.tell_metrics().await,
                Gathered::Stop => {
                    while let Ok(finished) = self.receiver.try_recv() {
                        self.batch.push(finished);
                        if self.batch.len() == BATCH_MAX {
                            self.tell_spans().await;
                        }
                    }
                    self.tell_spans().await;
                    return self.tell_metrics().await;
                }
            }
            self.complain(None);
        }
    }

    /// Gathers until the batch is full, its first has waited long enough, or something else is to be done.
    async fn gather(&mut self, due: &mut tokio::time::Interval) -> Gathered {
        let mut stopping = self.stopping.clone();
        let mut ripe = None;
        while self.batch.len() < BATCH_MAX {
            let room = BATCH_MAX - self.batch.len();
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => return Gathered::Stop,
                _ = due.tick(), if self.metrics.is_some() => return Gathered::MetricsDue,
                () = sleep_until(ripe.unwrap_or_else(Instant::now)), if ripe.is_some() => return Gathered::Spans,
                taken = self.receiver.recv_many(&mut self.batch, room) => match taken {
                    // Everybody who could hand something in is gone, and metrics may still be wanted.
                    0 => sleep(LINGER).await,
                    _ => ripe = ripe.or_else(|| Some(Instant::now() + LINGER)),
                },
            }
        }
        Gathered::Spans
    }

    async fn tell_spans(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut spans: Vec<Span> = Vec::new();
        for finished in self.batch.drain(..) {
            finished.spans(&mut spans);
        }
        let count = spans.len();
        self.under_way = count;
        let scope_spans = vec![ScopeSpans { scope: Some(self.scope.clone()), spans, ..ScopeSpans::default() }];
        let resource = Some(self.resource.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        let message = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let delivered = self.deliver(self.traces_at.clone(), message.into()).await;
        self.under_way = 0;
        match delivered {
            Ok(answer) => {
                let rejected = rejected(&answer).min(count);
                add(&self.counted.rejected, rejected);
                add(&self.counted.exported, count - rejected);
            }
            Err(error) => {
                add(&self.counted.export_failed, count);
                add(&self.counted.traces_failed, 1);
                self.complain(Some(&error));
            }
        }
    }

    async fn tell_metrics(&mut self) {
        let Some(source) = &self.metrics else { return };
        let families = source().await;
        let metrics = metrics::metrics(&families, self.began, unix_now());
        let scope_metrics = vec![ScopeMetrics { scope: Some(self.scope.clone()), metrics, ..ScopeMetrics::default() }];
        let resource = Some(self.resource.clone());
        let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
        let message = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
        // The next ones say all that these did: a failure is not worth a second try.
        if let Err(error) = self.delivery.send(&self.metrics_at, message.into()).await {
            add(&self.counted.metrics_failed, 1);
            self.complain(Some(&error));
        }
    }

    /// Sends a message, and again where it may pass. While it waits, the queue fills and then counts.
    async fn deliver(&mut self, to: Uri, message: Bytes) -> Result<Bytes, DeliveryError> {
        for pause in PAUSES {
            match self.delivery.send(&to, message.clone()).await {
                Err(error) if error.may_pass() => {
                    let mut stopping = self.stopping.clone();
                    tokio::select! {
                        () = sleep(pause) => {}
                        // No time is left to wait in; the last try is the next one.
                        _ = stopping.wait_for(|stop| *stop) => break,
                    }
                }
                told => return told,
            }
        }
        self.delivery.send(&to, message).await
    }

    /// Says in the log what was lost since the last time, once in a while.
    fn complain(&mut self, error: Option<&DeliveryError>) {
        let (lost, failed) = (self.counted.lost(), self.counted.metrics_failed());
        if (lost, failed) == (self.told.lost, self.told.metrics_failed) || Instant::now() < self.told.next {
            return;
        }
        tracing::warn!(
            error.type = "telemetry_lost",
            error = error.map(|error| error as &dyn std::error::Error),
            cedargate.telemetry.lost = lost - self.told.lost,
            cedargate.telemetry.metrics_failed = failed - self.told.metrics_failed,
            "spans or metrics did not reach the collector"
        );
        self.told = Told { lost, metrics_failed: failed, next: Instant::now() + COMPLAINT_INTERVAL };
    }
}

/// How many spans a collector says that it turned down.
fn rejected(answer: &Bytes) -> usize {
    let told = ExportTraceServiceResponse::decode(answer.clone()).ok().and_then(|told| told.partial_success);
    told.and_then(|partial| usize::try_from(partial.rejected_spans).ok()).unwrap_or_default()
}

/// Nanoseconds since 1970.
fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
