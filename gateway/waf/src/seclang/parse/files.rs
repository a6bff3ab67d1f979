//! Where rule files are read from.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Rule files and the data files beside them.
pub trait Files {
    /// The file's text. Octets that are no UTF-8 are errors: rules are ASCII, and write others as escapes.
    ///
    /// # Errors
    /// If there is no such file, or it cannot be read.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// The files that a path with `*` in its last part names, in order.
    ///
    /// # Errors
    /// If the folder cannot be read.
    fn list(&self, pattern: &Path) -> io::Result<Vec<PathBuf>>;
}

/// Files on disk.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

/// The largest file that is read. CRS's largest has 200 KiB.
const FILE_BYTES_MAX: u64 = 16 << 20;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<String> {
        if std::fs::metadata(path)?.len() > FILE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a rule file of more than 16 MiB"));
        }
        std::fs::read_to_string(path)
    }

    fn list(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let folder = pattern.parent().unwrap_or(Path::new("."));
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if named(pattern, &path) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}

/// Files that a program carries, by path.
#[derive(Clone, Debug, Default)]
pub struct InMemory(BTreeMap<PathBuf, String>);

impl InMemory {
    /// These files.
    pub fn new<P: Into<PathBuf>, T: Into<String>>(files: impl IntoIterator<Item = (P, T)>) -> Self {
        Self(files.into_iter().map(|(path, text)| (path.into(), text.into())).collect())
    }
}

impl Files for InMemory {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no such file"))
    }

    fn list(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.0.keys().filter(|path| path.parent() == pattern.parent() && named(pattern, path)).cloned().collect())
    }
}

/// Files that a program carries before those on disk.
impl Files for (InMemory, Disk) {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.0.read(path).or_else(|_| self.1.read(path))
    }

    fn list(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        self.1.list(pattern)
    }
}

/// Whether the file's name is one that the pattern's last part means.
fn named(pattern: &Path, path: &Path) -> bool {
    let (Some(pattern), Some(name)) = (pattern.file_name(), path.file_name()) else { return false };
    let (pattern, name) = (pattern.to_string_lossy(), name.to_string_lossy());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}
