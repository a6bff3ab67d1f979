//! `make bench-waf`: what one request costs, by engine and kind of request.
//!
//! Times are the thread's own on a processor, and rounds are interleaved, so that what else the machine does meets both
//! engines alike; a row's figure is the median of its rounds. `once` runs one case alone, for callgrind to count.

mod compare;
mod legitimate;
mod load;
#[cfg(feature = "libmodsecurity")]
mod modsecurity;
mod ours;
mod process;
mod requests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use serde::Serialize;

use self::load::Load;
use self::process::thread_seconds;
use self::requests::Request;

/// Something that inspects requests.
trait Engine {
    fn name(&self) -> &'static str;
    /// Inspects a request; the status it is refused with, if it is.
    fn inspect(&mut self, request: &Request) -> Option<u16>;
    /// The same, with why.
    fn explain(&mut self, request: &Request) -> Explained;
}

/// What an engine makes of a request.
#[derive(Debug, Default)]
struct Explained {
    status: Option<u16>,
    /// The rules that matched and log.
    rules: Vec<u64>,
    /// The limit that was reached, if that is known.
    limit: Option<&'static str>,
}

/// Measures the inspection engine.
#[derive(Debug, Parser)]
struct Arguments {
    /// The rules' folder, with its setup file in it or in its parent
    #[arg(long)]
    rules: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure every case with every engine
    All {
        /// How many rounds
        #[arg(long, default_value_t = 15)]
        rounds: usize,
        /// Where the rows go, one JSON object a line
        #[arg(long)]
        output: PathBuf,
    },
    /// Compare what both engines block and pass
    Compare {
        /// A tree of go-ftw cases
        #[arg(long)]
        corpus: PathBuf,
    },
    /// Run one case so many times
    Once {
        /// The engine's name
        engine: String,
        /// The case's name
        case: String,
        /// How many times
        times: usize,
    },
}

#[derive(Debug, Serialize)]
struct Row {
    engine: &'static str,
    case: String,
    microseconds_median: f64,
    microseconds_least: f64,
    status: Option<u16>,
}

/// How long one engine is measured in a round, at least.
const SLICE_SECONDS: f64 = 0.05;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let files = rule_files(&arguments.rules)?;
    let only = match &arguments.command {
        Command::Once { engine, .. } => Some(engine.clone()),
        Command::All { .. } | Command::Compare { .. } => None,
    };
    let (mut engines, loads) = engines(&files, only.as_deref())?;
    match arguments.command {
        Command::All { rounds, output } => all(&mut engines, &loads, rounds, &output),
        Command::Compare { corpus } => compare::compare(&mut engines, &corpus),
        Command::Once { case, times, .. } => {
            let requests = requests::all();
            let request = requests.iter().find(|request| request.name == case).context("there is no such case")?;
            let Some(engine) = engines.first_mut() else { bail!("there is no such engine here") };
            for _ in 0..times {
                engine.inspect(request);
            }
            Ok(())
        }
    }
}

/// The engines that are measured, and what it took to load each.
type Loaded = (Vec<Box<dyn Engine>>, Vec<Load>);

fn engines(files: &[PathBuf], only: Option<&str>) -> anyhow::Result<Loaded> {
    let wanted = |name| only.is_none_or(|only| only == name);
    let mut measured = Vec::new();
    if wanted(ours::NAME) {
        measured.push(Load::measure(|| Ok(Box::new(ours::Ours::load(files)?)))?);
    }
    #[cfg(feature = "libmodsecurity")]
    if wanted(modsecurity::NAME) {
        measured.push(Load::measure(|| Ok(Box::new(modsecurity::ModSecurity::load(files)?)))?);
    }
    Ok(measured.into_iter().unzip())
}

fn all(engines: &mut [Box<dyn Engine>], loads: &[Load], rounds: usize, output: &Path) -> anyhow::Result<()> {
    loads.iter().for_each(|load| println!("{}", load.line()));
    let mut lines = loads.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::new();
    for request in requests::all() {
        let mut times: Vec<Vec<f64>> = vec![Vec::new(); engines.len()];
        let mut statuses = vec![None; engines.len()];
        for _ in 0..rounds {
            for ((engine, times), status) in engines.iter_mut().zip(&mut times).zip(&mut statuses) {
                let began = thread_seconds()?;
                let mut count = 0_u32;
                let mut passed = 0.0;
                while passed < SLICE_SECONDS {
                    *status = engine.inspect(&request);
                    count += 1;
                    passed = thread_seconds()? - began;
                }
                times.push(passed * 1e6 / f64::from(count));
            }
        }
        let mut line = format!("{:<16}", request.name);
        let mut medians = Vec::new();
        for ((engine, mut times), status) in engines.iter().zip(times).zip(statuses) {
            times.sort_by(f64::total_cmp);
            let median = times.get(times.len() / 2).copied().unwrap_or_default();
            let least = times.first().copied().unwrap_or_default();
            line += &format!(
                "  {} {median:>10.1} us ({})",
                engine.name(),
                status.map_or("pass".to_owned(), |s: u16| s.to_string())
            );
            medians.push(median);
            rows.push(Row {
                engine: engine.name(),
                case: request.name.clone(),
                microseconds_median: median,
                microseconds_least: least,
                status,
            });
        }
        if let [ours, other] = medians.as_slice() {
            line += &format!("  1/{:.1}", other / ours);
        }
        println!("{line}");
    }
    lines.extend(rows.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?);
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(output, lines.join("\n") + "\n").with_context(|| format!("cannot write {}", output.display()))
}

/// The setup file and the rules behind it, in order.
fn rule_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let canonical = folder.canonicalize().with_context(|| format!("cannot read {}", folder.display()))?;
    let places = [Some(canonical.as_path()), canonical.parent(), Some(Path::new("/etc/modsecurity/crs"))];
    let setups = places
        .into_iter()
        .flatten()
        .flat_map(|place| ["crs-setup.conf", "crs-setup.conf.example"].map(|name| place.join(name)));
    let setup = setups.into_iter().find(|path| path.is_file()).context("there is no crs-setup.conf")?;
    let mut rules = Vec::new();
    for entry in fs::read_dir(&canonical)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "conf") && path != setup {
            rules.push(path);
        }
    }
    rules.sort();
    rules.insert(0, setup);
    Ok(rules)
}
