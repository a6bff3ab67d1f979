//! Spans and metrics on their way to an OpenTelemetry collector, by OTLP over HTTP with protobuf.
//!
//! Four things are always true:
//! - nobody waits for a collector: a [`Queue`] takes what there is room for and counts the rest;
//! - memory is bounded by the queue, time by the timeout, and the end of a program by both;
//! - a collector that is away costs a line in the log now and then, and a counter;
//! - credentials for the collector are read from a file or the environment, sent to it alone, and shown to nobody.
//!
//! The messages are those of the `opentelemetry-proto` crate; there is no global state and no SDK, because who traces here
//! knows exactly when a span begins and ends.
//!
//! ```
//! use cedargate_telemetry::{Endpoint, Exporter, Finished, Headers, Resource, Settings, Span, queue};
//!
//! struct Exchange(Span);
//!
//! impl Finished for Exchange {
//!     fn spans(self, into: &mut Vec<Span>) {
//!         into.push(self.0);
//!     }
//! }
//!
//! let settings = Settings::new(Endpoint::parse("http://127.0.0.1:4318")?, Resource::new("inventory", "0.1.0", "a"));
//! let (queue, waiting) = queue::<Exchange>(settings.queue_max);
//! let exporter = Exporter::start(settings, waiting, None)?;
//! queue.offer(Exchange(Span::default()));
//! # drop(queue);
//! # let _ = (Headers::default(), exporter);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To trace something new: a type that becomes spans by [`Finished`]; [`span`] has the words for attributes.

mod delivery;
mod endpoint;
mod exporter;
mod headers;
mod metrics;
mod queue;
pub mod span;

pub use delivery::ClientError;
pub use endpoint::{Endpoint, EndpointError};
pub use exporter::{Exporter, MetricSource, Resource, Settings, StartError};
pub use headers::{Headers, HeadersError};
pub use opentelemetry_proto::tonic::trace::v1::Span;
pub use queue::{Counted, Finished, Queue, Waiting, queue};
