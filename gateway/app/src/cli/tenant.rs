//! `cedargate tenant`.

use cedargate_identity::{AddHostError, CreateTenantError, Tenant, Tenants};
use cedargate_model::{Clock as _, Host, SystemClock, TenantName};
use clap::Subcommand;
use serde_json::{Value, json};

use super::output::Output;
use super::{Common, Ending, Failure, block_on};
use crate::compose;
use crate::config::BaseUrl;

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Create a tenant; a running gateway answers for it within `policies.reload_interval_ms`
    Create {
        /// Its name, the first label of its host: 1 to 63 of a-z, 0-9 and inner `-`
        #[arg(value_parser = TenantName::parse)]
        name: TenantName,
        /// Answer as JSON: {"id", "name", "url", "hosts"}
        #[arg(long)]
        json: bool,
    },
    /// Give a tenant a host name of its own beside the one below the base domain
    AddHost {
        /// The tenant
        #[arg(value_parser = TenantName::parse)]
        name: TenantName,
        /// The host name, without port
        #[arg(value_parser = Host::parse)]
        host: Host,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a host name from a tenant: do it before its name leads to somebody else
    ///
    /// A running gateway answers for it no more within `policies.reload_interval_ms`. The host below the base domain stays.
    RemoveHost {
        /// The tenant
        #[arg(value_parser = TenantName::parse)]
        name: TenantName,
        /// The host name, without port
        #[arg(value_parser = Host::parse)]
        host: Host,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the tenants by name
    List {
        /// Answer as JSON: {"tenants": [{"id", "name", "url", "hosts"}]}
        #[arg(long)]
        json: bool,
    },
}

impl TenantCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Create { json, .. }
            | Self::AddHost { json, .. }
            | Self::RemoveHost { json, .. }
            | Self::List { json } => *json,
        }
    }

    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let config = common.load()?;
        let base = &config.listen.base_url;
        block_on(async {
            let pool = compose::open_store(&config.store).await?;
            let tenants = Tenants::new(pool.clone());
            let now = SystemClock.now();
            match self {
                Self::Create { name, .. } => {
                    let tenant = tenants.create(name, now).await.map_err(created)?;
                    output.answer(&as_json(&tenant, base), as_line(&tenant, base));
                }
                Self::AddHost { name, host, .. } => {
                    let tenant = find(&tenants, &name).await?;
                    tenants.add_host(tenant.id, &host, now).await.map_err(host_added)?;
                    let tenant = find(&tenants, &name).await?;
                    output.answer(&as_json(&tenant, base), as_line(&tenant, base));
                }
                Self::RemoveHost { name, host, .. } => {
                    let tenant = find(&tenants, &name).await?;
                    let removed = tenants.remove_host(tenant.id, &host).await;
                    if !removed.map_err(|error| Failure::unavailable(&error))? {
                        return Err(Failure::mistake(format!("the tenant `{name}` has no host `{}`", host.name())));
                    }
                    let tenant = find(&tenants, &name).await?;
                    output.answer(&as_json(&tenant, base), as_line(&tenant, base));
                }
                Self::List { .. } => {
                    let listed = tenants.list().await.map_err(|error| Failure::unavailable(&error))?;
                    let values: Vec<_> = listed.iter().map(|tenant| as_json(tenant, base)).collect();
                    let lines: Vec<_> = listed.iter().map(|tenant| as_line(tenant, base)).collect();
                    let text = if lines.is_empty() { "there are no tenants yet".to_owned() } else { lines.join("\n") };
                    output.answer(&json!({ "tenants": values }), text);
                }
            }
            pool.close().await;
            Ok(Ending::Done)
        })
    }
}

/// The tenant of that name, or what to do.
pub(super) async fn find(tenants: &Tenants, name: &TenantName) -> Result<Tenant, Failure> {
    let found = tenants.find_by_name(name).await.map_err(|error| Failure::unavailable(&error))?;
    found.ok_or_else(|| {
        Failure::mistake(format!("there is no tenant `{name}`; `cedargate tenant create {name}` makes it"))
    })
}

fn created(error: CreateTenantError) -> Failure {
    match error {
        CreateTenantError::NameTaken(_) | CreateTenantError::NameReserved(_) => Failure::mistaken(&error),
        CreateTenantError::Entropy(_) | CreateTenantError::Store(_) => Failure::unavailable(&error),
    }
}

fn host_added(error: AddHostError) -> Failure {
    match error {
        AddHostError::HostTaken(_) | AddHostError::TenantUnknown(_) => Failure::mistaken(&error),
        AddHostError::Store(_) => Failure::unavailable(&error),
    }
}

fn as_json(tenant: &Tenant, base: &BaseUrl) -> Value {
    json!({ "id": tenant.id, "name": tenant.name, "url": base.tenant_url(&tenant.name), "hosts": tenant.hosts })
}

fn as_line(tenant: &Tenant, base: &BaseUrl) -> String {
    let also = match tenant.hosts.as_slice() {
        [] => String::new(),
        hosts => format!("  also {}", hosts.join(", ")),
    };
    format!("{:<24} {}  {}{also}", tenant.name.as_str(), tenant.id, base.tenant_url(&tenant.name))
}
