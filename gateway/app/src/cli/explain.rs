//! `cedargate explain`.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use cedargate_dataplane::{Explanation, Parts, Question, StageOutcome, explain};
use cedargate_identity::{
    Account, AccountState, Accounts, DIRECTORY, Email, MEMBER, PolicyChanges, Tenant, Tenants, directory,
};
use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, Clock as _, Credential, Micros, Principal, PrincipalId, RoleName, SessionId,
    SystemClock, TenantId, TenantName,
};
use cedargate_policy::Decisions;
use clap::Args;
use http::{HeaderName, HeaderValue, Method};
use uuid::Uuid;

use super::output::Output;
use super::{Common, Ending, Failure, block_on, tenant};
use crate::compose::{self, LiveSets, SetsOf, SiteLoader, StartError};
use crate::config::Config;

/// Walks a request that nobody sent through the code that serves, and prints what each stage says and which policies
/// decided. Nothing is recorded, limited or forwarded. Ends with 1 where the request would be refused.
///
/// A running gateway may still have the policies of before, if the new ones have mistakes.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The tenant; `directory` is the bare host
    #[arg(long, value_parser = TenantName::parse)]
    tenant: TenantName,
    #[command(flatten)]
    who: Whose,
    /// The authentication assurance level of the sign-in
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    level: u8,
    /// How long ago the sign-in was, in seconds
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    age: u32,
    /// A header, as `Name: value`; may be repeated
    #[arg(long = "header", value_name = "HEADER", value_parser = parse_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// A file with the request's body
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,
    /// The client's address
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    client: IpAddr,
    /// Answer as JSON: {"stages": [{"stage", "outcome", "detail"}], "policies": [{"id", "description", "text"}],
    /// "refused_with"}
    #[arg(long)]
    pub(super) json: bool,
    /// The method, such as `GET`
    method: Method,
    /// The path with its query, as it would stand in the request line
    path: String,
}

/// Who asks.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// The person with this account
    #[arg(long, value_parser = Email::parse)]
    email: Option<Email>,
    /// Somebody who is not signed in
    #[arg(long)]
    anonymous: bool,
    /// Somebody with this role; may be repeated
    #[arg(long = "role", value_name = "ROLE", value_parser = RoleName::parse)]
    roles: Vec<RoleName>,
}

/// The tenant, the account where one is asked for, and the policy sets that the store says are live.
type LookedUp = (Tenant, Option<Account>, BTreeMap<TenantId, SetsOf>);

impl Explain {
    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let config = common.load()?;
        let now = SystemClock.now();
        let (tenant, account, sets) = block_on(self.look_up(&config))?;
        let mut loader = SiteLoader::new(&config.policies.dir, config.listen.base_url.clone());
        let tenants: Vec<_> = std::iter::once(tenant.clone()).filter(|tenant| tenant.id != directory().id).collect();
        loader.take_sets(sets);
        let loaded = loader.load(&tenants)?;
        if let Some(failed) = loaded.failed.into_iter().find(|failed| *failed.tenant == *tenant.name.as_str()) {
            let (tenant, problems) = (failed.tenant, failed.problems);
            return Err(StartError::TenantPolicies { tenant, problems }.into());
        }
        let parts = Parts {
            sites: &loaded.sites,
            decisions: &Decisions::new(0),
            engine: &compose::engine()?,
            rule_sets: &compose::rule_sets(&config, &loaded.sites)?,
            settings: &compose::settings(&config)?,
        };
        let question = self.question(&config, &tenant, account, now)?;
        let explanation = explain(&parts, &question, now);
        output.answer(&explanation, text(&explanation));
        Ok(Ending::yes_if(explanation.refused_with.is_none()))
    }

    /// The tenant, and the account where one is asked for.
    async fn look_up(&self, config: &Config) -> Result<LookedUp, Failure> {
        if self.tenant.as_str() == DIRECTORY {
            return match &self.who.email {
                None => Ok((directory(), None, BTreeMap::new())),
                Some(_) => Err(Failure::mistake("the bare host has no accounts: ask with `--anonymous`")),
            };
        }
        let unknown = || Failure::mistake(format!("there is no tenant `{}`: there is no store yet", self.tenant));
        let pool = compose::look_at_store(&config.store).await?.ok_or_else(unknown)?;
        compose::require_schema(&pool).await?;
        let tenant = tenant::find(&Tenants::new(pool.clone()), &self.tenant).await?;
        let account = match &self.who.email {
            None => None,
            Some(email) => {
                let found = Accounts::new(pool.clone()).find_by_email(tenant.id, email).await;
                let found = found.map_err(|error| Failure::unavailable(&error))?;
                let missing = || Failure::mistake(format!("tenant `{}` has no account `{email}`", self.tenant));
                Some(found.ok_or_else(missing)?)
            }
        };
        let mut sets = LiveSets::new(PolicyChanges::new(pool.clone()));
        sets.look().await.map_err(|error| Failure::unavailable(&error))?;
        let sets = sets.of(std::slice::from_ref(&tenant));
        pool.close().await;
        Ok((tenant, account, sets))
    }

    fn question(
        self,
        config: &Config,
        tenant: &Tenant,
        account: Option<Account>,
        now: Micros,
    ) -> Result<Question, Failure> {
        let base = &config.listen.base_url;
        let domain =
            if tenant.id == directory().id { base.domain().to_owned() } else { base.tenant_domain(&tenant.name) };
        let body = self.body_file.as_ref().map(|file| {
            let cannot =
                |error| Failure::unavailable_because(format_args!("`{}` cannot be read", file.display()), &error);
            fs::read(file).map_err(cannot)
        });
        Ok(Question {
            caller: self.caller(tenant, account, now)?,
            host: base.authority_of(&domain),
            body: body.transpose()?,
            scheme: base.scheme(),
            method: self.method,
            target: self.path,
            headers: self.headers,
            client: self.client,
        })
    }

    /// Who asks, as a session would tell.
    fn caller(&self, tenant: &Tenant, account: Option<Account>, now: Micros) -> Result<Caller, Failure> {
        if self.who.anonymous {
            return Ok(Caller::Anonymous);
        }
        let (id, display, mut roles, version) = match account {
            Some(Account {
                state: AccountState::Disabled { .. } | AccountState::Deactivated { .. }, email, ..
            }) => {
                return Err(Failure::mistake(format!("the account `{email}` is disabled: it has no session")));
            }
            Some(account) => (account.id, account.email.to_string(), account.roles, account.version),
            None => (PrincipalId(Uuid::now_v7()), "nobody in particular".to_owned(), self.who.roles.clone(), 1),
        };
        roles.extend(RoleName::parse(MEMBER));
        roles.sort();
        roles.dedup();
        let methods = match self.level {
            1 => vec![AuthnMethod::Pwd],
            2 => vec![AuthnMethod::Pwd, AuthnMethod::Otp],
            _ => vec![AuthnMethod::Hwk],
        };
        Ok(Caller::Principal(Arc::new(Principal {
            id,
            tenant: tenant.id,
            tenant_name: tenant.name.clone(),
            display,
            roles,
            session: SessionId(Uuid::now_v7()),
            credential: Credential::Session,
            strength: AuthnStrength { level: self.level, methods },
            authenticated_at: Micros(now.0.saturating_sub(i64::from(self.age) * 1_000_000)),
            version,
        })))
    }
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let malformed = || format!("`{text}` is not a header; write `Name: value`");
    let (name, value) = text.split_once(':').ok_or_else(malformed)?;
    let name = name.parse().map_err(|_| malformed())?;
    Ok((name, value.trim().parse().map_err(|_| malformed())?))
}

fn text(explanation: &Explanation) -> String {
    let mut lines: Vec<String> = Vec::new();
    for explained in &explanation.stages {
        let outcome = match explained.outcome {
            StageOutcome::Passes => "passes",
            StageOutcome::Refuses => "REFUSES",
            StageOutcome::NotAsked => "not asked",
        };
        lines.push(format!("{:<13} {outcome:<10} {}", explained.stage.as_str(), explained.detail));
    }
    if !explanation.policies.is_empty() {
        lines.push("\ndecided by".to_owned());
    }
    for policy in &explanation.policies {
        let description = policy.description.as_deref().map_or_else(String::new, |words| format!("  {words}"));
        lines.push(format!("  {}{description}", policy.id));
        let body = policy.text.as_deref().unwrap_or_default();
        lines.extend(body.lines().map(|line| format!("    {line}")));
    }
    lines.push(match &explanation.refused_with {
        None => "\nallowed: it would be forwarded".to_owned(),
        Some(code) => format!("\nrefused with {} {code}", code.status()),
    });
    lines.join("\n")
}
