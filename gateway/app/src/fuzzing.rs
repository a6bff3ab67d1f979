//! What the fuzz targets in `fuzz/` call of this crate. No interface: it changes with them.

use std::path::Path;

use crate::config::environment::Environment;
use crate::config::{Config, MasterKeyUse};

/// Reads a configuration; what is wrong with it, each mistake on a line that begins with its place.
///
/// # Errors
/// Everything that is wrong.
pub fn config(text: &str) -> Result<(), String> {
    Config::parse(Path::new("c.toml"), text, &Environment::default(), MasterKeyUse::Unused)
        .map(drop)
        .map_err(|mistakes| mistakes.to_string())
}
