//! `cedargate policy who-can` and `what-can`: the tenant's directory, asked of its policies.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use cedargate_identity::{AccountState, Accounts, Email, MEMBER, ServiceAccounts, Tenant, Tenants};
use cedargate_migrations::Pool;
use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, Clock as _, Credential, DecisionId, Micros, PolicyId, Principal, PrincipalId,
    RoleName, SessionId, SystemClock, TenantName,
};
use cedargate_policy::{Context, Query, Route, Routed, Snapshot, Sources, TenantScope, Verdict, WafFindings};
use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::super::output::Output;
use super::super::{Common, Ending, Failure, block_on, tenant};
use super::tenants;
use crate::compose;
use crate::config::Config;

/// The resource where it does not matter which.
const ANY_RESOURCE: &str = "any";

/// List who may do something, of the tenant's people and service accounts
///
/// Each is asked about as if they had just signed in with a password, by the policies of the configuration. Who would have
/// to prove more is listed with what. Exit code 1: nobody may.
#[derive(Debug, Args)]
pub(crate) struct WhoCan {
    /// The tenant
    #[arg(long, value_parser = TenantName::parse)]
    tenant: TenantName,
    /// The action with its module, such as `inventory.GetItem`
    action: String,
    /// The id of the resource, where it matters
    resource: Option<String>,
    /// Answer as JSON: {"answers": [{"who", "roles", "action", "resource", "answer", "needs", "by"}]}
    #[arg(long)]
    pub(super) json: bool,
}

/// List what somebody may do
///
/// As `who-can` asks, for every action of the tenant. Exit code 1: nothing.
#[derive(Debug, Args)]
pub(crate) struct WhatCan {
    /// The tenant
    #[arg(long, value_parser = TenantName::parse)]
    tenant: TenantName,
    /// The address of an account, or the name of a service account
    principal: String,
    /// Answer as JSON: {"answers": [{"who", "roles", "action", "resource", "answer", "needs", "by"}]}
    #[arg(long)]
    pub(super) json: bool,
}

/// One who could ask.
struct Asker {
    shown: String,
    roles: Vec<RoleName>,
    caller: Caller,
}

#[derive(Serialize)]
struct Answers {
    answers: Vec<Answer>,
}

#[derive(Serialize)]
struct Answer {
    who: String,
    roles: Vec<RoleName>,
    action: String,
    resource: String,
    /// `allow`, or `step_up` where more has to be proved.
    answer: &'static str,
    needs: Option<String>,
    by: Vec<PolicyId>,
}

impl WhoCan {
    pub(super) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let (snapshot, askers) = read(&common.load()?, &self.tenant)?;
        let is_it = |route: &&Arc<Route>| route.id.as_str() == self.action;
        let missing = || Failure::mistake(format!("there is no action `{}`; write `<module>.<Action>`", self.action));
        let route = snapshot.routes().all().iter().find(is_it).ok_or_else(missing)?;
        let routed = routed(&snapshot, route, self.resource.as_deref())?;
        let answers = askers.iter().filter_map(|asker| asker.ask(&snapshot, &routed)).collect();
        Ok(said(output, Answers { answers }))
    }
}

impl WhatCan {
    pub(super) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let (snapshot, askers) = read(&common.load()?, &self.tenant)?;
        let missing = || {
            Failure::mistake(format!("tenant `{}` has no account `{}` that may be used", self.tenant, self.principal))
        };
        let asker = askers.iter().find(|asker| asker.shown == self.principal).ok_or_else(missing)?;
        let mut answers = Vec::new();
        for route in snapshot.routes().all() {
            answers.extend(asker.ask(&snapshot, &routed(&snapshot, route, None)?));
        }
        Ok(said(output, Answers { answers }))
    }
}

fn said(output: &Output, answers: Answers) -> Ending {
    output.answer(&answers, &answers);
    Ending::yes_if(!answers.answers.is_empty())
}

fn routed(snapshot: &Snapshot, route: &Route, resource: Option<&str>) -> Result<Routed, Failure> {
    let id = match (route.fixed_resource(), resource) {
        (Some(fixed), None) => fixed,
        (Some(fixed), Some(id)) if **fixed == *id => fixed,
        (Some(fixed), Some(_)) => {
            return Err(Failure::mistake(format!("`{}` is about `{fixed}` and nothing else", route.id)));
        }
        (None, id) => id.unwrap_or(ANY_RESOURCE),
    };
    let named = format!("{}::\"{}\"", route.resource_kind(), id.escape_debug());
    let found = snapshot.routes().address(&route.action, &named);
    found.ok_or_else(|| Failure::mistake(format!("`{id}` is no id of a resource")))
}

impl Asker {
    /// What they get; none where that is a refusal that nothing they could prove would change.
    fn ask(&self, snapshot: &Snapshot, routed: &Routed) -> Option<Answer> {
        let context = Context {
            now: SystemClock.now(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            certificate: None,
            waf: WafFindings::default(),
        };
        let query = Query { caller: &self.caller, routed, context: &context };
        let verdict = snapshot.decide(&query, DecisionId(Uuid::nil()));
        let needs = match &verdict {
            Verdict::Allow(_) => None,
            Verdict::StepUp(step_up) => {
                let age = step_up.max_age_seconds().map(|age| format!(", at most {age} s ago")).unwrap_or_default();
                Some(format!("a sign-in at level {}{age}", step_up.level()))
            }
            Verdict::SignIn(_) | Verdict::Deny(_) | Verdict::Failed(_) => return None,
        };
        Some(Answer {
            who: self.shown.clone(),
            roles: self.roles.clone(),
            action: routed.route().id.to_string(),
            resource: routed.resource().to_string(),
            answer: verdict.as_str(),
            needs,
            by: verdict.basis().determined_by().to_vec(),
        })
    }
}

/// The tenant's policies, and everybody of it who can act.
fn read(config: &Config, name: &TenantName) -> Result<(Snapshot, Vec<Asker>), Failure> {
    let now = SystemClock.now();
    let (found, askers) = block_on(async {
        let unknown = || Failure::mistake(format!("there is no tenant `{name}`: there is no store yet"));
        let pool = compose::look_at_store(&config.store).await?.ok_or_else(unknown)?;
        compose::require_schema(&pool).await?;
        let found = tenant::find(&Tenants::new(pool.clone()), name).await?;
        let askers = everybody(&pool, &found, now).await?;
        pool.close().await;
        Ok((found, askers))
    })?;
    let sources = tenants::built(&config.policies.dir, Sources::read(&config.policies.dir))?;
    let scope = TenantScope::of_all_modules(&sources, found.id, found.name.clone());
    Ok((tenants::built(&config.policies.dir, Snapshot::build(&sources, &scope))?, askers))
}

async fn everybody(pool: &Pool, of: &Tenant, now: Micros) -> Result<Vec<Asker>, Failure> {
    let mut all = Vec::new();
    let accounts = Accounts::new(pool.clone());
    let mut after: Option<Email> = None;
    loop {
        let page = accounts.list(of.id, after.as_ref()).await.map_err(|error| Failure::unavailable(&error))?;
        let Some(last) = page.last() else { break };
        after = Some(last.email.clone());
        for account in page.into_iter().filter(|account| account.state == AccountState::Active) {
            let principal = principal(of, account.id, &account.roles, Credential::Session, now);
            all.push(Asker { shown: account.email.to_string(), roles: account.roles, caller: principal });
        }
    }
    let programs = ServiceAccounts::new(pool.clone());
    let mut after = None;
    loop {
        let page = programs.list(of.id, after.as_ref()).await.map_err(|error| Failure::unavailable(&error))?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.name.clone());
        for account in page.into_iter().filter(|account| account.state == AccountState::Active) {
            let principal = principal(of, account.id, &account.roles, Credential::ApiKey, now);
            all.push(Asker { shown: account.name.to_string(), roles: account.roles, caller: principal });
        }
    }
}

fn principal(of: &Tenant, id: PrincipalId, roles: &[RoleName], credential: Credential, now: Micros) -> Caller {
    let is_person = credential.is_of_person();
    let member = RoleName::parse(MEMBER).ok().filter(|_| is_person);
    let mut roles: Vec<RoleName> = roles.iter().cloned().chain(member).collect();
    roles.sort();
    roles.dedup();
    let methods = if is_person { vec![AuthnMethod::Pwd] } else { Vec::new() };
    Caller::Principal(Arc::new(Principal {
        id,
        tenant: of.id,
        tenant_name: of.name.clone(),
        display: String::new(),
        roles,
        session: SessionId(Uuid::nil()),
        credential,
        strength: AuthnStrength { level: 1, methods },
        authenticated_at: now,
        version: 1,
    }))
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.answers.is_empty() {
            return f.write_str("nobody, nothing");
        }
        for Answer { who, roles, action, resource, needs, by, .. } in &self.answers {
            let roles: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
            let by: Vec<&str> = by.iter().map(PolicyId::as_str).collect();
            let needs =
                needs.as_ref().map_or_else(|| format!("by {}", by.join(", ")), |needs| format!("after {needs}"));
            writeln!(f, "{who} ({})  {action} on {resource}  {needs}", roles.join(", "))?;
        }
        Ok(())
    }
}
