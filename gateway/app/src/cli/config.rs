//! `cedargate config`.

use clap::Subcommand;

use super::output::Output;
use super::{Common, Ending, Failure, block_on};
use crate::compose;
use crate::config;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Do what a start does, up to opening listeners, and report every mistake with its place
    ///
    /// Reads the configuration, opens the keys, looks at the store without changing it, builds every tenant's snapshot,
    /// and loads the listeners' certificates.
    Check {
        /// Answer as JSON: {"ok", "warnings", "checks": [{"name", "ok", "detail"}]}
        #[arg(long)]
        json: bool,
    },
    /// Print every key with its meaning and default, as Markdown
    Reference {
        /// Of the tenants' files with issuers that vouch for programs, instead of the configuration's own
        #[arg(long)]
        workloads: bool,
    },
}

impl ConfigCommand {
    pub(crate) fn json(&self) -> bool {
        matches!(self, Self::Check { json: true })
    }

    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        match self {
            Self::Reference { workloads } => {
                output.text(if workloads { config::workloads_reference() } else { config::reference() });
                Ok(Ending::Done)
            }
            Self::Check { .. } => {
                let (config, ring) = common.load_with_keys()?;
                let checked = block_on(async { Ok(compose::check(&config, &ring).await) })?;
                output.answer(&checked, &checked);
                match checked.into_failure() {
                    None => Ok(Ending::Done),
                    Some(error) => Err(Failure::said(error)),
                }
            }
        }
    }
}
