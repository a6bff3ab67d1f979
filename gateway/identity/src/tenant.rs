//! Whoever has people and policies of its own.

use cedargate_migrations::{Pool, StoreError};
use cedargate_model::{Host, Micros, TenantId, TenantName};
use sqlx::FromRow;
use uuid::Uuid;

use crate::random::{EntropyError, uuid_at};

/// The name of the built-in tenant behind the bare host. It has no row, no accounts and no sessions.
pub const DIRECTORY: &str = "directory";

/// Names that stand for hosts of the gateway itself.
const RESERVED: [&str; 2] = [DIRECTORY, "admin"];

/// How many tenants one gateway lists.
const TENANTS_MAX: i64 = 10_000;

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id, for ever.
    pub id: TenantId,
    /// Its name: the first label of its host under the base domain.
    pub name: TenantName,
    /// Further host names that are its own, sorted, without port.
    pub hosts: Vec<String>,
    /// When it was created.
    pub created_at: Micros,
}

/// The built-in tenant of the bare host, named [`DIRECTORY`]; its id is the nil UUID.
pub fn directory() -> Tenant {
    #[expect(clippy::expect_used, reason = "a constant text, covered by a test")]
    let name = TenantName::parse(DIRECTORY).expect("`directory` is a tenant name");
    Tenant { id: TenantId(Uuid::nil()), name, hosts: Vec::new(), created_at: Micros(0) }
}

/// The tenants of a store.
#[derive(Clone, Debug)]
pub struct Tenants {
    pool: Pool,
}

/// Why a tenant was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateTenantError {
    /// There is one of that name.
    #[error("there is a tenant `{0}` already")]
    NameTaken(TenantName),
    /// The name stands for a host of the gateway itself.
    #[error("`{0}` is a name of the gateway's own")]
    NameReserved(TenantName),
    /// No id could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the tenant could not be stored")]
    Store(#[source] StoreError),
}

/// Why a host was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddHostError {
    /// It is a tenant's already, perhaps this one's.
    #[error("the host `{0}` belongs to a tenant already")]
    HostTaken(String),
    /// There is no such tenant.
    #[error("there is no tenant `{0}`")]
    TenantUnknown(TenantId),
    /// The store failed.
    #[error("the host could not be stored")]
    Store(#[source] StoreError),
}

impl Tenants {
    /// The tenants in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Creates a tenant.
    ///
    /// # Errors
    /// [`CreateTenantError`]; a name can be taken once.
    pub async fn create(&self, name: TenantName, now: Micros) -> Result<Tenant, CreateTenantError> {
        const INSERT: &str = "
INSERT INTO tenants (id, name, created_at)
VALUES ($1, $2, $3)";
        if RESERVED.contains(&name.as_str()) {
            return Err(CreateTenantError::NameReserved(name));
        }
        let id = TenantId(uuid_at(now)?);
        let mut tx = self.pool.begin_system().await.map_err(CreateTenantError::Store)?;
        match tx.query(INSERT).bind(id.0).bind(name.as_str()).bind(now.0).execute().await {
            Ok(_) => {}
            Err(StoreError::Conflict(_)) => return Err(CreateTenantError::NameTaken(name)),
            Err(error) => return Err(CreateTenantError::Store(error)),
        }
        tx.commit().await.map_err(CreateTenantError::Store)?;
        Ok(Tenant { id, name, hosts: Vec::new(), created_at: now })
    }

    /// Gives a tenant a further host name. The port is not part of it.
    ///
    /// # Errors
    /// [`AddHostError`]; one host is one tenant's.
    pub async fn add_host(&self, tenant: TenantId, host: &Host, now: Micros) -> Result<(), AddHostError> {
        const INSERT: &str = "
INSERT INTO tenant_hosts (tenant_id, host, created_at)
VALUES ($1, $2, $3)";
        let mut tx = self.pool.tenant(tenant).begin().await.map_err(AddHostError::Store)?;
        match tx.query(INSERT).bind(host.name()).bind(now.0).execute().await {
            Ok(_) => tx.commit().await.map_err(AddHostError::Store),
            Err(StoreError::Conflict(_)) => Err(AddHostError::HostTaken(host.name().to_owned())),
            Err(StoreError::Constraint(_)) => Err(AddHostError::TenantUnknown(tenant)),
            Err(error) => Err(AddHostError::Store(error)),
        }
    }

    /// Takes a host name from a tenant, with every link that leads there. Says whether it had it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_host(&self, tenant: TenantId, host: &Host) -> Result<bool, StoreError> {
        const REMOVE: &str = "
DELETE FROM tenant_hosts
WHERE tenant_id = $1
  AND host = $2";
        const UNLINK: &str = "
DELETE FROM account_links
WHERE tenant_id = $1
  AND (host = $2 OR host LIKE $3)";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let removed = tx.query(REMOVE).bind(host.name()).execute().await?;
        tx.query(UNLINK).bind(host.name()).bind(format!("{}:%", host.name())).execute().await?;
        tx.commit().await?;
        Ok(removed > 0)
    }

    /// All tenants, by name; at most 10,000.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self) -> Result<Vec<Tenant>, StoreError> {
        const TENANTS: &str = "
SELECT id, name, created_at
FROM tenants
ORDER BY name
LIMIT $1";
        const HOSTS: &str = "
SELECT tenant_id, host
FROM tenant_hosts
ORDER BY host
LIMIT $1";
        let mut tx = self.pool.read_system().await?;
        let rows: Vec<TenantRow> = tx.query(TENANTS).bind(TENANTS_MAX).fetch_all().await?;
        let hosts: Vec<HostRow> = tx.query(HOSTS).bind(TENANTS_MAX).fetch_all().await?;
        let mut tenants = rows.into_iter().map(Tenant::try_from).collect::<Result<Vec<_>, _>>()?;
        for row in hosts {
            if let Some(tenant) = tenants.iter_mut().find(|tenant| tenant.id.0 == row.tenant_id) {
                tenant.hosts.push(row.host);
            }
        }
        Ok(tenants)
    }

    /// The tenant of that name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_by_name(&self, name: &TenantName) -> Result<Option<Tenant>, StoreError> {
        const TENANT: &str = "
SELECT id, name, created_at
FROM tenants
WHERE name = $1";
        const HOSTS: &str = "
SELECT tenant_id, host
FROM tenant_hosts
WHERE tenant_id = $1
ORDER BY host";
        let mut tx = self.pool.read_system().await?;
        let Some(row) = tx.query(TENANT).bind(name.as_str()).fetch_optional::<TenantRow>().await? else {
            return Ok(None);
        };
        let hosts: Vec<HostRow> = tx.query(HOSTS).bind(row.id).fetch_all().await?;
        let mut tenant = Tenant::try_from(row)?;
        tenant.hosts = hosts.into_iter().map(|row| row.host).collect();
        Ok(Some(tenant))
    }
}

#[derive(FromRow)]
struct TenantRow {
    id: Uuid,
    name: String,
    created_at: i64,
}

#[derive(FromRow)]
struct HostRow {
    tenant_id: Uuid,
    host: String,
}

impl TryFrom<TenantRow> for Tenant {
    type Error = StoreError;

    fn try_from(row: TenantRow) -> Result<Self, StoreError> {
        let impossible = |_| StoreError::Impossible { table: "tenants", column: "name", id: row.id.to_string() };
        let name = TenantName::parse(&row.name).map_err(impossible)?;
        Ok(Self { id: TenantId(row.id), name, hosts: Vec::new(), created_at: Micros(row.created_at) })
    }
}
