//! Rule sets from their folders: read aside, checked, and swapped in when a file of theirs has changed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io, thread};

use cedargate_dataplane::{Gateway, RuleSets, Sites};
use cedargate_waf::seclang::{Disk, Files, RuleSet, Told};

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
    /// The paranoia levels that the configuration names.
    paranoia: BTreeSet<u8>,
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
        let named = config.inspection.named().cloned().collect();
        let paranoia = config.inspection.paranoia().collect();
        Self { folder, named, paranoia, live: BTreeMap::new() }
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

    /// Reads every wanted rule set whose files have changed, or every one where somebody asked for it; gives those that have mistakes.
    fn read<'a>(&mut self, by_routes: impl Iterator<Item = &'a str>, asked: bool) -> Vec<(Arc<str>, StartError)> {
        let wanted: BTreeSet<Arc<str>> = self.named.iter().cloned().chain(by_routes.map(Arc::from)).collect();
        self.live.retain(|name, _| wanted.contains(name));
        let mut failed = Vec::new();
        for name in wanted {
            let was = self.live.remove(&name);
            let is_as_before = |live: &Live| live.files.iter().all(|(path, was)| stamp(path) == *was);
            if let Some(live) = was.as_ref().filter(|live| !asked && is_as_before(live)) {
                let live = Live { rules: live.rules.clone(), files: live.files.clone() };
                self.live.insert(name, live);
                continue;
            }
            let (read, files) = load(&self.folder.join(&*name));
            let former = was.and_then(|live| live.rules);
            let read = read.and_then(|rules| match former.as_deref().filter(|_| !asked) {
                Some(former) => replaces(rules, former),
                None => Ok(rules),
            });
            let rules = match read {
                Ok(rules) => {
                    self.warm_up(&rules);
                    Some(Arc::new(rules))
                }
                Err(mistakes) => {
                    failed.push((Arc::clone(&name), StartError::Rules { name: Arc::clone(&name), mistakes }));
                    former
                }
            };
            self.live.insert(name, Live { rules, files });
        }
        failed
    }

    /// Makes what the first requests would have to wait for, at each paranoia level that the configuration names. A level that a route
    /// alone has is made at its first request.
    fn warm_up(&self, rules: &RuleSet) {
        for paranoia in &self.paranoia {
            let paranoia = paranoia.to_string();
            let told = Told { paranoia: &paranoia, ..Told::STOCK };
            rules.warm_up(told.of(&told.members()));
        }
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
    let read = read.and_then(|rules| match rules.weaknesses().first() {
        Some(weakness) => Err(format!("{}: {weakness}", main.display())),
        None => Ok(rules),
    });
    (read, files.paths.into_inner())
}

/// How much of a rule set must be left for it to take the former's place by itself: of four rules, three.
const LEFT_OF_FOUR: usize = 3;

/// Whether rules may take the place of the former ones without anybody's asking for it: a folder that a package is just writing to,
/// or a file that was cut short, has no mistake, and stops less.
fn replaces(rules: RuleSet, former: &RuleSet) -> Result<RuleSet, String> {
    const ASK: &str = "if that is meant, send the gateway SIGHUP";
    if rules.len() * 4 < former.len() * LEFT_OF_FOUR {
        return Err(format!("only {} of {} rules are left; {ASK}", rules.len(), former.len()));
    }
    let (stops, stopped) = (rules.stops(), former.stops());
    if stops < stopped {
        return Err(format!("{stops} of {stopped} plain attacks that the former rules stop are stopped; {ASK}"));
    }
    Ok(rules)
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

#[cfg(test)]
mod tests {
    use cedargate_waf::seclang::InMemory;

    use super::*;

    fn rules(text: &str) -> RuleSet {
        let main = PathBuf::from(MAIN);
        RuleSet::load(&InMemory::new([(MAIN, text)]), &[main]).unwrap_or_else(|_| unreachable!("rules of this test"))
    }

    /// So many rules, of which one stops an attack.
    fn stopping(attack: &str, more: usize) -> String {
        let more: String = (0..more).map(|id| format!("SecRule ARGS none \"id:{},phase:2,deny\"\n", id + 10)).collect();
        format!("SecRule ARGS \"@rx (?i){attack}\" \"id:1,phase:2,deny\"\n{more}")
    }

    #[test]
    fn rules_that_lost_much_or_stop_less_take_nobodys_place() {
        let former = rules(&stopping("union|script", 7));
        assert!(replaces(rules(&stopping("union|script", 5)), &former).is_ok());
        let few = replaces(rules(&stopping("union|script", 4)), &former).unwrap_err();
        assert!(few.contains("only 5 of 8 rules are left"), "{few}");
        let blind = replaces(rules(&stopping("union", 7)), &former).unwrap_err();
        assert!(blind.contains("1 of 2 plain attacks"), "{blind}");
    }

    #[test]
    fn a_file_that_was_cut_short_is_refused_with_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        for (text, said) in [
            ("", "no rule refuses anything"),
            ("SecRequestBodyAccess Off\nSecRule ARGS x \"id:1,phase:2,deny\"", "bodies would pass unread"),
        ] {
            fs::write(folder.path().join(MAIN), text).unwrap();
            let error = load(folder.path()).0.unwrap_err();
            assert!(error.contains(said) && error.contains(MAIN), "{error}");
        }
        fs::write(folder.path().join(MAIN), stopping("union", 0)).unwrap();
        assert!(load(folder.path()).0.is_ok());
    }
}
