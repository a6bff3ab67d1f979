//! Writing an archive's files so that a power cut leaves each whole or not at all.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Files that are being written: durable with their names once [`Files::sync`] has returned.
pub(crate) struct Files {
    root: PathBuf,
    touched: BTreeSet<PathBuf>,
}

impl Files {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.into(), touched: BTreeSet::new() }
    }

    /// Puts a file in its place, or another in the place of the one that was there.
    pub(crate) fn put(&mut self, path: &str, octets: &[u8]) -> io::Result<()> {
        let path = self.root.join(path);
        let folder = path.parent().unwrap_or(&self.root).to_owned();
        self.make(&folder)?;
        let mut fresh = path.clone().into_os_string();
        fresh.push(".new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&fresh)?;
        file.write_all(octets)?;
        file.sync_data()?;
        fs::rename(&fresh, &path)?;
        self.touched.insert(folder);
        Ok(())
    }

    /// Makes the names of everything that was put durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        for folder in std::mem::take(&mut self.touched) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    fn make(&mut self, folder: &Path) -> io::Result<()> {
        if self.touched.contains(folder) || folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent() {
            self.make(above)?;
            self.touched.insert(above.to_owned());
        }
        match DirBuilder::new().mode(0o750).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }
}

/// Removes a file or a folder with what is in it, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<bool> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
