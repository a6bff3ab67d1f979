//! `cedargate service-account certificate`.

use std::path::PathBuf;

use cedargate_dataplane::certificate_key;
use cedargate_identity::{
    AccountCertificate, AddCertificateError, CertificateRule, ServiceAccountName, ServiceAccounts, Tenants,
};
use cedargate_model::{Clock as _, SessionId, SystemClock, TenantName};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::audit::moment;
use super::output::Output;
use super::{Failure, service_account, tenant};

#[derive(Debug, Subcommand)]
pub(crate) enum CertificateCommand {
    /// Have a service account known by a client certificate, at hosts of `[[listen.client_certificate]]`
    ///
    /// By its own key with `--certificate`, or by a name in it with `--issuer` and `--uri` or `--dns`: then by any that this issuer signs
    /// with that name.
    Add {
        /// The tenant
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        /// The service account's name
        #[arg(value_parser = ServiceAccountName::parse)]
        name: ServiceAccountName,
        #[command(flatten)]
        what: What,
        /// Answer as JSON: {"id", "kind", "value", "issuer"}
        #[arg(long)]
        json: bool,
    },
    /// List the certificates that a service account is known by, the newest first
    List {
        /// The tenant
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        /// The service account's name
        #[arg(value_parser = ServiceAccountName::parse)]
        name: ServiceAccountName,
        /// Answer as JSON: {"certificates": [{"id", "kind", "value", "issuer", "created_at"}]}
        #[arg(long)]
        json: bool,
    },
    /// Have nobody known by a certificate any more, within a second
    Revoke {
        /// The tenant
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        /// Its id, as `list` shows it
        #[arg(value_parser = session_id)]
        id: SessionId,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
}

/// By what of a certificate.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = true)]
pub(crate) struct What {
    /// A certificate as PEM: whoever has its key is the account, whoever issued it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["issuer", "uri", "dns"])]
    certificate: Option<PathBuf>,
    /// The certificate of the authority that signs the clients' own, as PEM: an intermediate one, where there is one
    #[arg(long, value_name = "FILE")]
    issuer: Option<PathBuf>,
    /// A URI among a certificate's alternative names, such as `spiffe://example/robot`
    #[arg(long, requires = "issuer", conflicts_with = "dns")]
    uri: Option<String>,
    /// A DNS name among them
    #[arg(long, requires = "issuer")]
    dns: Option<String>,
}

impl What {
    fn rule(self) -> Result<CertificateRule, Failure> {
        let key = |path: PathBuf| certificate_key(&path).map_err(|error| Failure::mistaken(&error));
        match self {
            Self { certificate: Some(path), .. } => Ok(CertificateRule::Key(key(path)?)),
            Self { issuer: Some(path), uri: Some(value), .. } => Ok(CertificateRule::Uri { issuer: key(path)?, value }),
            Self { issuer: Some(path), dns: Some(name), .. } => {
                Ok(CertificateRule::Dns { issuer: key(path)?, value: name.to_ascii_lowercase() })
            }
            Self { .. } => Err(Failure::mistake("write `--certificate`, or `--issuer` and one of `--uri` and `--dns`")),
        }
    }
}

impl CertificateCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Add { json, .. } | Self::List { json, .. } | Self::Revoke { json, .. } => *json,
        }
    }

    pub(super) async fn carry_out(
        self,
        tenants: &Tenants,
        accounts: &ServiceAccounts,
        output: &Output,
    ) -> Result<(), Failure> {
        let now = SystemClock.now();
        match self {
            Self::Add { tenant, name, what, .. } => {
                let rule = what.rule()?;
                let account = service_account::find(tenants, accounts, &tenant, &name).await?;
                let added = accounts.add_certificate(account.tenant, account.id, &rule, now).await;
                let id = added.map_err(add_failed)?;
                let listed = accounts.certificates(account.tenant, account.id).await;
                let listed = listed.map_err(|error| Failure::unavailable(&error))?;
                let gone = || Failure::mistake("it was revoked in this very moment");
                let added = listed.iter().find(|certificate| certificate.id == id).ok_or_else(gone)?;
                output.answer(&as_json(added), as_line(added));
            }
            Self::List { tenant, name, .. } => {
                let account = service_account::find(tenants, accounts, &tenant, &name).await?;
                let listed = accounts.certificates(account.tenant, account.id).await;
                let listed = listed.map_err(|error| Failure::unavailable(&error))?;
                let lines: Vec<_> = listed.iter().map(as_line).collect();
                let text =
                    if lines.is_empty() { format!("`{name}` is known by no certificate") } else { lines.join("\n") };
                output.answer(&json!({ "certificates": listed.iter().map(as_json).collect::<Vec<_>>() }), text);
            }
            Self::Revoke { tenant, id, .. } => {
                let found = tenant::find(tenants, &tenant).await?;
                let revoked = accounts.revoke_certificate(found.id, id, now).await;
                if !revoked.map_err(|error| Failure::unavailable(&error))? {
                    return Err(Failure::mistake(format!("tenant `{tenant}` has no certificate `{id}`")));
                }
                output.answer(&json!({ "id": id, "state": "revoked" }), format_args!("{id}  revoked"));
            }
        }
        Ok(())
    }
}

fn add_failed(error: AddCertificateError) -> Failure {
    match error {
        AddCertificateError::AccountUnusable(_)
        | AddCertificateError::NameMalformed
        | AddCertificateError::Taken
        | AddCertificateError::TooMany => Failure::mistaken(&error),
        AddCertificateError::Entropy(_) | AddCertificateError::Store(_) => Failure::unavailable(&error),
    }
}

fn session_id(text: &str) -> Result<SessionId, &'static str> {
    text.parse().map_err(|_| "an id, as `list` shows it")
}

fn as_json(certificate: &AccountCertificate) -> Value {
    json!({
        "id": certificate.id,
        "kind": certificate.kind,
        "value": certificate.value,
        "issuer": certificate.issuer,
        "created_at": certificate.created_at,
    })
}

fn as_line(certificate: &AccountCertificate) -> String {
    let AccountCertificate { id, kind, value, issuer, created_at } = certificate;
    let issuer = issuer.as_ref().map_or_else(String::new, |issuer| format!("  of {issuer}"));
    format!("{id}  since {}  {kind} {value}{issuer}", moment(created_at.0))
}
