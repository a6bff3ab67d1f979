//! What is logged.

use tracing_subscriber::EnvFilter;

use super::environment;
use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table =
    Table { header: "[telemetry]", about: "What is logged, as JSON on standard output.", keys: &[LOG_FILTER] };

const LOG_FILTER: Key = Key {
    name: "log_filter",
    shape: Shape::Text("a filter, such as `info,cedargate_dataplane=debug`"),
    fallback: Fallback::Value(r#""info,pingora_core=warn,pingora_load_balancing=error,pingora_proxy=warn""#),
    environment: Some(environment::LOG),
    about: "Levels by target, as the `tracing` crates read them. No level shows a secret, a body or a query.",
};

/// `[telemetry]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Telemetry {
    pub(crate) log_filter: String,
}

impl Telemetry {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let log_filter = section.text(&LOG_FILTER, |text| match EnvFilter::builder().parse(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(format!("`{text}` is not a log filter: {error}")),
        });
        section.finish();
        Ok(Self { log_filter: log_filter? })
    }
}
