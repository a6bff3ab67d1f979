//! `cedargate policy`: one file for each command.

mod analyse;
mod change;
mod diverged;
mod lint;
mod matrix;
mod prove;
mod reach;
mod replay;
mod tenants;
mod test;
mod why;

use std::path::Path;

use clap::Subcommand;

use super::output::Output;
use super::{Common, Ending, Failure};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    Test(test::Test),
    Why(why::Why),
    Replay(replay::Replay),
    Analyse(analyse::Analyse),
    Prove(prove::Prove),
    Lint(lint::Lint),
    Matrix(matrix::ShowMatrix),
    WhoCan(reach::WhoCan),
    WhatCan(reach::WhatCan),
    /// Propose, check, review and put live a change of a tenant's policies, and take it back
    #[command(subcommand)]
    Change(change::ChangeCommand),
}

impl PolicyCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Test(command) => command.json,
            Self::Why(command) => command.json,
            Self::Replay(command) => command.json,
            Self::Analyse(command) => command.json,
            Self::Prove(command) => command.json,
            Self::Lint(command) => command.json,
            Self::Matrix(command) => command.json,
            Self::WhoCan(command) => command.json,
            Self::WhatCan(command) => command.json,
            Self::Change(command) => command.json(),
        }
    }

    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        match self {
            Self::Test(command) => command.run(output),
            Self::Why(command) => command.run(common, output),
            Self::Replay(command) => command.run(common, output),
            Self::Analyse(command) => command.run(output),
            Self::Prove(command) => command.run(output),
            Self::Lint(command) => command.run(output),
            Self::Matrix(command) => command.run(output),
            Self::WhoCan(command) => command.run(common, output),
            Self::WhatCan(command) => command.run(common, output),
            Self::Change(command) => command.run(common, output),
        }
    }
}

/// That a directory which was named is one.
fn directory(path: &Path) -> Result<(), Failure> {
    if path.is_dir() { Ok(()) } else { Err(Failure::mistake(format!("`{}` is not a directory", path.display()))) }
}
