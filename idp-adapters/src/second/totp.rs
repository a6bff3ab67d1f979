//! Authenticator apps: the key, and which time step a code is of.

use std::fmt;

use cedargate_model::Micros;
use totp_rs::{Algorithm, Builder, Secret, Totp};
use zeroize::Zeroizing;

/// SHA-1, six digits, thirty seconds: apps ignore what else they are asked for. HMAC does not need its hash to be free of
/// collisions (RFC 6238 §1.2).
pub(super) const DIGITS: usize = 6;
const STEP_SECONDS: u64 = 30;

/// The hash's own length (RFC 4226 §4, R6).
const KEY_BYTES: usize = 20;

/// An authenticator app's key. `Debug` hides it; memory is wiped on drop.
pub struct TotpKey(Zeroizing<[u8; KEY_BYTES]>);

impl TotpKey {
    pub(super) fn draw() -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(key.as_mut_slice())?;
        Ok(Self(key))
    }

    pub(super) fn parse(base32: &str) -> Option<Self> {
        let secret = Secret::try_from_base32(base32).ok()?;
        Some(Self(Zeroizing::new(secret.as_bytes().try_into().ok()?)))
    }

    /// The key as apps take it: 32 characters of base32.
    ///
    /// # Security
    /// Only to show it to its person while the app is enrolled, and to seal it.
    pub fn to_base32(&self) -> Zeroizing<String> {
        Zeroizing::new(Secret::from(*self.0).to_base32())
    }

    /// The time step that the code is of: the present one, the one before or the one after, for clocks that are not quite
    /// right (RFC 6238 §5.2). All three are computed, whichever it is.
    pub(super) fn step_of(&self, code: &str, now: Micros) -> Option<i64> {
        let step = u64::try_from(now.0).ok()? / 1_000_000 / STEP_SECONDS;
        let totp = self.totp()?;
        let mut found = None;
        for step in [step.saturating_sub(1), step, step.saturating_add(1)] {
            // Compares in constant time.
            if totp.check(code, step.saturating_mul(STEP_SECONDS)).is_some() {
                found = i64::try_from(step).ok();
            }
        }
        found
    }

    /// Without a window of its own, so that we hear which step it was and all are tried.
    fn totp(&self) -> Option<Totp> {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(0)
            .with_step_duration(STEP_SECONDS)
            .with_secret(Secret::from(*self.0))
            .build()
            .ok()
    }

    /// The code of a moment, as an app shows it.
    #[cfg(test)]
    pub(super) fn code_at(&self, now: Micros) -> String {
        let totp = self.totp().unwrap();
        totp.generate(u64::try_from(now.0).unwrap() / 1_000_000).to_string()
    }
}

impl fmt::Debug for TotpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Micros {
        Micros(seconds * 1_000_000)
    }

    /// RFC 6238, appendix B, cut to the last six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let key = TotpKey(Zeroizing::new(*b"12345678901234567890"));
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(key.code_at(at(seconds)), code);
            assert_eq!(key.step_of(code, at(seconds)), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_is_good_for_its_step_and_the_neighbours() {
        let key = TotpKey::draw().unwrap();
        let step = 56_666_666;
        let code = key.code_at(at(step * 30));
        for (seconds, found) in [
            (step * 30 - 31, None),
            (step * 30 - 30, Some(step)),
            (step * 30 + 29, Some(step)),
            (step * 30 + 59, Some(step)),
            (step * 30 + 60, None),
        ] {
            // One code in a few hundred thousand is the same in two steps that are near.
            if key.code_at(at(seconds)) != code || found.is_some() {
                assert_eq!(key.step_of(&code, at(seconds)), found, "{seconds}");
            }
        }
        for no_code in ["", "12345", "1234567", "+12345", "12345a", "１２３４５６"] {
            assert_eq!(key.step_of(no_code, at(step * 30)), None, "{no_code}");
        }
    }

    #[test]
    fn a_key_survives_its_text() {
        let key = TotpKey::draw().unwrap();
        assert_eq!(key.to_base32().len(), 32);
        assert_eq!(TotpKey::parse(&key.to_base32()).unwrap().0, key.0);
        assert!(TotpKey::parse("AAAA").is_none() && TotpKey::parse("not base32!").is_none());
        assert_eq!(format!("{key:?}"), "TotpKey(..)");
    }
}
