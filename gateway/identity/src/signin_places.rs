//! From where an account was signed in to before, so that a sign-in from somewhere else is noticed.
//!
//! A place is a program and a family of addresses: what somebody who stole a password is likely to differ in, and what changes seldom for
//! whoever did not. Anybody may claim to be any program: a known place proves nothing, and only a new one says something.

use std::net::IpAddr;

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{Micros, PrincipalId};
use sha2::{Digest, Sha256};

use crate::Device;

/// How many places an account is known from; those that were seen longest ago give way.
const PLACES_MAX: i64 = 30;

/// Notes from where somebody signs in. Says whether that is new, for an account that was known from somewhere else before.
pub(crate) async fn arrive(
    tx: &mut TenantTx,
    account: PrincipalId,
    device: &Device,
    now: Micros,
) -> Result<bool, StoreError> {
    const SEEN: &str = "
UPDATE signin_places
SET seen_at = $4
WHERE tenant_id = $1
  AND account_id = $2
  AND place_hash = $3";
    const ANY: &str = "
SELECT seen_at
FROM signin_places
WHERE tenant_id = $1
  AND account_id = $2
LIMIT 1";
    const NOTE: &str = "
INSERT INTO signin_places (tenant_id, account_id, place_hash, seen_at)
VALUES ($1, $2, $3, $4)";
    const FORGET: &str = "
DELETE FROM signin_places
WHERE tenant_id = $1
  AND account_id = $2
  AND place_hash IN (
    SELECT place_hash
    FROM signin_places
    WHERE tenant_id = $1
      AND account_id = $2
    ORDER BY seen_at DESC, place_hash
    LIMIT 100 OFFSET $3
  )";
    let place = hash(device);
    if tx.query(SEEN).bind(account.0).bind(place.as_slice()).bind(now.0).execute().await? > 0 {
        return Ok(false);
    }
    let known: Option<(i64,)> = tx.query(ANY).bind(account.0).fetch_optional().await?;
    tx.query(NOTE).bind(account.0).bind(place.as_slice()).bind(now.0).execute().await?;
    tx.query(FORGET).bind(account.0).bind(PLACES_MAX).execute().await?;
    Ok(known.is_some())
}

fn hash(device: &Device) -> [u8; 32] {
    let family = match device.address {
        None => "none",
        Some(IpAddr::V4(_)) => "IPv4",
        Some(IpAddr::V6(_)) => "IPv6",
    };
    let agent = device.agent.as_ref().map(|agent| unversioned(agent.as_str())).unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(family);
    hash.update([0]);
    hash.update(agent);
    hash.finalize().into()
}

/// What a program calls itself, without its versions: those change every few weeks.
fn unversioned(agent: &str) -> String {
    agent.chars().filter(|c| !c.is_ascii_digit() && !matches!(c, '.' | '_')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Agent;

    #[test]
    fn a_place_is_a_program_and_a_family_of_addresses() {
        let device = |address: &str, agent: &str| Device { address: address.parse().ok(), agent: Agent::of(agent) };
        let home = device("192.0.2.1", "Mozilla/5.0 (X11; Linux x86_64) Firefox/131.0");
        assert_eq!(hash(&home), hash(&device("198.51.100.7", "Mozilla/5.0 (X11; Linux x86_64) Firefox/132.0.1")));
        for other in [
            device("2001:db8::1", "Mozilla/5.0 (X11; Linux x86_64) Firefox/131.0"),
            device("192.0.2.1", "Mozilla/5.0 (Windows NT 10.0) Firefox/131.0"),
            device("192.0.2.1", ""),
            Device::default(),
        ] {
            assert_ne!(hash(&home), hash(&other), "{other:?}");
        }
    }
}
