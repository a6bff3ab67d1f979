//! The gateway of a demo or a bench: its configuration, its keys, its tenants and people, all by way of its own command line.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::credentials::{TenantCredentials, write_private};

/// What differs from one gateway to the next; everything else is as it comes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients connect, on this machine.
    pub port: u16,
    /// Where operators connect, on this machine.
    pub admin_port: u16,
    /// The policy directory.
    pub policies: PathBuf,
    /// Where the inventory service is, as the configuration writes it.
    pub inventory: String,
    /// Where the orders service is; none where there is none.
    pub orders: Option<String>,
    /// The path that tells a service's health; none where it has none.
    pub health: Option<&'static str>,
    /// Proxy threads; 0 takes one for each core.
    pub threads: usize,
    /// What one address, one person and one tenant may each ask for in a minute.
    pub requests_per_minute: u32,
    /// What is logged; none for the default.
    pub log_filter: Option<&'static str>,
    /// Whether every forwarded request gets a log line.
    pub access_log: bool,
    /// Addresses whose `X-Forwarded-For` is believed.
    pub trusted_proxies: &'static [&'static str],
    /// The rule set that inspects; none for the built-in rules.
    pub rules: Option<&'static str>,
    /// Lines of `[danger]`: what is on, and how much of it.
    pub danger: &'static [&'static str],
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, admin_port, threads, requests_per_minute: rate, .. } = self;
        let policies = quoted(&self.policies.to_string_lossy());
        writeln!(f, "# Written at every start. Paths are relative to this file's directory.")?;
        writeln!(f, "[listen]\nbase_url = \"http://localhost:{port}\"")?;
        writeln!(f, "admin_address = \"127.0.0.1:{admin_port}\"\nthreads = {threads}")?;
        if !self.trusted_proxies.is_empty() {
            let proxies: Vec<_> = self.trusted_proxies.iter().map(|proxy| quoted(proxy)).collect();
            writeln!(f, "trusted_proxies = [{}]", proxies.join(", "))?;
        }
        writeln!(f, "\n[[listen.listener]]\naddress = \"127.0.0.1:{port}\"")?;
        writeln!(f, "\n[store]\nstate_dir = \"gateway\"")?;
        writeln!(f, "\n[secrets]\nmaster_key_file = \"master.key\"")?;
        writeln!(f, "\n[policies]\ndir = {policies}")?;
        let inventory = Upstream {
            name: "inventory",
            address: &self.inventory,
            portal: ["/inventory/items", "Inventory", "Items, lots and stock"],
            health: self.health,
        };
        write!(f, "{inventory}")?;
        if let Some(address) = &self.orders {
            let portal = ["/orders/orders", "Orders", "Customers and their orders"];
            write!(f, "{}", Upstream { name: "orders", address, portal, health: self.health })?;
        }
        writeln!(
            f,
            "\n# Everybody's requests come from one address here, which the defaults would soon refuse.\n[limits]"
        )?;
        for whose in ["address", "principal", "tenant"] {
            writeln!(f, "{whose}_requests = {rate}")?;
        }
        if let Some(rules) = self.rules {
            writeln!(f, "\n[inspection]\nrules = {}", quoted(rules))?;
        }
        writeln!(f, "\n[telemetry]\naccess_log = {}", self.access_log)?;
        if let Some(filter) = self.log_filter {
            writeln!(f, "log_filter = {}", quoted(filter))?;
        }
        if !self.danger.is_empty() {
            writeln!(f, "\n[danger]")?;
        }
        self.danger.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A service, as the configuration names it.
struct Upstream<'a> {
    name: &'static str,
    address: &'a str,
    /// Path, title and what it is about.
    portal: [&'static str; 3],
    health: Option<&'static str>,
}

impl fmt::Display for Upstream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, address, portal: [path, title, about], health } = self;
        writeln!(f, "\n[upstreams.{name}]\naddresses = [{}]", quoted(address))?;
        writeln!(f, "portal_path = \"{path}\"\nportal_title = \"{title}\"\nportal_about = \"{about}\"")?;
        match health {
            Some(path) => writeln!(f, "health_path = \"{path}\"\nhealth_interval_ms = 500"),
            None => Ok(()),
        }
    }
}

/// A string as TOML writes it, which for whatever stands in a path is JSON's way.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A gateway that has a directory of its own.
#[derive(Clone, Debug)]
pub struct Gateway {
    program: PathBuf,
    directory: PathBuf,
}

impl Gateway {
    const CONFIG: &'static str = "gateway.toml";
    const MASTER_KEY: &'static str = "master.key";

    /// Writes the configuration, and the keys where there are none yet.
    ///
    /// # Errors
    /// A file cannot be written, or the gateway refuses the configuration.
    pub fn configure(program: &Path, directory: &Path, settings: &Settings) -> Result<Self> {
        let gateway = Self { program: program.to_owned(), directory: directory.to_owned() };
        write_private(&directory.join(Self::CONFIG), settings.to_string().as_bytes())?;
        let master_key = directory.join(Self::MASTER_KEY);
        if !master_key.exists() {
            let mut octets = [0; 32];
            getrandom::fill(&mut octets).context("the operating system gives no randomness")?;
            let digits: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            write_private(&master_key, digits.as_bytes())?;
        }
        gateway.run(&["keys", "init", "--json"], "")?;
        Ok(gateway)
    }

    /// Keeps the audit log's public key apart from the log, as an operator would, so that nobody can replace all of it
    /// unseen; the file.
    ///
    /// # Errors
    /// The gateway's command line says why not.
    pub fn audit_key(&self) -> Result<PathBuf> {
        let file = self.directory.join("audit-key.pem");
        if !file.exists() {
            write_private(&file, &self.output(&["keys", "export-public", "audit"], "")?)?;
        }
        Ok(file)
    }

    /// The file that holds the credential with which a service says what it did.
    pub fn service_credential_file(&self, service: &str) -> PathBuf {
        self.directory.join(service).with_extension("credential")
    }

    /// Makes a service's credential where its file is missing. One whose file is gone is of no use to anybody, and is
    /// withdrawn.
    ///
    /// # Errors
    /// The gateway's command line says why not.
    pub fn service_credential(&self, service: &str) -> Result<()> {
        let file = self.service_credential_file(service);
        if file.exists() {
            return Ok(());
        }
        let listed = self.run(&["service", "credential", "list", "--json"], "")?;
        let listed = listed.get("credentials").and_then(Value::as_array).into_iter().flatten();
        for known in listed.filter(|known| known.get("service").and_then(Value::as_str) == Some(service)) {
            let id = known.get("id").and_then(Value::as_str).context("a credential without an id")?;
            self.run(&["service", "credential", "withdraw", id, "--json"], "")?;
        }
        write_private(&file, &self.output(&["service", "credential", "create", service], "")?)
    }

    /// Where services say what they did, relative to the gateway's directory.
    pub fn events(&self) -> &'static str {
        "unix:gateway/events.sock"
    }

    /// The directory of its audit log.
    pub fn audit(&self) -> PathBuf {
        self.directory.join("gateway/audit")
    }

    /// The public keys that services verify identities with, relative to the gateway's directory.
    pub fn public_keys(&self) -> &'static Path {
        Path::new("gateway/jwks.json")
    }

    /// The directory of its state, which holds its store.
    pub fn state(&self) -> PathBuf {
        self.directory.join("gateway")
    }

    /// The command line with `arguments`. It runs in the gateway's directory, which keeps the paths of sockets short (the
    /// kernel takes 107 octets), and without the variables that would override its configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.directory).args(["--config", Self::CONFIG]).args(arguments);
        without_configuration(&mut command);
        command
    }

    /// The tenant of that name, made where it is missing; its id.
    ///
    /// # Errors
    /// The gateway's command line says why not.
    pub fn tenant(&self, name: &str) -> Result<String> {
        let listed = self.run(&["tenant", "list", "--json"], "")?;
        let found = entry(&listed, "tenants", "name", name).cloned();
        let tenant = match found {
            Some(tenant) => tenant,
            None => self.run(&["tenant", "create", name, "--json"], "")?,
        };
        tenant.get("id").and_then(Value::as_str).map(ToOwned::to_owned).context("a tenant without an id")
    }

    /// Gives a tenant's people accounts where they have none, and their roles. Whose password was `drawn` at this start has
    /// it afterwards; everybody else keeps theirs.
    ///
    /// # Errors
    /// The gateway's command line says why not.
    pub fn accounts(&self, tenant: &TenantCredentials, drawn: &[String]) -> Result<()> {
        let listed = self.run(&["user", "list", "--tenant", &tenant.name, "--json"], "")?;
        for person in &tenant.people {
            let who = ["--tenant", tenant.name.as_str(), person.email.as_str(), "--json"];
            let roles: Vec<&str> = person.roles.iter().flat_map(|role| ["--role", role.as_str()]).collect();
            if entry(&listed, "users", "email", &person.email).is_none() {
                let create = [&["user", "create", "--password-stdin"], &who[..], &roles].concat();
                self.run(&create, &person.password)?;
                continue;
            }
            self.run(&[&["user", "set-roles"], &who[..], &roles].concat(), "")?;
            if drawn.contains(&person.email) {
                self.run(&[&["user", "set-password", "--password-stdin"], &who[..]].concat(), &person.password)?;
            }
        }
        Ok(())
    }

    /// Runs one command to its end and reads its answer.
    fn run(&self, arguments: &[&str], input: &str) -> Result<Value> {
        let answer = self.output(arguments, input)?;
        serde_json::from_slice(&answer).with_context(|| format!("`{}` gave no answer", told(arguments)))
    }

    fn output(&self, arguments: &[&str], input: &str) -> Result<Vec<u8>> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.program.display()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that reads nothing may have closed it already.
            let _unread = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().with_context(|| told(arguments))?;
        if !output.status.success() {
            bail!("`{}` failed\n{}", told(arguments), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(output.stdout)
    }
}

/// A command as it is told about.
fn told(arguments: &[&str]) -> String {
    format!("cedargate {}", arguments.join(" "))
}

/// Takes the variables of whoever started us out of a command's environment: they are of another gateway.
pub fn without_configuration(command: &mut Command) {
    for (name, _value) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CEDARGATE_") {
            command.env_remove(name);
        }
    }
}

/// The one of a list whose `key` has this value.
fn entry<'v>(answer: &'v Value, list: &str, key: &str, value: &str) -> Option<&'v Value> {
    answer.get(list)?.as_array()?.iter().find(|entry| entry.get(key).and_then(Value::as_str) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_toml_reads_them() {
        let settings = Settings {
            port: 8080,
            admin_port: 8081,
            policies: r#"/a "b"\c"#.into(),
            inventory: "unix:run/inventory.sock".into(),
            orders: Some("unix:run/orders.sock".into()),
            health: None,
            threads: 0,
            requests_per_minute: 10,
            log_filter: None,
            access_log: false,
            trusted_proxies: &["127.0.0.1/32"],
            rules: Some("crs"),
            danger: &["recording_off = true"],
        };
        let text = settings.to_string();
        assert!(text.contains(r#"dir = "/a \"b\"\\c""#), "{text}");
        assert!(text.contains("[upstreams.orders]\naddresses = [\"unix:run/orders.sock\"]\nportal_path"), "{text}");
        assert!(text.contains("\n[inspection]\nrules = \"crs\"\n"), "{text}");
        assert!(text.contains("\n[danger]\nrecording_off = true\n"), "{text}");
        assert!(text.contains("\ntrusted_proxies = [\"127.0.0.1/32\"]\n"), "{text}");
    }
}
