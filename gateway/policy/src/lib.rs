//! The decision point: routes, Cedar snapshots, the permission matrix and cached decisions.
