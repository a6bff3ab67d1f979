//! The engine from outside: attacks it must find, texts it must leave alone, and what is always true of it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking and says what it measured"
)]

mod attacks;
mod bodies;
mod bounds;
mod crs;
mod harmless;
mod profile;
mod properties;
mod reference;
mod sender;
