//! `cedargate service`.

use std::fs::File;
use std::io;
use std::path::Path;

use cedargate_ingest::{CredentialBook, CredentialEntry, CredentialFile, ServiceName};
use cedargate_model::{Clock as _, SystemClock};
use clap::Subcommand;
use serde_json::{Value, json};

use super::audit::moment;
use super::output::Output;
use super::{Common, Ending, Failure};
use crate::files;

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// The credentials with which services say what they did
    #[command(subcommand)]
    Credential(CredentialCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// Make a credential for a service and print it; it is shown this once and kept only as a hash
    ///
    /// A running gateway takes it at once. A service may have two: to change one, make the second, give it to the service,
    /// withdraw the first.
    Create {
        /// The service, as `[upstreams.NAME]` and routes name it
        #[arg(value_parser = ServiceName::parse)]
        service: ServiceName,
        /// Answer as JSON: {"id", "service", "credential"}
        #[arg(long)]
        json: bool,
    },
    /// List the credentials that count; secrets are never shown
    List {
        /// Answer as JSON: {"credentials": [{"id", "service", "created_at"}]}
        #[arg(long)]
        json: bool,
    },
    /// Withdraw a credential: nobody is heard with it any more, from the next batch on
    Withdraw {
        /// Its id, as `list` shows it
        id: String,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
}

impl ServiceCommand {
    pub(crate) fn json(&self) -> bool {
        let Self::Credential(command) = self;
        match command {
            CredentialCommand::Create { json, .. }
            | CredentialCommand::List { json }
            | CredentialCommand::Withdraw { json, .. } => *json,
        }
    }

    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let Self::Credential(command) = self;
        let config = common.load()?;
        let file = &config.ingest.credentials_file;
        match command {
            CredentialCommand::Create { service, .. } => {
                let made = change(file, |book| {
                    book.create(&service, SystemClock.now()).map_err(|error| Failure::mistaken(&error))
                })?;
                let credential = made.expose();
                output.answer(
                    &json!({ "id": made.id(), "service": service, "credential": credential.as_str() }),
                    credential.as_str(),
                );
                output.note(format_args!("this is credential {} of `{service}`; it is not shown again", made.id()));
            }
            CredentialCommand::List { .. } => {
                let book = read(file)?;
                let values: Vec<_> = book.entries().iter().map(as_json).collect();
                let lines: Vec<_> = book.entries().iter().map(as_line).collect();
                let text = if lines.is_empty() { "there are no credentials yet".to_owned() } else { lines.join("\n") };
                output.answer(&json!({ "credentials": values }), text);
            }
            CredentialCommand::Withdraw { id, .. } => {
                let withdrawn = change(file, |book| {
                    let hint = "`cedargate service credential list` shows those that count";
                    book.withdraw(&id).ok_or_else(|| Failure::mistake(format!("there is no credential `{id}`; {hint}")))
                })?;
                output.answer(&json!({ "withdrawn": as_json(&withdrawn) }), as_line(&withdrawn));
            }
        }
        Ok(Ending::Done)
    }
}

fn read(file: &Path) -> Result<CredentialBook, Failure> {
    let book = CredentialFile::new(file).current().map_err(|error| Failure::unavailable(&error))?;
    Ok((*book).clone())
}

/// Changes the book while nobody else does; what was changed is on disk when this returns.
fn change<T>(file: &Path, change: impl FnOnce(&mut CredentialBook) -> Result<T, Failure>) -> Result<T, Failure> {
    let cannot = |error: io::Error| {
        Failure::unavailable_because(format_args!("the file `{}` cannot be written", file.display()), &error)
    };
    if let Some(directory) = file.parent() {
        files::make_private_directory(directory).map_err(cannot)?;
    }
    let lock = File::create(file.with_extension("lock")).map_err(cannot)?;
    lock.lock().map_err(cannot)?;
    let mut book = read(file)?;
    let changed = change(&mut book)?;
    let text = book.to_text().map_err(|error| Failure::unavailable(&error))?;
    files::replace(file, text.as_bytes(), 0o600).map_err(cannot)?;
    Ok(changed)
}

fn as_json(entry: &CredentialEntry) -> Value {
    json!({ "id": entry.id, "service": entry.service, "created_at": entry.created_at })
}

fn as_line(entry: &CredentialEntry) -> String {
    format!("{}  {:<24} since {}", entry.id, entry.service.as_str(), moment(entry.created_at.0))
}
