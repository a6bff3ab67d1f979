//! Each tenant's ways to identity providers: one file a tenant, in the directory that `[connections]` names.

mod keys;
mod read;
mod saml;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cedargate_idp_adapters::connection::Connection;
use cedargate_model::{RoleName, TenantName};

pub(super) use self::keys::FILE_TABLES;
use super::environment::Environment;
use super::key::{Fallback, Key, Shape, Table};
use super::mistake::{Mistakes, Noted};
use super::section::{Document, Section};

pub(crate) const TABLE: Table = Table {
    header: "[connections]",
    about: "Sign-in by identity providers. What a file in the directory says is in [connections.md](connections.md).",
    keys: &[DIR],
};

const DIR: Key = Key {
    name: "dir",
    shape: Shape::Path,
    fallback: Fallback::Words("nobody signs in by an identity provider"),
    environment: None,
    about: "A directory with one file for each tenant that has connections, `TENANT.toml`. A change takes effect by itself \
            once the tenant's file is without mistake; until then, what was live of it before stays.",
};

/// The longest file that is read, in octets.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// `[connections]`, checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionFiles {
    pub(crate) dir: Option<PathBuf>,
}

/// Whether secrets are read, too: a preview needs none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretUse {
    Needed,
    Unused,
}

/// Every tenant's connections, as configured.
pub(crate) type TenantConnections = BTreeMap<TenantName, Vec<Connection>>;

/// What was read of each tenant's file.
#[derive(Debug, Default)]
pub(crate) struct EachRead {
    /// The tenants whose file is without mistake.
    pub(crate) tenants: TenantConnections,
    /// The others.
    pub(crate) mistaken: BTreeSet<TenantName>,
    pub(crate) mistakes: Mistakes,
}

/// Why there are no connections.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionsError {
    #[error("the connections in `{}` cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("mistakes in the connections\n{0}")]
    Mistaken(Mistakes),
}

impl ConnectionFiles {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let dir = section.optional_path(&DIR);
        section.finish();
        Ok(Self { dir: dir? })
    }

    /// Reads every tenant's file. All mistakes of all files are said at once.
    ///
    /// # Errors
    /// [`ConnectionsError`].
    pub(crate) fn load(
        &self,
        roles: &[RoleName],
        environment: &Environment,
        secrets: SecretUse,
    ) -> Result<TenantConnections, ConnectionsError> {
        let read = self.load_each(roles, environment, secrets)?;
        if read.mistakes.is_empty() { Ok(read.tenants) } else { Err(ConnectionsError::Mistaken(read.mistakes)) }
    }

    /// The same, where a tenant's mistakes are that tenant's alone: another one may have to lose a provider's certificate at once.
    ///
    /// # Errors
    /// [`ConnectionsError::Unreadable`], where it cannot be said whose file it is.
    pub(crate) fn load_each(
        &self,
        roles: &[RoleName],
        environment: &Environment,
        secrets: SecretUse,
    ) -> Result<EachRead, ConnectionsError> {
        let mut each = EachRead::default();
        let Some(dir) = &self.dir else { return Ok(each) };
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| ConnectionsError::Unreadable { path, source }
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(dir).map_err(unreadable(dir))? {
            let path = entry.map_err(unreadable(dir))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                files.push(path);
            }
        }
        files.sort();
        for path in files {
            let text = read_bounded(&path).map_err(unreadable(&path))?;
            let document = Document::new(&path, &text, environment);
            let read = read_file(&document, &path, roles, secrets);
            let mistakes = document.into_mistakes();
            match (read, mistakes.is_empty()) {
                (Ok((tenant, connections)), true) => drop(each.tenants.insert(tenant, connections)),
                (Ok((tenant, _)), false) => drop(each.mistaken.insert(tenant)),
                (Err(Noted), _) => each.mistaken.extend(TenantName::parse(&stem(&path))),
            }
            each.mistakes.extend(mistakes);
        }
        Ok(each)
    }
}

/// What a table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Oidc,
    Saml,
}

pub(super) fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// What a file is named for.
fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read_file(
    document: &Document<'_>,
    path: &Path,
    roles: &[RoleName],
    secrets: SecretUse,
) -> Result<(TenantName, Vec<Connection>), Noted> {
    let mut top = document.parse()?;
    let tenant = TenantName::parse(&stem(path))
        .map_err(|error| top.complain_of_table(format!("the file is named for its tenant, and {error}")));
    let sections = [(Kind::Oidc, top.sections("oidc")), (Kind::Saml, top.sections("saml"))];
    top.finish();
    let mut connections: Vec<Connection> = Vec::new();
    let mut whole = Ok(());
    // Every connection is read before the first one with a mistake ends it.
    for (kind, sections) in sections {
        for section in sections? {
            match read::connection(kind, section, roles, secrets, &connections) {
                Ok(connection) => connections.push(connection),
                Err(Noted) => whole = Err(Noted),
            }
        }
    }
    whole.and_then(|()| Ok((tenant?, connections)))
}
