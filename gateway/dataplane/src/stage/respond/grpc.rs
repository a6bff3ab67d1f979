//! A refusal as gRPC clients are told: HTTP 200 and nothing but a head, which holds the status ("trailers-only").

use bytes::Bytes;
use cedargate_assertion::DECISION_HEADER;
use cedargate_model::RefusalCode;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{Answer, RequestFacts, id_value};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DECISION: HeaderName = HeaderName::from_static(DECISION_HEADER);

/// What of a message stands for itself: printable ASCII but `%` (gRPC over HTTP2, "Responses"). All else is encoded.
const MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// Whether the content is gRPC: `application/grpc`, with a format (`+proto`) or parameters. gRPC-Web is another thing.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (values.next(), values.next()) else { return false };
    let (name, rest) = only.as_bytes().split_at_checked(b"application/grpc".len()).unwrap_or_default();
    name.eq_ignore_ascii_case(b"application/grpc") && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// Renders a refusal's code. `headers` are those that it has in any form.
pub(super) fn render(
    code: RefusalCode,
    mut headers: Vec<(HeaderName, HeaderValue)>,
    facts: &RequestFacts<'_>,
) -> Answer {
    let message = format!("{code}: {}", code.public_sentence());
    let message = utf8_percent_encode(&message, MESSAGE).to_string();
    headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/grpc")));
    headers.push((GRPC_STATUS, HeaderValue::from(status(code.status()))));
    // Printable ASCII is a value.
    headers.extend(HeaderValue::from_str(&message).ok().map(|message| (GRPC_MESSAGE, message)));
    headers.extend(facts.decision.map(|decision| (DECISION, id_value(decision.0))));
    Answer { status: StatusCode::OK, headers, body: Bytes::new() }
}

/// The gRPC status that an HTTP status stands for, by gRPC's own table ("HTTP to gRPC Status Code Mapping") and, where that knows
/// only `UNKNOWN` or means something else than we do, by what a client is to make of it.
fn status(http: u16) -> u16 {
    match http {
        // INTERNAL: by the table. It is the client's library that is at fault, not its caller.
        400 | 500 => 13,
        // UNAUTHENTICATED.
        401 => 16,
        // PERMISSION_DENIED.
        403 => 7,
        // UNIMPLEMENTED: by the table for 404; there is no such method, or it does not take this.
        404 | 405 | 415 | 505 => 12,
        // RESOURCE_EXHAUSTED: a rate or a size. The table says UNAVAILABLE of 429, which clients take for leave to try at once.
        413 | 414 | 429 | 431 => 8,
        // UNAVAILABLE: trying again may help.
        408 | 421 | 502 | 503 | 504 => 14,
        // UNKNOWN.
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_refusal_has_a_status_of_its_own_kind() {
        for (code, expected) in [
            (RefusalCode::SigninRequired, 16),
            (RefusalCode::StepUpRequired, 16),
            (RefusalCode::CredentialsInvalid, 16),
            (RefusalCode::Forbidden, 7),
            (RefusalCode::AttackDetected, 7),
            (RefusalCode::AddressRateLimited, 8),
            (RefusalCode::QuotaExceeded, 8),
            (RefusalCode::RecordUnavailable, 14),
            (RefusalCode::UpstreamUnavailable, 14),
            (RefusalCode::UpstreamFailed, 14),
            (RefusalCode::UpstreamTimeout, 14),
            (RefusalCode::RouteUnknown, 12),
            (RefusalCode::MethodNotAllowed, 12),
            (RefusalCode::DecisionFailed, 13),
            (RefusalCode::PathInvalid, 13),
        ] {
            assert_eq!(status(code.status()), expected, "{code}");
        }
        assert!(RefusalCode::ALL.iter().all(|code| status(code.status()) != 2), "a code without a status");
    }

    fn is(content_type: &str) -> bool {
        is_grpc(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap())]))
    }

    #[test]
    fn grpc_is_told_by_its_content_type() {
        for good in ["application/grpc", "application/grpc+proto", "Application/gRPC", "application/grpc;charset=utf-8"]
        {
            assert!(is(good), "{good}");
        }
        for bad in ["", "application/grpc-web", "application/grpc-web+proto", "application/grpcx", "application/json"] {
            assert!(!is(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_message_says_is_a_header_and_reads_back(text in "\\PC{0,60}|[\\x00-\\xFF]{0,20}") {
            let encoded = utf8_percent_encode(&text, MESSAGE).to_string();
            prop_assert!(HeaderValue::from_str(&encoded).is_ok());
            prop_assert!(encoded.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
            prop_assert_eq!(percent_encoding::percent_decode_str(&encoded).decode_utf8().unwrap(), text);
        }
    }
}
