//! Guesses of people who are signed in.

use std::net::IpAddr;
use std::time::Duration;

use cedargate_identity::{DeviceId, GuessedAt, ProofGuesses, Ready};
use cedargate_model::{Micros, PrincipalId, ProofKind, TenantId};

use crate::SignInError;
use crate::local::{DelayCurve, DelaySettings};
use crate::throttle::{Admission, Attempt, Throttle, judge};

/// Far longer than the longest delay: waiting must not buy more guesses than going on.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// No account waits: what counts for accounts is counted in the store, or not at all.
const NO_DELAY: DelayCurve = DelayCurve { first_delayed: u32::MAX, delay_max: Duration::ZERO };

/// From where somebody who is signed in proves something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address.
    pub address: IpAddr,
    /// The device, where the person proved a factor on it before.
    pub device: Option<DeviceId>,
}

impl Client {
    /// At this address, by a device that nobody knows.
    pub fn at(address: IpAddr) -> Self {
        Self { address, device: None }
    }

    fn guesses_at(self, kind: ProofKind) -> GuessedAt {
        GuessedAt { kind, device: self.device }
    }
}

/// How guesses at one kind of proof slow down what follows: for the account as the store counts them, so that several gateways are one
/// door, and for the address as this gateway does. Only whoever has a session of the account can make any, so strangers keep nobody waiting.
#[derive(Debug)]
pub(crate) struct Guessing {
    addresses: Throttle,
    of_account: Option<OfAccount>,
}

#[derive(Debug)]
struct OfAccount {
    kind: ProofKind,
    curve: DelayCurve,
    guesses: ProofGuesses,
}

impl Guessing {
    /// At what can be guessed.
    pub(crate) fn at(kind: ProofKind, curve: DelayCurve, guesses: ProofGuesses) -> Self {
        Self { of_account: Some(OfAccount { kind, curve, guesses }), ..Self::at_what_nobody_guesses() }
    }

    /// At what has so many bits that nobody has to wait for anybody's guesses.
    pub(crate) fn at_what_nobody_guesses() -> Self {
        let delays = DelaySettings { account: NO_DELAY, forget_after: REMEMBERED, ..DelaySettings::default() };
        Self { addresses: Throttle::new(delays), of_account: None }
    }

    /// Judges, unless there were too many failures before: `None` is one more.
    ///
    /// # Errors
    /// [`SignInError`].
    pub(crate) async fn judged<T>(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        client: Client,
        now: Micros,
        judging: impl Future<Output = Result<Option<T>, SignInError>>,
    ) -> Result<T, SignInError> {
        let attempt = self.admitted(tenant, account, client, now).await?;
        let judged = judging.await;
        self.heard(tenant, account, client, attempt, &judged).await;
        judged?.ok_or(SignInError::Failed)
    }

    /// The same for what is spent by being right, once that is committed. The failures before it are forgotten with it: whoever holds it
    /// keeps the account's other writers waiting, us too.
    ///
    /// # Errors
    /// [`SignInError`].
    pub(crate) async fn judged_with<T, R: Send>(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        client: Client,
        now: Micros,
        judging: impl Future<Output = Result<Option<(T, Ready<R>)>, SignInError>>,
    ) -> Result<(T, Ready<R>), SignInError> {
        let attempt = self.admitted(tenant, account, client, now).await?;
        match judging.await {
            Ok(Some((judged, spent))) => {
                self.addresses.succeeded(attempt);
                let spent = match &self.of_account {
                    Some(OfAccount { kind, guesses, .. }) => {
                        guesses.forget_with(spent, account, client.guesses_at(*kind)).await?
                    }
                    None => spent,
                };
                Ok((judged, spent))
            }
            Ok(None) => Err(SignInError::Failed),
            Err(error) => {
                let judged: Result<Option<()>, SignInError> = Err(error);
                self.heard(tenant, account, client, attempt, &judged).await;
                judged.and(Err(SignInError::Failed))
            }
        }
    }

    async fn admitted(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        client: Client,
        now: Micros,
    ) -> Result<Attempt, SignInError> {
        let attempt = match self.addresses.admit(tenant, &account.to_string(), client.address, now) {
            Admission::Admitted(attempt) => attempt,
            Admission::Delayed { retry_after } => return Err(SignInError::Delayed { retry_after }),
        };
        // Counted as a failure beforehand, so that many at once cannot outrun the count.
        if let Err(not_tried) = self.count(tenant, account, client, now).await {
            self.addresses.not_tried(attempt);
            return Err(not_tried);
        }
        Ok(attempt)
    }

    async fn count(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        client: Client,
        now: Micros,
    ) -> Result<(), SignInError> {
        let Some(OfAccount { kind, curve, guesses }) = &self.of_account else { return Ok(()) };
        let counted = guesses
            .count(tenant, account, client.guesses_at(*kind), now, |known| judge(known, *curve, REMEMBERED, now))
            .await?;
        counted.map_err(|retry_after| SignInError::Delayed { retry_after })
    }

    /// What was judged stands, whether or not the store takes note of it: at worst somebody waits for what was no failure.
    async fn heard<T>(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        client: Client,
        attempt: Attempt,
        judged: &Result<Option<T>, SignInError>,
    ) {
        match judged {
            Ok(Some(_)) => self.addresses.succeeded(attempt),
            Ok(None) => return,
            Err(_) => self.addresses.not_tried(attempt),
        }
        let Some(OfAccount { kind, guesses, .. }) = &self.of_account else { return };
        let noted = match judged {
            Ok(_) => guesses.forget(tenant, account, client.guesses_at(*kind)).await,
            Err(_) => guesses.uncount(tenant, account, client.guesses_at(*kind)).await,
        };
        if let Err(error) = noted {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                cedargate.principal = %account,
                "a guess that was none could not be taken back"
            );
        }
    }
}
