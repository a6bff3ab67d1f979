//! Where spans and metrics are sent, and which.

use std::path::Path;
use std::time::Duration;

use cedargate_dataplane::Ratio;
use cedargate_telemetry::{Endpoint, Headers};

use super::environment;
use super::key::{Fallback, Key, Shape};
use super::mistake::{Noted, Whence};
use super::secrets::read_private;
use super::section::Section;

pub(crate) const ENDPOINT: Key = Key {
    name: "otlp_endpoint",
    shape: Shape::Text("an address, such as `http://127.0.0.1:4318`"),
    fallback: Fallback::Words("nothing is sent, and nothing else of this table but `log_filter` matters"),
    environment: Some(environment::OTLP_ENDPOINT),
    about: "An OpenTelemetry collector that takes OTLP over HTTP (protobuf); `/v1/traces` and `/v1/metrics` are put behind \
            it. Where it is away, nothing waits for it: what there is no room for is counted.",
};
pub(crate) const HEADERS_FILE: Key = Key {
    name: "otlp_headers_file",
    shape: Shape::Path,
    fallback: Fallback::Words("`CEDARGATE_OTLP_HEADERS`, or none"),
    environment: None,
    about: "A file with a line `Name: value` for each header that the collector wants to see, such as `Authorization`. Nobody \
            but its owner may read it (mode 0600 or 0400).",
};
pub(crate) const CA_FILE: Key = Key {
    name: "otlp_ca_file",
    shape: Shape::Path,
    fallback: Fallback::Words("the system's"),
    environment: None,
    about: "Certificate authorities (PEM) of a collector with `https`.",
};
pub(crate) const TIMEOUT_MS: Key = Key {
    name: "otlp_timeout_ms",
    shape: Shape::Integer { min: 100, max: 60_000 },
    fallback: Fallback::Value("5000"),
    environment: None,
    about: "How long one message may take; and at the end of the gateway, how long everything that still waits.",
};
pub(crate) const QUEUE_MAX: Key = Key {
    name: "otlp_queue_max",
    shape: Shape::Integer { min: 1, max: 1_000_000 },
    fallback: Fallback::Value("4096"),
    environment: None,
    about: "Traced exchanges that may wait for the collector, at about a kilobyte each.",
};
pub(crate) const METRICS: Key = Key {
    name: "otlp_metrics",
    shape: Shape::Switch,
    fallback: Fallback::Value("true"),
    environment: None,
    about: "Whether metrics are sent, too. They are the ones of `/metrics`.",
};
pub(crate) const METRICS_INTERVAL_SECONDS: Key = Key {
    name: "otlp_metrics_interval_seconds",
    shape: Shape::Integer { min: 1, max: 3_600 },
    fallback: Fallback::Value("30"),
    environment: None,
    about: "How often.",
};
pub(crate) const SERVICE_NAME: Key = Key {
    name: "service_name",
    shape: Shape::Text("a name"),
    fallback: Fallback::Value(r#""cedargate""#),
    environment: None,
    about: "`service.name` of everything that is sent.",
};
pub(crate) const INSTANCE: Key = Key {
    name: "service_instance",
    shape: Shape::Text("a name"),
    fallback: Fallback::Words("`audit.instance`"),
    environment: None,
    about: "`service.instance.id` of everything that is sent.",
};
pub(crate) const SAMPLE_RATIO: Key = Key {
    name: "trace_sample_ratio",
    shape: Shape::Ratio,
    fallback: Fallback::Value("0.01"),
    environment: None,
    about: "Which part of all requests is traced, chosen by the trace's id. A request that comes by a trusted proxy with a \
            `traceparent` is traced if that says so; nobody else's is believed.",
};
pub(crate) const FAILURE_RATIO: Key = Key {
    name: "trace_failure_ratio",
    shape: Shape::Ratio,
    fallback: Fallback::Value("0.1"),
    environment: None,
    about: "Which part of the refused and failed requests is traced even where `trace_sample_ratio` leaves them out. Each \
            that might be among them is watched from its start, which costs half a microsecond.",
};

/// What is sent where, checked.
#[derive(Clone, Debug)]
pub(crate) struct Otlp {
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: Headers,
    pub(crate) authorities: Option<std::path::PathBuf>,
    pub(crate) timeout: Duration,
    pub(crate) queue_max: usize,
    /// How often metrics are sent, if they are.
    pub(crate) metrics_interval: Option<Duration>,
    pub(crate) service_name: String,
    pub(crate) instance: Option<String>,
    pub(crate) sampled: Ratio,
    pub(crate) failures: Ratio,
}

impl Otlp {
    /// Reads the keys of the table that they share with others. None where nobody is to be told anything.
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Result<Option<Self>, Noted> {
        let endpoint = section.optional_text(&ENDPOINT, Endpoint::parse);
        let headers = headers(section);
        let authorities = section.optional_path(&CA_FILE);
        let timeout = section.integer(&TIMEOUT_MS);
        let queue_max = section.integer_as(&QUEUE_MAX);
        let metrics = section.switch(&METRICS);
        let metrics_interval = section.integer(&METRICS_INTERVAL_SECONDS);
        let service_name = section.text(&SERVICE_NAME, name);
        let instance = section.optional_text(&INSTANCE, name);
        let sampled = ratio(section, &SAMPLE_RATIO);
        let failures = ratio(section, &FAILURE_RATIO);
        let every = Duration::from_secs(metrics_interval?);
        let (endpoint, headers, authorities, timeout, queue_max) =
            (endpoint?, headers?, authorities?, Duration::from_millis(timeout?), queue_max?);
        let (metrics_interval, service_name, instance) = (metrics?.then_some(every), service_name?, instance?);
        let (sampled, failures) = (sampled?, failures?);
        Ok(endpoint.map(|endpoint| Self {
            endpoint,
            headers,
            authorities,
            timeout,
            queue_max,
            metrics_interval,
            service_name,
            instance,
            sampled,
            failures,
        }))
    }
}

fn headers(section: &mut Section<'_, '_>) -> Result<Headers, Noted> {
    let document = section.document;
    let in_environment = document.environment.get(environment::OTLP_HEADERS);
    let in_file = section.optional_text(&HEADERS_FILE, |path| match in_environment {
        None => read_headers(&document.resolve(path)),
        Some(_) => Ok(Headers::default()),
    })?;
    match in_environment {
        None => Ok(in_file.unwrap_or_default()),
        Some(list) => Headers::parse_list(list).map_err(|error| {
            document.note(Whence::Environment { environment: environment::OTLP_HEADERS }, "", error.to_string())
        }),
    }
}

fn read_headers(path: &Path) -> Result<Headers, String> {
    let text = read_private(path)?;
    Headers::parse_lines(&text).map_err(|error| format!("`{}`: {error}", path.display()))
}

fn ratio(section: &mut Section<'_, '_>, key: &'static Key) -> Result<Ratio, Noted> {
    let of_one = section.ratio(key)?;
    Ratio::new(of_one).ok_or_else(|| section.complain(key, format!("write {}", Shape::Ratio.describe())))
}

/// What stands on every span should be short.
fn name(text: &str) -> Result<String, String> {
    let well_formed = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    match well_formed {
        true => Ok(text.to_owned()),
        false => Err("write 1 to 128 printable characters without blanks".to_owned()),
    }
}
