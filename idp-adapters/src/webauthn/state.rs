//! What an authenticator was asked, sealed until it answers: in the store for a session, in their browser for whoever signs in.

use cedargate_identity::{CeremonyPurpose, FactorName, NewCeremony, WebauthnKind};
use cedargate_model::{Micros, SessionId, TenantId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use webauthn_rs_core::proto::{AuthenticationState, RegistrationState};

use super::Webauthn;
use super::refused::WebauthnError;

/// A credential that is about to be added.
#[derive(Serialize, Deserialize)]
pub(super) struct Registration {
    name: String,
    is_passkey: bool,
    pub(super) asked: RegistrationState,
}

/// A proof that is asked for. Credentials are not in it: which there are is looked up when the answer comes.
#[derive(Serialize, Deserialize)]
pub(super) struct Assertion {
    pub(super) asked: AuthenticationState,
}

impl Registration {
    pub(super) fn new(name: &FactorName, kind: WebauthnKind, asked: RegistrationState) -> Self {
        Self { name: name.as_str().to_owned(), is_passkey: kind == WebauthnKind::Passkey, asked }
    }

    pub(super) fn name(&self) -> Result<FactorName, WebauthnError> {
        FactorName::parse(&self.name).map_err(WebauthnError::broken)
    }

    pub(super) fn kind(&self) -> WebauthnKind {
        if self.is_passkey { WebauthnKind::Passkey } else { WebauthnKind::SecurityKey }
    }
}

impl Webauthn {
    /// Keeps what somebody who is signed in was asked, and says under which id.
    pub(super) async fn keep<S: Serialize + Sync>(
        &self,
        tenant: TenantId,
        purpose: CeremonyPurpose,
        session: SessionId,
        state: &S,
        now: Micros,
    ) -> Result<Uuid, WebauthnError> {
        let id = self.ceremonies.draw_id(now).map_err(WebauthnError::broken)?;
        let text = serde_json::to_string(state).map_err(WebauthnError::broken)?;
        let sealed_state = self.vault.seal(&ceremony_name(tenant, id), &text).map_err(WebauthnError::broken)?;
        let new = NewCeremony { id, purpose, session, sealed_state: &sealed_state };
        self.ceremonies.begin(tenant, new, now).await?;
        Ok(id)
    }

    /// Takes what was asked, this once.
    pub(super) async fn take<S: DeserializeOwned>(
        &self,
        tenant: TenantId,
        id: Uuid,
        purpose: CeremonyPurpose,
        session: SessionId,
        now: Micros,
    ) -> Result<S, WebauthnError> {
        let spent = self.ceremonies.spend(tenant, id, purpose, session, now).await?;
        let text = self.vault.open(&ceremony_name(tenant, id), &spent.sealed_state).map_err(WebauthnError::broken)?;
        serde_json::from_str(&text).map_err(WebauthnError::broken)
    }
}

/// What a state is sealed for: this ceremony of this tenant.
fn ceremony_name(tenant: TenantId, id: Uuid) -> String {
    format!("webauthn ceremony {tenant} {id}")
}
