//! Why the gateway does not start.

use std::net::SocketAddr;
use std::path::PathBuf;

use cedargate_dataplane::{RateError, TlsError, TrustedProxiesError, UpstreamError};
use cedargate_migrations::{MigrateError, OpenError, StoreError};
use cedargate_policy::Problems;

use crate::config::WorkloadsError;
use crate::keys::KeyRingError;

/// Why the gateway, or a command on its store, does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("the directory `{}` cannot be made", path.display())]
    Directory {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the file `{}` cannot be written", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the store cannot be opened")]
    Open(#[from] OpenError),
    #[error("the store cannot be brought up to its schema")]
    Migrate(#[from] MigrateError),
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    #[error("the store lacks {0} migrations; `cedargate serve` applies them")]
    NotMigrated(usize),
    #[error(transparent)]
    Telemetry(#[from] cedargate_telemetry::StartError),
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    #[error("mistakes in the policies in `{}`\n{problems}", dir.display())]
    Policies { dir: PathBuf, problems: Problems },
    #[error("mistakes in the policies of tenant `{tenant}`\n{problems}")]
    TenantPolicies { tenant: String, problems: Problems },
    #[error("the audit log cannot be opened")]
    Audit(#[from] cedargate_audit::OpenError),
    #[error("the inspection's rules cannot be built")]
    Engine(#[from] cedargate_waf::BuildError),
    #[error("mistakes in the rule set `{name}`\n{mistakes}")]
    Rules { name: std::sync::Arc<str>, mistakes: String },
    #[error("a rate of `[limits]` cannot be used")]
    Rate(#[from] RateError),
    #[error("`listen.trusted_proxies` cannot be used")]
    Proxies(#[from] TrustedProxiesError),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("the metrics cannot be registered")]
    Metrics(String),
    #[error("local accounts cannot be set up")]
    Local(#[from] cedargate_idp_adapters::local::HashError),
    #[error("cannot listen on {address} (`{key}`)")]
    Bind {
        key: &'static str,
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("{0}; shorten `store.state_dir`")]
    SocketPath(String),
    #[error("`{}` is needed for a socket and is no socket", .0.display())]
    NotASocket(PathBuf),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the listeners did not come up within {0} seconds; the log says why")]
    NotListening(u64),
    #[error("{doing} cannot be started")]
    Machine {
        doing: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Connections(#[from] crate::config::ConnectionsError),
    #[error(transparent)]
    Workloads(#[from] WorkloadsError),
    #[error("identity providers cannot be called")]
    Providers(#[from] cedargate_idp_adapters::oidc::ProviderHttpError),
    #[error("`passwords.breached_url` cannot be used")]
    Breached(#[source] Box<cedargate_idp_adapters::breached::RangeServiceError>),
    #[error("`registration.captcha_url` cannot be used")]
    Captcha(#[source] Box<cedargate_idp_adapters::captcha::CaptchaError>),
    #[error("`notices.smtp_host` cannot be used")]
    Smtp(#[from] cedargate_notices::SmtpError),
    #[error("no mail can be from `no-reply@{0}`; say whom they are from with `notices.from`")]
    From(String),
    #[error("the record could not be closed in order")]
    Close(#[source] cedargate_audit::RecordError),
}

impl StartError {
    /// Whether somebody wrote something wrong; else something is not available.
    pub(crate) fn is_mistake(&self) -> bool {
        match self {
            Self::Keys(error) => error.is_mistake(),
            Self::Telemetry(cedargate_telemetry::StartError::Client(_))
            | Self::Policies { .. }
            | Self::TenantPolicies { .. }
            | Self::Engine(_)
            | Self::Rules { .. }
            | Self::Rate(_)
            | Self::Proxies(_)
            | Self::Upstream(_)
            | Self::SocketPath(_)
            | Self::NotASocket(_)
            | Self::Tls(_)
            | Self::Breached(_)
            | Self::Captcha(_)
            | Self::Smtp(_)
            | Self::From(_)
            | Self::NotMigrated(_) => true,
            Self::Connections(error) => Self::is_mistaken_connection(error),
            Self::Workloads(error) => matches!(error, WorkloadsError::Mistaken(_)),
            Self::Audit(error) => match error {
                cedargate_audit::OpenError::InstanceInvalid(_)
                | cedargate_audit::OpenError::InstanceMismatch { .. } => true,
                cedargate_audit::OpenError::Locked(_)
                | cedargate_audit::OpenError::NumbersExhausted(_)
                | cedargate_audit::OpenError::Io { .. } => false,
            },
            Self::Directory { .. }
            | Self::File { .. }
            | Self::Telemetry(cedargate_telemetry::StartError::Thread(_))
            | Self::Open(_)
            | Self::Migrate(_)
            | Self::Store(_)
            | Self::Metrics(_)
            | Self::Local(_)
            | Self::Bind { .. }
            | Self::NotListening(_)
            | Self::Machine { .. }
            | Self::Providers(_)
            | Self::Close(_) => false,
        }
    }
}
