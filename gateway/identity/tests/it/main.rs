//! Accounts, factors and sessions on a real store, in one program.

mod accounts;
mod factors;
mod federation;
mod house;
mod kept_posts;
mod links;
mod operator_events;
mod plans;
mod policy_changes;
mod service_accounts;
mod sessions;
mod webauthn;
