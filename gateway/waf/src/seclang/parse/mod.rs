//! From rule files to directives. Every mistake is reported at once, with its place; nothing is passed over in silence.

mod actions;
mod directives;
mod files;
mod line;
mod targets;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::files::{Disk, Files, InMemory};
use self::line::Lines;
use super::ast::{Directive, Position};
use super::error::{LoadError, Reason};

/// How deep files may include files.
const INCLUDE_DEPTH_MAX: usize = 8;
/// How many directives there may be.
const DIRECTIVES_MAX: usize = 50_000;

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) directives: Vec<Directive>,
    pub(crate) errors: Vec<LoadError>,
}

/// Parses files one after the other.
pub(crate) fn parse(files: &dyn Files, paths: &[PathBuf]) -> Parsed {
    let mut parsed = Parsed::default();
    for path in paths {
        let position = Position { file: path.display().to_string().into(), line: 0 };
        parsed.file(files, path, &position, 0);
    }
    parsed
}

impl Parsed {
    fn file(&mut self, files: &dyn Files, path: &Path, from: &Position, depth: usize) {
        if depth > INCLUDE_DEPTH_MAX {
            return self.error(from, None, Reason::IncludedTooDeep(INCLUDE_DEPTH_MAX));
        }
        match files.read(path) {
            Ok(text) => self.text(files, path, &text, depth),
            Err(error) => self.error(from, None, Reason::Unreadable(error)),
        }
    }

    fn text(&mut self, files: &dyn Files, path: &Path, text: &str, depth: usize) {
        let file: Arc<str> = path.display().to_string().into();
        for (line, words) in Lines::new(text) {
            let position = Position { file: Arc::clone(&file), line };
            if self.directives.len() == DIRECTIVES_MAX {
                return self.error(&position, None, Reason::TooMany("directives", DIRECTIVES_MAX));
            }
            let words = match words {
                Ok(words) => words,
                Err(reason) => {
                    self.error(&position, None, reason);
                    continue;
                }
            };
            let Some((name, arguments)) = words.split_first() else { continue };
            let is_optional = name.eq_ignore_ascii_case("IncludeOptional");
            if is_optional || name.eq_ignore_ascii_case("Include") {
                self.include(files, path, arguments, &position, (depth, is_optional));
                continue;
            }
            match directives::read(name, arguments) {
                Ok(kind) => self.directives.push(Directive { position, kind }),
                Err(reason) => {
                    let rule = arguments.iter().rev().find_map(|argument| actions::id_in(argument));
                    self.error(&position, rule, reason);
                }
            }
        }
    }

    /// `Include`: a file, or all files that a pattern with `*` in its last part names, in order. Relative to this file.
    /// Where it is optional, a file that is not there is passed over; else a pattern that names none is a mistake.
    fn include(
        &mut self,
        files: &dyn Files,
        from: &Path,
        arguments: &[String],
        position: &Position,
        (depth, is_optional): (usize, bool),
    ) {
        let [path] = arguments else {
            let takes = "one path, whose last part may have a `*`";
            return self.error(position, None, Reason::Arguments { directive: "Include".to_owned(), takes });
        };
        let path = from.parent().unwrap_or(Path::new("")).join(path);
        if !path.to_string_lossy().contains('*') {
            let is_missing = || files.read(&path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
            if is_optional && is_missing() {
                return;
            }
            return self.file(files, &path, position, depth + 1);
        }
        match files.list(&path) {
            Ok(paths) if paths.is_empty() && !is_optional => {
                let error = std::io::Error::new(std::io::ErrorKind::NotFound, "no file has such a name");
                self.error(position, None, Reason::Unreadable(error));
            }
            Ok(paths) => paths.iter().for_each(|path| self.file(files, path, position, depth + 1)),
            Err(error) => self.error(position, None, Reason::Unreadable(error)),
        }
    }

    fn error(&mut self, position: &Position, rule: Option<u64>, reason: Reason) {
        self.errors.push(LoadError { position: position.clone(), rule, reason });
    }
}

#[cfg(test)]
mod tests;
