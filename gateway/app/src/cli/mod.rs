//! The command line: each command is a file, and ends in an [`Ending`] or a [`Failure`].

mod api_key;
mod audit;
mod audit_archive;
mod config;
mod ending;
mod explain;
mod health;
mod idp;
mod keys;
mod output;
mod policy;
#[cfg(test)]
mod reference;
mod registration;
mod scim;
mod serve;
mod service;
mod service_account;
mod service_certificate;
mod tenant;
mod user;
mod waf;
mod waf_exclude;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::ending::chain;
use self::ending::{Ending, Failure};
use self::output::Output;
use crate::config::{Config, DEFAULT_FILE, Environment, LoadError, MasterKeyUse, environment};
use crate::keys::{KeyRing, MasterKey};

/// One door in front of many services: every request is screened, attributed, decided by the tenant's Cedar policies,
/// recorded so that the record can be proved, and forwarded with an identity that the service can verify.
#[derive(Debug, Parser)]
#[command(name = "cedargate", version, after_help = EPILOGUE, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command that reads the configuration takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The configuration file [env: CEDARGATE_CONFIG] [default: cedargate.toml]
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
}

const EPILOGUE: &str = "\
Exit codes: 0 done, or the answer is yes; 1 the answer is no (a broken audit log, a failed policy test, a refused
request); 2 a mistake in the command line, the configuration or the policies; 3 a store or a file is not available.

First steps:
  export CEDARGATE_MASTER_KEY=$(openssl rand -base64 32)   keep it: it opens the signing keys
  cedargate keys init
  cedargate tenant create acme
  cedargate user create --tenant acme jo@acme.example --role clerk --generate
  cedargate config check && cedargate serve";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until SIGTERM or SIGINT
    Serve(serve::Serve),
    /// Ask a running gateway how it is
    ///
    /// It is asked at `listen.admin_address`, and has 5 seconds to answer. Exit code 0: well; 1: not well, and why; 3: no answer.
    Health(health::Health),
    /// Check the configuration, or print its reference
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Say what each stage would make of a request, and which policies would decide
    Explain(explain::Explain),
    /// Test policies
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Prove, seal and show an audit log
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Create and list tenants
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// Create and change local accounts
    #[command(subcommand)]
    User(user::UserCommand),
    /// List, approve and turn down people who ask for an account
    #[command(subcommand)]
    Registration(registration::RegistrationCommand),
    /// Create and change service accounts: programs that act for themselves
    #[command(subcommand)]
    ServiceAccount(service_account::ServiceAccountCommand),
    /// Make, list and revoke the keys of service accounts
    #[command(subcommand)]
    ApiKey(api_key::ApiKeyCommand),
    /// Check and preview the connections to identity providers
    #[command(subcommand)]
    Idp(idp::IdpCommand),
    /// Let identity providers tell of their people by SCIM
    #[command(subcommand)]
    Scim(scim::ScimCommand),
    /// Let services say what they did
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Make, list and rotate the signing keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Check rules of the inspection, and compare the engine with their authors' tests
    #[command(subcommand)]
    Waf(waf::WafCommand),
}

/// Runs the command that the process was asked for.
pub fn run() -> ExitCode {
    let Cli { common, command } = Cli::parse();
    let output = Output::new(command.json());
    match command.run(&common, &output).and_then(|ending| output.arrived().map(|()| ending)) {
        Ok(ending) => ending.code(),
        Err(failure) => {
            output.failure(&failure);
            failure.code()
        }
    }
}

impl Command {
    /// Whether a program reads the answer.
    fn json(&self) -> bool {
        match self {
            Self::Serve(_) => false,
            Self::Health(command) => command.json,
            Self::Config(command) => command.json(),
            Self::Explain(command) => command.json,
            Self::Policy(command) => command.json(),
            Self::Audit(command) => command.json(),
            Self::Tenant(command) => command.json(),
            Self::User(command) => command.json(),
            Self::Registration(command) => command.json(),
            Self::ServiceAccount(command) => command.json(),
            Self::ApiKey(command) => command.json(),
            Self::Idp(command) => command.json(),
            Self::Scim(command) => command.json(),
            Self::Service(command) => command.json(),
            Self::Keys(command) => command.json(),
            Self::Waf(command) => command.json(),
        }
    }

    fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        match self {
            Self::Serve(command) => command.run(common),
            Self::Health(command) => command.run(common, output),
            Self::Config(command) => command.run(common, output),
            Self::Explain(command) => command.run(common, output),
            Self::Policy(command) => command.run(common, output),
            Self::Audit(command) => command.run(common, output),
            Self::Tenant(command) => command.run(common, output),
            Self::User(command) => command.run(common, output),
            Self::Registration(command) => command.run(common, output),
            Self::ServiceAccount(command) => command.run(common, output),
            Self::ApiKey(command) => command.run(common, output),
            Self::Idp(command) => command.run(common, output),
            Self::Scim(command) => command.run(common, output),
            Self::Service(command) => command.run(common, output),
            Self::Keys(command) => command.run(common, output),
            Self::Waf(command) => command.run(common, output),
        }
    }
}

impl Common {
    /// The configuration, for commands that need no sealed key.
    fn load(&self) -> Result<Config, Failure> {
        self.read(MasterKeyUse::Unused).map(|(config, _)| config).map_err(Failure::from)
    }

    /// The configuration and the keys that the master key opens.
    fn load_with_keys(&self) -> Result<(Config, KeyRing), Failure> {
        let (config, master_key) = self.read(MasterKeyUse::Needed)?;
        let master_key: MasterKey = master_key.ok_or_else(|| Failure::mistake("there is no master key"))?;
        let ring = KeyRing::new(&config.secrets.keys_dir, master_key);
        Ok((config, ring))
    }

    fn read(&self, wanted: MasterKeyUse) -> Result<(Config, Option<MasterKey>), LoadError> {
        let environment = Environment::of_process();
        Config::load(&self.file(&environment), &environment, wanted)
    }

    fn file(&self, environment: &Environment) -> PathBuf {
        let named = environment.get(environment::CONFIG).map(PathBuf::from);
        self.config.clone().or(named).unwrap_or_else(|| DEFAULT_FILE.into())
    }
}

/// Runs a command's store work.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::unavailable_because("the runtime cannot be started", &error))?.block_on(work)
}
