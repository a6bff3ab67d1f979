//! `cedargate user`.

use std::io::{self, BufRead as _};

use cedargate_identity::{
    Account, AccountLinks, AccountState, Accounts, CreateAccountError, Email, Factors, Invitation, InviteError,
    LinkOrigin, NewAccount, Passkeys, PasswordHash, PasswordSet, Tenants, UpdateAccountError,
};
use cedargate_idp_adapters::local::{LocalAccounts, LocalSettings, NewPassword, PasswordRefused};
use cedargate_migrations::Pool;
use cedargate_model::{Clock as _, RoleName, SystemClock, TenantId, TenantName};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::output::Output;
use super::{Common, Ending, Failure, block_on, tenant};
use crate::compose;
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Create a local account
    Create {
        #[command(flatten)]
        who: Who,
        /// A role to give; may be repeated
        #[arg(long = "role", value_name = "ROLE", value_parser = RoleName::parse)]
        roles: Vec<RoleName>,
        #[command(flatten)]
        password: PasswordSource,
        /// Answer as JSON: {"id", "email", "roles", "state", "password" (where it was generated)}
        #[arg(long)]
        json: bool,
    },
    /// List the accounts of a tenant by address
    List {
        /// The tenant
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        /// Answer as JSON: {"users": [{"id", "email", "roles", "state", "display" (where it is another)}]}
        #[arg(long)]
        json: bool,
    },
    /// Replace an account's roles; without `--role` it has none
    SetRoles {
        #[command(flatten)]
        who: Who,
        /// A role to give; may be repeated
        #[arg(long = "role", value_name = "ROLE", value_parser = RoleName::parse)]
        roles: Vec<RoleName>,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Set a password, end the account's sessions, and remove its passkeys
    ///
    /// Whoever had the former password may have added a passkey with it, which signs in without any. Authenticator apps and security
    /// keys stay: they are factors beside the password.
    SetPassword {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        password: PasswordSource,
        /// Leave the passkeys: they are known to be the person's own
        #[arg(long)]
        keep_passkeys: bool,
        /// Answer as JSON: {"id", "email", "roles", "state", "password" (where it was generated), "sessions_ended", "passkeys_removed"}
        #[arg(long)]
        json: bool,
    },
    /// Invite somebody: mails a link with which they make their account and choose a password
    ///
    /// The link works once and for seven days. Inviting again replaces the invitation. A gateway sends the mail.
    Invite {
        #[command(flatten)]
        who: Who,
        /// A role that the account will have; may be repeated
        #[arg(long = "role", value_name = "ROLE", value_parser = RoleName::parse)]
        roles: Vec<RoleName>,
        /// Answer as JSON: {"invitation", "email", "roles", "expires_at"}
        #[arg(long)]
        json: bool,
    },
    /// Remove an account's second factors and recovery codes, and end its sessions: for whoever has lost them
    ///
    /// Be sure whom you are talking to: from then on the password alone enrols a new factor.
    RemoveFactors {
        #[command(flatten)]
        who: Who,
        /// Answer as JSON: {"id", "email", "roles", "state", "removed"}
        #[arg(long)]
        json: bool,
    },
    /// Stop an account from signing in, and end its sessions
    Disable {
        #[command(flatten)]
        who: Who,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Let a disabled account sign in again
    Enable {
        #[command(flatten)]
        who: Who,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Whose account.
#[derive(Debug, Args)]
pub(crate) struct Who {
    /// The tenant
    #[arg(long, value_parser = TenantName::parse)]
    tenant: TenantName,
    /// The address that the person signs in with
    #[arg(value_parser = Email::parse)]
    email: Email,
}

/// Where a password comes from. Never from the command line, which other users of the machine can read.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct PasswordSource {
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    /// Draw a password and print it, this once
    #[arg(long)]
    generate: bool,
}

impl UserCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Create { json, .. }
            | Self::List { json, .. }
            | Self::SetRoles { json, .. }
            | Self::SetPassword { json, .. }
            | Self::Invite { json, .. }
            | Self::RemoveFactors { json, .. }
            | Self::Disable { json, .. }
            | Self::Enable { json, .. } => *json,
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
        let house = House { tenants: Tenants::new(pool.clone()), accounts: Accounts::new(pool.clone()) };
        match self {
            Self::List { tenant: name, .. } => {
                let tenant = tenant::find(&house.tenants, &name).await?;
                let accounts = house.list(tenant.id).await?;
                let values: Vec<_> = accounts.iter().map(|account| as_json(account, None)).collect();
                let lines: Vec<_> = accounts.iter().map(as_line).collect();
                let text =
                    if lines.is_empty() { format!("tenant `{name}` has no accounts yet") } else { lines.join("\n") };
                output.answer(&json!({ "users": values }), text);
                Ok(())
            }
            Self::Create { who, roles, password, .. } => {
                check_roles(config, &roles, output)?;
                let tenant = tenant::find(&house.tenants, &who.tenant).await?.id;
                let (hash, drawn) = password.hash(config, &house.accounts, &who).await?;
                let new = NewAccount { email: who.email, roles, password: Some(hash) };
                let account = house.accounts.create(tenant, new, SystemClock.now()).await.map_err(created)?;
                say(output, &account, drawn.as_ref());
                Ok(())
            }
            Self::SetRoles { who, roles, .. } => {
                check_roles(config, &roles, output)?;
                let account = house.find(&who).await?;
                house
                    .accounts
                    .set_roles(account.tenant, account.id, roles, SystemClock.now())
                    .await
                    .map_err(updated)?;
                say(output, &house.find(&who).await?, None);
                Ok(())
            }
            Self::SetPassword { who, password, keep_passkeys, .. } => {
                let account = house.find(&who).await?;
                let (hash, drawn) = password.hash(config, &house.accounts, &who).await?;
                let passkeys = if keep_passkeys { Passkeys::Kept } else { Passkeys::Removed };
                let now = SystemClock.now();
                let set = house.accounts.set_password(account.tenant, account.id, &hash, passkeys, now).await;
                say_set(output, &house.find(&who).await?, drawn.as_ref(), &set.map_err(updated)?);
                Ok(())
            }
            Self::Invite { who, roles, .. } => {
                check_roles(config, &roles, output)?;
                let tenant = tenant::find(&house.tenants, &who.tenant).await?;
                let origin = origin(config, &tenant.name)?;
                let links = AccountLinks::new(pool.clone());
                let now = SystemClock.now();
                let invited = links.invite_by_operator(tenant.id, who.email, roles, &origin, now).await;
                say_invited(output, &invited.map_err(invited_not)?);
                Ok(())
            }
            Self::RemoveFactors { who, .. } => {
                let account = house.find(&who).await?;
                let factors = Factors::new(pool.clone());
                let removed = factors.remove_all(account.tenant, account.id, SystemClock.now()).await;
                let removed = removed.map_err(|error| Failure::unavailable(&error))?;
                let mut value = as_json(&account, None);
                if let Some(object) = value.as_object_mut() {
                    object.insert("removed".to_owned(), removed.into());
                }
                output.answer(&value, format_args!("{}\nfactors removed: {removed}", as_line(&account)));
                Ok(())
            }
            Self::Disable { who, .. } => {
                let account = house.find(&who).await?;
                house.accounts.disable(account.tenant, account.id, SystemClock.now()).await.map_err(updated)?;
                say(output, &house.find(&who).await?, None);
                Ok(())
            }
            Self::Enable { who, .. } => {
                let account = house.find(&who).await?;
                house.accounts.enable(account.tenant, account.id, SystemClock.now()).await.map_err(updated)?;
                say(output, &house.find(&who).await?, None);
                Ok(())
            }
        }
    }
}

struct House {
    tenants: Tenants,
    accounts: Accounts,
}

impl House {
    async fn find(&self, who: &Who) -> Result<Account, Failure> {
        let tenant = tenant::find(&self.tenants, &who.tenant).await?;
        let found = self.accounts.find_by_email(tenant.id, &who.email).await;
        let found = found.map_err(|error| Failure::unavailable(&error))?;
        found.ok_or_else(|| Failure::mistake(format!("tenant `{}` has no account `{}`", who.tenant, who.email)))
    }

    /// All pages of a tenant's accounts.
    async fn list(&self, tenant: TenantId) -> Result<Vec<Account>, Failure> {
        let mut all: Vec<Account> = Vec::new();
        loop {
            let after = all.last().map(|account| account.email.clone());
            let page =
                self.accounts.list(tenant, after.as_ref()).await.map_err(|error| Failure::unavailable(&error))?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
}

impl PasswordSource {
    /// The hash to store, and the password where it was drawn here.
    async fn hash(
        &self,
        config: &Config,
        accounts: &Accounts,
        who: &Who,
    ) -> Result<(PasswordHash, Option<Zeroizing<String>>), Failure> {
        let password = if self.generate {
            NewPassword::generate()
                .map_err(|error| Failure::unavailable_because("no password could be drawn", &error))?
        } else {
            let mut line = Zeroizing::new(String::new());
            let read = io::stdin().lock().read_line(&mut line);
            read.map_err(|error| Failure::unavailable_because("standard input cannot be read", &error))?;
            let rules = compose::password_rules(config).map_err(|error| Failure::mistaken(&error))?;
            let accepted = rules.accept(&who.tenant, line.trim_end_matches(['\r', '\n']), &who.email).await;
            accepted.map_err(|error| match error {
                PasswordRefused::Unknown(_) => Failure::unavailable(&error),
                error => Failure::mistaken(&error),
            })?
        };
        let drawn = self.generate.then(|| Zeroizing::new(password.expose().to_owned()));
        let local = LocalAccounts::new(accounts.clone(), LocalSettings::default());
        let local = local.map_err(|error| Failure::unavailable(&error))?;
        let hash = local.hash(password).await.map_err(|error| Failure::unavailable(&error))?;
        Ok((hash, drawn))
    }
}

/// A role that no policy knows permits nothing, and is a slip of the pen.
pub(super) fn check_roles(config: &Config, roles: &[RoleName], output: &Output) -> Result<(), Failure> {
    match compose::known_roles(&config.policies.dir) {
        Err(_) => {
            output.note("the roles are not checked: the policies have mistakes; see `cedargate config check`");
            Ok(())
        }
        Ok(known) => match roles.iter().find(|role| !known.contains(role)) {
            None => Ok(()),
            Some(unknown) => {
                let known: Vec<_> = known.iter().map(RoleName::as_str).collect();
                Err(Failure::mistake(format!("there is no role `{unknown}`; there are {}", known.join(", "))))
            }
        },
    }
}

fn created(error: CreateAccountError) -> Failure {
    match error {
        CreateAccountError::EmailTaken(_)
        | CreateAccountError::AddressReserved(_)
        | CreateAccountError::TenantUnknown(_)
        | CreateAccountError::Roles(_) => Failure::mistaken(&error),
        CreateAccountError::Entropy(_) | CreateAccountError::Store(_) => Failure::unavailable(&error),
    }
}

fn updated(error: UpdateAccountError) -> Failure {
    match error {
        UpdateAccountError::AccountUnknown(_)
        | UpdateAccountError::AddressReserved(_)
        | UpdateAccountError::Roles(_) => Failure::mistaken(&error),
        UpdateAccountError::Entropy(_) | UpdateAccountError::Store(_) => Failure::unavailable(&error),
    }
}

/// Where a tenant's links lead.
pub(super) fn origin(config: &Config, tenant: &TenantName) -> Result<LinkOrigin, Failure> {
    let origin = config.listen.base_url.tenant_origin(tenant);
    origin.ok_or_else(|| Failure::mistake("`listen.base_url` and the tenant's name are too long to be a host"))
}

pub(super) fn invited_not(error: InviteError) -> Failure {
    match error {
        InviteError::EmailTaken(_) | InviteError::AddressReserved(_) | InviteError::Roles(_) => {
            Failure::mistaken(&error)
        }
        InviteError::Entropy(_) | InviteError::Store(_) => Failure::unavailable(&error),
    }
}

pub(super) fn say_invited(output: &Output, invitation: &Invitation) {
    let Invitation { id, email, roles, expires_at } = invitation;
    let names: Vec<_> = roles.iter().map(RoleName::as_str).collect();
    let value = json!({ "invitation": id, "email": email.as_str(), "roles": roles, "expires_at": expires_at });
    output.answer(&value, format_args!("{email} is invited  {}\nthe link is mailed within seconds", names.join(" ")));
}

fn say(output: &Output, account: &Account, drawn: Option<&Zeroizing<String>>) {
    let line = as_line(account);
    let text = drawn.map_or_else(|| line.clone(), |drawn| format!("{line}\npassword: {}", drawn.as_str()));
    output.answer(&as_json(account, drawn), text);
}

fn say_set(output: &Output, account: &Account, drawn: Option<&Zeroizing<String>>, set: &PasswordSet) {
    let mut value = as_json(account, drawn);
    if let Some(object) = value.as_object_mut() {
        object.insert("sessions_ended".to_owned(), set.ended.len().into());
        object.insert("passkeys_removed".to_owned(), set.passkeys_removed.into());
    }
    let mut text = as_line(account);
    text.push_str(&format!("\nsessions ended: {}; passkeys removed: {}", set.ended.len(), set.passkeys_removed));
    if let Some(drawn) = drawn {
        text.push_str(&format!("\npassword: {}", drawn.as_str()));
    }
    output.answer(&value, text);
}

fn as_json(account: &Account, drawn: Option<&Zeroizing<String>>) -> Value {
    let mut value = json!({
        "id": account.id,
        "email": account.email.as_str(),
        "roles": account.roles,
        "state": state(account),
    });
    if let (Some(display), Some(object)) = (&account.display, value.as_object_mut()) {
        object.insert("display".to_owned(), display.as_str().into());
    }
    if let (Some(drawn), Some(object)) = (drawn, value.as_object_mut()) {
        object.insert("password".to_owned(), drawn.as_str().into());
    }
    value
}

fn as_line(account: &Account) -> String {
    let roles: Vec<_> = account.roles.iter().map(RoleName::as_str).collect();
    // A provider chose what the person is shown as: it stands behind everything that we vouch for.
    let shown = account.display.as_ref().map_or_else(String::new, |display| format!("  ({display})"));
    format!("{:<32} {:<9} {}  {}{shown}", account.email.as_str(), state(account), account.id, roles.join(" "))
}

fn state(account: &Account) -> &'static str {
    match account.state {
        AccountState::Active => "active",
        AccountState::Disabled { .. } => "disabled",
        AccountState::Deactivated { .. } => "deactivated",
    }
}
