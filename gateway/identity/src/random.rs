//! Randomness of the operating system, at the edge.

use cedargate_model::Micros;
use uuid::Uuid;

/// The operating system gives no random numbers. Nothing that needs any is done without.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random numbers")]
pub struct EntropyError(#[source] getrandom::Error);

pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(EntropyError)?;
    Ok(bytes)
}

/// An id that sorts by time (UUIDv7, RFC 9562 §5.7).
pub(crate) fn uuid_at(now: Micros) -> Result<Uuid, EntropyError> {
    let millis = u64::try_from(now.0.div_euclid(1_000)).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random_bytes()?).into_uuid())
}
