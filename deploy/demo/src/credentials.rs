//! `credentials.json`: what people and programs need to use the demo. Made at the first start, kept ever after.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// The file's content. Programs read it: its shape does not change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The bare host, which lists the tenants.
    pub url: String,
    /// The tenants.
    pub tenants: Vec<TenantCredentials>,
    /// The directory of the audit log.
    pub audit: String,
    /// The operator's listener, with `/readyz` and `/metrics`.
    pub admin_url: String,
}

/// One tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantCredentials {
    /// Its name.
    pub name: String,
    /// Where its people sign in.
    pub url: String,
    /// Its people.
    pub people: Vec<PersonCredentials>,
}

/// One person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonCredentials {
    /// What they sign in with.
    pub email: String,
    /// And this.
    pub password: String,
    /// Their roles.
    pub roles: Vec<String>,
    /// What they may do, as `METHOD PATH`; the first is a GET.
    pub may: Vec<String>,
    /// What they are refused.
    pub may_not: Vec<String>,
}

impl Credentials {
    /// What an earlier start left; none at the first one.
    ///
    /// # Errors
    /// The file is there and cannot be read: it is left alone.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let hint = || format!("{} is not what the demo wrote; `make clean-demo` starts afresh", path.display());
        serde_json::from_slice(&text).map(Some).with_context(hint)
    }

    /// Writes the file for its owner alone; a start that is cut off leaves the old one whole.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_private(path, &serde_json::to_vec_pretty(self)?)
    }

    /// The password that somebody was given.
    pub fn password(&self, tenant: &str, email: &str) -> Option<&str> {
        let tenant = self.tenants.iter().find(|t| t.name == tenant)?;
        Some(&tenant.people.iter().find(|person| person.email == email)?.password)
    }
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// Those of the file system.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// A password that nobody guesses and everybody can type: 20 of 31 unmistakable characters, 99 bits.
///
/// # Errors
/// The operating system gives no randomness.
pub fn new_password() -> Result<String> {
    const CHARACTERS: &[u8; 31] = b"23456789abcdefghjkmnpqrstuvwxyz";
    // Octets at or above the largest multiple of 31 would favour the first characters.
    const FAIR: u8 = 31 * 8;
    let mut password = String::new();
    let mut drawn = 0;
    while drawn < 20 {
        let mut octet = [0];
        getrandom::fill(&mut octet).context("the operating system gives no randomness")?;
        let [octet] = octet;
        let Some(character) = CHARACTERS.get(usize::from(octet) % CHARACTERS.len()).filter(|_| octet < FAIR) else {
            continue;
        };
        if drawn > 0 && drawn % 5 == 0 {
            password.push('-');
        }
        password.push(char::from(*character));
        drawn += 1;
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn some() -> Credentials {
        let person = PersonCredentials {
            email: "vera@acme.example".into(),
            password: "secret".into(),
            roles: vec!["viewer".into()],
            may: vec!["GET /inventory/items".into()],
            may_not: vec!["POST /inventory/items".into()],
        };
        Credentials {
            url: "http://localhost:8080".into(),
            tenants: vec![TenantCredentials {
                name: "acme".into(),
                url: "http://acme.localhost:8080".into(),
                people: vec![person],
            }],
            audit: "/demo/audit".into(),
            admin_url: "http://127.0.0.1:8081".into(),
        }
    }

    #[test]
    fn a_broken_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials.json");
        fs::write(&path, "{").unwrap();
        assert!(Credentials::load(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "{");
    }

    #[test]
    fn nobody_else_may_read_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials.json");
        some().save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Credentials::load(&path).unwrap(), Some(some()));
    }

    #[test]
    fn passwords_are_found_by_tenant_and_person() {
        assert_eq!(some().password("acme", "vera@acme.example"), Some("secret"));
        assert_eq!(some().password("globex", "vera@acme.example"), None);
    }

    #[test]
    fn passwords_are_long_and_differ() {
        let (one, other) = (new_password().unwrap(), new_password().unwrap());
        assert_eq!(one.len(), 23);
        assert_ne!(one, other);
    }
}
