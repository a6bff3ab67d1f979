//! What stands in the files, exactly. `docs/reference/audit-log.md` says the same for other people's verifiers.

pub(crate) mod directory;
pub(crate) mod entry;
pub(crate) mod event;
pub(crate) mod hash;
pub(crate) mod head;
pub(crate) mod keys;
pub(crate) mod marker;
