//! The `cedargate` program: command line, configuration and composition root. It wires, and decides nothing.

mod cli;
mod compose;
mod config;
mod files;
mod keys;

use std::process::ExitCode;

/// Measured to save 2.4 of 25 microseconds a request against the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
