//! Measures what recording costs: `cargo run --release -p cedargate-audit --example spool_bench [DIR] [WAITERS]`.
//!
//! Tasks on one thread each record an event, await its ticket and start again, as a proxy thread does. Beside it runs
//! the same loop over a spool that discards, so that the difference is the record's.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedargate_audit::{Priority, Spool, SpoolSettings};
use cedargate_model::{Decision, DecisionId, Event, EventBody, EventId, Micros, RequestId, SystemClock, Verdict};
use ed25519_dalek::SigningKey;
use uuid::Uuid;

const ROUND: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().map_or_else(|| std::env::temp_dir().join("cedargate-spool-bench"), PathBuf::from);
    let waiters: usize = args.next().map_or(Ok(64), |text| text.parse())?;

    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let settings = SpoolSettings::new(&dir, "bench");
    let (spool, _) = Spool::open(settings, SigningKey::from_bytes(&seed), Arc::new(SystemClock))?;
    for (name, spool, dispatcher) in [
        ("discarding", Spool::danger_discarding(), false),
        ("durable, with a dispatcher", spool.clone(), true),
        ("durable, woken by the writer", spool.clone(), false),
        ("discarding", Spool::danger_discarding(), false),
        ("durable, with a dispatcher", spool.clone(), true),
    ] {
        let before = spool.stats();
        let (records, took, caller, process) = round(&spool, waiters, dispatcher)?;
        let commits = spool.stats().commits - before.commits;
        let each = |time: Duration| time.as_secs_f64() * 1e6 / records as f64;
        writeln!(
            std::io::stdout(),
            "{name:30} {waiters} waiters: {:8.0} records/s, {:5.2} us CPU each on the caller's thread, {:5.2} in all, \
             {:5.1} records a commit, {:4.0} commits/s",
            records as f64 / took.as_secs_f64(),
            each(caller),
            each(process),
            records as f64 / (commits.max(1)) as f64,
            commits as f64 / took.as_secs_f64(),
        )?;
    }
    spool.close()?;
    Ok(())
}

/// Records for a while; gives how many, how long, and the CPU time of this thread and of the process.
fn round(
    spool: &Spool,
    waiters: usize,
    dispatcher: bool,
) -> Result<(u64, Duration, Duration, Duration), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (start, thread, process) = (Instant::now(), cpu("/proc/thread-self/schedstat"), process_cpu());
    let records = runtime.block_on(async {
        if dispatcher {
            tokio::spawn(spool.dispatch());
        }
        let tasks: Vec<_> = (0..waiters)
            .map(|_| {
                let spool = spool.clone();
                tokio::spawn(async move {
                    let event = event();
                    let mut records = 0_u64;
                    while start.elapsed() < ROUND {
                        spool.record(&event, Priority::Known)?.durable().await?;
                        records += 1;
                        // A discarding spool never waits; a proxy's tasks do.
                        tokio::task::yield_now().await;
                    }
                    Ok::<u64, cedargate_audit::RecordError>(records)
                })
            })
            .collect();
        let mut records = 0;
        for task in tasks {
            records += task.await??;
        }
        Ok::<u64, Box<dyn Error>>(records)
    })?;
    let (caller, process) = (cpu("/proc/thread-self/schedstat") - thread, process_cpu().saturating_sub(process));
    Ok((records, start.elapsed(), caller, process))
}

/// The CPU time of a task, as the kernel's scheduler counts it; zero where it does not.
fn cpu(schedstat: impl AsRef<Path>) -> Duration {
    let text = fs::read_to_string(schedstat).unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

fn process_cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.map(|task| cpu(task.path().join("schedstat"))).sum()
}

fn event() -> Event {
    let id = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001);
    let decision = Decision {
        decision: DecisionId(id),
        request: RequestId(id),
        verdict: Verdict::Allow,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        client_certificate: None,
        method: "GET".into(),
        host: "acme.localhost".into(),
        path: "/inventory/items".into(),
        route: Some("inventory.ListItems".into()),
        service: None,
        action: Some(r#"Inventory::Action::"ListItems""#.into()),
        resource: Some(r#"Inventory::Collection::"items""#.into()),
        subject: None,
        inspection: None,
        snapshot: Some("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".into()),
        determined_by: Arc::new(["inventory/matrix/clerk/ListItems".into()]),
        facts: None,
        shadow: None,
    };
    Event {
        id: EventId(id),
        at: Micros(1_700_000_000_000_000),
        tenant: None,
        body: EventBody::Decision(Arc::new(decision)),
    }
}
