//! Programs and scripts of npm's, installed once for each version into the build's directory.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::process::Command;
use std::{fs, io};

/// Installs what these files ask for, and says where they then are; none where there is no `npm`. Installed aside and then moved, so that
/// whoever finds it finds all of it.
///
/// # Errors
/// `npm` says so, or nothing can be written.
pub(crate) fn install(name: &str, files: &[(&str, &str)]) -> io::Result<Option<PathBuf>> {
    if Command::new("npm").arg("--version").output().is_err() {
        return Ok(None);
    }
    let mut hash = DefaultHasher::new();
    files.hash(&mut hash);
    // target/<profile>/deps/<test>
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3).ok_or(io::ErrorKind::NotFound)?;
    let place = target.join(format!("{name}-{:016x}", hash.finish()));
    if place.exists() {
        return Ok(Some(place));
    }
    let aside = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(target)?;
    for (name, text) in files {
        fs::write(aside.path().join(name), text)?;
    }
    let mut npm = Command::new("npm");
    npm.current_dir(aside.path()).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    let output = npm.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!("`npm ci` failed: {said}")));
    }
    match fs::rename(aside.path(), &place) {
        Ok(()) => drop(aside.keep()),
        // Another test was first. It is moved as a whole, so what is there is all of it.
        Err(_) if place.join("node_modules").exists() => {}
        Err(error) => return Err(error),
    }
    Ok(Some(place))
}
