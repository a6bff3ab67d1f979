//! `cedargate api-key`.

use std::time::Duration;

use cedargate_identity::{
    ApiKey, ApiKeyName, CreateApiKeyError, NewApiKey, ServiceAccount, ServiceAccountName, ServiceAccounts, Tenants,
};
use cedargate_migrations::Pool;
use cedargate_model::{ApiKeyId, Clock as _, Micros, RoleName, SystemClock, TenantName};
use clap::Subcommand;
use serde_json::{Value, json};

use super::audit::moment;
use super::output::Output;
use super::{Common, Ending, Failure, block_on, service_account, tenant};
use crate::compose;

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Make a key for a service account and print it; it is shown this once and kept only as a hash
    ///
    /// A program sends it as `Authorization: Bearer cgk_...`. An account may have several: to change one, make the second, give it to
    /// the program, revoke the first.
    Create {
        /// The tenant
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        /// The service account's name
        #[arg(value_parser = ServiceAccountName::parse)]
        account: ServiceAccountName,
        /// What it is for, in a few words
        #[arg(long, value_parser = ApiKeyName::parse)]
        name: ApiKeyName,
        /// Narrow it to this role of the account; may be repeated. Without it, the key has all of them
        #[arg(long = "role", value_name = "ROLE", value_parser = RoleName::parse)]
        roles: Vec<RoleName>,
        /// How many days it counts
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=366))]
        days: u64,
        /// Answer as JSON: {"id", "account", "name", "roles" (null where it is not narrowed), "expires_at", "key"}
        #[arg(long)]
        json: bool,
    },
    /// List a tenant's keys, or one account's, the newest first; secrets are never shown
    List {
        /// The tenant
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        /// Only the keys of this service account
        #[arg(value_parser = ServiceAccountName::parse)]
        account: Option<ServiceAccountName>,
        /// Answer as JSON: {"keys": [{"id", "account", "name", "roles", "created_at", "expires_at", "last_used_at", "state"}]}
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key: within a second, nobody is known by it any more
    Revoke {
        /// The tenant
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        /// Its id, as `list` and the record show it
        id: ApiKeyId,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
}

impl ApiKeyCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Create { json, .. } | Self::List { json, .. } | Self::Revoke { json, .. } => *json,
        }
    }

    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let config = common.load()?;
        block_on(async {
            let pool = compose::open_store(&config.store).await?;
            let done = self.carry_out(&pool, output).await;
            pool.close().await;
            done.map(|()| Ending::Done)
        })
    }

    async fn carry_out(self, pool: &Pool, output: &Output) -> Result<(), Failure> {
        let tenants = Tenants::new(pool.clone());
        let accounts = ServiceAccounts::new(pool.clone());
        let now = SystemClock.now();
        match self {
            Self::Create { tenant, account, name, roles, days, .. } => {
                let account = service_account::find(&tenants, &accounts, &tenant, &account).await?;
                let lifetime = Duration::from_secs(days * 24 * 60 * 60);
                let roles = if roles.is_empty() { None } else { Some(roles) };
                let made =
                    accounts.create_key(account.tenant, account.id, NewApiKey { name, roles, lifetime }, now).await;
                let (key, secret) = made.map_err(create_failed)?;
                let secret = secret.expose();
                let mut value = as_json(&key, &account, now);
                if let Some(object) = value.as_object_mut() {
                    object.insert("key".to_owned(), secret.as_str().into());
                }
                output.answer(&value, secret.as_str());
                let until = moment(key.expires_at.0);
                output.note(format_args!(
                    "this is key {} of `{}`, until {until}; it is not shown again",
                    key.id, account.name
                ));
            }
            Self::List { tenant, account, .. } => {
                let listed = match account {
                    Some(name) => vec![service_account::find(&tenants, &accounts, &tenant, &name).await?],
                    None => service_account::list(&accounts, tenant::find(&tenants, &tenant).await?.id).await?,
                };
                let (mut values, mut lines) = (Vec::new(), Vec::new());
                for account in &listed {
                    let keys = accounts.keys(account.tenant, account.id).await;
                    for key in keys.map_err(|error| Failure::unavailable(&error))? {
                        values.push(as_json(&key, account, now));
                        lines.push(as_line(&key, account, now));
                    }
                }
                let text = if lines.is_empty() { "there are no keys yet".to_owned() } else { lines.join("\n") };
                output.answer(&json!({ "keys": values }), text);
            }
            Self::Revoke { tenant, id, .. } => {
                let found = tenant::find(&tenants, &tenant).await?;
                let revoked = accounts.revoke_key(found.id, id, now).await;
                let revoked = revoked.map_err(|error| Failure::unavailable(&error))?;
                let missing = || Failure::mistake(format!("tenant `{tenant}` has no key `{id}`"));
                let revoked = revoked.ok_or_else(missing)?;
                output.answer(
                    &json!({ "id": revoked.id, "state": state(&revoked, now) }),
                    format_args!("{}  {}  {}", revoked.id, state(&revoked, now), revoked.name.as_str()),
                );
            }
        }
        Ok(())
    }
}

fn create_failed(error: CreateApiKeyError) -> Failure {
    match error {
        CreateApiKeyError::AccountUnusable(_)
        | CreateApiKeyError::RoleMissing(_)
        | CreateApiKeyError::RolesEmpty
        | CreateApiKeyError::LifetimeOutOfBounds
        | CreateApiKeyError::TooMany => Failure::mistaken(&error),
        CreateApiKeyError::Entropy(_) | CreateApiKeyError::Store(_) => Failure::unavailable(&error),
    }
}

fn as_json(key: &ApiKey, account: &ServiceAccount, now: Micros) -> Value {
    json!({
        "id": key.id,
        "account": account.name.as_str(),
        "name": key.name.as_str(),
        "roles": key.roles,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "state": state(key, now),
    })
}

fn as_line(key: &ApiKey, account: &ServiceAccount, now: Micros) -> String {
    let roles = key.roles.as_ref().map_or_else(
        || "all roles".to_owned(),
        |roles| roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join(" "),
    );
    let used = key.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {}", moment(at.0)));
    format!(
        "{}  {:<24} {:<8} until {}  {used}  {roles}  {}",
        key.id,
        account.name.as_str(),
        state(key, now),
        moment(key.expires_at.0),
        key.name.as_str()
    )
}

fn state(key: &ApiKey, now: Micros) -> &'static str {
    match key {
        ApiKey { revoked_at: Some(_), .. } => "revoked",
        ApiKey { expires_at, .. } if *expires_at <= now => "expired",
        ApiKey { .. } => "counts",
    }
}
