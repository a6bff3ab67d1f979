//! Fuzz targets: whatever the gateway parses from outside, and what must hold of it whatever comes.
//!
//! A target is a function that takes octets and panics where a rule is broken. libFuzzer drives it (`make fuzz`), and
//! `make test` gives it the octets in `corpus/<target>/`, on the stable toolchain: seeds written by hand, and every input
//! that once broke a rule, named for what it broke.
//!
//! ```
//! cedargate_fuzz::cookies(b"a=1; __Host-cedargate=x; b=2");
//! let (name, target) = cedargate_fuzz::TARGETS[0];
//! target(name.as_bytes());
//! ```
//!
//! To add one: a function in a file of its own, a row in [`TARGETS`], a file in `fuzz_targets/` with its `[[bin]]`, and a
//! seed for each path through it.

mod assertion;
mod chunks;
mod config;
mod cookies;
mod exchange;
mod head;
mod inspection;
mod names;
mod pingora_reads;
mod policies;
mod record;
mod rules;
mod saml;
mod scim;

pub use assertion::assertion;
pub use chunks::chunks;
pub use config::config;
pub use cookies::cookies;
pub use exchange::exchange;
pub use head::head;
pub use inspection::inspection;
pub use names::names;
pub use policies::policies;
pub use record::record;
pub use rules::rules;
pub use saml::saml;
pub use scim::scim;

/// A target's function: it panics where a rule is broken.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also its corpus's folder.
pub const TARGETS: [(&str, Target); 13] = [
    ("assertion", assertion),
    ("chunks", chunks),
    ("config", config),
    ("cookies", cookies),
    ("exchange", exchange),
    ("head", head),
    ("inspection", inspection),
    ("names", names),
    ("policies", policies),
    ("record", record),
    ("rules", rules),
    ("saml", saml),
    ("scim", scim),
];

/// Cuts octets at line ends into at most so many parts: how one input stands for several.
fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.splitn(N, |octet| *octet == b'\n');
    [(); N].map(|()| parts.next().unwrap_or_default())
}
