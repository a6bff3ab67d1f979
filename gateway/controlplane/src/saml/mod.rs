//! Sign-in by a SAML provider, where it differs from others: answers come as forms of the provider's pages. Beginning one is
//! [`crate::sso::start`]'s, as for every provider.

pub(crate) mod acs;
pub(crate) mod metadata;
pub(crate) mod slo;

use std::sync::Arc;

use cedargate_assertion::TenantScope;
use cedargate_idp_adapters::connection::{Connections, LiveConnection};
use cedargate_idp_adapters::saml::{SamlClient, Sp};

use crate::sso::origin;
use crate::visit::{Site, Visit};

/// A connection by SAML, of the tenant whose host was asked.
struct Asked<'v> {
    tenant: &'v TenantScope,
    live: &'v LiveConnection,
    client: &'v Arc<SamlClient>,
    /// What the gateway is called there.
    sp: Sp,
}

impl<'v> Asked<'v> {
    fn of(visit: &'v Visit, connections: &'v Connections, name: &str) -> Option<Self> {
        let Site::Tenant(tenant) = visit.site() else { return None };
        let live = connections.find(&tenant.name, name)?;
        let client = live.saml()?;
        Some(Self { tenant, live, client, sp: Sp::of(&origin(visit), &live.connection.name) })
    }
}

/// An id for a message that nobody has to bring back.
pub(crate) fn message_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
