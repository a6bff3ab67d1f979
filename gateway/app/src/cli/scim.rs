//! `cedargate scim`.

use std::time::Duration;

use cedargate_identity::{
    CreateScimTokenError, ForgottenPeople, Issuer, OperatorError, ScimToken, ScimTokens, Tenants,
};
use cedargate_migrations::Pool;
use cedargate_model::{Clock as _, ConnectionName, Micros, ScimTokenId, SystemClock, TenantName};
use clap::Subcommand;
use serde_json::{Value, json};

use super::audit::moment;
use super::output::Output;
use super::{Common, Ending, Failure, block_on, tenant};
use crate::compose;
use crate::config::{Config, SecretUse};

#[derive(Debug, Subcommand)]
pub(crate) enum ScimCommand {
    /// Make, list and revoke the tokens by which identity providers are known
    #[command(subcommand)]
    Token(TokenCommand),
    /// Take away everybody of whom a connection's provider told, for a connection that leads to another provider now
    ///
    /// Their accounts may be used no more, their sessions end within a second, and the connection's groups and tokens are gone. What another
    /// provider tells after that are other accounts.
    ForgetPeople {
        /// The tenant
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        /// The connection's name
        #[arg(value_parser = ConnectionName::parse)]
        connection: ConnectionName,
        /// Answer as JSON: {"tokens", "accounts", "sessions"}
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token for a connection and print it; it is shown this once and kept only as a hash
    ///
    /// The provider sends it as `Authorization: Bearer cgs_...` to `https://TENANT.GATEWAY/scim/v2`. A connection may have two: to change
    /// one, make the second, give it to the provider, revoke the first.
    Create {
        /// The tenant
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        /// The connection's name. It must have a `scim_claim`
        #[arg(value_parser = ConnectionName::parse)]
        connection: ConnectionName,
        /// How many days it counts
        #[arg(long, value_name = "DAYS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..=366))]
        expires: u64,
        /// Answer as JSON: {"id", "connection", "created_at", "expires_at", "last_used_at", "state", "token"}
        #[arg(long)]
        json: bool,
    },
    /// List a tenant's tokens, the newest first; secrets are never shown
    List {
        /// The tenant
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        /// Answer as JSON: {"tokens": [{"id", "connection", "created_at", "expires_at", "last_used_at", "state"}]}
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token: within a second, nobody is known by it any more
    Revoke {
        /// The tenant
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        /// Its id, as `list` and the record show it
        id: ScimTokenId,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
}

impl ScimCommand {
    pub(crate) fn json(&self) -> bool {
        let command = match self {
            Self::Token(command) => command,
            Self::ForgetPeople { json, .. } => return *json,
        };
        match command {
            TokenCommand::Create { json, .. } | TokenCommand::List { json, .. } | TokenCommand::Revoke { json, .. } => {
                *json
            }
        }
    }

    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let config = common.load()?;
        let mut issuer = None;
        if let Self::Token(TokenCommand::Create { tenant, connection, .. }) = &self {
            issuer = Some(check_connection(&config, tenant, connection)?);
        }
        block_on(async {
            let pool = compose::open_store(&config.store).await?;
            let done = match self {
                Self::Token(command) => command.carry_out(&pool, issuer, output).await,
                Self::ForgetPeople { tenant, connection, .. } => {
                    forget_people(&pool, &tenant, &connection, output).await
                }
            };
            pool.close().await;
            done.map(|()| Ending::Done)
        })
    }
}

impl TokenCommand {
    /// `issuer` is the provider behind the connection, where a token is made.
    async fn carry_out(self, pool: &Pool, issuer: Option<Issuer>, output: &Output) -> Result<(), Failure> {
        let tenants = Tenants::new(pool.clone());
        let tokens = ScimTokens::new(pool.clone());
        let now = SystemClock.now();
        match self {
            Self::Create { tenant, connection, expires, .. } => {
                let found = tenant::find(&tenants, &tenant).await?;
                let lifetime = Duration::from_secs(expires * 24 * 60 * 60);
                let unknown = || Failure::mistake(format!("the tenant `{tenant}` has no connection `{connection}`"));
                let issuer = issuer.ok_or_else(unknown)?;
                let made = tokens.create(found.id, connection, &issuer, lifetime, now).await;
                let (token, secret) = made.map_err(create_failed)?;
                let secret = secret.expose();
                let mut value = as_json(&token, now);
                if let Some(object) = value.as_object_mut() {
                    object.insert("token".to_owned(), secret.as_str().into());
                }
                output.answer(&value, secret.as_str());
                let until = moment(token.expires_at.0);
                output.note(format_args!(
                    "this is token {} of `{}`, until {until}; it is not shown again",
                    token.id, token.connection
                ));
            }
            Self::List { tenant, .. } => {
                let found = tenant::find(&tenants, &tenant).await?;
                let listed = tokens.list(found.id).await.map_err(|error| Failure::unavailable(&error))?;
                let lines: Vec<_> = listed.iter().map(|token| as_line(token, now)).collect();
                let values: Vec<_> = listed.iter().map(|token| as_json(token, now)).collect();
                let text = if lines.is_empty() { "there are no tokens yet".to_owned() } else { lines.join("\n") };
                output.answer(&json!({ "tokens": values }), text);
            }
            Self::Revoke { tenant, id, .. } => {
                let found = tenant::find(&tenants, &tenant).await?;
                let revoked = tokens.revoke(found.id, id, now).await;
                let revoked = revoked.map_err(|error: OperatorError| Failure::unavailable(&error))?;
                let missing = || Failure::mistake(format!("tenant `{tenant}` has no token `{id}`"));
                let revoked = revoked.ok_or_else(missing)?;
                output.answer(&as_json(&revoked, now), as_line(&revoked, now));
            }
        }
        Ok(())
    }
}

/// A token of a connection that is not there, or tells of nobody, would be good for nothing.
fn check_connection(config: &Config, tenant: &TenantName, name: &ConnectionName) -> Result<Issuer, Failure> {
    let tenants = compose::read_connections(&config.connections, &config.policies.dir, SecretUse::Unused)?;
    let connections = tenants.get(tenant).map(Vec::as_slice).unwrap_or_default();
    match connections.iter().find(|connection| connection.name == *name) {
        None => Err(Failure::mistake(format!("the tenant `{tenant}` has no connection `{name}`"))),
        Some(connection) if connection.provisioning.is_none() => {
            let hint = "write its `scim_claim` first: which claim of a sign-in says whom the provider told of";
            Err(Failure::mistake(format!("the connection `{name}` tells of nobody; {hint}")))
        }
        Some(connection) => Ok(connection.kind.issuer().clone()),
    }
}

async fn forget_people(
    pool: &Pool,
    tenant: &TenantName,
    connection: &ConnectionName,
    output: &Output,
) -> Result<(), Failure> {
    let found = tenant::find(&Tenants::new(pool.clone()), tenant).await?;
    let forgotten = ScimTokens::new(pool.clone()).forget_people(found.id, connection, SystemClock.now()).await;
    let ForgottenPeople { tokens, accounts, sessions } = forgotten.map_err(|error| Failure::unavailable(&error))?;
    let value = json!({ "tokens": tokens, "accounts": accounts, "sessions": sessions });
    let text =
        format!("{accounts} accounts may be used no more, {sessions} sessions ended, {tokens} tokens were revoked");
    output.answer(&value, text);
    Ok(())
}

fn create_failed(error: CreateScimTokenError) -> Failure {
    match error {
        CreateScimTokenError::TooMany
        | CreateScimTokenError::IssuerDiffers(_)
        | CreateScimTokenError::LifetimeOutOfBounds
        | CreateScimTokenError::TenantUnknown(_) => Failure::mistaken(&error),
        CreateScimTokenError::Entropy(_) | CreateScimTokenError::Store(_) => Failure::unavailable(&error),
    }
}

fn as_json(token: &ScimToken, now: Micros) -> Value {
    json!({
        "id": token.id,
        "connection": token.connection.as_str(),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "state": state(token, now),
    })
}

fn as_line(token: &ScimToken, now: Micros) -> String {
    let used = token.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {}", moment(at.0)));
    let (name, until) = (token.connection.as_str(), moment(token.expires_at.0));
    format!("{}  {name:<24} {:<8} until {until}  {used}", token.id, state(token, now))
}

fn state(token: &ScimToken, now: Micros) -> &'static str {
    match token {
        ScimToken { revoked_at: Some(_), .. } => "revoked",
        ScimToken { expires_at, .. } if now >= *expires_at => "expired",
        ScimToken { .. } => "active",
    }
}
