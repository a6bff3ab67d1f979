//! `make bench`: bare Pingora and the gateway before the same upstream, in interleaved rounds of one run.

use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cedargate_bench::{Load, Measured, Report, Row, Spread, describe_machine, pin, processor_time};
use cedargate_demo::client::Client;
use cedargate_demo::credentials::{Credentials, TenantCredentials, new_password};
use cedargate_demo::gateway::{Gateway, Settings};
use cedargate_demo::people::TENANTS;
use cedargate_demo::process::Process;
use clap::Parser;

/// The gateways of a run: what each is called, and what of it is off.
const VARIANTS: &[Variant] = &[
    Variant { name: "everything on", log_filter: None, danger: &[] },
    Variant { name: "recording off", log_filter: None, danger: &["recording_off"] },
    Variant { name: "inspection off", log_filter: None, danger: &["inspection_off"] },
    Variant { name: "no line per request", log_filter: Some("warn"), danger: &[] },
];

#[derive(Clone, Copy, Debug)]
struct Variant {
    name: &'static str,
    log_filter: Option<&'static str>,
    danger: &'static [&'static str],
}

/// Who is signed in, of each tenant.
const PEOPLE_PER_TENANT: usize = 2;

/// How many items each of them asks for, beside the list.
const ITEMS_PER_PERSON: usize = 8;

/// How long a program may take to get ready.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Measures the gateway against bare Pingora
#[derive(Debug, Parser)]
#[command(name = "cedargate-bench", version)]
struct Options {
    /// Rounds of each proxy at each number of connections
    #[arg(long, env = "ROUNDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each round
    #[arg(long, env = "SECONDS_PER_ROUND", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Connections that are kept busy, one number after the other
    #[arg(long, env = "CONNECTIONS", default_value = "64,8", value_delimiter = ',')]
    connections: Vec<usize>,
    /// Where the run keeps its files and leaves `report.json`
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
    /// The policy directory
    #[arg(long, value_name = "DIR", default_value = "policies")]
    policies: PathBuf,
    /// The load's script
    #[arg(long, value_name = "FILE", default_value = "bench/wrk/signed-in.lua")]
    script: PathBuf,
    /// The cargo profile that everything was built in, for the report
    #[arg(long, env = "PROFILE", default_value = "release")]
    profile: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match bench(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be reading any more.
            let _unread = writeln!(io::stderr(), "\nThe bench cannot go on: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn bench(options: &Options) -> Result<()> {
    let work = options.directory.join("work");
    if work.exists() {
        fs::remove_dir_all(&work).with_context(|| format!("cannot clear {}", work.display()))?;
    }
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let site = Site {
        work: fs::canonicalize(&work)?,
        policies: fs::canonicalize(&options.policies).context("there is no policy directory")?,
        script: fs::canonicalize(&options.script).context("there is no such script")?,
        binaries: std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default(),
        cores: Cores::of_this_machine(),
    };

    say("Starting the upstream and the proxies, and signing people in")?;
    let (upstream, _upstream) = site.start_upstream().await?;
    let mut proxies = Vec::new();
    for variant in VARIANTS {
        proxies.push(site.start_gateway(variant, upstream).await?);
    }
    let requests = proxies.first().map(|proxy| proxy.requests.clone()).unwrap_or_default();
    proxies.insert(0, site.start_bare(upstream, requests).await?);

    say("Warming up")?;
    for proxy in &proxies {
        site.load(proxy).round(proxy.address, 64, Duration::from_secs(2)).with_context(|| proxy.name.clone())?;
    }
    let mut rows = Vec::new();
    for connections in &options.connections {
        rows.extend(site.measure(&proxies, *connections, options)?);
    }
    let report = Report {
        machine: describe_machine(),
        version: version(),
        profile: options.profile.clone(),
        rounds: options.rounds as usize,
        seconds_per_round: options.seconds,
        pinned: site.cores.proxy.is_some(),
        rows,
    };
    let file = options.directory.join("report.json");
    fs::write(&file, serde_json::to_vec_pretty(&report)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    say(&format!("\n{report}\nThe same as JSON: {}", file.display()))?;

    drop(proxies);
    // Half a gigabyte of audit log that nobody will read.
    fs::remove_dir_all(&site.work).context("cannot clear up")
}

/// Which core does what.
#[derive(Clone, Copy, Debug)]
struct Cores {
    proxy: Option<usize>,
    load: Option<usize>,
}

impl Cores {
    /// The second core for the proxy: the first one also serves most interrupts.
    fn of_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let can_pin = cores >= 2 && Path::new("/usr/bin/taskset").exists();
        Self { proxy: can_pin.then_some(1), load: can_pin.then_some(0) }
    }
}

/// A proxy that is being measured.
struct Proxy {
    name: String,
    address: SocketAddr,
    process: Process,
    /// The file of the requests that it is sent.
    requests: PathBuf,
}

/// Where everything of a run is.
struct Site {
    work: PathBuf,
    policies: PathBuf,
    script: PathBuf,
    binaries: PathBuf,
    cores: Cores,
}

impl Site {
    async fn start_upstream(&self) -> Result<(SocketAddr, Process)> {
        let address = free_address()?;
        let mut command = Command::new(self.binaries.join("bench-upstream"));
        command.args(["--listen", &address.to_string()]);
        let process = Process::start("upstream", &pin(command, self.cores.load), &self.work.join("upstream.log"))?;
        listening(address).await?;
        Ok((address, process))
    }

    async fn start_bare(&self, upstream: SocketAddr, requests: PathBuf) -> Result<Proxy> {
        let address = free_address()?;
        let mut command = Command::new(self.binaries.join("bare-proxy"));
        command.args(["--listen", &address.to_string(), "--upstream", &upstream.to_string(), "--threads", "1"]);
        let process = Process::start("bare proxy", &pin(command, self.cores.proxy), &self.work.join("bare.log"))?;
        listening(address).await?;
        Ok(Proxy { name: "bare Pingora".to_owned(), address, process, requests })
    }

    async fn start_gateway(&self, variant: &Variant, upstream: SocketAddr) -> Result<Proxy> {
        let directory = self.work.join(variant.name.replace(' ', "-"));
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let (address, admin) = (free_address()?, free_address()?);
        let settings = Settings {
            port: address.port(),
            admin_port: admin.port(),
            policies: self.policies.clone(),
            inventory: upstream.to_string(),
            inventory_health: None,
            threads: 1,
            // Limits are on and counted; they must only not be reached.
            requests_per_minute: 1_000_000,
            log_filter: variant.log_filter,
            danger: variant.danger,
        };
        let gateway = Gateway::configure(&self.binaries.join("cedargate"), &directory, &settings)?;
        let credentials = credentials(&directory, &settings)?;
        for tenant in &credentials.tenants {
            gateway.tenant(&tenant.name)?;
            gateway.accounts(tenant, &[])?;
        }
        let command = pin(gateway.command(&["serve"]), self.cores.proxy);
        let mut process = Process::start("gateway", &command, &directory.join("gateway.log"))?;
        ready(&format!("http://{admin}/readyz"), &mut process).await?;
        let requests = directory.join("requests");
        fs::write(&requests, signed_in(&credentials, address.port()).await?).context("cannot write the requests")?;
        Ok(Proxy { name: variant.name.to_owned(), address, process, requests })
    }

    fn load(&self, proxy: &Proxy) -> Load {
        Load { script: self.script.clone(), requests: proxy.requests.clone(), core: self.cores.load }
    }

    /// All rounds at one number of connections.
    fn measure(&self, proxies: &[Proxy], connections: usize, options: &Options) -> Result<Vec<Row>> {
        let mut rounds: Vec<Vec<Round>> = proxies.iter().map(|_| Vec::new()).collect();
        for round in 0..options.rounds {
            say(&format!("{connections} connections, round {} of {}", round + 1, options.rounds))?;
            for (proxy, measured) in proxies.iter().zip(&mut rounds) {
                let before = processor_time(proxy.process.id())?;
                let length = Duration::from_secs(options.seconds);
                let load = self.load(proxy).round(proxy.address, connections, length);
                let load = load.with_context(|| proxy.name.clone())?;
                let cpu = processor_time(proxy.process.id())?.saturating_sub(before);
                measured.push(Round { load, cpu });
            }
        }
        let bare = rounds.first().cloned().unwrap_or_default();
        let rows = proxies.iter().zip(&rounds).map(|(proxy, measured)| row(&proxy.name, connections, measured, &bare));
        rows.collect::<Option<_>>().context("there were no rounds")
    }
}

/// One round of one proxy.
#[derive(Clone, Copy, Debug)]
struct Round {
    load: Measured,
    cpu: Duration,
}

impl Round {
    fn throughput(&self) -> f64 {
        as_number(self.load.requests) * 1e6 / as_number(self.load.duration_us)
    }

    fn cpu_us_per_request(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / as_number(self.load.requests)
    }
}

/// As a float; zero as one, since all of these are divided by.
#[expect(clippy::cast_precision_loss, reason = "counts of a few minutes stay far below 2^52")]
fn as_number(count: u64) -> f64 {
    count.max(1) as f64
}

fn row(name: &str, connections: usize, measured: &[Round], bare: &[Round]) -> Option<Row> {
    let beside = || measured.iter().zip(bare);
    Some(Row {
        variant: name.to_owned(),
        connections,
        throughput: Spread::of(measured.iter().map(Round::throughput))?,
        p50_us: Spread::of(measured.iter().map(|round| as_number(round.load.p50_us)))?,
        p99_us: Spread::of(measured.iter().map(|round| as_number(round.load.p99_us)))?,
        cpu_us_per_request: Spread::of(measured.iter().map(Round::cpu_us_per_request))?,
        cpu_ratio_to_bare: Spread::of(
            beside().map(|(this, bare)| this.cpu_us_per_request() / bare.cpu_us_per_request()),
        )?,
        throughput_ratio_to_bare: Spread::of(beside().map(|(this, bare)| this.throughput() / bare.throughput()))?,
    })
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

fn version() -> String {
    let describe = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let version = describe.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if version.is_empty() { env!("CARGO_PKG_VERSION").to_owned() } else { version }
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
