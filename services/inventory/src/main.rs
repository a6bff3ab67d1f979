//! The inventory service's command line.

use std::io::Write as _;
use std::process::ExitCode;

use cedargate_inventory::{SERVICE, openapi, seed};
use cedargate_kit::{ServeOptions, StoreOption, open_store, report};
use cedargate_model::{Clock as _, SystemClock, TenantId};
use clap::Parser;

/// Items, lots with expiry and stock movements, behind a Cedargate gateway.
#[derive(Parser)]
#[command(name = "cedargate-inventory", version)]
enum Command {
    /// Serve until SIGTERM or SIGINT.
    Serve(ServeOptions),
    /// Print the OpenAPI document.
    Openapi,
    /// Give a tenant some stock to look at. Doing it again changes nothing.
    SeedDemo {
        #[command(flatten)]
        store: StoreOption,
        /// The tenant's id, as `cedargate tenant list` prints it.
        #[arg(long, value_name = "UUID")]
        tenant_id: TenantId,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    report(run(Command::parse()).await)
}

async fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        Command::Serve(options) => SERVICE.serve(&options).await?,
        Command::Openapi => write!(std::io::stdout(), "{}", openapi())?,
        Command::SeedDemo { store, tenant_id } => {
            let pool = open_store(&SERVICE, &store.url()?).await?;
            let seeded = seed(&pool, tenant_id, SystemClock.now()).await?;
            pool.close().await;
            writeln!(std::io::stdout(), "{} items added, {} kept", seeded.added, seeded.kept)?;
        }
    }
    Ok(())
}
