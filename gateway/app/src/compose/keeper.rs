//! Keeps forms that were refused for a step-up, sealed under the master key.

use std::sync::Arc;

use async_trait::async_trait;
use cedargate_dataplane::{FormToKeep, KeepsForms};
use cedargate_identity::{KeptPosts, NewKeptPost};
use cedargate_idp_adapters::Vault;
use cedargate_model::Clock;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The store's forms, and what seals them.
pub(super) struct Keeper {
    pub(super) posts: KeptPosts,
    pub(super) vault: Arc<dyn Vault>,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl KeepsForms for Keeper {
    async fn keep(&self, form: FormToKeep) -> Option<Uuid> {
        match self.try_keep(&form).await {
            Ok(id) => Some(id),
            // The person is told that it is not kept, and how not to lose it.
            Err(error) => {
                tracing::warn!(error = &*error, "a form could not be kept for after a step-up");
                None
            }
        }
    }
}

impl Keeper {
    async fn try_keep(&self, form: &FormToKeep) -> Result<Uuid, Box<dyn std::error::Error + Send + Sync>> {
        let now = self.clock.now();
        let id = self.posts.draw_id(now)?;
        let text = Zeroizing::new(serde_json::to_string(&form.form)?);
        let name = KeptPosts::sealed_name(form.tenant, form.account, id, &form.action);
        let sealed = self.vault.seal(&name, &text)?;
        let new =
            NewKeptPost { id, account: form.account, session: form.session, action: &form.action, sealed: &sealed };
        self.posts.keep(form.tenant, new, now).await?;
        Ok(id)
    }
}
