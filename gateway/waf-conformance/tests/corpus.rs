//! The Core Rule Set's own regression corpus: what fails is listed, with its reason, and nothing else does.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking and says what it measured")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cedargate_waf::seclang::{Disk, RuleSet};
use cedargate_waf_conformance::{Corpus, Failure, Tally, differences, rules, run};

/// Cases that fail, each with the reason.
const KNOWN: &str = include_str!("../known.txt");
/// The share of cases that must pass, in thousandths.
const PASSED_MIN: usize = 995;

fn known() -> BTreeMap<(u64, u64), &'static str> {
    let lines = KNOWN.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (case, reason) = line.split_once(": ").unwrap();
            let (rule, number) = case.split_once('-').unwrap();
            ((rule.parse().unwrap(), number.parse().unwrap()), reason)
        })
        .collect()
}

/// The Core Rule Set's folder, where there is outside data.
fn crs() -> Option<PathBuf> {
    let data = std::env::var("CEDARGATE_TEST_DATA").ok();
    if data.is_none() {
        println!("skipped: CEDARGATE_TEST_DATA is not set, so there is no corpus");
    }
    data.map(|data| Path::new(&data).join("crs"))
}

#[test]
fn what_fails_is_known_and_why() {
    let Some(crs) = crs() else { return };
    let rules = rules(&crs.join("rules")).unwrap();
    let corpus = Corpus::read(&crs.join("regression")).unwrap();
    let Tally { passed, failures, .. } = run(&rules, &corpus);
    let all = passed + failures.len();
    println!("{passed} of {all} cases pass");
    let known = known();
    let news: Vec<&Failure> =
        failures.iter().filter(|failure| !known.contains_key(&(failure.rule, failure.number))).collect();
    assert!(news.is_empty(), "{} cases fail that did not: {news:#?}", news.len());
    let failed: BTreeSet<_> = failures.iter().map(|failure| (failure.rule, failure.number)).collect();
    let present: BTreeSet<_> = corpus.cases.iter().map(|case| (case.rule, case.number)).collect();
    let healed: Vec<_> = known.keys().filter(|case| present.contains(case) && !failed.contains(case)).collect();
    assert!(healed.is_empty(), "these pass by now and are no longer to be listed: {healed:?}");
    assert!(passed * 1000 >= all * PASSED_MIN, "{passed} of {all} cases pass");
}

#[test]
fn compiled_and_plain_find_the_same() {
    let Some(crs) = crs() else { return };
    let rules = rules(&crs.join("rules")).unwrap();
    let corpus = Corpus::read(&crs.join("regression")).unwrap();
    assert_eq!(differences(&rules, &corpus), []);
}

#[test]
fn debians_rules_load() {
    let folder = Path::new("/usr/share/modsecurity-crs/rules");
    let setup = Path::new("/etc/modsecurity/crs/crs-setup.conf");
    if !folder.is_dir() || !setup.is_file() {
        println!("skipped: Debian's package modsecurity-crs is not installed");
        return;
    }
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    paths.sort();
    paths.insert(0, setup.to_owned());
    let rules = RuleSet::load(&Disk, &paths).map_err(|errors| format!("{errors:#?}")).unwrap();
    assert!(rules.len() > 300, "{} rules", rules.len());
}
