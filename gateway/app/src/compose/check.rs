//! `cedargate config check`: what a start does, up to opening the record and listeners, and changing nothing.

use std::fmt;

use cedargate_identity::{Tenant, Tenants};
use cedargate_idp_adapters::connection::Connections;
use cedargate_idp_adapters::workload::Workloads;
use cedargate_migrations::Pool;
use cedargate_model::{Clock as _, Micros, SystemClock, TenantId, TenantName};
use cedargate_policy::Sources;
use serde::Serialize;

use super::rule_sets::RuleLoader;
use super::sites::SiteLoader;
use super::{StartError, admissions, certificates, connections, parts, store, traces, workloads};
use crate::config::{Config, OWN_SERVICE, SecretUse};
use crate::keys::KeyRing;

/// What was looked at, and what was found.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    ok: bool,
    checks: Vec<Check>,
    warnings: Vec<String>,
    #[serde(skip)]
    failures: Vec<StartError>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

/// Looks at everything, past the first failure.
pub(crate) async fn check(config: &Config, ring: &KeyRing) -> Checked {
    let mut checked = Checked { ok: true, checks: Vec::new(), warnings: warnings(config), failures: Vec::new() };
    checked.note("configuration", Ok("every value is usable".to_owned()));
    checked.note("keys", keys(ring));
    let (tenants, looked) = match look(config).await {
        Ok((tenants, detail)) => (tenants, Ok(detail)),
        Err(error) => (Vec::new(), Err(error)),
    };
    checked.note("store", looked);
    policies(config, tenants, &mut checked);
    checked.note("inspection", inspection(config));
    checked.note("bounds", bounds(config));
    checked.note("upstreams", upstreams(config));
    checked.note("telemetry", traces::check(config));
    checked.note("notices", admissions::check(config));
    checked.note("connections", identity_providers(config));
    checked.note("workloads", issuers(config));
    let tls = certificates::load(config).map(|hosts| match hosts {
        None => "no listener has TLS".to_owned(),
        Some(hosts) => {
            let expiry = hosts.expiry();
            checked.warnings.extend(certificates::warnings(&expiry, SystemClock.now()));
            let names: Vec<_> = expiry.iter().map(|host| host.host.as_str()).collect();
            format!("every certificate and key is usable: {}", names.join(", "))
        }
    });
    checked.note("tls", tls);
    checked
}

/// What is allowed, and should be known.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings: Vec<_> =
        config.danger.active().map(|option| format!("`{option}` is on: not for production")).collect();
    if config.listen.base_url.is_clear_text_beyond_loopback() {
        warnings.push(
            "`listen.base_url` is plain HTTP beyond this machine: passwords and sessions can be read on the way"
                .to_owned(),
        );
    }
    if config.telemetry.otlp.as_ref().is_some_and(|otlp| otlp.endpoint.is_clear_text_beyond_loopback()) {
        warnings.push(
            "`telemetry.otlp_endpoint` is plain HTTP beyond this machine: traces, and the headers that open the collector, can be \
             read on the way"
                .to_owned(),
        );
    }
    warnings
}

fn keys(ring: &KeyRing) -> Result<String, StartError> {
    let listed = ring.list()?;
    Ok(format!("{} keys open", listed.len()))
}

fn bounds(config: &Config) -> Result<String, StartError> {
    parts::settings(config)?;
    parts::addresses(config)?;
    parts::quotas(config)?;
    Ok("limits and proxies are usable".to_owned())
}

fn identity_providers(config: &Config) -> Result<String, StartError> {
    let tenants = connections::read(&config.connections, &config.policies.dir, SecretUse::Needed)?;
    let made = connections::live(tenants, &Connections::default())?;
    Ok(match made.count() {
        0 => "nobody signs in by an identity provider".to_owned(),
        count => format!("{count} connections are usable; `cedargate idp check --online` asks their providers"),
    })
}

fn issuers(config: &Config) -> Result<String, StartError> {
    Ok(match workloads::live(&config.workloads, &Workloads::default())?.count() {
        0 => "no issuer elsewhere vouches for programs".to_owned(),
        count => format!("{count} issuers that vouch for programs are usable"),
    })
}

/// The built-in rules, and the rule sets that the configuration names.
fn inspection(config: &Config) -> Result<String, StartError> {
    parts::engine()?;
    let sets = RuleLoader::new(config).start(std::iter::empty())?;
    let names: Vec<_> = sets.iter().map(|(name, rules)| format!("{name} ({} rules)", rules.len())).collect();
    Ok(if names.is_empty() {
        "the built-in rules compile".to_owned()
    } else {
        format!("rule sets compile: {}", names.join(", "))
    })
}

fn upstreams(config: &Config) -> Result<String, StartError> {
    let upstreams = parts::upstreams(config)?;
    Ok(upstreams.services().join(", "))
}

async fn look(config: &Config) -> Result<(Vec<Tenant>, String), StartError> {
    let Some(pool) = store::look(&config.store).await? else {
        return Ok((Vec::new(), "not there yet: the first start makes it".to_owned()));
    };
    let looked = tenants(&pool).await;
    pool.close().await;
    let tenants = looked?;
    let detail = format!("{} tenants", tenants.len());
    Ok((tenants, detail))
}

async fn tenants(pool: &Pool) -> Result<Vec<Tenant>, StartError> {
    store::require_schema(pool).await?;
    Ok(Tenants::new(pool.clone()).list().await?)
}

/// Builds every tenant's snapshot; also those of tenants that have a folder and are not in the store yet.
fn policies(config: &Config, mut tenants: Vec<Tenant>, checked: &mut Checked) {
    let name = "policies";
    if let Ok(sources) = Sources::read(&config.policies.dir) {
        let missing =
            sources.tenants().into_iter().filter(|folder| !tenants.iter().any(|t| *t.name.as_str() == **folder));
        let missing: Vec<_> = missing.filter_map(|folder| TenantName::parse(&folder).ok()).collect();
        tenants.extend(missing.into_iter().map(not_yet_created));
    }
    let base = config.listen.base_url.clone();
    match SiteLoader::new(&config.policies.dir, base).load(&tenants) {
        Err(error) => checked.note(name, Err(error)),
        Ok(loaded) => {
            let unknown =
                loaded.services.iter().filter(|s| ***s != *OWN_SERVICE && !config.upstreams.contains_key(&***s));
            let warn = |service| {
                format!("routes lead to the service `{service}`, which `[upstreams]` does not have: they answer 503")
            };
            checked.warnings.extend(unknown.map(warn));
            if loaded.failed.is_empty() {
                let detail = format!("the snapshots of {} hosts build", loaded.sites.iter().count());
                return checked.note(name, Ok(detail));
            }
            for failed in loaded.failed {
                let (tenant, problems) = (failed.tenant, failed.problems);
                checked.note(name, Err(StartError::TenantPolicies { tenant, problems }));
            }
        }
    }
}

fn not_yet_created(name: TenantName) -> Tenant {
    let created_at: Micros = SystemClock.now();
    Tenant { id: TenantId(uuid::Uuid::now_v7()), name, hosts: Vec::new(), created_at }
}

impl Checked {
    /// The first failure, which decides the exit code; all of them have been said.
    pub(crate) fn into_failure(mut self) -> Option<StartError> {
        (!self.failures.is_empty()).then(|| self.failures.remove(0))
    }

    fn note(&mut self, name: &'static str, result: Result<String, StartError>) {
        let (ok, detail) = match result {
            Ok(detail) => (true, detail),
            Err(error) => {
                let detail = crate::cli::chain(&error);
                self.failures.push(error);
                (false, detail)
            }
        };
        self.ok &= ok;
        self.checks.push(Check { name, ok, detail });
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { name, ok, detail } in &self.checks {
            let mark = if *ok { "ok" } else { "NOT OK" };
            writeln!(f, "{mark:<7} {name}: {detail}")?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning {warning}"))
    }
}
