//! SCIM 2.0 (RFC 7643, RFC 7644) as plain functions: what a resource may hold, what a filter finds, what a patch changes.
//!
//! Always true of what stands here:
//! - nothing does IO, reads a clock or knows a store: whoever keeps resources brings them here and takes them away again;
//! - what is read has a bound: text, depth, tests of a filter, operations of a patch, values of an attribute;
//! - a resource that was read is in one canonical form: known attributes alone, by their own names, without what is empty.
//!
//! It is written for the clients that there are, Entra ID and Okta first: `"active": "False"`, operations in capitals, and patches
//! without a path whose members are paths are understood as they are meant. What is merely unknown is passed over, as RFC 7643
//! wants it; what is known and wrong is refused with its `scimType`.
//!
//! ```
//! use cedargate_scim::{Filter, Patch, ResourceKind, read_resource};
//! use serde_json::json;
//!
//! let mut ada = read_resource(ResourceKind::User, &json!({
//!     "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
//!     "USERNAME": "ada@acme.example",
//!     "favouriteColour": "green",
//! }))?;
//! assert_eq!(ada.get("userName"), Some(&json!("ada@acme.example")));
//! assert!(!ada.contains_key("favouriteColour"));
//!
//! let filter = Filter::parse(ResourceKind::User, r#"userName sw "ADA" and not (active eq false)"#)?;
//! assert!(filter.matches(&ada));
//!
//! let patch = Patch::read(ResourceKind::User, &json!({
//!     "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
//!     "Operations": [{ "op": "Replace", "path": "active", "value": "False" }],
//! }))?;
//! patch.apply(&mut ada)?;
//! assert!(!filter.matches(&ada));
//! # Ok::<(), cedargate_scim::ScimError>(())
//! ```
//!
//! To keep one more attribute: a row in `schema/tables.rs`. It is then read, filtered, patched, selected and described.

mod claims;
mod discovery;
mod element;
mod error;
mod filter;
mod list;
mod moment;
mod patch;
mod path;
mod render;
mod resource;
mod schema;
mod select;

pub use claims::{GroupsBy, Membership, role_claims};
pub use discovery::{resource_type, resource_types, schema, schemas, service_provider_config};
pub use error::{ScimError, ScimType};
pub use filter::{FILTER_BYTES_MAX, Filter, IndexKey};
pub use list::{ListRequest, RESULTS_MAX, list_response};
pub use patch::{OPERATIONS_MAX, Patch};
pub use render::{Rendered, user_name_key};
pub use resource::{DOCUMENT_BYTES_MAX, Resource, check_resource, read_resource};
pub use schema::{ENTERPRISE_USER, MEMBERS_MAX, ResourceKind};
pub use select::Selection;
