//! The composition root: from a checked configuration to running parts.
//!
//! `check` and `serve` build the same parts by the same functions; `serve` goes on to open the record and listeners.

mod admin;
mod admissions;
mod certificates;
mod check;
mod connections;
mod control;
mod error;
mod figures;
mod http_app;
mod ingest;
mod keeper;
mod key_record;
mod listeners;
mod live_sets;
mod log;
mod metadata_refresh;
mod operator_events;
mod parts;
mod process;
mod proof;
mod receipts;
mod reload;
mod removed_connections;
mod rule_sets;
mod sealing;
mod serve;
mod signals;
mod sites;
mod store;
#[cfg(test)]
mod tests;
mod token_keys;
mod traces;
mod workloads;

pub(crate) use self::admissions::password_rules;
pub(crate) use self::check::check;
pub(crate) use self::connections::read as read_connections;
pub(crate) use self::error::StartError;
pub(crate) use self::live_sets::{LiveSets, SetsOf};
pub(crate) use self::parts::{engine, settings};
pub(crate) use self::rule_sets::rule_sets;
pub(crate) use self::serve::serve;
pub(crate) use self::sites::{SiteLoader, known_roles};
pub(crate) use self::store::{look as look_at_store, open as open_store, require_schema};
