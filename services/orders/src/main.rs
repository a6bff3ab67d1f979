//! The orders service's command line.

use std::io::Write as _;
use std::process::ExitCode;

use cedargate_kit::{ServeOptions, StoreOption, open_store, report};
use cedargate_model::{Clock as _, SystemClock, TenantId};
use cedargate_orders::{SERVICE, openapi, seed};
use clap::Parser;

/// Customers and their orders, behind a Cedargate gateway.
#[derive(Parser)]
#[command(name = "cedargate-orders", version)]
enum Command {
    /// Serve until SIGTERM or SIGINT.
    Serve(ServeOptions),
    /// Print the OpenAPI document.
    Openapi,
    /// Give a tenant some customers and orders to look at. Doing it again adds a draft where none is left.
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
            writeln!(std::io::stdout(), "{} customers and {} orders added", seeded.customers, seeded.orders)?;
        }
    }
    Ok(())
}
