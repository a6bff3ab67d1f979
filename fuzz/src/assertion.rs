//! The identity assertion: whatever differs from what was signed is refused, and nothing panics.

use std::sync::LazyLock;

use cedargate_assertion::{Issuer, Jwks, SigningKeys, TenantScope, Verifier};
use cedargate_model::{Caller, Micros, TenantId, TenantName};

const NOW: Micros = Micros(1_790_000_000_000_000);

struct Signed {
    token: String,
    verifier: Verifier,
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let issuer = Issuer::new("https://gateway.example", SigningKeys::from_seed(&[7; 32]));
    let name = TenantName::parse("acme").expect("a name");
    let tenant = TenantScope { id: TenantId(uuid::Uuid::from_u128(7)), name };
    let issued = issuer.issue(&Caller::Anonymous, &tenant, "inventory", NOW).expect("an assertion");
    let verifier = Verifier::new("https://gateway.example", "inventory", issuer.keys().jwks());
    assert!(verifier.verify(&issued.token, NOW).is_ok());
    Signed { token: issued.token.to_string(), verifier }
});

/// `t` and a token, `k` and a key set, or else changes to a valid token: each three octets, what to do, where, and what with.
pub fn assertion(data: &[u8]) {
    let Signed { token, verifier } = &*SIGNED;
    match data.split_first() {
        Some((b't', text)) => {
            let Ok(text) = std::str::from_utf8(text) else { return };
            assert!(text == token || verifier.verify(text, NOW).is_err(), "accepted: {text}");
        }
        Some((b'k', text)) => {
            if let Ok(keys) = Jwks::parse(text) {
                let again = Jwks::parse(keys.to_json().as_bytes()).expect("a key set that was written can be read");
                assert!(keys.kids().eq(again.kids()));
                let _ = verifier.with_keys(keys).verify(token, NOW);
            }
        }
        Some((b'm', changes)) => {
            let mut changed = token.clone().into_bytes();
            for change in changes.chunks_exact(4) {
                let at = (usize::from(change[1]) << 8 | usize::from(change[2])) % (changed.len() + 1);
                match change[0] % 6 {
                    0 if at < changed.len() => changed[at] = change[3],
                    1 => changed.insert(at, change[3]),
                    2 if at < changed.len() => drop(changed.remove(at)),
                    3 => changed.truncate(at),
                    // A part twice, or two parts the other way round.
                    4 => changed.extend_from_within(..at),
                    5 => changed.rotate_left(at),
                    _ => {}
                }
                if changed.is_empty() || changed.len() > 1 << 16 {
                    return;
                }
            }
            let Ok(text) = std::str::from_utf8(&changed) else { return };
            assert!(text == token || verifier.verify(text, NOW).is_err(), "accepted: {text}");
        }
        _ => {}
    }
}
