//! The rules that every table of the house keeps, as a test can ask for them.

use crate::{FromRow, Pool, StoreError};

/// Says which laws the database's schema breaks, one line each; an empty answer is a lawful schema.
///
/// The laws: every table is STRICT; every column that ends in `_at` is an integer (microseconds, UTC); every table has
/// a NOT NULL `tenant_id`, its primary key begins with it, and so does every foreign key to a table that has one.
/// `of_no_tenant` names the tables that belong to no tenant: each name there is a decision.
///
/// # Errors
/// [`StoreError`] where the catalogue cannot be read.
pub async fn broken_laws(pool: &Pool, of_no_tenant: &[&str]) -> Result<Vec<String>, StoreError> {
    let mut tx = pool.read_system().await?;
    let columns: Vec<ColumnRow> = tx.query(SQLITE_COLUMNS).fetch_all().await?;
    let references: Vec<ReferenceRow> = tx.query(SQLITE_REFERENCES).fetch_all().await?;

    let is_shared = |table: &str| table == "schema_migrations" || of_no_tenant.contains(&table);
    let mut broken = Vec::new();
    let mut tables: Vec<&str> = columns.iter().map(|column| column.table_name.as_str()).collect();
    tables.dedup();
    for table in tables {
        let of_table = || columns.iter().filter(|column| column.table_name == table);
        if of_table().any(|column| !column.strict) {
            broken.push(format!("`{table}` is not STRICT"));
        }
        for column in of_table().filter(|column| column.name.ends_with("_at") && column.kind != "INTEGER") {
            broken.push(format!("`{table}.{}` is a time and no INTEGER", column.name));
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
    c.pk AS key_position
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

#[derive(FromRow)]
struct ColumnRow {
    table_name: String,
    strict: bool,
    name: String,
    kind: String,
    not_null: bool,
    key_position: i64,
}

#[derive(FromRow)]
struct ReferenceRow {
    table_name: String,
    id: i64,
    parent: String,
    column_name: String,
}
