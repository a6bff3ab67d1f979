//! What identity providers say of their people beside sign-ins: users, groups, and the tokens by which providers are known.
//!
//! A token is of one connection, and reaches what was made by that connection's tokens and nothing else: every text here has the tenant
//! and the connection. An account that was made in another way, or by another connection, is not there.

mod arrive;
mod desk;
mod groups;
mod page;
mod roles;
mod tokens;
mod users;

pub use arrive::{MatchBy, MatchedPerson, ProvisionedArrival};
pub use desk::{ProvisionError, Provisioning, ScimDesk};
pub use groups::{GroupChange, ScimGroup};
pub use roles::RoleRules;
pub use tokens::{
    CreateScimTokenError, ForgottenPeople, SCIM_TOKEN_LIFETIME_MAX, SCIM_TOKENS_MAX, ScimToken, ScimTokens,
};
pub use users::{ScimUser, UserChange};
