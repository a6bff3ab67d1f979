//! What a service answers, on routes that ask for it: its head, and its body where that is short and its length is known. Nothing
//! that may be a stream is held back.

use bytes::{Bytes, BytesMut};
use cedargate_model::{Canonical, Refusal};
use http::{HeaderMap, header};
use pingora::http::{RequestHeader, ResponseHeader};

use super::rules::{Head, Plan};

/// The longest body that is held back until it was inspected, in octets. One takes about as many microseconds as it has KiB, on the
/// proxy's own thread.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// An answer that is inspected.
pub(crate) struct ResponseWatch {
    plan: Plan,
    held: Option<Held>,
}

/// The body so far, and what the rules have to know beside it.
struct Held {
    octets: BytesMut,
    response: Box<ResponseHeader>,
}

impl ResponseWatch {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan, held: None }
    }

    /// Inspects the head of an answer, before it leaves.
    ///
    /// # Errors
    /// 502 where rules withhold it.
    pub(crate) fn head(
        &mut self,
        canonical: &Canonical,
        request: &RequestHeader,
        response: &ResponseHeader,
    ) -> Result<(), Refusal> {
        self.judge(canonical, request, response, b"")?;
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
        self.judge(canonical, request, &response, &octets)?;
        Ok(Some(octets.freeze()))
    }

    fn judge(
        &self,
        canonical: &Canonical,
        request: &RequestHeader,
        response: &ResponseHeader,
        body: &[u8],
    ) -> Result<(), Refusal> {
        let head = Head::of(canonical, request.raw_path(), request.version, &request.headers);
        let found = self.plan.run_response(&head, response.status.as_u16(), &response.headers, body);
        found.withheld().map_or(Ok(()), Err)
    }
}

/// Whether a body is one that is held back: of a known, short length, and in no coding that hides it.
fn is_short(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    length.is_some_and(|length| (1..=RESPONSE_BYTES_MAX).contains(&length))
        && !headers.contains_key(header::CONTENT_ENCODING)
}
