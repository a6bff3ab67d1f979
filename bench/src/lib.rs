//! Measures the gateway against a bare Pingora proxy in one interleaved run.
//!
//! Three things keep the comparison honest:
//! - every proxy sends the same requests to the same upstream, on the same core, with the same number of threads;
//! - rounds are interleaved (each proxy in turn, again and again), so that a slow minute of the machine meets them all;
//! - what is compared is processor time per request, which depends far less on the machine's mood than throughput.
//!
//! To add a variant: a line in `variants.rs` that says how its configuration differs. What the gateway is held to stands in
//! [`TARGETS`].
//!
//! ```
//! use cedargate_bench::Spread;
//!
//! let spread = Spread::of([3.0, 1.0, 2.0]).ok_or("no rounds")?;
//! assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.0, 3.0));
//! # Ok::<_, &str>(())
//! ```

mod load;
mod machine;
mod report;
mod steady;
mod targets;

pub use load::{Load, LoadError, Measured};
pub use machine::{ProcessorTimeError, describe_machine, pin, processor_time, resident_mebibytes, under};
pub use report::{PacedRow, Report, Row, Spread, SteadyRow};
pub use steady::Steady;
pub use targets::{Figure, TARGETS, Target};
