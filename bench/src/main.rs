//! `make bench`: bare Pingora and the gateway before the same upstream, in interleaved rounds of one run.

mod site;
mod variants;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cedargate_bench::{
    Measured, PacedRow, Report, Row, Spread, SteadyRow, TARGETS, Target, describe_machine, processor_time,
    resident_mebibytes,
};
use clap::Parser;

use crate::site::{Cores, Proxy, Site};
use crate::variants::VARIANTS;

/// The row that the targets speak of, and the one that it is compared with.
const MAIN: &str = "everything but inspection";
const BARE: &str = "bare Pingora";

/// The length of a round of warming up, and how many there are at most.
const WARM_UP: Duration = Duration::from_secs(2);
const WARM_UP_ROUNDS_MAX: usize = 60;

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
    /// Only the variants whose names contain one of these, besides bare Pingora
    #[arg(long, env = "ONLY", value_delimiter = ',')]
    only: Vec<String>,
    /// What runs every proxy, such as `valgrind --tool=callgrind --instr-atstart=no`
    #[arg(long, env = "UNDER", default_value = "")]
    under: String,
    /// Starts everything, says where it is, and waits for Enter instead of measuring
    #[arg(long)]
    hold: bool,
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
        under: options.under.clone(),
    };

    say("Starting the upstream and the proxies, and signing people in")?;
    let (upstream, _upstream) = site.start_upstream().await?;
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|only| name.contains(only.as_str()));
    let mut proxies = Vec::new();
    for variant in VARIANTS.iter().filter(|variant| wanted(variant.name)) {
        proxies.push(site.start_gateway(variant, upstream).await?);
    }
    let requests = proxies.first().context("no variant has such a name")?.requests.clone();
    proxies.insert(0, site.start_bare(BARE, upstream, requests).await?);

    if options.hold {
        return hold(&proxies);
    }
    say("Warming up")?;
    for proxy in &proxies {
        warm_up(&site, proxy).with_context(|| proxy.name.clone())?;
    }
    let mut rows = Vec::new();
    for connections in &options.connections {
        rows.extend(measure(&site, &proxies, *connections, options)?);
    }
    let paced = paced(&site, &proxies, &rows, options)?;
    let steady = steady(&site, &proxies, &rows, options)?;
    let targets = TARGETS.iter().filter_map(|target| Target::held_to(target, &rows, &steady)).collect();
    let report = Report {
        machine: describe_machine(),
        version: version(),
        profile: options.profile.clone(),
        rounds: options.rounds as usize,
        seconds_per_round: options.seconds,
        pinned: site.cores.proxy.is_some(),
        rows,
        paced,
        steady,
        targets,
    };
    let file = options.directory.join("report.json");
    fs::write(&file, serde_json::to_vec_pretty(&report)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    say(&format!("\n{report}\nThe same as JSON: {}", file.display()))?;

    drop(proxies);
    // Half a gigabyte of audit log that nobody will read.
    fs::remove_dir_all(&site.work).context("cannot clear up")
}

/// A short load, and further ones until every request was sent once: what is asked for the first time costs more.
fn warm_up(site: &Site, proxy: &Proxy) -> Result<()> {
    for _ in 0..WARM_UP_ROUNDS_MAX {
        site.load(proxy, 64, WARM_UP)?;
        if proxy.sent.get() >= proxy.requests_count as u64 {
            return Ok(());
        }
    }
    bail!("{} of {} requests in the time for warming up", proxy.sent.get(), proxy.requests_count)
}

/// Leaves everything running for whoever wants to look at it with other tools.
fn hold(proxies: &[Proxy]) -> Result<()> {
    for Proxy { name, address, process, requests, .. } in proxies {
        say(&format!("{name}: process {}, http://{address}, requests in {}", process.id(), requests.display()))?;
    }
    say("Enter ends it")?;
    io::stdin().read_line(&mut String::new()).context("nobody can press Enter")?;
    Ok(())
}

/// All rounds at one number of connections.
fn measure(site: &Site, proxies: &[Proxy], connections: usize, options: &Options) -> Result<Vec<Row>> {
    let mut rounds: Vec<Vec<Round>> = proxies.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        say(&format!("{connections} connections, round {} of {}", round + 1, options.rounds))?;
        for (proxy, measured) in proxies.iter().zip(&mut rounds) {
            let before = processor_time(proxy.process.id())?;
            let length = Duration::from_secs(options.seconds);
            let load = site.load(proxy, connections, length);
            let load = load.with_context(|| proxy.name.clone())?;
            let cpu = processor_time(proxy.process.id())?.saturating_sub(before);
            measured.push(Round { load, cpu, mebibytes: resident_mebibytes(proxy.process.id())? });
        }
    }
    let plain = proxies.iter().position(|proxy| proxy.name == MAIN).unwrap_or_default();
    let beside = |at: usize| rounds.get(at).cloned().unwrap_or_default();
    let (bare, plain) = (beside(0), beside(plain));
    let rows =
        proxies.iter().zip(&rounds).map(|(proxy, measured)| row(&proxy.name, connections, measured, &bare, &plain));
    rows.collect::<Option<_>>().context("there were no rounds")
}

/// Rows below this part of bare Pingora's throughput are taken to wait for something, rather than to be busy.
const WAITING: f64 = 0.5;

/// Bare Pingora at the rate of each row that waits: what so few requests a second cost without a gateway.
fn paced(site: &Site, proxies: &[Proxy], rows: &[Row], options: &Options) -> Result<Vec<PacedRow>> {
    let bare = proxies.iter().find(|proxy| proxy.name == BARE).context("bare Pingora does not run")?;
    let waiting = rows.iter().filter(|row| row.throughput_ratio_to_bare.median < WAITING);
    let mut paced = Vec::new();
    for row in waiting {
        // As below: whole, and small.
        let rate = row.throughput.median as u32;
        say(&format!("bare Pingora at {rate} requests a second"))?;
        let before = processor_time(bare.process.id())?;
        let measured = site.steady(bare, rate, Duration::from_secs(options.seconds)).with_context(|| BARE)?;
        let cpu = processor_time(bare.process.id())?.saturating_sub(before);
        let cpu_us_per_request = cpu.as_secs_f64() * 1e6 / as_number(measured.requests);
        paced.push(PacedRow {
            variant: row.variant.clone(),
            connections: row.connections,
            rate,
            cpu_us_per_request,
            cpu_ratio_to_bare: row.cpu_us_per_request.median / cpu_us_per_request,
        });
    }
    Ok(paced)
}

/// At half of what the gateway can do with 64 connections: what it adds to how long an answer takes.
fn steady(site: &Site, proxies: &[Proxy], rows: &[Row], options: &Options) -> Result<Vec<SteadyRow>> {
    let Some(full) = rows.iter().find(|row| row.variant == MAIN && row.connections == 64) else {
        return Ok(Vec::new());
    };
    // A rate is a whole number of requests, far below what either type cannot hold.
    let rate = (full.throughput.median / 2.0) as u32;
    let pair: Vec<_> = proxies.iter().filter(|proxy| proxy.name == MAIN || proxy.name == BARE).collect();
    let mut rounds: Vec<Vec<Measured>> = pair.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        say(&format!("{rate} requests a second, round {} of {}", round + 1, options.rounds))?;
        for (proxy, measured) in pair.iter().zip(&mut rounds) {
            let steady = site.steady(proxy, rate, Duration::from_secs(options.seconds));
            measured.push(steady.with_context(|| proxy.name.clone())?);
        }
    }
    let bare = rounds.first().cloned().unwrap_or_default();
    let rows = pair.iter().zip(&rounds).map(|(proxy, measured)| {
        let added = measured.iter().zip(&bare);
        Some(SteadyRow {
            variant: proxy.name.clone(),
            rate,
            p50_us: Spread::of(measured.iter().map(|round| as_number(round.p50_us)))?,
            p99_us: Spread::of(measured.iter().map(|round| as_number(round.p99_us)))?,
            p99_us_added: Spread::of(added.map(|(this, bare)| as_number(this.p99_us) - as_number(bare.p99_us)))?,
        })
    });
    rows.collect::<Option<_>>().context("there were no rounds")
}

/// One round of one proxy.
#[derive(Clone, Copy, Debug)]
struct Round {
    load: Measured,
    cpu: Duration,
    mebibytes: f64,
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

fn row(name: &str, connections: usize, measured: &[Round], bare: &[Round], plain: &[Round]) -> Option<Row> {
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
        cpu_ratio_to_plain: Spread::of(
            measured.iter().zip(plain).map(|(this, plain)| this.cpu_us_per_request() / plain.cpu_us_per_request()),
        )?,
        mebibytes: Spread::of(measured.iter().map(|round| round.mebibytes))?,
        throughput_ratio_to_bare: Spread::of(beside().map(|(this, bare)| this.throughput() / bare.throughput()))?,
    })
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
