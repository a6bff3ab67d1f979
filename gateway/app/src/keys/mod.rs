//! Keys at rest: sealed files and sealed secrets of the store, and the one key that opens them.
//!
//! Two things are always true: what is secret stands in a file only sealed, and a sealed file opens under its own name
//! only, so that files that were exchanged are noticed.

mod master;
mod ring;
mod seal;
mod vault;

pub(crate) use master::MasterKey;
pub(crate) use ring::{KeyRing, KeyRingError, Listed, Purpose, public_keys};
pub(crate) use vault::StoreVault;
