//! What is logged, and what is told to a collector.

use tracing_subscriber::EnvFilter;

use super::environment;
use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::otlp::{self, Otlp};
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[telemetry]",
    about: "What is logged, as JSON on standard output; and what is told to a collector, if to any.",
    keys: &[
        LOG_FILTER,
        ACCESS_LOG,
        otlp::ENDPOINT,
        otlp::HEADERS_FILE,
        otlp::CA_FILE,
        otlp::TIMEOUT_MS,
        otlp::QUEUE_MAX,
        otlp::METRICS,
        otlp::METRICS_INTERVAL_SECONDS,
        otlp::SERVICE_NAME,
        otlp::INSTANCE,
        otlp::SAMPLE_RATIO,
        otlp::FAILURE_RATIO,
    ],
};

const LOG_FILTER: Key = Key {
    name: "log_filter",
    shape: Shape::Text("a filter, such as `info,cedargate_dataplane=debug`"),
    fallback: Fallback::Value(r#""info,pingora_core=warn,pingora_load_balancing=error,pingora_proxy=warn""#),
    environment: Some(environment::LOG),
    about: "Levels by target, as the `tracing` crates read them. No level shows a secret, a body or a query.",
};
const ACCESS_LOG: Key = Key {
    name: "access_log",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "Whether every forwarded request gets a line. The audit log is the record of all of them, with more in it than a \
            line has, so that by default only those get one that ended badly: broken off, or answered with 5xx. Refused \
            requests always get one. A line for each costs about a tenth of what forwarding does.",
};

/// `[telemetry]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Telemetry {
    pub(crate) log_filter: String,
    pub(crate) access_log: bool,
    /// None where nothing is told to a collector.
    pub(crate) otlp: Option<Otlp>,
}

impl Telemetry {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let log_filter = section.text(&LOG_FILTER, |text| match EnvFilter::builder().parse(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(format!("`{text}` is not a log filter: {error}")),
        });
        let access_log = section.switch(&ACCESS_LOG);
        let otlp = Otlp::read(&mut section);
        section.finish();
        Ok(Self { log_filter: log_filter?, access_log: access_log?, otlp: otlp? })
    }
}
