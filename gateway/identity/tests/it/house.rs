//! A store with two tenants, and short ways to fill it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cedargate_identity::{Account, Accounts, Email, NewAccount, OperatorEvents, PasswordHash, Tenants};
use cedargate_migrations::testing::TestStore;
use cedargate_migrations::{GATEWAY, Pool};
use cedargate_model::{Micros, PrincipalId, RoleName, TenantId, TenantName};

pub(crate) const NOW: Micros = Micros(1_700_000_000_000_000);

pub(crate) struct House {
    pub(crate) pool: Pool,
    pub(crate) tenants: Tenants,
    pub(crate) accounts: Accounts,
    pub(crate) acme: TenantId,
    pub(crate) globex: TenantId,
    pub(crate) store: TestStore,
}

impl House {
    pub(crate) async fn new() -> Self {
        let store = TestStore::new().await;
        let pool = store.migrated(&[&GATEWAY]).await;
        let tenants = Tenants::new(pool.clone());
        let acme = tenants.create(TenantName::parse("acme").unwrap(), NOW).await.unwrap().id;
        let globex = tenants.create(TenantName::parse("globex").unwrap(), NOW).await.unwrap().id;
        Self { accounts: Accounts::new(pool.clone()), pool, tenants, acme, globex, store }
    }

    /// A second pool on the same store: another process.
    pub(crate) async fn another_process(&self) -> Pool {
        self.store.open().await
    }

    pub(crate) async fn account(&self, email: &str, roles: &[&str]) -> PrincipalId {
        let roles = roles.iter().map(|name| role(name)).collect();
        let new = NewAccount { email: Email::parse(email).unwrap(), roles, password: None };
        self.accounts.create(self.acme, new, NOW).await.unwrap().id
    }

    /// What operators did so far is recorded.
    pub(crate) async fn forget_operator_events(&self) {
        let waiting = OperatorEvents::new(self.pool.clone());
        while let Some(taken) = waiting.take(NOW).await.unwrap() {
            waiting.give_up(&taken).await.unwrap();
        }
    }

    pub(crate) async fn find(&self, email: &str) -> Account {
        self.accounts.find_by_email(self.acme, &Email::parse(email).unwrap()).await.unwrap().unwrap()
    }
}

pub(crate) fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

pub(crate) fn hash(letter: char) -> PasswordHash {
    PasswordHash::parse(format!("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ${letter}")).unwrap()
}
