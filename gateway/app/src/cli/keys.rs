//! `cedargate keys`.

use cedargate_assertion::KeyId;
use cedargate_model::{Clock as _, SystemClock};
use clap::Subcommand;
use serde_json::json;

use super::output::Output;
use super::{Common, Ending, Failure};
use crate::keys::{Listed, Purpose};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make the signing keys that are missing, sealed under the master key; a second time does nothing
    Init {
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the keys by name; secrets are never shown
    List {
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Replace a key by a new one
    ///
    /// A running gateway signs with a new identity key within `policies.reload_interval_ms`, or at once on SIGHUP; the
    /// former one stays published, so that assertions in flight still verify. So with the key of access tokens: a new one signs,
    /// the former ones verify what they had signed by then, and nobody is signed out. A gateway that takes up one of these two says so
    /// in its record. A new audit key is taken at the next start; `cedargate keys export-public audit --all` gives its public key and
    /// the former ones.
    ///
    /// If a key has leaked, rotate, and then `cedargate keys withdraw` the former one.
    Rotate {
        /// What the key is for
        purpose: Purpose,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Have a former key verify nothing any more, within `policies.reload_interval_ms` or at once on SIGHUP
    ///
    /// Access tokens that it signed are refused from then on, and their programs ask for others; identities that it signed are refused
    /// by services once they have the new key set. The key that signs cannot be withdrawn: rotate first.
    Withdraw {
        /// What the key was for: `identity` or `token`
        purpose: Purpose,
        /// Its name, as `list` shows it
        #[arg(value_parser = key_id)]
        key: KeyId,
        /// Answer as JSON: the keys that are left
        #[arg(long)]
        json: bool,
    },
    /// Print a public key: a JSON Web Key Set for identities and tokens, PEM for the audit log
    ///
    /// Keep the audit log's public key away from the gateway: `cedargate audit verify --public-key` with it proves that
    /// nobody replaced the whole log.
    ExportPublic {
        /// What the key is for
        purpose: Purpose,
        /// After the audit log's key print its former ones, too; identities' set always has those that still count
        #[arg(long)]
        all: bool,
    },
}

impl KeysCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Init { json } | Self::List { json } | Self::Rotate { json, .. } | Self::Withdraw { json, .. } => {
                *json
            }
            Self::ExportPublic { .. } => false,
        }
    }

    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let (_, ring) = common.load_with_keys()?;
        match self {
            Self::Init { .. } => {
                let made = ring.init()?;
                let text = if made.is_empty() { "every key is there already".to_owned() } else { table(&made) };
                output.answer(&json!({ "made": made }), text);
            }
            Self::List { .. } => {
                let listed = ring.list()?;
                output.answer(&json!({ "keys": listed }), table(&listed));
            }
            Self::Rotate { purpose, .. } => {
                let made = ring.rotate(purpose, SystemClock.now())?;
                output.answer(&json!({ "made": [made] }), table(std::slice::from_ref(&made)));
            }
            Self::Withdraw { purpose, key, .. } => {
                let left = ring.withdraw(purpose, key)?;
                output.answer(&json!({ "keys": left }), table(&left));
            }
            Self::ExportPublic { purpose, all } => output.text(ring.public(purpose, all)?),
        }
        Ok(Ending::Done)
    }
}

fn key_id(text: &str) -> Result<KeyId, &'static str> {
    KeyId::parse(text).ok_or("a key's name is 43 characters of base64url, as `cedargate keys list` shows it")
}

fn table(keys: &[Listed]) -> String {
    let row = |key: &Listed| {
        let use_ = if key.signs { "signs" } else { "published" };
        format!("{:<9} {:<10} {}", key.purpose.to_string(), use_, key.id)
    };
    keys.iter().map(row).collect::<Vec<_>>().join("\n")
}
