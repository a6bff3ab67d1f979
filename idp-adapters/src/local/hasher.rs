//! Hashing and verifying, beside the caller's threads and a bounded number at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use cedargate_identity::PasswordHash;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use super::{NewPassword, PresentedPassword};

/// What one argon2id hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashParameters {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for HashParameters {
    /// OWASP Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane. About 20 ms.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

/// How much hashing goes on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashingLimits {
    /// How many hashes are computed at once. Each takes a core and its memory.
    pub running_max: usize,
    /// How many more may wait for their turn. Beyond: busy.
    pub waiting_max: usize,
    /// How long one may wait. Then: busy.
    pub wait_max: Duration,
}

impl Default for HashingLimits {
    /// Half the cores, so that a flood of sign-ins leaves the other half to requests; and as many waiting as are done in
    /// about a second.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let running_max = (cores / 2).max(1);
        Self { running_max, waiting_max: running_max * 40, wait_max: Duration::from_secs(3) }
    }
}

/// Why nothing was hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many at once. A retry helps.
    #[error("too many passwords are being hashed at once")]
    Busy,
    /// Argon2 cannot work like this.
    #[error("the hash parameters are not possible")]
    Parameters(#[source] argon2::Error),
    /// No salt could be drawn, or a stored hash is malformed.
    #[error("the password could not be hashed")]
    Hash(#[source] password_hash::Error),
    /// A stored hash does not read as one.
    #[error("the stored password hash is malformed")]
    Malformed,
    /// The thread that hashed is gone.
    #[error("the hashing thread was lost")]
    Lost(#[source] tokio::task::JoinError),
}

/// What a verification found.
#[derive(Debug)]
#[must_use]
pub(super) enum Verification {
    /// The password is the one that was hashed.
    Matches {
        /// A hash with today's parameters, where the stored one has others.
        replacement: Option<PasswordHash>,
    },
    /// It is another one, or there was nothing to compare with.
    Differs,
}

#[derive(Debug)]
pub(super) struct PasswordHasher {
    engine: Arc<Engine>,
    /// Permits for running and waiting together.
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
    wait_max: Duration,
}

/// What the hashing threads share.
#[derive(Debug)]
struct Engine {
    argon2: Argon2<'static>,
    /// The hash of a password that nobody has, for accounts that do not exist: it costs what theirs would.
    decoy: PasswordHash,
    verifications: AtomicU64,
}

impl PasswordHasher {
    pub(super) fn new(parameters: HashParameters, limits: HashingLimits) -> Result<Self, HashError> {
        let parameters = Params::new(parameters.memory_kib, parameters.passes, parameters.lanes, None)
            .map_err(HashError::Parameters)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
        let nobodys = NewPassword::generate().map_err(|_| HashError::Hash(password_hash::Error::Crypto))?;
        let decoy = hash_with(&argon2, &nobodys.to_octets())?;
        Ok(Self {
            engine: Arc::new(Engine { argon2, decoy, verifications: AtomicU64::new(0) }),
            admitted: Arc::new(Semaphore::new(limits.running_max.saturating_add(limits.waiting_max))),
            running: Arc::new(Semaphore::new(limits.running_max)),
            wait_max: limits.wait_max,
        })
    }

    pub(super) async fn hash(&self, password: NewPassword) -> Result<PasswordHash, HashError> {
        self.run(move |engine| hash_with(&engine.argon2, &password.to_octets())).await?
    }

    /// Compares a password with a stored hash; without one, with the decoy, and then it never matches.
    pub(super) async fn verify(
        &self,
        password: PresentedPassword,
        stored: Option<&PasswordHash>,
    ) -> Result<Verification, HashError> {
        let stored = stored.cloned();
        self.run(move |engine| engine.verify(&password, stored.as_ref())).await?
    }

    pub(super) fn verifications(&self) -> u64 {
        self.engine.verifications.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Engine) -> T + Send + 'static) -> Result<T, HashError> {
        let turn = self.wait_for_turn().await?;
        let engine = self.engine.clone();
        let done = tokio::task::spawn_blocking(move || {
            // The permits go with the work: a caller who goes away does not make room for more of it.
            let _turn = turn;
            work(&engine)
        });
        done.await.map_err(HashError::Lost)
    }

    async fn wait_for_turn(&self) -> Result<[OwnedSemaphorePermit; 2], HashError> {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| HashError::Busy)?;
        match tokio::time::timeout(self.wait_max, self.running.clone().acquire_owned()).await {
            Ok(Ok(running)) => Ok([admitted, running]),
            // The semaphore is never closed; if it were, nothing more would run.
            Ok(Err(_)) | Err(_) => Err(HashError::Busy),
        }
    }
}

impl Engine {
    fn verify(&self, password: &PresentedPassword, stored: Option<&PasswordHash>) -> Result<Verification, HashError> {
        self.verifications.fetch_add(1, Ordering::Relaxed);
        let octets = password.to_octets();
        let compared = match &octets {
            Some(_) => stored,
            None => None,
        };
        let phc = Phc::new(compared.unwrap_or(&self.decoy).expose()).map_err(|_| HashError::Malformed)?;
        let octets = octets.unwrap_or_default();
        let is_same = match self.argon2.verify_password(&octets, &phc) {
            Ok(()) => true,
            Err(password_hash::Error::PasswordInvalid) => false,
            Err(error) => return Err(HashError::Hash(error)),
        };
        if !is_same || compared.is_none() {
            return Ok(Verification::Differs);
        }
        let replacement = if self.is_current(&phc) { None } else { Some(hash_with(&self.argon2, &octets)?) };
        Ok(Verification::Matches { replacement })
    }

    fn is_current(&self, phc: &Phc) -> bool {
        let ours = self.argon2.params();
        let costs = |p: &Params| (p.m_cost(), p.t_cost(), p.p_cost());
        phc.version == Some(Version::V0x13.into())
            && Params::try_from(phc).is_ok_and(|theirs| costs(&theirs) == costs(ours))
    }
}

fn hash_with(argon2: &Argon2<'static>, octets: &Zeroizing<Vec<u8>>) -> Result<PasswordHash, HashError> {
    let phc: Phc = argon2.hash_password(octets).map_err(HashError::Hash)?;
    PasswordHash::parse(phc.to_string()).map_err(|_| HashError::Malformed)
}
