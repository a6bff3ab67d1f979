//! Moments as SCIM writes them: RFC 3339 in UTC, to the microsecond.

use cedargate_model::Micros;
use chrono::{DateTime, SecondsFormat};

/// `2026-11-20T18:35:00.000000Z`.
pub(crate) fn to_text(moment: Micros) -> String {
    let known = DateTime::from_timestamp_micros(moment.0).unwrap_or_default();
    known.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The reverse, with any offset.
pub(crate) fn from_text(text: &str) -> Option<Micros> {
    if text.len() > 40 {
        return None;
    }
    DateTime::parse_from_rfc3339(text).ok().map(|moment| Micros(moment.timestamp_micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back_as_it_was_written() {
        let moment = Micros(1_700_000_000_123_456);
        assert_eq!(to_text(moment), "2023-11-14T22:13:20.123456Z");
        assert_eq!(from_text(&to_text(moment)), Some(moment));
        assert_eq!(from_text("2023-11-14T23:13:20.123456+01:00"), Some(moment));
        for text in ["", "2023-11-14", "yesterday", "2023-13-14T22:13:20Z"] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }
}
