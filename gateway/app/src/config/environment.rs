//! The process's environment, as far as it is configuration.

use std::collections::BTreeMap;
use std::env;

use zeroize::Zeroizing;

/// Every variable that is read, and what it does.
pub(crate) const VARIABLES: &[(&str, &str)] = &[
    (CONFIG, "The configuration file, where `--config` does not say. Default: `cedargate.toml`."),
    (
        MASTER_KEY,
        "The master key: 32 octets, as 64 hexadecimal digits or in base64. Goes before `secrets.master_key_file`.",
    ),
    (BASE_URL, "Overrides `listen.base_url`."),
    (LISTEN, "Replaces every `[[listen.listener]]` by one without TLS at this address, such as `127.0.0.1:8080`."),
    (ADMIN_ADDRESS, "Overrides `listen.admin_address`."),
    (STATE_DIR, "Overrides `store.state_dir`."),
    (STORE_URL, "Goes before `store.url` and `store.url_file`. A URL may hold a password: it is never shown."),
    (LOG, "Overrides `telemetry.log_filter`."),
    (OTLP_ENDPOINT, "Overrides `telemetry.otlp_endpoint`."),
    (
        OTLP_HEADERS,
        "Headers for the collector, `name=value,name=value` with values percent-encoded. Goes before \
         `telemetry.otlp_headers_file`.",
    ),
    (
        "CEDARGATE_IDP_*",
        "Secrets of identity providers, under the names that `client_secret_variable` of a connection says.",
    ),
];

/// What the names of variables with secrets of identity providers begin with. Which there are, the connections say.
pub(crate) const IDP_SECRETS: &str = "CEDARGATE_IDP_";

pub(crate) const CONFIG: &str = "CEDARGATE_CONFIG";
pub(crate) const MASTER_KEY: &str = "CEDARGATE_MASTER_KEY";
pub(crate) const BASE_URL: &str = "CEDARGATE_BASE_URL";
pub(crate) const LISTEN: &str = "CEDARGATE_LISTEN";
pub(crate) const ADMIN_ADDRESS: &str = "CEDARGATE_ADMIN_ADDRESS";
pub(crate) const STATE_DIR: &str = "CEDARGATE_STATE_DIR";
pub(crate) const STORE_URL: &str = "CEDARGATE_STORE_URL";
pub(crate) const LOG: &str = "CEDARGATE_LOG";
pub(crate) const OTLP_ENDPOINT: &str = "CEDARGATE_OTLP_ENDPOINT";
pub(crate) const OTLP_HEADERS: &str = "CEDARGATE_OTLP_HEADERS";

/// The variables that are set. An empty one counts as not set, as `.env` files leave them.
#[derive(Default)]
pub(crate) struct Environment {
    set: BTreeMap<String, Zeroizing<String>>,
}

impl Environment {
    /// The process's own.
    pub(crate) fn of_process() -> Self {
        // A value that is not UTF-8 is kept lossily: whoever parses it refuses it and names the variable.
        let value = |name: &str| Some(env::var_os(name)?.to_string_lossy().into_owned());
        let ours = VARIABLES.iter().filter_map(|(name, _)| Some(((*name).to_owned(), value(name)?)));
        let secrets = env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with(IDP_SECRETS))?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        Self::of(ours.chain(secrets))
    }

    /// These.
    pub(crate) fn of<N: Into<String>>(set: impl IntoIterator<Item = (N, String)>) -> Self {
        let set = set.into_iter().filter(|(_, value)| !value.is_empty());
        Self { set: set.map(|(name, value)| (name.into(), Zeroizing::new(value))).collect() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(|value| value.as_str())
    }
}
