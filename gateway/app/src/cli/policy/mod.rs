//! `cedargate policy`: one file for each command.

mod replay;
mod test;

use std::path::Path;

use clap::Subcommand;

use super::output::Output;
use super::{Common, Ending, Failure};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    Test(test::Test),
    Replay(replay::Replay),
}

impl PolicyCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Test(command) => command.json,
            Self::Replay(command) => command.json,
        }
    }

    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        match self {
            Self::Test(command) => command.run(output),
            Self::Replay(command) => command.run(common, output),
        }
    }
}

/// That a directory which was named is one.
fn directory(path: &Path) -> Result<(), Failure> {
    if path.is_dir() { Ok(()) } else { Err(Failure::mistake(format!("`{}` is not a directory", path.display()))) }
}
