//! How SQLite would find the rows of every text of this crate.
//!
//! Its planner knows no figures of a table: asked for an order, it may take that from the primary key and read everybody in the
//! tenant to find one account's rows. Nothing is wrong then but the time, which grows with the tenant.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use cedargate_migrations::GATEWAY;
use cedargate_migrations::testing::{Engine, TestStore};

/// Texts that read all of something, and why that is meant.
const MEANT: [(&str, &str); 11] = [
    ("session_rows.rs GENERATIONS", "one row for each tenant, all of them wanted"),
    ("tenant.rs TENANTS", "all tenants are wanted"),
    ("tenant.rs HOSTS", "all hosts, or all of one tenant, are wanted"),
    ("tenant.rs UNLINK", "an operator's act, and there are few links"),
    ("tokens.rs TOKENS", "a tenant's few tokens for SCIM, all of them wanted"),
    ("notices.rs WAIT", "counted up to a bound"),
    ("notices.rs BACKLOG", "counted for an operator; what waits is bounded"),
    ("registrations.rs COUNT", "counted up to a bound"),
    ("policy_changes.rs", "at most a hundred changes of a tenant, and one row for each tenant of what is live"),
    ("kept_posts.rs PRUNE_ALL", "few a tenant, and for ten minutes each"),
    ("operator_events.rs", "what waits for the record is taken from the front"),
];

/// More values than any text has.
const PLACES_MAX: usize = 40;

#[tokio::test]
async fn no_text_reads_all_of_a_tenant() {
    let store = TestStore::on(Engine::Sqlite).await;
    let _pool = store.migrated(&[&GATEWAY]).await;
    let mut operator = store.operator().await;
    let (mut seen, mut found) = (0, Vec::new());
    for (name, text) in texts(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
        // One text each, for as long as the test runs. Any value will do: a plan does not depend on them.
        let valued = (1..=PLACES_MAX).rev().fold(text, |text, place| text.replace(&format!("${place}"), "1"));
        let explain: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {valued}").into_boxed_str());
        let plan: Vec<(i64, i64, i64, String)> = operator.rows(explain).await;
        let slow = plan.into_iter().map(|(.., step)| step).filter(|step| reads_all(step));
        found.extend(slow.map(|step| format!("{name}: {step}")));
        seen += 1;
    }
    found.retain(|line| !MEANT.iter().any(|(name, _)| line.starts_with(name)));
    assert_eq!(found, Vec::<String>::new());
    assert!(seen > 40, "only {seen} texts were found");
}

#[test]
fn a_step_that_reads_all_is_known() {
    assert!(reads_all("SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (tenant_id=?)"));
    assert!(reads_all("SCAN sessions"));
    assert!(!reads_all("SEARCH sessions USING INDEX sessions_by_account (tenant_id=? AND account_id=?)"));
    assert!(!reads_all("SEARCH sessions USING INDEX sessions_by_expiry (expires_at<?)"));
}

fn reads_all(step: &str) -> bool {
    step.starts_with("SCAN ") || step.ends_with("(tenant_id=?)")
}

/// Every text of the sources below `directory`, under the names of its file and its constant.
fn texts(directory: &Path) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for file in sources(directory) {
        let source = fs::read_to_string(&file).unwrap();
        for constant in source.split("const ").skip(1) {
            let Some((name, rest)) = constant.split_once(": &str = \"\n") else { continue };
            let text = rest.split('"').next().unwrap();
            if ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|verb| text.starts_with(verb)) {
                texts.push((format!("{} {name}", file.file_name().unwrap().display()), text.to_owned()));
            }
        }
    }
    texts
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}
