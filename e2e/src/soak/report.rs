//! What the soak comes to: the clients' ledger against the record, the services' stores and the process.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use cedargate_model::{EventBody, Stage, Verdict};
use uuid::Uuid;

use super::faults::Struck;
use super::ledger::{Inner, Ledger, Write};
use super::watch::Watch;
use crate::World;

/// How much the mean memory of the last fifth may be above that of the third: caches fill first, and then nothing grows.
const GROWTH_KIB_MAX: u64 = 12 * 1024;

/// How many more files may be open when all clients have gone than there were at first: connections kept to upstreams.
const FILES_LEFT_MAX: usize = 32;

/// How long the gateway may take to let go of clients that have gone.
const QUIET_PATIENCE: Duration = Duration::from_secs(30);

/// Figures and failures.
pub struct Report {
    rows: Vec<(&'static str, String)>,
    failures: Vec<String>,
}

impl Report {
    /// What did not hold; nothing if all is well.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    pub(super) fn of(world: &World, ledger: &Ledger, watch: Watch, struck: &Struck) -> io::Result<Self> {
        let mut report = Self { rows: Vec::new(), failures: Vec::new() };
        let ledger = ledger.lock();
        report.figures(&ledger, struck);
        report.process(&watch)?;
        report.record(world, &ledger);
        report.store(world, &ledger)?;
        report.logs(world);
        Ok(report)
    }

    fn row(&mut self, what: &'static str, figure: impl fmt::Display) {
        self.rows.push((what, figure.to_string()));
    }

    fn fail(&mut self, what: impl Into<String>) {
        self.failures.push(what.into());
    }

    fn figures(&mut self, ledger: &Inner, struck: &Struck) {
        let of_class = |class: u16| ledger.answers.iter().filter(|seen| seen.status / 100 == class).count();
        self.row("answers 2xx / 3xx", format!("{} / {}", of_class(2), of_class(3)));
        self.row("answers 4xx / 5xx", format!("{} / {}", of_class(4), of_class(5)));
        let mut unanswered: Vec<_> = ledger.unanswered.iter().map(|(why, count)| format!("{count} {why}")).collect();
        unanswered.sort();
        self.row("without answer", unanswered.join(", "));
        self.row("services killed", struck.deaths);
        self.row(
            "reloads, bad ones, key rotations",
            format!("{}, {}, {}", struck.reloads, struck.bad_policies, struck.rotations),
        );
        self.failures.extend(struck.wrong.iter().chain(&ledger.wrong).cloned());
        for (status, count) in &ledger.nameless {
            self.fail(format!("{count} answers with status {status} name no request"));
        }
        if of_class(2) == 0 || of_class(4) == 0 {
            self.fail("there were no answers to look at");
        }
    }

    /// Memory is flat, and files are let go.
    fn process(&mut self, watch: &Watch) -> io::Result<()> {
        let (early, late) = (watch.mean_kib(4, 6), watch.mean_kib(8, 10));
        let peak = watch.samples.iter().map(|sample| sample.memory_kib).max().unwrap_or_default();
        self.row("memory KiB, early / late / peak", format!("{early} / {late} / {peak}"));
        if late > early + GROWTH_KIB_MAX {
            self.fail(format!("memory grew from {early} to {late} KiB"));
        }
        let first = watch.samples.first().map_or(0, |sample| sample.files);
        let most = watch.samples.iter().map(|sample| sample.files).max().unwrap_or_default();
        let begun = Instant::now();
        let mut left = watch.files()?;
        while left > first + FILES_LEFT_MAX && begun.elapsed() < QUIET_PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
            left = watch.files()?;
        }
        self.row("files, at first / most / left", format!("{first} / {most} / {left}"));
        if left > first + FILES_LEFT_MAX {
            self.fail(format!("{left} files stay open, {first} were at first"));
        }
        let lasted = watch.samples.last().map_or(Duration::ZERO, |sample| sample.at);
        self.row("seconds", lasted.as_secs());
        Ok(())
    }

    /// Every answer has its decision, says what the decision says, and the record verifies.
    fn record(&mut self, world: &World, ledger: &Inner) {
        let (mut verdicts, mut amended) =
            (HashMap::<Uuid, (Uuid, Option<String>)>::new(), HashMap::<Uuid, String>::new());
        let (mut folded, mut repeated, mut entries) = (0_u64, 0_u32, 0_u64);
        for event in world.events() {
            entries += 1;
            match event.body {
                EventBody::Decision(decision) => {
                    let code = match &decision.verdict {
                        Verdict::Allow | Verdict::Preflight => None,
                        Verdict::Refuse { code, .. } => Some(code.to_string()),
                    };
                    let known = verdicts.insert(decision.request.0, (decision.decision.0, code));
                    repeated += u32::from(known.is_some());
                }
                EventBody::Amendment(amendment) => {
                    amended.insert(amendment.decision.0, amendment.code.to_string());
                }
                EventBody::Folded(one) => {
                    folded += u64::from(one.count);
                    if !one.stage.is_before_authentication() || one.stage == Stage::Authorize {
                        self.fail(format!("a refusal of somebody known was folded: {one:?}"));
                    }
                }
                _ => {}
            }
        }
        let mut missing = 0_u64;
        let mut otherwise = Vec::new();
        for seen in &ledger.answers {
            match verdicts.get(&seen.request) {
                None => missing += 1,
                Some((decision, code)) => {
                    let recorded = code.as_ref().or_else(|| amended.get(decision));
                    // A service's own refusals carry no code of ours, and the gateway allowed them.
                    if seen.code.is_some() && recorded != seen.code.as_ref() && is_ours(seen.code.as_deref()) {
                        otherwise.push(format!("{}: seen {:?}, recorded {recorded:?}", seen.request, seen.code));
                    }
                    if seen.code.is_none() && seen.status < 400 && recorded.is_some() && !is_redirect(seen.status) {
                        otherwise.push(format!("{}: answered {}, recorded {recorded:?}", seen.request, seen.status));
                    }
                }
            }
        }
        self.row("answers, of them without own entry", format!("{}, {missing}", ledger.answers.len()));
        self.row("entries, counted in folds", format!("{entries}, {folded}"));
        if missing > folded {
            self.fail(format!("{missing} answers have no entry, and folds count {folded}"));
        }
        if repeated > 0 {
            self.fail(format!("{repeated} requests were decided twice"));
        }
        if !otherwise.is_empty() {
            let shown: Vec<_> = otherwise.iter().take(5).cloned().collect();
            self.fail(format!("{} answers differ from their record: {}", otherwise.len(), shown.join("; ")));
        }
        if let Err(error) = world.cedargate(&["audit", "verify", &world.audit().display().to_string()]) {
            self.fail(format!("the record does not verify: {error}"));
        }
    }

    /// What was acknowledged is there, once; what was refused is not.
    fn store(&mut self, world: &World, ledger: &Inner) -> io::Result<()> {
        let stored = stored(world)?;
        let count = |write: Write| ledger.writes.values().filter(|other| **other == write).count();
        let known = (count(Write::Acknowledged), count(Write::Refused), count(Write::Unknown));
        self.row("writes acknowledged / refused / unknown", format!("{} / {} / {}", known.0, known.1, known.2));
        self.row("items in the store", stored.len());
        let (mut lost, mut ghosts, mut twice) = (0, 0, 0);
        for (sku, write) in &ledger.writes {
            let times = stored.get(sku).copied().unwrap_or_default();
            lost += u32::from(*write == Write::Acknowledged && times == 0);
            ghosts += u32::from(*write == Write::Refused && times > 0);
            twice += u32::from(times > 1);
        }
        if lost + ghosts + twice > 0 {
            self.fail(format!("{lost} acknowledged writes are lost, {ghosts} refused ones are there, {twice} twice"));
        }
        if stored.keys().any(|sku| !ledger.writes.contains_key(sku)) {
            self.fail("the store has an item that nobody wrote");
        }
        if known.0 == 0 {
            self.fail("no write was acknowledged");
        }
        Ok(())
    }

    fn logs(&mut self, world: &World) {
        let logs = world.logs();
        if let Some(line) = logs.lines().find(|line| line.contains("panicked")) {
            self.fail(format!("a panic: {line}"));
        }
    }
}

/// The items of the tenant that is written to, by SKU, and how often each is there.
fn stored(world: &World) -> io::Result<HashMap<String, u32>> {
    let manager = world.sign_in("manager", "acme");
    let (mut stored, mut cursor) = (HashMap::new(), String::new());
    loop {
        let page = world.get(&manager, &format!("/inventory/items?limit=100{cursor}"));
        let json = page.json();
        let Some(items) = json.get("items").and_then(|items| items.as_array()) else {
            return Err(io::Error::other(format!("no page of items: {page:?}")));
        };
        for item in items {
            let sku = item.get("sku").and_then(|sku| sku.as_str()).unwrap_or_default();
            *stored.entry(sku.to_owned()).or_default() += 1;
        }
        let next = ["next", "next_cursor"].iter().find_map(|name| json.get(name)?.as_str().map(str::to_owned));
        match next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(stored),
        }
    }
}

fn is_ours(code: Option<&str>) -> bool {
    code.is_some_and(|code| cedargate_model::RefusalCode::ALL.iter().any(|known| known.to_string() == code))
}

/// Whoever has not signed in and asks for a page is sent to sign in, which is a refusal.
fn is_redirect(status: u16) -> bool {
    (300..400).contains(&status)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, figure) in &self.rows {
            writeln!(f, "  {what:<40} {figure}")?;
        }
        for failure in &self.failures {
            writeln!(f, "  FAILED: {failure}")?;
        }
        Ok(())
    }
}
