//! The rules that every table of the house keeps, as a test can ask for them.

use crate::tx::Dialect;
use crate::{FromRow, Pool, StoreError};

/// Says which laws the database's schema breaks, one line each; an empty answer is a lawful schema.
///
/// The laws: every column that ends in `_at` is an integer of 64 bits (microseconds, UTC); every table has a NOT NULL
/// `tenant_id`, its primary key begins with it, and so does every foreign key to a table that has one. On SQLite every
/// table is STRICT. On PostgreSQL every table forces row security, for tenants by the one rule
/// `tenant_id = cedargate.tenant_id`, and text sorts by octets (`COLLATE "C"`) as SQLite's does. `of_no_tenant` names the
/// tables that belong to no tenant: each name there is a decision.
///
/// # Errors
/// [`StoreError`] where the catalogue cannot be read.
pub async fn broken_laws(pool: &Pool, of_no_tenant: &[&str]) -> Result<Vec<String>, StoreError> {
    let mut tx = pool.read_system().await?;
    let (columns, references, time, strictness) = match tx.dialect() {
        Dialect::Sqlite => (SQLITE_COLUMNS, SQLITE_REFERENCES, "INTEGER", "is not STRICT"),
        Dialect::Postgres => (POSTGRES_COLUMNS, POSTGRES_REFERENCES, "bigint", "does not force row security by tenant"),
    };
    let columns: Vec<ColumnRow> = tx.query(columns).fetch_all().await?;
    let references: Vec<ReferenceRow> = tx.query(references).fetch_all().await?;

    let is_shared = |table: &str| table == "schema_migrations" || of_no_tenant.contains(&table);
    let mut broken = Vec::new();
    let mut tables: Vec<&str> = columns.iter().map(|column| column.table_name.as_str()).collect();
    tables.dedup();
    for table in tables {
        let of_table = || columns.iter().filter(|column| column.table_name == table);
        let needs_no_policy = tx.dialect() == Dialect::Postgres && is_shared(table) && table != "tenants";
        if !needs_no_policy && of_table().any(|column| !column.strict) {
            broken.push(format!("`{table}` {strictness}"));
        }
        for column in of_table().filter(|column| column.name.ends_with("_at") && column.kind != time) {
            broken.push(format!("`{table}.{}` is a time and no {time}", column.name));
        }
        for column in of_table().filter(|column| column.sorts_by_language) {
            broken.push(format!("`{table}.{}` does not sort by octets", column.name));
        }
        if is_shared(table) {
            continue;
        }
        match of_table().find(|column| column.name == "tenant_id") {
            None => broken.push(format!("`{table}` has no `tenant_id`")),
            Some(tenant) if !tenant.not_null => broken.push(format!("`{table}.tenant_id` may be NULL")),
            Some(tenant) if tenant.key_position != 1 => {
                broken.push(format!("the primary key of `{table}` does not begin with `tenant_id`"));
            }
            Some(_) => {}
        }
        let escapes = |reference: &&ReferenceRow| {
            reference.table_name == table
                && !is_shared(&reference.parent)
                && !references.iter().any(|other| {
                    other.table_name == table && other.id == reference.id && other.column_name == "tenant_id"
                })
        };
        for reference in references.iter().filter(escapes) {
            broken.push(format!(
                "`{table}.{}` refers to `{}` without `tenant_id`",
                reference.column_name, reference.parent
            ));
        }
    }
    Ok(broken)
}

const SQLITE_COLUMNS: &str = "
SELECT
    t.name AS table_name,
    t.strict AS strict,
    c.name AS name,
    c.type AS kind,
    c.\"notnull\" AS not_null,
    c.pk AS key_position,
    false AS sorts_by_language
FROM pragma_table_list AS t
JOIN pragma_table_info(t.name) AS c
WHERE t.schema = 'main'
  AND t.type = 'table'
  AND t.name NOT LIKE 'sqlite_%'
ORDER BY t.name, c.cid";

const SQLITE_REFERENCES: &str = "
SELECT
    t.name AS table_name,
    f.id AS id,
    f.\"table\" AS parent,
    f.\"from\" AS column_name
FROM pragma_table_list AS t
JOIN pragma_foreign_key_list(t.name) AS f
WHERE t.schema = 'main'
  AND t.type = 'table'
ORDER BY t.name, f.id, f.seq";

/// `tenants` is told by its own id; every other table by `tenant_id`. An index vector counts from 0.
const POSTGRES_COLUMNS: &str = "
SELECT
    CAST(t.relname AS text) AS table_name,
    t.relrowsecurity AND t.relforcerowsecurity AND EXISTS (
        SELECT
        FROM pg_catalog.pg_policy AS p
        WHERE p.polrelid = t.oid
          AND p.polroles = ARRAY[CAST(to_regrole('cedargate_tenant') AS oid)]
          AND pg_get_expr(p.polqual, p.polrelid) = concat(
              '(',
              CASE WHEN t.relname = 'tenants' THEN 'id' ELSE 'tenant_id' END,
              ' = (NULLIF(current_setting(''cedargate.tenant_id''::text, true), ''''::text))::uuid)'
          )
    ) AS strict,
    CAST(c.attname AS text) AS name,
    format_type(c.atttypid, NULL) AS kind,
    c.attnotnull AS not_null,
    CAST(coalesce(array_position(CAST(k.indkey AS int2[]), c.attnum) + 1, 0) AS bigint) AS key_position,
    c.attcollation <> 0 AND l.collname <> 'C' AS sorts_by_language
FROM pg_catalog.pg_class AS t
JOIN pg_catalog.pg_attribute AS c ON c.attrelid = t.oid
LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = c.attcollation
LEFT JOIN pg_catalog.pg_index AS k ON k.indrelid = t.oid AND k.indisprimary
WHERE t.relnamespace = to_regnamespace('public')
  AND t.relkind IN ('r', 'p')
  AND c.attnum > 0
  AND NOT c.attisdropped
ORDER BY t.relname, c.attnum";

const POSTGRES_REFERENCES: &str = "
SELECT
    CAST(t.relname AS text) AS table_name,
    CAST(f.oid AS bigint) AS id,
    CAST(p.relname AS text) AS parent,
    CAST(c.attname AS text) AS column_name
FROM pg_catalog.pg_constraint AS f
JOIN pg_catalog.pg_class AS t ON t.oid = f.conrelid
JOIN pg_catalog.pg_class AS p ON p.oid = f.confrelid
JOIN pg_catalog.pg_attribute AS c ON c.attrelid = t.oid AND c.attnum = ANY (f.conkey)
WHERE t.relnamespace = to_regnamespace('public')
  AND f.contype = 'f'
ORDER BY t.relname, f.oid, c.attnum";

#[derive(FromRow)]
struct ColumnRow {
    table_name: String,
    strict: bool,
    name: String,
    kind: String,
    not_null: bool,
    key_position: i64,
    sorts_by_language: bool,
}

#[derive(FromRow)]
struct ReferenceRow {
    table_name: String,
    id: i64,
    parent: String,
    column_name: String,
}
