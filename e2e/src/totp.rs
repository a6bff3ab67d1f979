//! An authenticator app.

use std::time::{SystemTime, UNIX_EPOCH};

use totp_rs::{Algorithm, Builder, Secret};

/// How long a code is shown, in seconds.
const STEP_SECONDS: u64 = 30;

/// The present time step.
pub fn step_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / STEP_SECONDS)
}

/// The code of a time step.
///
/// # Panics
/// If the key is none.
#[expect(clippy::unwrap_used, reason = "a test without its key has failed")]
pub fn code(key: &str, step: u64) -> String {
    let secret = Secret::try_from_base32(key).unwrap();
    let totp = Builder::new().with_algorithm(Algorithm::SHA1).with_secret(secret).build().unwrap();
    totp.generate(step * STEP_SECONDS).to_string()
}
