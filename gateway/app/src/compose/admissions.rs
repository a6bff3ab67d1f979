//! How people come to have a password, and how they are told of what happens to their accounts.

use std::sync::Arc;

use cedargate_controlplane::ConsentAsking;
use cedargate_identity::{AccountLinks, Consents, Notices};
use cedargate_idp_adapters::admissions::Admissions;
use cedargate_idp_adapters::breached::{BreachedPasswords, BreachedSource, RangeService};
use cedargate_idp_adapters::captcha::Captcha;
use cedargate_idp_adapters::local::{LocalAccounts, PasswordRules};
use cedargate_migrations::Pool;
use cedargate_notices::{Courier, Mailbox, Outbox, Smtp, SmtpSettings, Transport};

use super::StartError;
use crate::config::{BreachedList, Config, SmtpServer};

/// Which passwords may be set.
pub(crate) fn password_rules(config: &Config) -> Result<PasswordRules, StartError> {
    let source = match &config.passwords.breached {
        BreachedList::Nowhere => BreachedSource::Nowhere,
        BreachedList::Directory(directory) => BreachedSource::Directory(directory.clone()),
        BreachedList::Service(url) => {
            BreachedSource::Service(RangeService::new(url).map_err(|error| StartError::Breached(Box::new(error)))?)
        }
    };
    let breached = BreachedPasswords::new(source, config.passwords.unavailable);
    let chars_min = config.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.password_chars_min)).collect();
    Ok(PasswordRules::new(breached, chars_min))
}

/// Invitations and resets.
pub(super) fn admissions(config: &Config, pool: &Pool, local: &LocalAccounts) -> Result<Admissions, StartError> {
    let (links, notices) = (AccountLinks::new(pool.clone()), Notices::new(pool.clone()));
    let rules = config.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.admission.clone())).collect();
    let captcha = captcha(config)?;
    Ok(Admissions::new(links, notices, local.clone(), password_rules(config)?).with(rules, captcha))
}

fn captcha(config: &Config) -> Result<Option<Captcha>, StartError> {
    let made = config.captcha.as_ref().map(|service| Captcha::new(&service.url, service.secret.clone()));
    let hostname = config.captcha.as_ref().and_then(|service| service.hostname.clone());
    made.transpose()
        .map(|made| made.map(|captcha| captcha.solved_on(hostname)))
        .map_err(|error| StartError::Captcha(Box::new(error)))
}

/// What people are to agree to.
pub(super) fn consents(config: &Config, pool: &Pool) -> ConsentAsking {
    let asked = config.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.documents.clone()));
    let asked = asked.filter(|(_, documents)| !documents.is_empty()).collect();
    ConsentAsking::new(Consents::new(pool.clone()), asked)
}

/// Whoever carries notices from the store to a mail server, or into a directory.
pub(super) fn courier(config: &Config, pool: &Pool) -> Result<Courier, StartError> {
    let notices = &config.notices;
    let domain = config.listen.base_url.domain();
    let transport = match &notices.smtp {
        None => Transport::Directory(Outbox::new(notices.outbox_dir.clone(), notices.outbox_files_max)),
        Some(server) => Transport::Smtp(smtp(server, domain)?),
    };
    let from = match &notices.from {
        Some(from) => from.clone(),
        None => default_from(domain)?,
    };
    Ok(Courier::new(Notices::new(pool.clone()), AccountLinks::new(pool.clone()), transport, from))
}

/// What `config check` says of it.
pub(super) fn check(config: &Config) -> Result<String, StartError> {
    password_rules(config)?;
    captcha(config)?;
    if config.notices.from.is_none() {
        default_from(config.listen.base_url.domain())?;
    }
    match &config.notices.smtp {
        None => Ok(format!("mails are files in `{}`", config.notices.outbox_dir.display())),
        Some(server) => {
            smtp(server, config.listen.base_url.domain())?;
            Ok(format!("mails go to `{}`", server.host))
        }
    }
}

fn smtp(server: &SmtpServer, hello: &str) -> Result<Smtp, StartError> {
    let SmtpServer { host, port, tls, login, authorities, timeout } = server;
    Ok(Smtp::new(SmtpSettings {
        host: host.clone(),
        port: *port,
        tls: *tls,
        login: login.clone(),
        authorities: authorities.clone(),
        hello: hello.to_owned(),
        timeout: *timeout,
    })?)
}

fn default_from(domain: &str) -> Result<Mailbox, StartError> {
    format!("Cedargate <no-reply@{domain}>").parse().map_err(|_| StartError::From(domain.to_owned()))
}

/// What the figures read.
pub(super) type Counted = Arc<cedargate_notices::Counted>;
