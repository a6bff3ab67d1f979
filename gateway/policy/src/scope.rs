//! For which tenant a snapshot is built.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedargate_model::{TenantId, TenantName};
use uuid::Uuid;

use crate::Sources;

/// A tenant, and what it has of what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantScope {
    /// The tenant's id: `Cedargate::Tenant::"<id>"`.
    pub id: TenantId,
    /// Its name: the folder of its own policies, if it has any.
    pub name: TenantName,
    /// The modules that it has. Each must be a folder of the policy directory.
    pub modules: BTreeSet<Arc<str>>,
}

impl TenantScope {
    /// A tenant with some modules.
    pub fn new<M: Into<Arc<str>>>(id: TenantId, name: TenantName, modules: impl IntoIterator<Item = M>) -> Self {
        Self { id, name, modules: modules.into_iter().map(Into::into).collect() }
    }

    /// A tenant that there is: it has every module but the bare host's, which has that one alone.
    pub fn of_all_modules(sources: &Sources, id: TenantId, name: TenantName) -> Self {
        let bare = Self::bare_host();
        if id == bare.id {
            return bare;
        }
        let modules = sources.modules().into_iter().filter(|module| !bare.modules.contains(module));
        Self::new(id, name, modules)
    }

    /// The built-in tenant that the bare host belongs to, so that listing the tenants is decided like anything else.
    /// It has the nil id and only the module `directory`.
    #[expect(clippy::missing_panics_doc, clippy::expect_used, reason = "the literal is a tenant name")]
    pub fn bare_host() -> Self {
        let name = TenantName::parse("directory").expect("`directory` is one DNS label");
        Self::new(TenantId(Uuid::nil()), name, ["directory"])
    }
}
