//! What `make demo` runs: a gateway, two services and two tenants on one machine.
//!
//! Two things are always true of it:
//! - nothing is promised that was not tried: before anything is printed, each person signed in over HTTP, was allowed
//!   what they may read and refused what they may not do;
//! - it leaves nothing behind: whatever ends it, the programs that it started end too.
//!
//! The bench starts gateways and signs people in by the same means.
//!
//! ```
//! use cedargate_demo::people::TENANTS;
//!
//! let names: Vec<_> = TENANTS.iter().map(|tenant| tenant.name).collect();
//! assert_eq!(names, ["acme", "globex"]);
//! ```
//!
//! To add somebody: a row in [`people`]. Whatever it says that is not so fails the next start.

pub mod banner;
pub mod check;
pub mod client;
pub mod credentials;
pub mod gateway;
pub mod people;
pub mod process;
