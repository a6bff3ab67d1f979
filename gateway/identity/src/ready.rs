//! Changes that are ready and not made yet.

use cedargate_migrations::{StoreError, TenantTx};

/// A change that is ready and not made yet: whoever holds it makes its event durable, and then commits. So nothing that may not be
/// recorded happens. Dropped, nothing of it is left.
///
/// Other writers of the tenant wait meanwhile. Begin no other unit of work of the tenant while holding one: it would wait for this.
#[must_use = "a change that is not committed is not made"]
pub struct Ready<T> {
    tx: TenantTx,
    change: T,
}

impl<T> Ready<T> {
    pub(crate) fn new(tx: TenantTx, change: T) -> Self {
        Self { tx, change }
    }

    /// What will have been done.
    pub fn change(&self) -> &T {
        &self.change
    }

    /// The same change, told otherwise.
    pub fn map<U>(self, told: impl FnOnce(T) -> U) -> Ready<U> {
        Ready { tx: self.tx, change: told(self.change) }
    }

    /// Does it.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was done.
    pub async fn commit(self) -> Result<T, StoreError> {
        self.tx.commit().await?;
        Ok(self.change)
    }

    pub(crate) fn into_parts(self) -> (TenantTx, T) {
        (self.tx, self.change)
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Ready<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ready").field(&self.change).finish()
    }
}
