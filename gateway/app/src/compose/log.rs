//! Logging: JSON on standard output, Pingora's own lines among ours.

use tracing_subscriber::EnvFilter;

/// Starts it. The filter was parsed when the configuration was.
pub(super) fn start(filter: &str) {
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stdout);
    // Only a second start in one process could find one set: its log goes on.
    let _already_set = subscriber.try_init();
}
