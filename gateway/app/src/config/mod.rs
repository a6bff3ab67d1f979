//! The one configuration file: every table is a file here, and converts once into a checked type.
//!
//! To add a key: a [`key::Key`] in its table's list, a line in `read`, a field of the checked type. The reference page is
//! made from the keys, and a test asks for the new one in `deploy/cedargate.example.toml`.

mod audit;
mod base_url;
mod connections;
mod danger;
pub(crate) mod environment;
mod ingest;
mod inspection;
mod key;
mod limits;
mod listen;
mod listener;
mod mistake;
mod notices;
mod otlp;
mod passwords;
mod policies;
mod reference;
mod registration;
mod secrets;
mod section;
mod sessions;
mod store;
mod telemetry;
mod tenants;
#[cfg(test)]
mod tests;
mod upstreams;
mod workloads;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cedargate_identity::SessionSettings;
use cedargate_model::TenantName;
use cedargate_policy::Place;

pub(crate) use self::audit::Audit;
pub(crate) use self::base_url::BaseUrl;
pub(crate) use self::connections::{ConnectionFiles, ConnectionsError, EachRead, SecretUse, TenantConnections};
pub(crate) use self::danger::Danger;
pub(crate) use self::environment::Environment;
pub(crate) use self::ingest::Ingest;
pub(crate) use self::inspection::Inspection;
use self::key::Table;
pub(crate) use self::limits::{Limits, Rate};
pub(crate) use self::listen::Listen;
pub(crate) use self::listener::Listener;
pub(crate) use self::mistake::Mistakes;
use self::mistake::{Noted, Whence};
pub(crate) use self::notices::{NoticeSettings, SmtpServer};
pub(crate) use self::otlp::Otlp;
pub(crate) use self::passwords::{BreachedList, Passwords};
pub(crate) use self::policies::Policies;
pub(crate) use self::reference::{connections_reference, reference, workloads_reference};
pub(crate) use self::registration::CaptchaService;
pub(crate) use self::secrets::{MasterKeyUse, Secrets};
use self::section::Document;
pub(crate) use self::store::Store;
pub(crate) use self::telemetry::Telemetry;
pub(crate) use self::tenants::TenantSettings;
pub(crate) use self::upstreams::{Backend, OWN_SERVICE, Upstream, check_socket_path};
pub(crate) use self::workloads::{WorkloadFiles, WorkloadsError};
use crate::keys::MasterKey;

/// The file's name, where neither `--config` nor `CEDARGATE_CONFIG` says another.
pub(crate) const DEFAULT_FILE: &str = "cedargate.toml";

/// The tables, in the order of the reference page.
const TABLES: &[Table] = &[
    listen::TABLE,
    listener::LISTENER_TABLE,
    listener::CERTIFICATE_TABLE,
    listener::CLIENT_CERTIFICATE_TABLE,
    store::TABLE,
    secrets::TABLE,
    policies::TABLE,
    upstreams::TABLE,
    upstreams::TLS_TABLE,
    sessions::TABLE,
    passwords::TABLE,
    tenants::TABLE,
    registration::TABLE,
    notices::TABLE,
    connections::TABLE,
    workloads::TABLE,
    limits::TABLE,
    inspection::TABLE,
    inspection::TENANT_TABLE,
    audit::TABLE,
    ingest::TABLE,
    telemetry::TABLE,
    danger::TABLE,
];

/// A configuration without a mistake.
pub(crate) struct Config {
    pub(crate) listen: Listen,
    pub(crate) store: Store,
    pub(crate) secrets: Secrets,
    pub(crate) policies: Policies,
    pub(crate) upstreams: BTreeMap<String, Upstream>,
    pub(crate) sessions: SessionSettings,
    pub(crate) passwords: Passwords,
    pub(crate) tenants: BTreeMap<TenantName, TenantSettings>,
    /// None where nobody has to show that they are no program.
    pub(crate) captcha: Option<CaptchaService>,
    pub(crate) notices: NoticeSettings,
    pub(crate) connections: ConnectionFiles,
    pub(crate) workloads: WorkloadFiles,
    pub(crate) limits: Limits,
    pub(crate) inspection: Inspection,
    pub(crate) audit: Audit,
    pub(crate) ingest: Ingest,
    pub(crate) telemetry: Telemetry,
    pub(crate) danger: Danger,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("the configuration file `{file}` cannot be read; name another with `--config` or CEDARGATE_CONFIG")]
    Unreadable {
        file: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Mistaken(Mistakes),
}

impl Config {
    /// Reads a file, and the master key where it is needed (then there is one).
    ///
    /// # Errors
    /// The file cannot be read, or everything that is wrong with it and with the environment.
    pub(crate) fn load(
        file: &Path,
        environment: &Environment,
        wanted: MasterKeyUse,
    ) -> Result<(Self, Option<MasterKey>), LoadError> {
        let octets =
            fs::read(file).map_err(|source| LoadError::Unreadable { file: file.display().to_string(), source })?;
        match String::from_utf8(octets) {
            Ok(text) => Self::parse(file, &text, environment, wanted).map_err(LoadError::Mistaken),
            Err(error) => {
                let read = String::from_utf8_lossy(error.as_bytes());
                let place = Place::at(&file.display().to_string().into(), &read, error.utf8_error().valid_up_to());
                let mut mistakes = Mistakes::default();
                mistakes.add(Whence::File(place), "", "not UTF-8 text from here on");
                Err(LoadError::Mistaken(mistakes))
            }
        }
    }

    /// Reads a text. `file` names it in messages, and paths in it are relative to its directory.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(crate) fn parse(
        file: &Path,
        text: &str,
        environment: &Environment,
        wanted: MasterKeyUse,
    ) -> Result<(Self, Option<MasterKey>), Mistakes> {
        let document = Document::new(file, text, environment);
        let config = Self::read(&document, wanted);
        let mistakes = document.into_mistakes();
        match config {
            Ok(config) if mistakes.is_empty() => Ok(config),
            _ => Err(mistakes),
        }
    }

    /// Every table is read before the first one with a mistake ends it.
    fn read(document: &Document<'_>, wanted: MasterKeyUse) -> Result<(Self, Option<MasterKey>), Noted> {
        let mut top = document.parse()?;
        let listen = top.section("listen").and_then(Listen::read);
        let store = top.section("store").and_then(Store::read);
        let state_dir = store.as_ref().ok().map(|store| store.state_dir.as_path());
        let secrets = top.section("secrets").and_then(|section| Secrets::read(section, state_dir, wanted));
        let policies = top.section("policies").and_then(Policies::read);
        let upstreams = top.section("upstreams").and_then(upstreams::read);
        let sessions = top.section("sessions").and_then(sessions::read);
        let passwords = top.section("passwords").and_then(Passwords::read);
        let of_gateway = sessions.as_ref().copied().unwrap_or_default();
        let tenants = top.section("tenants").and_then(|section| tenants::read(section, &of_gateway));
        let captcha = top.section("registration").and_then(registration::read);
        let notices = top.section("notices").and_then(|section| NoticeSettings::read(section, state_dir));
        let connections = top.section("connections").and_then(ConnectionFiles::read);
        let workloads = top.section("workloads").and_then(WorkloadFiles::read);
        let limits = top.section("limits").and_then(Limits::read);
        let inspection = top.section("inspection").and_then(Inspection::read);
        let audit = top.section("audit").and_then(|section| Audit::read(section, state_dir));
        let ingest = top.section("ingest").and_then(|section| Ingest::read(section, state_dir, listen.as_ref().ok()));
        let telemetry = top.section("telemetry").and_then(Telemetry::read);
        let danger = top.section("danger").and_then(Danger::read);
        top.finish();
        let (secrets, master_key) = secrets?;
        let config = Self {
            listen: listen?,
            secrets,
            policies: policies?,
            upstreams: upstreams?,
            sessions: sessions?,
            passwords: passwords?,
            tenants: tenants?,
            captcha: captcha?,
            notices: notices?,
            connections: connections?,
            workloads: workloads?,
            limits: limits?,
            inspection: inspection?,
            audit: audit?,
            ingest: ingest?,
            telemetry: telemetry?,
            danger: danger?,
            store: store?,
        };
        Ok((config, master_key))
    }
}
