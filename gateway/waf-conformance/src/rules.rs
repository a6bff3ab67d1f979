//! A rule set, as its authors test it.

use std::path::{Path, PathBuf};

use cedargate_waf::seclang::{Disk, EngineMode, InMemory, RuleSet};

use crate::Error;

/// What the authors' own tests configure: every paranoia level, and limits on arguments and files, which are off in the
/// setup file that users start from.
const SETTINGS: &str = r#"
SecAction "id:77000001,phase:1,nolog,pass,\
    setvar:tx.blocking_paranoia_level=4,\
    setvar:tx.detection_paranoia_level=4,\
    setvar:tx.paranoia_level=4,\
    setvar:tx.executing_paranoia_level=4,\
    setvar:tx.arg_length=400,\
    setvar:tx.arg_name_length=100,\
    setvar:tx.max_num_args=255,\
    setvar:tx.total_arg_length=64000,\
    setvar:tx.max_file_size=64100,\
    setvar:tx.combined_file_sizes=65535,\
    setvar:tx.crs_validate_utf8_encoding=1"
"#;
const SETTINGS_NAME: &str = "the tests' settings";

/// Loads the rules of a folder, with their setup file, for detection at paranoia level 4.
///
/// # Errors
/// If there is no setup file, or the rules have mistakes.
pub fn rules(folder: &Path) -> Result<RuleSet, Error> {
    let unreadable = |source| Error::Unreadable { path: folder.to_owned(), source };
    let mut paths = vec![setup(folder)?, PathBuf::from(SETTINGS_NAME)];
    let mut rules = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_setup = path.file_name().is_some_and(|name| name == "crs-setup.conf");
        if path.extension().is_some_and(|extension| extension == "conf") && !is_setup {
            rules.push(path);
        }
    }
    rules.sort();
    paths.extend(rules);
    let files = (InMemory::new([(SETTINGS_NAME, SETTINGS)]), Disk);
    RuleSet::load(&files, &paths).map(|rules| rules.with_mode(EngineMode::DetectionOnly)).map_err(Error::Rules)
}

fn setup(folder: &Path) -> Result<PathBuf, Error> {
    let canonical = folder.canonicalize().map_err(|source| Error::Unreadable { path: folder.to_owned(), source })?;
    let folders = [Some(canonical.as_path()), canonical.parent()];
    let candidates = folders
        .into_iter()
        .flatten()
        .flat_map(|folder| ["crs-setup.conf", "crs-setup.conf.example"].map(|name| folder.join(name)));
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| Error::NoSetup(folder.to_owned()))
}
