//! A tenant's ways to identity providers: what is configured of each, and what a provider's word comes to.
//!
//! What is the same for every kind of provider stands here; what is OIDC's stands in [`crate::oidc`], what is SAML's in
//! [`crate::saml`]. A further kind is a further variant of [`ConnectionKind`] and of [`Client`].

mod admission;
mod claims;
mod domain;
mod provisioned;
mod strength;

use std::collections::BTreeMap;
use std::sync::Arc;

use cedargate_model::{ConnectionName, TenantName};

pub use admission::{Admission, Judgement, RoleRule, Verdict};
pub use claims::{ClaimMatch, ClaimPath, ClaimPathError, Claims};
pub use domain::{EmailDomain, EmailDomainError};
pub use provisioned::ProvisioningRule;
pub use strength::{Strength, StrengthRule, StrengthSign};

use crate::oidc::{OidcClient, OidcSettings};
use crate::saml::{SamlClient, SamlSettings};
use cedargate_identity::Issuer;

/// One way to an identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its name within the tenant.
    pub name: ConnectionName,
    /// What people read on the button.
    pub title: String,
    /// The domains of the addresses whose people are led here.
    pub email_domains: Vec<EmailDomain>,
    /// Who gets an account.
    pub admission: Admission,
    /// What a provider's word must say, all of it.
    pub required: Vec<ClaimMatch>,
    /// What gives roles.
    pub roles: Vec<RoleRule>,
    /// What is believed of how strongly somebody signed in.
    pub strengths: Vec<StrengthRule>,
    /// How people of whom the provider tells by SCIM are found at a sign-in; none where it tells of nobody.
    pub provisioning: Option<ProvisioningRule>,
    /// What kind of provider it is.
    pub kind: ConnectionKind,
}

/// The kinds of provider.
#[expect(clippy::large_enum_variant, reason = "one for each connection, made at a start and kept behind an `Arc`")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionKind {
    /// OpenID Connect.
    Oidc(OidcSettings),
    /// SAML 2.0.
    Saml(SamlSettings),
}

impl ConnectionKind {
    /// Who the provider is.
    pub fn issuer(&self) -> &Issuer {
        match self {
            Self::Oidc(settings) => settings.issuer.issuer(),
            Self::Saml(settings) => &settings.metadata.entity_id,
        }
    }

    /// Whether this claim is what people are known by here: the subject of an identity.
    pub fn is_subject(&self, claim: &ClaimPath) -> bool {
        let subject = match self {
            Self::Oidc(_) => "sub",
            Self::Saml(_) => "name_id",
        };
        claim.as_str() == subject
    }
}

impl Connection {
    /// What to ask the provider for where a level is needed: the classes that would reach it, weakest first.
    pub fn classes_for(&self, level: u8) -> Vec<&str> {
        strength::classes_for(level, &self.strengths)
    }
}

/// A connection at work.
#[derive(Debug)]
pub struct LiveConnection {
    /// What is configured.
    pub connection: Connection,
    /// The client of its provider.
    pub client: Client,
}

/// The client of a provider, of the connection's kind.
#[derive(Debug)]
pub enum Client {
    /// Of an OpenID provider.
    Oidc(Box<OidcClient>),
    /// Of a SAML provider.
    Saml(Arc<SamlClient>),
}

impl LiveConnection {
    /// The client, where the provider speaks OpenID Connect.
    pub fn oidc(&self) -> Option<&OidcClient> {
        match &self.client {
            Client::Oidc(client) => Some(client),
            Client::Saml(_) => None,
        }
    }

    /// The client, where the provider speaks SAML.
    pub fn saml(&self) -> Option<&Arc<SamlClient>> {
        match &self.client {
            Client::Oidc(_) => None,
            Client::Saml(client) => Some(client),
        }
    }
}

/// Every tenant's connections, as they are at one moment.
#[derive(Debug, Default)]
pub struct Connections {
    tenants: BTreeMap<TenantName, Vec<Arc<LiveConnection>>>,
}

impl Connections {
    /// These, in the order in which people are to see them.
    pub fn new(tenants: BTreeMap<TenantName, Vec<Arc<LiveConnection>>>) -> Self {
        Self { tenants }
    }

    /// The same, and of these tenants what they had before.
    #[must_use]
    pub fn with_former(mut self, tenants: impl IntoIterator<Item = TenantName>, former: &Self) -> Self {
        for tenant in tenants {
            if let Some(connections) = former.tenants.get(&tenant) {
                self.tenants.insert(tenant, connections.clone());
            }
        }
        self
    }

    /// A tenant's connections.
    pub fn of(&self, tenant: &TenantName) -> &[Arc<LiveConnection>] {
        self.tenants.get(tenant).map_or(&[], Vec::as_slice)
    }

    /// A tenant's connection of this name.
    pub fn find(&self, tenant: &TenantName, name: &str) -> Option<&Arc<LiveConnection>> {
        self.of(tenant).iter().find(|live| live.connection.name.as_str() == name)
    }

    /// The connection that the people of an address's domain are led to.
    pub fn by_address(&self, tenant: &TenantName, address: &str) -> Option<&Arc<LiveConnection>> {
        let (_, domain) = address.trim().rsplit_once('@')?;
        let domain = EmailDomain::parse(domain).ok()?;
        self.of(tenant).iter().find(|live| live.connection.email_domains.contains(&domain))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.tenants.values().map(Vec::len).sum()
    }

    /// Every connection, with its tenant.
    pub fn all(&self) -> impl Iterator<Item = (&TenantName, &Arc<LiveConnection>)> {
        self.tenants.iter().flat_map(|(tenant, connections)| connections.iter().map(move |live| (tenant, live)))
    }
}
