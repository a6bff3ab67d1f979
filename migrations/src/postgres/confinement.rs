//! Whether the database holds units of work to their tenant, asked before anything is served.
//!
//! Row security counts for nothing against a superuser, a role that may bypass it, or a table that does not force it. So
//! these are looked at when a connection opens and when a store opens, and each is a reason not to.

use sqlx::{FromRow, PgConnection};

use super::{SYSTEM_ROLE, TENANT_ROLE};

/// Why a PostgreSQL database cannot be trusted to keep tenants apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unconfined {
    /// The connecting role is above row security, or could put itself there.
    #[error(
        "the role `{0}` is above row security, or may become so: connect as a role that is no superuser, may neither bypass row security nor create roles, and is no member of one that may"
    )]
    Login(String),
    /// One of the two roles that units of work run as is missing, or may not be put on.
    #[error("the role `{0}` is missing or may not be put on: run `deploy/postgresql/setup.sql`")]
    Role(&'static str),
    /// One of those two roles may do more than it should.
    #[error(
        "the role `{0}` may sign in, create objects, bypass row security or change roles: run `deploy/postgresql/setup.sql` on a cluster where it is not yet"
    )]
    Privileged(&'static str),
    /// Logins of other databases in the cluster could connect and put on the same roles.
    #[error(
        "everybody may connect to the database: `REVOKE CONNECT ON DATABASE ... FROM PUBLIC`, as `deploy/postgresql/setup.sql` does"
    )]
    Public,
    /// A table that a unit of work reaches does not keep tenants apart.
    #[error("the table `{0}` does not keep tenants apart: {1}")]
    Table(String, &'static str),
}

const LOGIN: &str = "
SELECT
    CAST(session_user AS text) AS name,
    EXISTS (
        SELECT
        FROM pg_catalog.pg_roles AS r
        WHERE (
            r.rolsuper
            OR r.rolbypassrls
            OR r.rolcreaterole
            OR r.rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files')
        )
        AND pg_has_role(session_user, r.oid, 'MEMBER')
    ) AS is_privileged";

const ROLE: &str = "
SELECT
    r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcanlogin
    OR has_schema_privilege(r.oid, 'public', 'CREATE')
    OR EXISTS (
        SELECT
        FROM pg_catalog.pg_auth_members AS m
        WHERE m.member = r.oid
    ) AS is_privileged,
    pg_has_role(session_user, r.oid, 'MEMBER') AS may_be_put_on
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = $1";

const PUBLIC: &str = "SELECT has_database_privilege('public', current_database(), 'CONNECT') AS is_open";

/// Asked of every connection: a role can be given more at any time.
pub(super) async fn check_login(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let login: LoginRow = sqlx::query_as(LOGIN).fetch_one(connection).await?;
    if login.is_privileged { Err(configuration(Unconfined::Login(login.name))) } else { Ok(()) }
}

/// Asked when a store opens.
pub(super) async fn check_database(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for role in [TENANT_ROLE, SYSTEM_ROLE] {
        let found: Option<RoleRow> = sqlx::query_as(ROLE).bind(role).fetch_optional(&mut *connection).await?;
        match found {
            Some(RoleRow { is_privileged: true, .. }) => return Err(configuration(Unconfined::Privileged(role))),
            Some(RoleRow { may_be_put_on: true, .. }) => {}
            Some(_) | None => return Err(configuration(Unconfined::Role(role))),
        }
    }
    let (is_open,): (bool,) = sqlx::query_as(PUBLIC).fetch_one(&mut *connection).await?;
    if is_open {
        return Err(configuration(Unconfined::Public));
    }
    check_tables(connection).await
}

/// Every relation of ours, and what the two roles can do with it.
///
/// What no tenant reaches and none owns, such as the bookkeeping of migrations, needs no row security: it is the system's.
/// TRUNCATE, REFERENCES and TRIGGER are beyond row security, and views run as their owner. Permissive policies are
/// joined by OR, so that one which asks for anything else than the tenant lets rows through, however right the one beside
/// it is: each that applies to tenants must be the one comparison and nothing more, as the server writes it. A part that
/// a policy leaves out permits nothing by itself.
const TABLES: &str = "
SELECT
    CAST(c.relname AS text) AS name,
    c.relkind IN ('r', 'p') AND c.relrowsecurity AND c.relforcerowsecurity AS is_forced,
    EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid
          AND a.attname = 'tenant_id'
          AND NOT a.attisdropped
    ) AS has_tenant,
    has_any_column_privilege('cedargate_tenant', c.oid, 'SELECT, INSERT, UPDATE')
    OR has_table_privilege('cedargate_tenant', c.oid, 'DELETE') AS tenant_reaches,
    has_table_privilege('cedargate_tenant', c.oid, 'TRUNCATE, REFERENCES, TRIGGER')
    OR has_table_privilege('cedargate_system', c.oid, 'TRUNCATE, REFERENCES, TRIGGER') AS is_beyond_rows,
    EXISTS (
        SELECT
        FROM pg_catalog.pg_policy AS p
        CROSS JOIN LATERAL (
            SELECT concat(
                '(',
                CASE WHEN c.relname = 'tenants' THEN 'id' ELSE 'tenant_id' END,
                ' = (NULLIF(current_setting(''cedargate.tenant_id''::text, true), ''''::text))::uuid)'
            ) AS rule
        ) AS one
        WHERE p.polrelid = c.oid
          AND p.polpermissive
          AND p.polroles && ARRAY[CAST(0 AS oid), CAST(to_regrole('cedargate_tenant') AS oid)]
          AND (
              coalesce(pg_get_expr(p.polqual, p.polrelid), one.rule) <> one.rule
              OR coalesce(pg_get_expr(p.polwithcheck, p.polrelid), one.rule) <> one.rule
          )
    ) AS is_loose
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = to_regnamespace('public')
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY c.relname";

/// Asked when a store opens, and before a migration's work is kept.
pub(crate) async fn check_tables(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let tables: Vec<TableRow> = sqlx::query_as(TABLES).fetch_all(connection).await?;
    for table in tables {
        let reason = if table.is_beyond_rows {
            "a role of units of work may truncate it, refer to it or put a trigger on it"
        } else if table.is_loose {
            "a policy for tenants is not `tenant_id = cedargate.tenant_id` and nothing more"
        } else if !table.is_forced && (table.has_tenant || table.tenant_reaches) {
            "its row security is not enabled and forced"
        } else {
            continue;
        };
        return Err(configuration(Unconfined::Table(table.name, reason)));
    }
    Ok(())
}

/// The one way to refuse a connection that sqlx has; [`reason`] finds it again.
fn configuration(unconfined: Unconfined) -> sqlx::Error {
    sqlx::Error::Configuration(Box::new(unconfined))
}

/// Why a connection was refused by us, if it was.
pub(crate) fn reason(error: &sqlx::Error) -> Option<&Unconfined> {
    match error {
        sqlx::Error::Configuration(error) => error.downcast_ref(),
        _ => None,
    }
}

#[derive(FromRow)]
struct LoginRow {
    name: String,
    is_privileged: bool,
}

#[derive(FromRow)]
struct RoleRow {
    is_privileged: bool,
    may_be_put_on: bool,
}

#[derive(FromRow)]
struct TableRow {
    name: String,
    is_forced: bool,
    has_tenant: bool,
    tenant_reaches: bool,
    is_beyond_rows: bool,
    is_loose: bool,
}
