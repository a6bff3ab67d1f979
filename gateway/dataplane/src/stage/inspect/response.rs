//! What a service answers, on routes that ask for it: its head, and its body where that is short and its length is known. Nothing
//! that may be a stream is held back.
//!
//! What a client asks for must not decide what is seen: the service is asked for the whole answer, and uncoded
//! ([`ask_for_all`]).

use bytes::{Bytes, BytesMut};
use cedargate_model::{Canonical, Refusal, RefusalCode};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};

use super::aside;
use super::rules::{Found, Head, Plan};
use super::turns::Claimant;
use crate::trail::Trail;

/// The longest body that is held back until it was inspected, in octets. One takes about as many microseconds as it has KiB, on the
/// proxy's own thread.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// An answer that is inspected.
pub(crate) struct ResponseWatch {
    plan: Plan,
    who: Claimant,
    held: Option<Held>,
}

/// The body so far, and what the rules have to know beside it.
struct Held {
    octets: BytesMut,
    response: Box<ResponseHeader>,
}

/// Asks a service for what can be inspected: no part of an answer, and none in a coding.
pub(crate) fn ask_for_all(headers: &mut HeaderMap) {
    for name in [header::RANGE, header::IF_RANGE, header::TE] {
        headers.remove(name);
    }
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

impl ResponseWatch {
    pub(crate) fn new(plan: Plan, who: Claimant) -> Self {
        Self { plan, who, held: None }
    }

    /// Inspects the head of an answer, before it leaves; beside the proxy's thread where the request's head, which is gone through
    /// again, takes long.
    ///
    /// # Errors
    /// 502 where rules withhold it, or where it is coded though nobody asked for that; 503 where too many others wait.
    pub(crate) async fn head(
        &mut self,
        canonical: &Canonical,
        request: &RequestHeader,
        response: &ResponseHeader,
        trail: &mut Trail,
    ) -> Result<(), Refusal> {
        if self.plan.withholds() && has_coded_body(canonical, response) {
            return Err(Refusal::new(RefusalCode::ResponseWithheld, "the answer is in a coding that hides it"));
        }
        let head = Head::of(canonical, request.raw_path(), request.version, &request.headers);
        let (status, headers) = (response.status.as_u16(), &response.headers);
        let found = match self.plan.run_response_briefly(&head, status, headers) {
            Some(found) => found,
            None => {
                let (plan, head, headers) = (self.plan.clone(), head.to_own(), headers.clone());
                let octets = head.as_head().len();
                let run = move || plan.run_response(&head.as_head(), status, &headers, b"");
                aside::on_a_place(&self.who, octets, run).await?
            }
        };
        judge(&found, trail)?;
        if is_short(&response.headers) {
            self.held = Some(Held { octets: BytesMut::new(), response: Box::new(response.clone()) });
        }
        Ok(())
    }

    /// Takes the next octets of a body, and gives back those that may go on: none before the end, where it is held back.
    ///
    /// # Errors
    /// 502 where rules withhold it: its head has gone by then, so the answer is cut.
    pub(crate) fn pass(
        &mut self,
        canonical: &Canonical,
        request: &RequestHeader,
        piece: Option<Bytes>,
        end: bool,
        trail: &mut Trail,
    ) -> Result<Option<Bytes>, Refusal> {
        let Some(held) = &mut self.held else { return Ok(piece) };
        held.octets.extend_from_slice(piece.as_deref().unwrap_or_default());
        if !end && held.octets.len() <= RESPONSE_BYTES_MAX {
            return Ok(Some(Bytes::new()));
        }
        let Some(Held { octets, response }) = self.held.take() else { return Ok(piece) };
        if octets.is_empty() {
            // Of an answer to HEAD there is a length and no body.
            return Ok(piece);
        }
        let head = Head::of(canonical, request.raw_path(), request.version, &request.headers);
        let found = self.plan.run_response(&head, response.status.as_u16(), &response.headers, &octets);
        judge(&found, trail)?;
        Ok(Some(octets.freeze()))
    }
}

fn judge(found: &Found, trail: &mut Trail) -> Result<(), Refusal> {
    trail.found_later(found.inspection_of_answer());
    found.withheld().map_or(Ok(()), Err)
}

/// Whether a body comes with the answer, in a coding that hides it.
fn has_coded_body(canonical: &Canonical, response: &ResponseHeader) -> bool {
    let has_body = canonical.method != Method::HEAD
        && !matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    is_coded(&response.headers) && has_body
}

fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    codings.any(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// Whether a body is one that is held back: of a known, short length, and in no coding that hides it.
fn is_short(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    length.is_some_and(|length| (1..=RESPONSE_BYTES_MAX).contains(&length)) && !is_coded(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_no_coding_is_looked_at_even_where_that_is_said() {
        let mut headers = HeaderMap::new();
        headers.append("content-length", HeaderValue::from_static("10"));
        assert!(is_short(&headers));
        headers.append("content-encoding", HeaderValue::from_static("identity"));
        assert!(is_short(&headers));
        headers.append("content-encoding", HeaderValue::from_static("gzip"));
        assert!(!is_short(&headers));
    }

    #[test]
    fn a_client_does_not_decide_what_is_seen_of_an_answer() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("accept-encoding", "gzip"), ("accept-encoding", "br"), ("range", "bytes=1-2")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        ask_for_all(&mut headers);
        let left: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(left, [("accept-encoding", b"identity".as_slice())]);
    }
}
