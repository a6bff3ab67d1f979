//! `cedargate serve`.

use clap::Args;

use super::{Common, Ending, Failure};
use crate::compose;

/// Runs the gateway until SIGTERM or SIGINT, then finishes the requests in flight. A second signal ends it at once.
/// SIGHUP reads policies, tenants, keys and certificates anew; a change of them is also noticed by itself.
#[derive(Debug, Args)]
pub(crate) struct Serve {}

impl Serve {
    pub(crate) fn run(self, common: &Common) -> Result<Ending, Failure> {
        let (config, ring) = common.load_with_keys()?;
        compose::serve(config, ring)?;
        Ok(Ending::Done)
    }
}
