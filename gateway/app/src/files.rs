//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Replaces a file so that a reader sees the old text or the new one, also after a crash.
pub(crate) fn replace(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = directory.join(format!(".{name}.{}", std::process::id()));
    let written = write_synced(&fresh, text, mode).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // What is left of the attempt is of no use; the error that counts is the first one.
        let _ = fs::remove_file(&fresh);
    }
    written.and_then(|()| File::open(directory)?.sync_all())
}

/// Makes a directory for its owner alone where it is missing. One that exists keeps its rights.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn write_synced(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    // One left behind by a crash of a process with our id would keep its mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}
