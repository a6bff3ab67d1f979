//! `make demo`: starts everything, tries it, tells about it, and ends it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cedargate_demo::banner::Banner;
use cedargate_demo::check::{self, Items};
use cedargate_demo::client::Client;
use cedargate_demo::credentials::{Credentials, TenantCredentials, new_password};
use cedargate_demo::gateway::{Gateway, Settings, without_configuration};
use cedargate_demo::people::TENANTS;
use cedargate_demo::process::Process;
use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long the programs may take to get ready, on a busy laptop.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long they may take to finish what is in flight. The gateway's own patience is 30 seconds.
const END_PATIENCE: Duration = Duration::from_secs(35);

/// How often it is looked whether a program is ready, or has ended.
const POLL: Duration = Duration::from_millis(100);

/// Debian's package of the Core Rule Set. Where it is, it inspects; where not, the built-in rules do.
const CORE_RULE_SET: &str = "/usr/share/modsecurity-crs/rules";

/// Everybody's requests come from one address here.
const REQUESTS_PER_MINUTE: u32 = 6_000;

/// Runs a gateway with two services and two tenants until Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "cedargate-demo", version)]
struct Options {
    /// Where browsers connect, on this machine
    #[arg(long, env = "PORT", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Where the demo keeps everything; made where it is missing
    #[arg(long, value_name = "DIR", default_value = "var/demo")]
    directory: PathBuf,
    /// The policy directory
    #[arg(long, value_name = "DIR", default_value = "policies")]
    policies: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match demo(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be reading any more.
            let _unread = writeln!(io::stderr(), "\nThe demo cannot go on: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The whole of it: up, until told to stop, down.
async fn demo(options: &Options) -> Result<()> {
    let mut stop = Stop::listen()?;
    let mut demo = Demo::prepare(options)?;
    let outcome = tokio::select! {
        outcome = demo.run() => outcome,
        () = stop.asked() => Ok(()),
    };
    tokio::select! {
        () = demo.end() => {}
        // Whoever asks twice means now: dropping the demo kills what still runs.
        () = stop.asked() => {}
    }
    outcome
}

/// A running demo, or one that is being started.
struct Demo {
    directory: PathBuf,
    policies: PathBuf,
    port: u16,
    binaries: PathBuf,
    processes: Vec<Process>,
    /// Held for as long as this demo has its directory.
    _lock: File,
}

impl Demo {
    fn prepare(options: &Options) -> Result<Self> {
        for directory in ["log", "run"].map(|name| options.directory.join(name)) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
            made.with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let directory = fs::canonicalize(&options.directory).context("the demo's directory went away")?;
        let policies = fs::canonicalize(&options.policies)
            .with_context(|| format!("there is no policy directory {}", options.policies.display()))?;
        let lock = File::create(directory.join("lock")).context("cannot make the lock file")?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another demo runs in {} already", directory.display()),
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the demo's directory"),
        }
        // The services' sockets are reached by a short path from here, however deep the checkout lies.
        std::env::set_current_dir(&directory).context("cannot enter the demo's directory")?;
        let program = std::env::current_exe().context("cannot tell where the programs are")?;
        let binaries = program.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { directory, policies, port: options.port, binaries, processes: Vec::new(), _lock: lock })
    }

    /// Starts everything, tries it, tells about it, and watches over it.
    async fn run(&mut self) -> Result<()> {
        let admin_port = self.free_ports()?;
        say("Preparing keys, tenants and people")?;
        let settings = Settings {
            port: self.port,
            admin_port,
            policies: self.policies.clone(),
            inventory: format!("unix:{}", socket(INVENTORY)),
            orders: Some(format!("unix:{}", socket(ORDERS))),
            health: Some("/healthz"),
            threads: 0,
            requests_per_minute: REQUESTS_PER_MINUTE,
            log_filter: None,
            access_log: false,
            trusted_proxies: &[],
            rules: fs::exists(CORE_RULE_SET).is_ok_and(|is_there| is_there).then_some("crs"),
            danger: &[],
        };
        let (mut credentials, drawn) = passwords(&self.directory, self.port, admin_port)?;
        let (program, directory, told) = (self.binaries.join("cedargate"), self.directory.clone(), credentials.clone());
        let (gateway, audit_key, tenants) = aside(move || {
            let gateway = Gateway::configure(&program, &directory, &settings)?;
            let tenants = seed(&gateway, &told, &drawn)?;
            let audit_key = gateway.audit_key()?;
            for name in SERVICES {
                gateway.service_credential(name)?;
            }
            Ok((gateway, audit_key, tenants))
        })
        .await?;
        for tenant in tenants {
            for name in SERVICES {
                let mut seed = self.service(name, &["seed-demo", "--tenant-id", &tenant]);
                aside(move || run(&mut seed)).await?;
            }
        }

        say("Starting the services and the gateway")?;
        for name in SERVICES {
            self.start_service(name, &gateway)?;
        }
        self.start("gateway", &gateway.command(&["serve"]))?;
        self.ready(admin_port).await?;

        say("Signing everybody in, and trying what they may and may not do")?;
        self.try_everything(&mut credentials).await?;
        credentials.save(&self.directory.join(CREDENTIALS))?;
        // Nothing is pending any more; if the file stays, it says the same.
        let _stayed = fs::remove_file(self.directory.join(PENDING));
        let program = self.binaries.join("cedargate");
        let (credentials, directory) = (&credentials, &*self.directory);
        say(&Banner { credentials, directory, program: &program, audit_key: &audit_key }.to_string())?;
        self.watch().await
    }

    /// Checks that the port is free, and finds another one near it for operators.
    fn free_ports(&self) -> Result<u16> {
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let mut others = (self.port.saturating_add(1)..=u16::MAX).chain(1024..self.port);
        let other = others.find(|port| bind(*port).is_ok()).context("no port is free for operators")?;
        match bind(self.port) {
            Ok(_) => Ok(other),
            Err(error) => bail!("port {} cannot be had ({error}); try PORT={other} make demo", self.port),
        }
    }

    /// Starts a service, which hears nobody but who can open its socket.
    fn start_service(&mut self, name: &'static str, gateway: &Gateway) -> Result<()> {
        let mut command = self.service(name, &["serve", "--listen", &format!("unix:{}", socket(name))]);
        command.args(["--issuer", &format!("http://localhost:{}", self.port)]);
        command.args(["--identity-keys", &format!("file:{}", gateway.public_keys().display())]);
        command.args(["--events-to", gateway.events(), "--events-credential"]);
        command.arg(gateway.service_credential_file(name));
        self.start(name, &command)
    }

    fn service(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.binaries.join(format!("cedargate-{name}")));
        command.current_dir(&self.directory).args(arguments).args(["--store", &format!("sqlite:{name}.db")]);
        without_configuration(&mut command);
        command
    }

    fn start(&mut self, name: &'static str, command: &Command) -> Result<()> {
        let log = self.directory.join("log").join(name).with_extension("log");
        self.processes.push(Process::start(name, command, &log)?);
        Ok(())
    }

    /// Waits until all say that they are ready.
    async fn ready(&mut self, admin_port: u16) -> Result<()> {
        let begun = Instant::now();
        let mut probes =
            vec![(reqwest::Client::builder().no_proxy().build()?, format!("http://127.0.0.1:{admin_port}/readyz"))];
        for name in SERVICES {
            let client = reqwest::Client::builder().unix_socket(socket(name)).build()?;
            probes.push((client, format!("http://{name}/readyz")));
        }
        for (client, url) in probes {
            loop {
                let answer = client.get(&url).timeout(START_PATIENCE).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    break;
                }
                self.look_after()?;
                if begun.elapsed() > START_PATIENCE {
                    bail!(
                        "{url} is not ready after {} seconds; see {}/log",
                        START_PATIENCE.as_secs(),
                        self.directory.display()
                    );
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// Keeps the promises of `credentials` by trying them, with items that are really there.
    async fn try_everything(&self, credentials: &mut Credentials) -> Result<()> {
        for tenant in TENANTS {
            let client = Client::new(&format!("{}.localhost", tenant.name), self.port)?;
            let items = Items::of(&client, tenant, credentials).await?;
            for told in credentials.tenants.iter_mut().filter(|told| told.name == tenant.name) {
                for (person, told) in tenant.people.iter().zip(&mut told.people) {
                    *told = person.described(std::mem::take(&mut told.password), Some(&items));
                }
                check::check(&client, told).await?;
            }
        }
        Ok(())
    }

    /// Watches over the programs until one of them ends, which none should.
    async fn watch(&mut self) -> Result<()> {
        loop {
            self.look_after()?;
            tokio::time::sleep(POLL).await;
        }
    }

    fn look_after(&mut self) -> Result<()> {
        for process in &mut self.processes {
            if let Some(status) = process.ended()? {
                bail!(
                    "the {} ended by itself ({status}); its log's last lines:\n{}",
                    process.name(),
                    process.last_words()
                );
            }
        }
        Ok(())
    }

    /// Ends the programs, the one that was started last first: the gateway finishes its requests while their service is
    /// still there.
    async fn end(&mut self) {
        if self.processes.is_empty() {
            return;
        }
        let _unread = say("\nEnding: requests in flight are finished first");
        while let Some(mut process) = self.processes.pop() {
            process.terminate();
            if !process.finish(END_PATIENCE).await {
                let _unread = say(&format!("The {} did not end in time and was killed", process.name()));
            }
        }
        let _unread = say("Ended. `make demo` takes up where this left off");
    }
}

const INVENTORY: &str = "inventory";
const ORDERS: &str = "orders";

/// The services, each by the name that its program, its store, its log and its socket have.
const SERVICES: [&str; 2] = [INVENTORY, ORDERS];

/// Where a service listens, from the demo's directory on.
fn socket(name: &str) -> String {
    format!("run/{name}.sock")
}

/// The passwords of an earlier start, and new ones for whoever has none. What is new is on disk before anybody is given
/// it, so that a start that is cut off loses nothing; `credentials.json` itself appears when all that it says is true.
fn passwords(directory: &Path, port: u16, admin_port: u16) -> Result<(Credentials, Vec<String>)> {
    let known = [Credentials::load(&directory.join(CREDENTIALS))?, Credentials::load(&directory.join(PENDING))?];
    let mut drawn = Vec::new();
    let mut tenants = Vec::new();
    for tenant in TENANTS {
        let mut people = Vec::new();
        for person in tenant.people {
            let known = known.iter().flatten().find_map(|known| known.password(tenant.name, person.email));
            let password = match known {
                Some(password) => password.to_owned(),
                None => {
                    drawn.push(person.email.to_owned());
                    new_password()?
                }
            };
            people.push(person.described(password, None));
        }
        let url = format!("http://{}.localhost:{port}", tenant.name);
        tenants.push(TenantCredentials { name: tenant.name.to_owned(), url, people });
    }
    let credentials = Credentials {
        url: format!("http://localhost:{port}"),
        tenants,
        audit: directory.join("gateway/audit").display().to_string(),
        admin_url: format!("http://127.0.0.1:{admin_port}"),
    };
    if !drawn.is_empty() {
        credentials.save(&directory.join(PENDING))?;
    }
    Ok((credentials, drawn))
}

const CREDENTIALS: &str = "credentials.json";
const PENDING: &str = "credentials.pending.json";

/// Makes tenants and accounts where they are missing; the tenants' ids.
fn seed(gateway: &Gateway, credentials: &Credentials, drawn: &[String]) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for tenant in &credentials.tenants {
        ids.push(gateway.tenant(&tenant.name)?);
        gateway.accounts(tenant, drawn)?;
    }
    Ok(ids)
}

/// Runs a command to its end.
fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    bail!("{} failed\n{}", command.get_program().display(), String::from_utf8_lossy(&output.stderr).trim())
}

/// Runs something that blocks beside the main thread, which stays free for signals.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("a thread of the demo broke down")?
}

/// The signals that end the demo.
struct Stop([Signal; 3]);

impl Stop {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self([listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?]))
    }

    /// Waits for one of them.
    async fn asked(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
