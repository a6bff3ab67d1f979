//! Rule sets from their folders: read aside, checked, and swapped in when a file of theirs has changed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io, thread};

use cedargate_dataplane::{Gateway, RuleSets, Sites};
use cedargate_waf::seclang::{Disk, Files, RuleSet};

use super::StartError;
use super::reload::{SETTLE, Stamp, rule_sets_of, settle};
use crate::config::Config;

/// The folder with a folder for each rule set, in the policy directory.
const FOLDER: &str = "waf";
/// The file of a rule set that is read, and includes the others.
const MAIN: &str = "main.conf";

/// The rule sets that are in use, and what they were read from.
pub(super) struct RuleLoader {
    folder: PathBuf,
    /// The rule sets that the configuration names: they must be there.
    named: BTreeSet<Arc<str>>,
    live: BTreeMap<Arc<str>, Live>,
}

/// The rule sets that the configuration and these sites' routes name, for one question.
///
/// # Errors
/// A rule set of the configuration with its mistakes.
pub(crate) fn rule_sets(config: &Config, sites: &Sites) -> Result<RuleSets, StartError> {
    RuleLoader::new(config).start(rule_sets_of(sites))
}

/// A rule set, and the files that it was made of, with their marks: those of the last look, whether they could be used or not.
struct Live {
    /// None where it could never be read.
    rules: Option<Arc<RuleSet>>,
    files: BTreeMap<PathBuf, Option<Stamp>>,
}

impl RuleLoader {
    pub(super) fn new(config: &Config) -> Self {
        let folder = config.policies.dir.join(FOLDER);
        Self { folder, named: config.inspection.named().cloned().collect(), live: BTreeMap::new() }
    }

    /// Reads what the configuration and these routes name.
    ///
    /// # Errors
    /// A rule set of the configuration with its mistakes. One that only routes name answers 503 until it is there.
    pub(super) fn start<'a>(&mut self, by_routes: impl Iterator<Item = &'a str>) -> Result<RuleSets, StartError> {
        for (name, error) in self.read(by_routes, true) {
            if self.named.contains(&name) {
                return Err(error);
            }
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                cedargate.rules = &*name,
                "routes name a rule set that cannot be read: they answer 503"
            );
        }
        Ok(self.sets())
    }

    /// Takes up what has changed, if anything has; what has mistakes leaves the former rules as they are.
    pub(super) fn look<'a>(&mut self, gateway: &Gateway, by_routes: impl Iterator<Item = &'a str>, asked: bool) {
        let files = |live: &BTreeMap<Arc<str>, Live>| -> BTreeMap<PathBuf, Option<Stamp>> {
            let paths = live.values().flat_map(|live| live.files.keys());
            paths.map(|path| (path.clone(), stamp(path))).collect()
        };
        let seen = self.live.values().flat_map(|live| live.files.clone()).collect();
        settle(&seen, || files(&self.live), || thread::sleep(SETTLE));
        let before = self.sets();
        for (name, error) in self.read(by_routes, asked) {
            gateway.metrics.rule_set_read(false);
            tracing::error!(
                error.type = "rule_set_reload_failed",
                error = &error as &dyn std::error::Error,
                cedargate.rules = &*name,
                "a rule set has mistakes: the former rules inspect on"
            );
        }
        let sets = self.sets();
        let is_same = before.iter().count() == sets.iter().count()
            && before.iter().all(|(name, rules)| sets.get(name).is_some_and(|now| Arc::ptr_eq(now, rules)));
        if !is_same {
            gateway.metrics.rule_set_read(true);
            gateway.rule_sets.store(Arc::new(sets));
            tracing::info!("changed rule sets are taken up");
        }
    }

    /// Reads every wanted rule set whose files have changed; gives those that have mistakes.
    fn read<'a>(&mut self, by_routes: impl Iterator<Item = &'a str>, all: bool) -> Vec<(Arc<str>, StartError)> {
        let wanted: BTreeSet<Arc<str>> = self.named.iter().cloned().chain(by_routes.map(Arc::from)).collect();
        self.live.retain(|name, _| wanted.contains(name));
        let mut failed = Vec::new();
        for name in wanted {
            let was = self.live.remove(&name);
            let is_as_before = |live: &Live| live.files.iter().all(|(path, was)| stamp(path) == *was);
            if let Some(live) = was.as_ref().filter(|live| !all && is_as_before(live)) {
                let live = Live { rules: live.rules.clone(), files: live.files.clone() };
                self.live.insert(name, live);
                continue;
            }
            let (read, files) = load(&self.folder.join(&*name));
            let former = was.and_then(|live| live.rules);
            let rules = match read {
                Ok(rules) => Some(Arc::new(rules)),
                Err(mistakes) => {
                    failed.push((Arc::clone(&name), StartError::Rules { name: Arc::clone(&name), mistakes }));
                    former
                }
            };
            self.live.insert(name, Live { rules, files });
        }
        failed
    }

    fn sets(&self) -> RuleSets {
        let known =
            self.live.iter().filter_map(|(name, live)| Some((Arc::clone(name), Arc::clone(live.rules.as_ref()?))));
        RuleSets::new(known)
    }
}

/// Reads one rule set: the rules, or every mistake on a line of its own; and the files that were looked at.
fn load(folder: &Path) -> (Result<RuleSet, String>, BTreeMap<PathBuf, Option<Stamp>>) {
    let files = Noting { paths: RefCell::default() };
    // Marks from before reading: what is written meanwhile is read again the next time.
    let main = folder.join(MAIN);
    let read = RuleSet::load(&files, std::slice::from_ref(&main)).map_err(|mistakes| {
        let lines: Vec<_> = mistakes.iter().map(|mistake| crate::cli::chain(mistake)).collect();
        lines.join("\n")
    });
    (read, files.paths.into_inner())
}

/// Files on disk, and which of them were asked for.
struct Noting {
    paths: RefCell<BTreeMap<PathBuf, Option<Stamp>>>,
}

impl Noting {
    fn note(&self, path: &Path) {
        self.paths.borrow_mut().entry(path.to_owned()).or_insert_with(|| stamp(path));
    }
}

impl Files for Noting {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.note(path);
        Disk.read(path)
    }

    fn list(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        // A file that comes or goes changes its folder.
        self.note(pattern.parent().unwrap_or(Path::new(".")));
        Disk.list(pattern)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata))
}
