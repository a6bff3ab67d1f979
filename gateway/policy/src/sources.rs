//! The texts that snapshots are built from, read at once and kept as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::{Place, Problems};

/// The largest text that is read, in octets. A policy file that a person reviews is far smaller.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// The most files that are read.
const FILES_MAX: usize = 2_000;

/// The most octets of all texts together.
const SOURCES_BYTES_MAX: usize = 32 << 20;

/// The folder of the guard-rails, the roles and what else holds for every tenant.
pub(crate) const PLATFORM: &str = "platform";
/// The folder with the inspection's rule sets.
const RULE_SETS: &str = "waf";
/// The folder with the standing properties.
pub(crate) const PROPERTIES: &str = "properties";
/// The folder with one folder per tenant.
pub(crate) const TENANTS: &str = "tenants";

/// All policy texts of a directory, by their path in it. Nothing is parsed here.
///
/// ```text
/// platform/   schema.cedarschema, roles.toml, step-up.toml, *.cedar (guard-rails)
/// <module>/   schema.cedarschema, routes.toml, matrix.txt, *.cedar
/// tenants/<name>/   <module>.matrix.txt, *.cedar
/// properties/   platform.cedar, <module>.cedar, tenants/<name>.cedar
/// ```
#[derive(Clone, Debug)]
pub struct Sources {
    texts: BTreeMap<Arc<str>, Arc<str>>,
}

impl Sources {
    /// Reads a policy directory. Hidden files, `*.md` and `openapi.json` are passed over; any other file that is not
    /// of a known name is a mistake, because somebody may believe that it has an effect.
    ///
    /// # Errors
    /// Every file that cannot be read, is too large, is not UTF-8 or does not belong there.
    pub fn read(directory: impl AsRef<Path>) -> Result<Self, Problems> {
        let mut reader = Reader { texts: BTreeMap::new(), bytes: 0, problems: Problems::none() };
        reader.folder(directory.as_ref(), "");
        let Reader { texts, problems, .. } = reader;
        problems.into_result(Self { texts })
    }

    /// Takes texts that were read elsewhere, by path: for tests, and for a change that is being tried.
    ///
    /// # Errors
    /// Every path that does not belong in a policy directory.
    pub fn from_texts<P: Into<Arc<str>>, T: Into<Arc<str>>>(
        texts: impl IntoIterator<Item = (P, T)>,
    ) -> Result<Self, Problems> {
        let texts: BTreeMap<Arc<str>, Arc<str>> = texts.into_iter().map(|(p, t)| (p.into(), t.into())).collect();
        let mut problems = Problems::none();
        for (path, text) in &texts {
            if let Some(message) = misplaced(path) {
                problems.add(Place::start_of(Arc::clone(path)), message);
            }
            if u64::try_from(text.len()).is_ok_and(|bytes| bytes > TEXT_BYTES_MAX) {
                problems.add(Place::start_of(Arc::clone(path)), format!("larger than {TEXT_BYTES_MAX} octets"));
            }
            refuse_hidden(path, text, &mut problems);
        }
        if texts.len() > FILES_MAX {
            problems.add(Place::start_of("."), format!("more than {FILES_MAX} files"));
        }
        if texts.values().map(|text| text.len()).sum::<usize>() > SOURCES_BYTES_MAX {
            problems.add(Place::start_of("."), too_much());
        }
        problems.into_result(Self { texts })
    }

    /// The modules that there are, sorted.
    pub fn modules(&self) -> BTreeSet<Arc<str>> {
        let folders = self.texts.keys().filter_map(|path| path.split_once('/')).map(|(folder, _)| folder);
        folders.filter(|folder| !matches!(*folder, PLATFORM | TENANTS | PROPERTIES)).map(Arc::from).collect()
    }

    /// The tenants that have policies of their own, sorted.
    pub fn tenants(&self) -> BTreeSet<Arc<str>> {
        let below = self.texts.keys().filter_map(|path| path.strip_prefix("tenants/"));
        below.filter_map(|path| path.split_once('/')).map(|(name, _)| Arc::from(name)).collect()
    }

    /// Every text by its path, in the paths' order.
    pub fn texts(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.texts.iter()
    }

    /// The text at a path, with the path as it is kept.
    pub(crate) fn text(&self, path: &str) -> Option<(&Arc<str>, &Arc<str>)> {
        self.texts.get_key_value(path)
    }

    /// The texts below a folder (without its slash), in order.
    pub(crate) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a Arc<str>, &'a Arc<str>)> + 'a {
        self.texts.iter().filter(move |(path, _)| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    }
}

struct Reader {
    texts: BTreeMap<Arc<str>, Arc<str>>,
    bytes: usize,
    problems: Problems,
}

impl Reader {
    fn folder(&mut self, directory: &Path, prefix: &str) {
        let shown = || Place::start_of(if prefix.is_empty() { "." } else { prefix.trim_end_matches('/') });
        let entries = match fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => return self.problems.add(shown(), format!("the directory cannot be read: {error}")),
        };
        for entry in entries {
            let Ok(name) = entry.file_name().into_string() else {
                self.problems.add(shown(), format!("`{}` is not a UTF-8 name", entry.file_name().display()));
                continue;
            };
            // Beside the policies: rule sets, which are the inspection's to read.
            if name.starts_with('.') || (prefix.is_empty() && name == RULE_SETS) {
                continue;
            }
            let path = format!("{prefix}{name}");
            // Follows links: a mounted configuration volume is made of them.
            match fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_dir() && prefix.matches('/').count() < 3 => {
                    self.folder(&entry.path(), &format!("{path}/"));
                }
                Ok(metadata) if metadata.is_file() => self.file(&entry.path(), path, metadata.len()),
                Ok(_) => self.problems.add(Place::start_of(path), "neither a file nor a folder of a known kind"),
                Err(error) => self.problems.add(Place::start_of(path), format!("cannot be read: {error}")),
            }
        }
    }

    fn file(&mut self, file: &Path, path: String, bytes: u64) {
        if is_passed_over(&path) {
            return;
        }
        let place = Place::start_of(path.as_str());
        if let Some(message) = misplaced(&path) {
            return self.problems.add(place, message);
        }
        if bytes > TEXT_BYTES_MAX {
            return self.problems.add(place, format!("larger than {TEXT_BYTES_MAX} octets"));
        }
        if self.texts.len() >= FILES_MAX {
            return self.problems.add(place, format!("more than {FILES_MAX} files"));
        }
        match fs::read_to_string(file) {
            // Measured again: it may have grown since it was looked at.
            Ok(text) if self.bytes.saturating_add(text.len()) > SOURCES_BYTES_MAX => {
                self.problems.add(place, too_much());
            }
            Ok(text) => {
                self.bytes += text.len();
                let path = Arc::from(path);
                refuse_hidden(&path, &text, &mut self.problems);
                self.texts.insert(path, text.into());
            }
            Err(error) => self.problems.add(place, format!("cannot be read as UTF-8 text: {error}")),
        }
    }
}

fn too_much() -> String {
    format!("more than {SOURCES_BYTES_MAX} octets in all files together")
}

fn is_passed_over(path: &str) -> bool {
    path.ends_with(".md") || path.ends_with("/openapi.json")
}

/// Says where a text first holds what a reviewer does not see as it is read: a character that has no shape, moves others
/// about, or looks like a space or a line's end that it is not for every reader (Unicode TR36 §3, "Trojan Source").
fn refuse_hidden(path: &Arc<str>, text: &str, problems: &mut Problems) {
    // A line's end may be as Windows writes it.
    let is_line_end = |at| text.get(at..).is_some_and(|rest: &str| rest.starts_with("\r\n"));
    if let Some((at, found)) = text.char_indices().find(|(at, c)| is_hidden(*c) && !is_line_end(*at)) {
        let message = format!("U+{:04X} is invisible or misleading; remove it", u32::from(found));
        problems.add(Place::at(path, text, at), message);
    }
}

fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' | ' ' => false,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' => true,
        '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}' => true,
        other => other.is_control() || other.is_whitespace(),
    }
}

/// Why a path does not belong in a policy directory.
fn misplaced(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').collect();
    let is_cedar = |file: &str| file.ends_with(".cedar") && file.len() > ".cedar".len();
    let (known, expected) = match parts.as_slice() {
        [PLATFORM, file] => (
            is_cedar(file) || matches!(*file, "schema.cedarschema" | "roles.toml" | "step-up.toml"),
            "schema.cedarschema, roles.toml, step-up.toml or *.cedar",
        ),
        [TENANTS, _, file] => (is_cedar(file) || file.ends_with(".matrix.txt"), "<module>.matrix.txt or *.cedar"),
        [TENANTS, ..] => (false, "tenants/<name>/<file>"),
        [PROPERTIES, file] | [PROPERTIES, TENANTS, file] => (is_cedar(file), "<module>.cedar or tenants/<name>.cedar"),
        [module, file] if is_module_name(module) => (
            is_cedar(file) || matches!(*file, "schema.cedarschema" | "routes.toml" | "matrix.txt"),
            "schema.cedarschema, routes.toml, matrix.txt or *.cedar",
        ),
        [_, _] => (false, "a folder named with a-z, 0-9 and `_`, starting with a letter"),
        _ => (false, "platform/<file>, <module>/<file> or tenants/<name>/<file>"),
    };
    (!known).then(|| format!("no file of a policy directory; expected {expected}"))
}

/// Module names stand in route ids, policy ids and folder names.
fn is_module_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=40).contains(&name.len()) && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_has_no_effect_is_a_mistake() {
        for stray in [
            "inventory/matrix.md.bak",
            "inventory/matrix",
            "inventory/.cedar",
            "platform/matrix.txt",
            "roles.toml",
            "tenants/acme.cedar",
            "tenants/acme/routes.toml",
            "tenants/acme/x/y.cedar",
            "Inventory/routes.toml",
        ] {
            let problems = Sources::from_texts([(stray, "")]).unwrap_err();
            assert!(problems.to_string().starts_with(&format!("{stray}:1:1: ")), "{problems}");
        }
    }

    #[test]
    fn what_a_reviewer_does_not_see_is_a_mistake() {
        for (hidden, code) in [
            ('\r', "U+000D"),
            ('\u{b}', "U+000B"),
            ('\u{a0}', "U+00A0"),
            ('\u{200b}', "U+200B"),
            ('\u{202e}', "U+202E"),
            ('\u{2028}', "U+2028"),
            ('\u{2066}', "U+2066"),
            ('\u{feff}', "U+FEFF"),
        ] {
            let text = format!("# ä\n# a{hidden}b\n");
            let problems = Sources::from_texts([("inventory/matrix.txt", text.clone())]).unwrap_err();
            let expected = format!("inventory/matrix.txt:2:4: {code} is invisible or misleading; remove it");
            assert_eq!(problems.to_string(), expected);

            let directory = tempfile::tempdir().unwrap();
            fs::create_dir(directory.path().join("inventory")).unwrap();
            fs::write(directory.path().join("inventory/matrix.txt"), text).unwrap();
            assert_eq!(Sources::read(directory.path()).unwrap_err().to_string(), expected);
        }
        Sources::from_texts([("inventory/matrix.txt", "# für „jeden“\r\n\tx\r\n")]).unwrap();
    }

    #[test]
    fn modules_and_tenants_are_the_folders() {
        let sources = Sources::from_texts([
            ("platform/roles.toml", ""),
            ("inventory/matrix.txt", ""),
            ("inventory/routes.toml", ""),
            ("tenants/acme/x.cedar", ""),
        ])
        .unwrap();
        assert_eq!(sources.modules(), BTreeSet::from(["inventory".into()]));
        assert_eq!(sources.tenants(), BTreeSet::from(["acme".into()]));
    }

    #[test]
    fn every_unreadable_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("inventory")).unwrap();
        fs::write(directory.path().join("inventory/matrix.txt"), b"\xff").unwrap();
        fs::write(directory.path().join("inventory/notes.doc"), b"x").unwrap();
        fs::write(directory.path().join("inventory/README.md"), b"x").unwrap();
        let problems = Sources::read(directory.path()).unwrap_err().to_string();
        assert!(problems.contains("inventory/matrix.txt:1:1: cannot be read as UTF-8"), "{problems}");
        assert!(problems.contains("inventory/notes.doc:1:1: no file of a policy directory"), "{problems}");
        assert_eq!(problems.lines().count(), 2);
    }

    #[test]
    fn rule_sets_beside_the_policies_are_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        for folder in ["waf/crs", "inventory/waf"] {
            fs::create_dir_all(directory.path().join(folder)).unwrap();
            fs::write(directory.path().join(folder).join("main.conf"), b"\xff").unwrap();
        }
        let problems = Sources::read(directory.path()).unwrap_err().to_string();
        assert!(problems.starts_with("inventory/waf/main.conf:1:1: ") && problems.lines().count() == 1, "{problems}");
    }

    #[test]
    fn a_missing_directory_is_said() {
        assert!(Sources::read("/nonexistent/policies").unwrap_err().to_string().contains("cannot be read"));
    }
}
