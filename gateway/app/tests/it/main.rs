//! The program itself, run as people and scripts run it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod commands;
mod connections;
mod house;
mod ingest;
mod policy;
mod serving;
