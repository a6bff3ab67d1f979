//! Where everything of a run is: the programs, how each is started, and what each is asked.

use std::cell::Cell;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cedargate_bench::{Load, LoadError, Measured, Steady, pin, under};
use cedargate_demo::client::Client;
use cedargate_demo::credentials::{Credentials, TenantCredentials, new_password};
use cedargate_demo::gateway::{Gateway, Settings};
use cedargate_demo::people::TENANTS;
use cedargate_demo::process::Process;
use cedargate_identity::{Accounts, Device, Email, NewAccount, SessionSettings, Sessions, SignIn};
use cedargate_migrations::{Pool, StoreUrl};
use cedargate_model::{AuthnMethod, AuthnStrength, Clock as _, RoleName, SystemClock, TenantId};

use crate::variants::{Traffic, Variant};

/// Who is signed in, of each tenant.
const PEOPLE_PER_TENANT: usize = 2;

/// How many items each of them asks for, beside the list.
const ITEMS_PER_PERSON: usize = 8;

/// How long a program may take to get ready.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Which core does what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) proxy: Option<usize>,
    pub(crate) load: Option<usize>,
}

impl Cores {
    /// The second core for the proxy: the first one also serves most interrupts.
    pub(crate) fn of_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let can_pin = cores >= 2 && Path::new("/usr/bin/taskset").exists();
        Self { proxy: can_pin.then_some(1), load: can_pin.then_some(0) }
    }
}

/// A proxy that is being measured.
pub(crate) struct Proxy {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    /// The file of the requests that it is sent, and how many there are.
    pub(crate) requests: PathBuf,
    pub(crate) requests_count: usize,
    /// How many requests it was sent.
    pub(crate) sent: Cell<u64>,
    /// From how many addresses they come, by what a proxy in front would say; none says nothing.
    pub(crate) addresses: Option<u32>,
}

/// Where everything of a run is.
pub(crate) struct Site {
    pub(crate) work: PathBuf,
    pub(crate) policies: PathBuf,
    pub(crate) script: PathBuf,
    pub(crate) binaries: PathBuf,
    pub(crate) cores: Cores,
    /// What runs every proxy: a profiler, or nothing.
    pub(crate) under: String,
}

impl Site {
    pub(crate) async fn start_upstream(&self) -> Result<(SocketAddr, Process)> {
        let address = free_address()?;
        let mut command = Command::new(self.binaries.join("bench-upstream"));
        command.args(["--listen", &address.to_string()]);
        let process = Process::start("upstream", &pin(command, self.cores.load), &self.work.join("upstream.log"))?;
        listening(address).await?;
        Ok((address, process))
    }

    pub(crate) async fn start_bare(&self, name: &str, upstream: SocketAddr, requests: PathBuf) -> Result<Proxy> {
        let address = free_address()?;
        let mut command = Command::new(self.binaries.join("bare-proxy"));
        command.args(["--listen", &address.to_string(), "--upstream", &upstream.to_string(), "--threads", "1"]);
        let process = Process::start("bare proxy", &self.run(command), &self.work.join("bare.log"))?;
        listening(address).await?;
        Ok(Proxy {
            name: name.to_owned(),
            address,
            process,
            requests,
            requests_count: 0,
            sent: Cell::default(),
            addresses: None,
        })
    }

    pub(crate) async fn start_gateway(&self, variant: &Variant, upstream: SocketAddr) -> Result<Proxy> {
        let directory = self.work.join(variant.name.replace(' ', "-"));
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let (address, admin) = (free_address()?, free_address()?);
        let settings = Settings {
            port: address.port(),
            admin_port: admin.port(),
            policies: self.policies.clone(),
            inventory: upstream.to_string(),
            orders: None,
            health: None,
            threads: 1,
            // Limits are on and counted; they must only not be reached.
            requests_per_minute: 1_000_000,
            log_filter: None,
            access_log: variant.access_log,
            trusted_proxies: match variant.traffic {
                Traffic::Addresses(_) => &["127.0.0.1/32"],
                Traffic::People | Traffic::Sessions(_) => &[],
            },
            rules: variant.rules,
            danger: variant.danger,
        };
        let gateway = Gateway::configure(&self.binaries.join("cedargate"), &directory, &settings)?;
        let credentials = credentials(&directory, &settings)?;
        let mut tenants = Vec::new();
        for tenant in &credentials.tenants {
            tenants.push(gateway.tenant(&tenant.name)?.parse().context("a tenant's id")?);
            gateway.accounts(tenant, &[])?;
        }
        let command = self.run(gateway.command(&["serve"]));
        let mut process = Process::start("gateway", &command, &directory.join("gateway.log"))?;
        ready(&format!("http://{admin}/readyz"), &mut process).await?;
        let asked = match variant.traffic {
            Traffic::People | Traffic::Addresses(_) => signed_in(&credentials, address.port()).await?,
            Traffic::Sessions(count) => {
                let store = gateway.state().join("gateway.db");
                begun(&store, &credentials, &tenants, address.port(), count).await?
            }
        };
        let requests = directory.join("requests");
        let requests_count = asked.lines().count();
        fs::write(&requests, asked).context("cannot write the requests")?;
        let addresses = match variant.traffic {
            Traffic::Addresses(count) => Some(count),
            Traffic::People | Traffic::Sessions(_) => None,
        };
        Ok(Proxy {
            name: variant.name.to_owned(),
            address,
            process,
            requests,
            requests_count,
            sent: Cell::default(),
            addresses,
        })
    }

    /// A proxy, on its core and under what it is to run under.
    fn run(&self, command: Command) -> Command {
        pin(under(command, &self.under.split_whitespace().collect::<Vec<_>>()), self.cores.proxy)
    }

    /// As many requests as the proxy can answer.
    pub(crate) fn load(&self, proxy: &Proxy, connections: usize, length: Duration) -> Result<Measured, LoadError> {
        let load = Load {
            script: self.script.clone(),
            requests: proxy.requests.clone(),
            sent: proxy.sent.get(),
            addresses: proxy.addresses,
            core: self.cores.load,
        };
        let measured = load.round(proxy.address, connections, length)?;
        proxy.sent.set(proxy.sent.get() + measured.requests);
        Ok(measured)
    }

    /// As many requests as are asked for, each at its time.
    pub(crate) fn steady(&self, proxy: &Proxy, rate: u32, length: Duration) -> Result<Measured, LoadError> {
        let program = self.binaries.join("bench-steady");
        Steady { program, requests: proxy.requests.clone(), core: self.cores.load }.round(proxy.address, rate, length)
    }
}

/// Some of the demo's people, with passwords of their own.
fn credentials(directory: &Path, settings: &Settings) -> Result<Credentials> {
    let mut tenants = Vec::new();
    for tenant in TENANTS {
        let people = tenant.people.iter().take(PEOPLE_PER_TENANT);
        let people = people.map(|person| Ok(person.described(new_password()?, None))).collect::<Result<_>>()?;
        tenants.push(TenantCredentials { name: tenant.name.to_owned(), url: String::new(), people });
    }
    let admin_url = format!("http://127.0.0.1:{}", settings.admin_port);
    Ok(Credentials { url: String::new(), tenants, audit: directory.display().to_string(), admin_url })
}

/// Signs everybody in and writes down what they will ask for, each tenant and person in turn.
async fn signed_in(credentials: &Credentials, port: u16) -> Result<String> {
    let mut requests = String::new();
    for tenant in &credentials.tenants {
        let host = format!("{}.localhost", tenant.name);
        let client = Client::new(&host, port)?;
        for person in &tenant.people {
            let session = client.sign_in(&person.email, &person.password).await?;
            let items = (1..=ITEMS_PER_PERSON).map(|n| format!("/inventory/items/01980000-0000-7000-8000-{n:012}"));
            for path in std::iter::once("/inventory/items".to_owned()).chain(items) {
                requests.push_str(&format!("{path}\t{host}:{port}\t{}\n", session.as_cookie()));
            }
        }
    }
    Ok(requests)
}

/// How many sessions each account gets: as many as one may have.
const SESSIONS_PER_ACCOUNT: usize = 100;

/// Begins sessions in the gateway's store, of as many more people as it takes, and writes down one request of each.
async fn begun(
    store: &Path,
    credentials: &Credentials,
    tenants: &[TenantId],
    port: u16,
    count: usize,
) -> Result<String> {
    let pool = Pool::open(&StoreUrl::Sqlite { path: store.to_owned() }).await?;
    let (accounts, sessions) = (Accounts::new(pool.clone()), Sessions::new(pool.clone(), SessionSettings::default()));
    let mut people = Vec::new();
    for n in 0..count.div_ceil(SESSIONS_PER_ACCOUNT) {
        let (tenant, id) =
            credentials.tenants.iter().zip(tenants).cycle().nth(n % tenants.len()).context("there is no tenant")?;
        let roles = &tenant.people.first().context("a tenant has no people")?.roles;
        let new = NewAccount {
            email: Email::parse(&format!("person-{n}@{}.example", tenant.name)).context("a person's address")?,
            roles: roles.iter().map(|role| RoleName::parse(role)).collect::<Result<_, _>>().context("a role")?,
            password: None,
        };
        let account = accounts.create(*id, new, SystemClock.now()).await?;
        people.push((format!("{}.localhost", tenant.name), *id, account.id));
    }
    let mut requests = String::new();
    for (host, tenant, principal) in people.iter().cycle().take(count) {
        let strength = AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] };
        let sign_in = SignIn {
            tenant: *tenant,
            principal: *principal,
            strength,
            replaces: None,
            remember: false,
            device: Device::default(),
        };
        let begun = sessions.create(sign_in, SystemClock.now()).await?;
        requests.push_str(&format!("/inventory/items\t{host}:{port}\tcedargate={}\n", &*begun.token.expose()));
    }
    pool.close().await;
    Ok(requests)
}

/// An address of this machine on which nobody listens.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?)
}

async fn listening(address: SocketAddr) -> Result<()> {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        if begun.elapsed() > START_PATIENCE {
            bail!("nobody listens on {address}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn ready(url: &str, process: &mut Process) -> Result<()> {
    let begun = Instant::now();
    loop {
        if reqwest::get(url).await.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        if process.ended()?.is_some() || begun.elapsed() > START_PATIENCE {
            bail!("the gateway did not get ready; its log's last lines:\n{}", process.last_words());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
