//! `cedargate idp`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_identity::{Accounts, Email, Identities, Identity, Issuer, LinkError, Sessions, Subject, Tenants};
use cedargate_idp_adapters::connection::{Claims, Connection, ConnectionKind, Judgement, Verdict};
use cedargate_idp_adapters::oidc::{OidcClient, ProviderHttp};
use cedargate_idp_adapters::saml;
use cedargate_model::{AuthnMethod, Clock as _, ConnectionName, RoleName, SystemClock, TenantName};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::Output;
use super::{Common, Ending, Failure, block_on, chain, tenant};
use crate::compose;
use crate::config::{Config, SecretUse, TenantConnections, connections_reference};

/// The longest sample that is read, in octets.
const SAMPLE_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum IdpCommand {
    /// Check every tenant's connections, and with `--online` that their providers answer
    Check {
        /// Also fetch each provider's description and keys
        #[arg(long)]
        online: bool,
        /// Answer as JSON: {"connections": [{"tenant", "name", "issuer", "error" (with --online)}]}
        #[arg(long)]
        json: bool,
    },
    /// Show what a sample token's or assertion's claims come to: in or out, roles, strength
    ///
    /// Needs neither the network nor a secret, and believes nothing: signature and times are not looked at.
    Preview {
        #[command(flatten)]
        which: Which,
        /// A file with a token (its three parts), its claims as JSON, or a SAML response or assertion (XML, not encrypted); `-` is
        /// standard input
        #[arg(long, visible_alias = "assertion", value_name = "FILE")]
        token: PathBuf,
        /// Answer as JSON: {"verdict", "reason", "roles", "rules_held", "required_missing", "level", "methods", "display"}
        #[arg(long)]
        json: bool,
    },
    /// Print every key of a connection with its meaning and default, as Markdown
    Reference,
    /// Say that a person at a provider is this account's
    Link {
        #[command(flatten)]
        which: Which,
        /// The subject at the provider (`sub`, or the NameID), exactly as it writes it
        #[arg(long, value_parser = Subject::parse)]
        subject: Subject,
        /// The account's address
        #[arg(value_parser = Email::parse)]
        email: Email,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say that a person at a provider is nobody's account any more, and end the sessions that came from there
    ///
    /// The account keeps its roles; disable it where nobody is to sign in with it.
    Unlink {
        #[command(flatten)]
        which: Which,
        /// The subject at the provider (`sub`), exactly as it writes it
        #[arg(long, value_parser = Subject::parse)]
        subject: Subject,
        /// The issuer, where it is not (or no longer) the one that the connection's file says
        #[arg(long, value_parser = Issuer::parse)]
        issuer: Option<Issuer>,
        /// Answer as JSON: {"account", "connection", "issuer", "subject", "sessions_ended"}
        #[arg(long)]
        json: bool,
    },
    /// End every session that came by a connection, configured or not
    EndSessions {
        #[command(flatten)]
        which: Which,
        /// Answer as JSON: {"connection", "sessions_ended"}
        #[arg(long)]
        json: bool,
    },
}

/// Which connection.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The tenant
    #[arg(long, value_parser = TenantName::parse)]
    tenant: TenantName,
    /// The connection's name
    #[arg(value_parser = ConnectionName::parse)]
    connection: ConnectionName,
}

impl IdpCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Check { json, .. }
            | Self::Preview { json, .. }
            | Self::Link { json, .. }
            | Self::Unlink { json, .. }
            | Self::EndSessions { json, .. } => *json,
            Self::Reference => false,
        }
    }

    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        if let Self::Reference = self {
            output.text(connections_reference());
            return Ok(Ending::Done);
        }
        let config = common.load()?;
        match self {
            Self::Reference => Ok(Ending::Done),
            Self::Check { online, .. } => check(&config, online, output),
            Self::Preview { which, token, .. } => preview(&config, &which, &token, output),
            Self::Link { which, subject, email, .. } => link(&config, &which, subject, &email, output),
            Self::Unlink { which, subject, issuer, .. } => unlink(&config, &which, subject, issuer, output),
            Self::EndSessions { which, .. } => end_sessions(&config, &which, output),
        }
    }
}

fn read(config: &Config, secrets: SecretUse) -> Result<TenantConnections, Failure> {
    Ok(compose::read_connections(&config.connections, &config.policies.dir, secrets)?)
}

fn find(config: &Config, which: &Which) -> Result<Connection, Failure> {
    let mut tenants = read(config, SecretUse::Unused)?;
    let connections = tenants.remove(&which.tenant).unwrap_or_default();
    let names: Vec<_> = connections.iter().map(|connection| format!("`{}`", connection.name)).collect();
    let found = connections.into_iter().find(|connection| connection.name == which.connection);
    found.ok_or_else(|| {
        let known = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        Failure::mistake(format!("the tenant `{}` has no connection `{}`; {known}", which.tenant, which.connection))
    })
}

fn check(config: &Config, online: bool, output: &Output) -> Result<Ending, Failure> {
    let tenants = read(config, SecretUse::Needed)?;
    let http = match online {
        true => Some(ProviderHttp::new(true).map_err(|error| Failure::unavailable(&error))?),
        false => None,
    };
    let (mut values, mut lines, mut all_answer) = (Vec::new(), Vec::new(), true);
    for (tenant, connection) in tenants.iter().flat_map(|(tenant, all)| all.iter().map(move |one| (tenant, one))) {
        let (name, issuer) = (connection.name.as_str(), connection.kind.issuer().as_str());
        let mut value = json!({ "tenant": tenant.as_str(), "name": name, "issuer": issuer });
        let mut line = format!("ok      {tenant}/{name}: {issuer}");
        let wrong = match (&connection.kind, &http) {
            (ConnectionKind::Oidc(settings), Some(http)) => {
                let client = OidcClient::new(settings.clone(), http.clone());
                let looked = block_on(async { Ok(client.look(SystemClock.now()).await) })?;
                looked.err().map(|refused| chain(&refused))
            }
            (ConnectionKind::Oidc(_), None) => None,
            // Never called: what there is to know stands in its metadata.
            (ConnectionKind::Saml(settings), _) => {
                let is_valid = settings.metadata.is_valid(SystemClock.now());
                (!is_valid).then(|| "its metadata's `validUntil` has passed: fetch it anew".to_owned())
            }
        };
        if let Some(said) = wrong {
            all_answer = false;
            line = format!("NOT OK  {tenant}/{name}: {issuer}: {said}");
            value = json!({ "tenant": tenant.as_str(), "name": name, "issuer": issuer, "error": said });
        }
        values.push(value);
        lines.push(line);
    }
    let text = if lines.is_empty() { "there are no connections".to_owned() } else { lines.join("\n") };
    output.answer(&json!({ "connections": values }), text);
    Ok(Ending::yes_if(all_answer))
}

fn preview(config: &Config, which: &Which, token: &Path, output: &Output) -> Result<Ending, Failure> {
    let connection = find(config, which)?;
    let sample = sample(token)?;
    let judged = connection.judge(&sample.claims);
    let (verdict, reason) = match judged.verdict {
        Verdict::Admitted => ("admitted", None),
        Verdict::IfKnown => ("admitted_if_known", None),
        Verdict::Refused(reason) => ("refused", Some(reason.as_str())),
    };
    let value = json!({
        "verdict": verdict,
        "reason": reason,
        "roles": judged.roles,
        "rules_held": judged.rules_held,
        "required_missing": judged.required_missing,
        "level": judged.strength.level,
        "methods": judged.strength.methods,
        "display": judged.display,
    });
    output.answer(&value, told(&connection, &sample, &judged));
    Ok(Ending::yes_if(reason.is_none()))
}

/// What a preview says to people.
fn told(connection: &Connection, sample: &Sample, judged: &Judgement) -> String {
    let claims = &sample.claims;
    let mut lines = vec!["signature and times were not looked at; this is what the claims come to".to_owned()];
    let expected = match &connection.kind {
        ConnectionKind::Oidc(settings) => {
            vec![("iss", connection.kind.issuer().as_str()), ("aud", settings.client_id.as_str())]
        }
        ConnectionKind::Saml(_) => Vec::new(),
    };
    if let Some(issuer) = sample.issuer.as_deref().filter(|issuer| *issuer != connection.kind.issuer().as_str()) {
        let expected = connection.kind.issuer();
        lines.push(format!("warning: it is of `{issuer}`, not of `{expected}`: a sign-in with it would be refused"));
    }
    for (name, expected) in expected {
        let is_it = |value: &Value| value.as_str() == Some(expected);
        let agrees = match claims.get(name) {
            None => continue,
            Some(Value::Array(values)) => values.iter().any(is_it),
            Some(value) => is_it(value),
        };
        if !agrees {
            lines.push(format!("warning: `{name}` is not `{expected}`: a sign-in with this token would be refused"));
        }
    }
    lines.push(match judged.verdict {
        Verdict::Admitted => "verdict: signed in; an account is made where there is none".to_owned(),
        Verdict::IfKnown => "verdict: signed in, if an operator linked this person to an account".to_owned(),
        Verdict::Refused(reason) => format!("verdict: refused ({reason})"),
    });
    for at in &judged.required_missing {
        if let Some(required) = connection.required.get(*at) {
            lines.push(format!("required and missing: `{}` is not `{}`", required.claim, required.value));
        }
    }
    for at in &judged.rules_held {
        if let Some(rule) = connection.roles.get(*at) {
            lines.push(format!("role `{}`, because `{}` is `{}`", rule.role, rule.when.claim, rule.when.value));
        }
    }
    let roles: Vec<_> = judged.roles.iter().map(RoleName::as_str).collect();
    lines.push(format!("roles: {}", if roles.is_empty() { "none".to_owned() } else { roles.join(", ") }));
    let methods: Vec<_> = judged.strength.methods.iter().copied().map(AuthnMethod::as_str).collect();
    lines.push(format!("strength: level {} by {}", judged.strength.level, methods.join(" and ")));
    lines.push(format!("shown as: {}", judged.display.as_deref().unwrap_or("nothing, the id stands in")));
    lines.join("\n")
}

/// What somebody wants to see previewed.
struct Sample {
    claims: Claims,
    /// Who says so, where that is not among the claims.
    issuer: Option<String>,
}

fn sample(file: &Path) -> Result<Sample, Failure> {
    let unread = |error: std::io::Error| Failure::mistake(format!("`{}` cannot be read: {error}", file.display()));
    let mut text = String::new();
    match file.as_os_str() == "-" {
        true => std::io::stdin().take(SAMPLE_BYTES_MAX).read_to_string(&mut text).map_err(unread)?,
        false => {
            let file = std::fs::File::open(file).map_err(unread)?;
            file.take(SAMPLE_BYTES_MAX).read_to_string(&mut text).map_err(unread)?
        }
    };
    let malformed = |what: &str| Failure::mistake(format!("`{}` {what}", file.display()));
    let text = text.trim();
    let without_issuer = |claims| Sample { claims, issuer: None };
    if text.starts_with('{') {
        let claims = serde_json::from_str(text).map(without_issuer);
        return claims.map_err(|error| malformed(&format!("is no object of claims: {error}")));
    }
    if text.starts_with('<') {
        let read = saml::preview(text.as_bytes());
        let (claims, issuer) = read
            .map_err(|reason| malformed(&format!("is no SAML response or assertion that would be read ({reason})")))?;
        return Ok(Sample { claims, issuer: Some(issuer) });
    }
    let [_, payload, _] = <[&str; 3]>::try_from(text.split('.').collect::<Vec<_>>())
        .map_err(|_| malformed("is neither an object of claims nor a token of three parts nor a SAML message"))?;
    let payload =
        URL_SAFE_NO_PAD.decode(payload).map_err(|_| malformed("is a token whose middle part is no base64url"))?;
    serde_json::from_slice(&payload)
        .map(without_issuer)
        .map_err(|error| malformed(&format!("is a token without claims: {error}")))
}

fn link(config: &Config, which: &Which, subject: Subject, email: &Email, output: &Output) -> Result<Ending, Failure> {
    let connection = find(config, which)?;
    let identity = Identity { connection: connection.name.clone(), issuer: connection.kind.issuer().clone(), subject };
    block_on(async {
        let pool = compose::open_store(&config.store).await?;
        let linked = async {
            let tenant = tenant::find(&Tenants::new(pool.clone()), &which.tenant).await?.id;
            let found = Accounts::new(pool.clone()).find_by_email(tenant, email).await;
            let account = found
                .map_err(|error| Failure::unavailable(&error))?
                .ok_or_else(|| Failure::mistake(format!("tenant `{}` has no account `{email}`", which.tenant)))?;
            let identities = Identities::new(pool.clone());
            identities.link(tenant, account.id, &identity, SystemClock.now()).await.map_err(|error| match &error {
                LinkError::Taken(_) | LinkError::AccountUnknown(_) => Failure::mistaken(&error),
                LinkError::Entropy(_) | LinkError::Store(_) => Failure::unavailable(&error),
            })?;
            let value = json!({
                "account": account.id.to_string(),
                "connection": identity.connection.as_str(),
                "issuer": identity.issuer.as_str(),
                "subject": identity.subject.as_str(),
            });
            output.answer(&value, format!("`{}` at `{}` is the account `{email}`", identity.subject, identity.issuer));
            Ok(Ending::Done)
        };
        let linked = linked.await;
        pool.close().await;
        linked
    })
}

fn unlink(
    config: &Config,
    which: &Which,
    subject: Subject,
    issuer: Option<Issuer>,
    output: &Output,
) -> Result<Ending, Failure> {
    let issuer = match issuer {
        Some(issuer) => issuer,
        None => {
            let connection = find(config, which)?;
            connection.kind.issuer().clone()
        }
    };
    let identity = Identity { connection: which.connection.clone(), issuer, subject };
    block_on(async {
        let pool = compose::open_store(&config.store).await?;
        let unlinked = async {
            let tenant = tenant::find(&Tenants::new(pool.clone()), &which.tenant).await?.id;
            let unlinked = Identities::new(pool.clone()).unlink(tenant, &identity, SystemClock.now()).await;
            let unlinked = unlinked.map_err(|error| Failure::unavailable(&error))?;
            let (account, sessions_ended) = unlinked.ok_or_else(|| {
                let Identity { connection, issuer, subject } = &identity;
                Failure::mistake(format!("nobody is linked to `{subject}` at `{issuer}` by `{connection}`"))
            })?;
            let value = json!({
                "account": account.id.to_string(),
                "connection": identity.connection.as_str(),
                "issuer": identity.issuer.as_str(),
                "subject": identity.subject.as_str(),
                "sessions_ended": sessions_ended,
            });
            let text = format!(
                "`{}` at `{}` is no longer the account `{}`; sessions ended: {sessions_ended}",
                identity.subject, identity.issuer, account.email
            );
            output.answer(&value, text);
            Ok(Ending::Done)
        };
        let unlinked = unlinked.await;
        pool.close().await;
        unlinked
    })
}

fn end_sessions(config: &Config, which: &Which, output: &Output) -> Result<Ending, Failure> {
    block_on(async {
        let pool = compose::open_store(&config.store).await?;
        let ended = async {
            let tenant = tenant::find(&Tenants::new(pool.clone()), &which.tenant).await?.id;
            let sessions = Sessions::new(pool.clone(), config.sessions);
            let ended = sessions.end_connection(tenant, &which.connection, None, SystemClock.now()).await;
            let count = ended.map_err(|error| Failure::unavailable(&error))?.len();
            let value = json!({ "connection": which.connection.as_str(), "sessions_ended": count });
            output.answer(&value, format!("sessions ended: {count}"));
            Ok(Ending::Done)
        };
        let ended = ended.await;
        pool.close().await;
        ended
    })
}
