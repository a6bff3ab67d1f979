//! `cedargate registration`.

use cedargate_identity::{AccountLinks, Email, Registration, Tenant, Tenants};
use cedargate_migrations::Pool;
use cedargate_model::{Clock as _, RoleName, SystemClock, TenantName};
use clap::{Args, Subcommand};
use serde_json::json;

use super::audit::moment;
use super::output::Output;
use super::{Common, Ending, Failure, block_on, tenant, user};
use crate::compose;
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(crate) enum RegistrationCommand {
    /// List who wants an account and has shown that the address is theirs
    List {
        /// The tenant
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        /// Answer as JSON: {"registrations": [{"id", "email", "asked_at", "verified_at"}]}
        #[arg(long)]
        json: bool,
    },
    /// Let somebody in: mails an invitation
    Approve {
        #[command(flatten)]
        who: Who,
        /// A role that the account will have, of those that the tenant offers; may be repeated
        #[arg(long = "role", value_name = "ROLE", value_parser = RoleName::parse)]
        roles: Vec<RoleName>,
        /// Answer as JSON: {"invitation", "email", "roles", "expires_at"}
        #[arg(long)]
        json: bool,
    },
    /// Turn somebody down; nobody is written to
    Deny {
        #[command(flatten)]
        who: Who,
        /// Answer as JSON: {"id", "email"}
        #[arg(long)]
        json: bool,
    },
}

/// Whose wish.
#[derive(Debug, Args)]
pub(crate) struct Who {
    /// The tenant
    #[arg(long, value_parser = TenantName::parse)]
    tenant: TenantName,
    /// The address that the account is wanted for
    #[arg(value_parser = Email::parse)]
    email: Email,
}

impl RegistrationCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::List { json, .. } | Self::Approve { json, .. } | Self::Deny { json, .. } => *json,
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
        let (tenants, links) = (Tenants::new(pool.clone()), AccountLinks::new(pool.clone()));
        match self {
            Self::List { tenant: name, .. } => {
                let tenant = tenant::find(&tenants, &name).await?;
                let wishes = links.registrations(tenant.id).await.map_err(|error| Failure::unavailable(&error))?;
                say(output, &name, &wishes);
                Ok(())
            }
            Self::Approve { who, roles, .. } => {
                user::check_roles(config, &roles, output)?;
                check_offered(config, &who.tenant, &roles)?;
                let (tenant, wish) = find(&tenants, &links, &who).await?;
                let origin = user::origin(config, &tenant.name)?;
                let now = SystemClock.now();
                let approved = links.approve_by_operator(tenant.id, wish.id, roles, &origin, now).await;
                let approved = approved.map_err(user::invited_not)?.ok_or_else(|| unknown(&who))?;
                user::say_invited(output, &approved);
                Ok(())
            }
            Self::Deny { who, .. } => {
                let (tenant, wish) = find(&tenants, &links, &who).await?;
                let denied = links.deny_by_operator(tenant.id, wish.id, SystemClock.now()).await;
                if !denied.map_err(|error| Failure::unavailable(&error))? {
                    return Err(unknown(&who));
                }
                let value = json!({ "id": wish.id, "email": wish.email.as_str() });
                output.answer(&value, format_args!("{} was turned down", wish.email));
                Ok(())
            }
        }
    }
}

/// What the gateway's own page refuses is refused here.
fn check_offered(config: &Config, tenant: &TenantName, roles: &[RoleName]) -> Result<(), Failure> {
    let offered = config.tenants.get(tenant).and_then(|tenant| tenant.admission.offered.clone()).unwrap_or_default();
    match roles.iter().find(|role| !offered.contains(role)) {
        None => Ok(()),
        Some(role) => Err(Failure::mistake(format!(
            "the role `{role}` is not among `registration_roles` of `[tenants.{tenant}]`; invite the person instead"
        ))),
    }
}

async fn find(tenants: &Tenants, links: &AccountLinks, who: &Who) -> Result<(Tenant, Registration), Failure> {
    let tenant = tenant::find(tenants, &who.tenant).await?;
    let wishes = links.registrations(tenant.id).await.map_err(|error| Failure::unavailable(&error))?;
    let found = wishes.into_iter().find(|wish| wish.email == who.email);
    found.map(|wish| (tenant, wish)).ok_or_else(|| unknown(who))
}

fn unknown(who: &Who) -> Failure {
    Failure::mistake(format!("nobody with the address `{}` waits at tenant `{}`", who.email, who.tenant))
}

fn say(output: &Output, tenant: &TenantName, wishes: &[Registration]) {
    let values: Vec<_> = wishes
        .iter()
        .map(|wish| {
            let (asked, verified) = (wish.asked_at, wish.verified_at);
            json!({ "id": wish.id, "email": wish.email.as_str(), "asked_at": asked, "verified_at": verified })
        })
        .collect();
    let line = |wish: &Registration| format!("{:<32} since {}", wish.email.as_str(), moment(wish.asked_at.0));
    let lines: Vec<_> = wishes.iter().map(line).collect();
    let text = if lines.is_empty() { format!("nobody waits at tenant `{tenant}`") } else { lines.join("\n") };
    output.answer(&json!({ "registrations": values }), text);
}
