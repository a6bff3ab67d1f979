//! `cedargate service-account`.

use cedargate_identity::{
    AccountState, CreateServiceAccountError, ServiceAccount, ServiceAccountName, ServiceAccounts, Tenants,
    UpdateServiceAccountError,
};
use cedargate_migrations::Pool;
use cedargate_model::{Clock as _, RoleName, SystemClock, TenantId, TenantName};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::Output;
use super::service_certificate::CertificateCommand;
use super::user::check_roles;
use super::{Common, Ending, Failure, block_on, tenant};
use crate::compose;
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceAccountCommand {
    /// Create a service account: a program that acts for itself
    ///
    /// Nobody can sign in as one; `cedargate api-key create` makes what the program shows.
    Create {
        #[command(flatten)]
        which: Which,
        /// A role to give; may be repeated
        #[arg(long = "role", value_name = "ROLE", value_parser = RoleName::parse)]
        roles: Vec<RoleName>,
        /// Answer as JSON: {"id", "name", "roles", "state"}
        #[arg(long)]
        json: bool,
    },
    /// List the service accounts of a tenant by name
    List {
        /// The tenant
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        /// Answer as JSON: {"service_accounts": [{"id", "name", "roles", "state"}]}
        #[arg(long)]
        json: bool,
    },
    /// Replace a service account's roles; without `--role` it has none. Its keys have no others within a second
    SetRoles {
        #[command(flatten)]
        which: Which,
        /// A role to give; may be repeated
        #[arg(long = "role", value_name = "ROLE", value_parser = RoleName::parse)]
        roles: Vec<RoleName>,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop a service account: within a second, none of its keys counts any more
    Disable {
        #[command(flatten)]
        which: Which,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say by which client certificates a service account is known
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// Let a disabled service account act again, with the keys that were not revoked
    Enable {
        #[command(flatten)]
        which: Which,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Which service account.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The tenant
    #[arg(long, value_parser = TenantName::parse)]
    tenant: TenantName,
    /// The service account's name
    #[arg(value_parser = ServiceAccountName::parse)]
    name: ServiceAccountName,
}

impl ServiceAccountCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Create { json, .. }
            | Self::List { json, .. }
            | Self::SetRoles { json, .. }
            | Self::Disable { json, .. }
            | Self::Enable { json, .. } => *json,
            Self::Certificate(command) => command.json(),
        }
    }

    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let config = common.load()?;
        block_on(async {
            let pool = compose::open_store(&config.store).await?;
            let done = self.carry_out(&config, &pool, output).await;
            pool.close().await;
            done.map(|()| Ending::Done)
        })
    }

    async fn carry_out(self, config: &Config, pool: &Pool, output: &Output) -> Result<(), Failure> {
        let tenants = Tenants::new(pool.clone());
        let accounts = ServiceAccounts::new(pool.clone());
        let now = SystemClock.now();
        let which = match self {
            Self::Certificate(command) => return command.carry_out(&tenants, &accounts, output).await,
            Self::List { tenant: name, .. } => {
                let tenant = tenant::find(&tenants, &name).await?;
                let listed = list(&accounts, tenant.id).await?;
                let values: Vec<_> = listed.iter().map(as_json).collect();
                let lines: Vec<_> = listed.iter().map(as_line).collect();
                let text = if lines.is_empty() {
                    format!("tenant `{name}` has no service accounts yet")
                } else {
                    lines.join("\n")
                };
                output.answer(&json!({ "service_accounts": values }), text);
                return Ok(());
            }
            Self::Create { which, roles, .. } => {
                check_roles(config, &roles, output)?;
                let tenant = tenant::find(&tenants, &which.tenant).await?.id;
                let created = accounts.create(tenant, which.name.clone(), roles, now).await;
                let _ = created.map_err(create_failed)?;
                which
            }
            Self::SetRoles { which, roles, .. } => {
                check_roles(config, &roles, output)?;
                let account = find(&tenants, &accounts, &which.tenant, &which.name).await?;
                accounts.set_roles(account.tenant, account.id, roles, now).await.map_err(update_failed)?;
                which
            }
            Self::Disable { which, .. } => {
                let account = find(&tenants, &accounts, &which.tenant, &which.name).await?;
                accounts.disable(account.tenant, account.id, now).await.map_err(update_failed)?;
                which
            }
            Self::Enable { which, .. } => {
                let account = find(&tenants, &accounts, &which.tenant, &which.name).await?;
                accounts.enable(account.tenant, account.id, now).await.map_err(update_failed)?;
                which
            }
        };
        let account = find(&tenants, &accounts, &which.tenant, &which.name).await?;
        output.answer(&as_json(&account), as_line(&account));
        Ok(())
    }
}

/// The service account of this name.
pub(super) async fn find(
    tenants: &Tenants,
    accounts: &ServiceAccounts,
    tenant: &TenantName,
    name: &ServiceAccountName,
) -> Result<ServiceAccount, Failure> {
    let found = tenant::find(tenants, tenant).await?;
    let account = accounts.find_by_name(found.id, name).await.map_err(|error| Failure::unavailable(&error))?;
    account.ok_or_else(|| Failure::mistake(format!("tenant `{tenant}` has no service account `{name}`")))
}

/// All pages of a tenant's service accounts.
pub(super) async fn list(accounts: &ServiceAccounts, tenant: TenantId) -> Result<Vec<ServiceAccount>, Failure> {
    let mut all: Vec<ServiceAccount> = Vec::new();
    loop {
        let after = all.last().map(|account| account.name.clone());
        let page = accounts.list(tenant, after.as_ref()).await.map_err(|error| Failure::unavailable(&error))?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

fn create_failed(error: CreateServiceAccountError) -> Failure {
    match error {
        CreateServiceAccountError::NameTaken(_)
        | CreateServiceAccountError::TenantUnknown(_)
        | CreateServiceAccountError::Roles(_) => Failure::mistaken(&error),
        CreateServiceAccountError::Entropy(_) | CreateServiceAccountError::Store(_) => Failure::unavailable(&error),
    }
}

fn update_failed(error: UpdateServiceAccountError) -> Failure {
    match error {
        UpdateServiceAccountError::AccountUnknown(_) | UpdateServiceAccountError::Roles(_) => Failure::mistaken(&error),
        UpdateServiceAccountError::Entropy(_) | UpdateServiceAccountError::Store(_) => Failure::unavailable(&error),
    }
}

fn as_json(account: &ServiceAccount) -> Value {
    json!({ "id": account.id, "name": account.name.as_str(), "roles": account.roles, "state": state(account) })
}

fn as_line(account: &ServiceAccount) -> String {
    let roles: Vec<_> = account.roles.iter().map(RoleName::as_str).collect();
    format!("{:<32} {:<9} {}  {}", account.name.as_str(), state(account), account.id, roles.join(" "))
}

fn state(account: &ServiceAccount) -> &'static str {
    match account.state {
        AccountState::Active => "active",
        AccountState::Disabled { .. } | AccountState::Deactivated { .. } => "disabled",
    }
}
