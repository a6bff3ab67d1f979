//! What a sample says, for whoever writes rules.

use cedargate_model::SigninReason;

use super::answer::claims;
use super::read::SamlAssertion;
use super::scan::{MessageKind, scan};
use crate::connection::Claims;

/// Reads a response or an assertion, believing nothing: no signature, no time, no audience is looked at. What would not pass the scan
/// is refused, because it would be at a sign-in.
///
/// Returns what rules would read, and who says so.
///
/// # Errors
/// The reason for which the scan would refuse it.
pub fn preview(octets: &[u8]) -> Result<(Claims, String), SigninReason> {
    let scanned = match scan(octets, MessageKind::Response) {
        Err(SigninReason::SamlKind) => scan(octets, MessageKind::Assertion)?,
        scanned => scanned?,
    };
    let assertion = SamlAssertion::read(&scanned)?;
    Ok((claims(&assertion), assertion.issuer))
}
