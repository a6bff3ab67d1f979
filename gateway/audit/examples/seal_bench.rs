//! Measures what sealing costs: `cargo run --release -p cedargate-audit --example seal_bench [EVENTS] [DIR]`.
//!
//! Records events of two tenants, seals them, and proves the archive; says how many of each a second of one core's time, and
//! how large the spool and the archive are for each event.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedargate_audit::{Archive, Priority, Spool, SpoolSettings, verify_archive};
use cedargate_model::{
    Decision, DecisionId, Event, EventBody, EventId, Micros, RequestId, SystemClock, TenantName, Verdict,
};
use ed25519_dalek::SigningKey;
use uuid::Uuid;

/// How many are on their way to the disk at once.
const TOGETHER: u64 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let events: u64 = args.next().map_or(Ok(300_000), |text| text.parse())?;
    let dir = args.next().map_or_else(|| std::env::temp_dir().join("cedargate-seal-bench"), PathBuf::from);
    let (spool_dir, archive_dir) = (dir.join("spool"), dir.join("archive"));
    let _former = fs::remove_dir_all(&dir);

    let key = SigningKey::from_bytes(&[7; 32]);
    let (spool, _) = Spool::open(SpoolSettings::new(&spool_dir, "bench"), key.clone(), Arc::new(SystemClock))?;
    let tenants = [TenantName::parse("acme")?, TenantName::parse("globex")?];
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        for from in (0..events).step_by(usize::try_from(TOGETHER)?) {
            let mut tickets = vec![];
            for number in from..(from + TOGETHER).min(events) {
                let tenant = if number % 4 == 0 { &tenants[1] } else { &tenants[0] };
                tickets.push(spool.record(&event(number, tenant.clone()), Priority::Known)?);
            }
            for ticket in tickets {
                ticket.durable().await?;
            }
        }
        Ok::<(), Box<dyn Error>>(())
    })?;
    spool.close()?;

    let mut archive = Archive::open(&archive_dir, "bench/audit", key.clone(), &[], Arc::new(SystemClock))?;
    let (start, cpu_start) = (Instant::now(), cpu());
    let sealed = archive.seal([spool_dir.as_path()])?;
    let (took, used) = (start.elapsed(), cpu() - cpu_start);
    say("sealed", sealed.entries, took, used)?;

    let (start, cpu_start) = (Instant::now(), cpu());
    let report = verify_archive(&archive_dir, &[key.verifying_key()], &[])?;
    say("proved", report.entries, start.elapsed(), cpu() - cpu_start)?;
    for (name, dir) in [("spool", &spool_dir), ("archive", &archive_dir)] {
        writeln!(std::io::stdout(), "{name}: {} octets an event", octets(dir)? / events)?;
    }
    fs::remove_dir_all(&dir)?;
    Ok(())
}

fn say(what: &str, entries: u64, took: Duration, used: Duration) -> std::io::Result<()> {
    let each = |time: Duration| entries as f64 / time.as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{what} {entries} entries in {took:.2?}: {:.0} a second, {:.0} a second of CPU",
        each(took),
        each(used)
    )
}

/// The CPU time of this thread, as the kernel's scheduler counts it.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

fn octets(dir: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for item in fs::read_dir(dir)? {
        let item = item?;
        sum += if item.file_type()?.is_dir() { octets(&item.path())? } else { item.metadata()?.len() };
    }
    Ok(sum)
}

fn event(number: u64, tenant: TenantName) -> Event {
    let id = Uuid::now_v7();
    let decision = Decision {
        decision: DecisionId(id),
        request: RequestId(Uuid::now_v7()),
        verdict: Verdict::Allow,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        client_certificate: None,
        method: "GET".into(),
        host: "acme.localhost".into(),
        path: format!("/inventory/items/{}", number % 5000),
        route: Some("inventory.ShowItem".into()),
        service: None,
        action: Some(r#"Inventory::Action::"ShowItem""#.into()),
        resource: Some(r#"Inventory::Item::"42""#.into()),
        subject: None,
        inspection: None,
        snapshot: Some("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".into()),
        facts: None,
        determined_by: Arc::new(["inventory/matrix/clerk/ShowItem".into()]),
        shadow: None,
    };
    let at = Micros(1_700_000_000_000_000 + i64::try_from(number).unwrap_or(0));
    Event { id: EventId(id), at, tenant: Some(tenant), body: EventBody::Decision(Arc::new(decision)) }
}
