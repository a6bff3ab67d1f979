//! A small service with everything that the kit offers: notes that are added, changed and listed.
#![allow(dead_code, reason = "each test file uses its own part")]

use axum::routing::{get, post};
use axum::{Json, Router};
use cedargate_kit::etag::PRECONDITION_FAILED;
use cedargate_kit::problem::NOT_FOUND;
use cedargate_kit::testing::{TestClient, TestService, tenant};
use cedargate_kit::{
    Act, Fields, Filter, FilterKind, IfMatch, IfNoneMatch, JsonBody, Kit, ListRequest, Listed, Page, Problem, Reply,
    ResourceId, Service, Sort, Tenant, Version, sorts, text,
};
use cedargate_migrations::{FromRow, Migration, MigrationSet};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

pub(crate) const SCHEMA: MigrationSet = MigrationSet {
    name: "notes",
    migrations: &[Migration {
        version: 1,
        name: "notes",
        sqlite: "
CREATE TABLE notes (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    title TEXT NOT NULL,
    stars INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, title)
) STRICT;
CREATE INDEX notes_by_stars ON notes (tenant_id, stars, id);",
        postgres: "
CREATE TABLE notes (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    title text COLLATE \"C\" NOT NULL,
    stars bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, title)
);
CREATE INDEX notes_by_stars ON notes (tenant_id, stars, id);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON notes TO cedargate_tenant
    USING (tenant_id = CAST(nullif(current_setting('cedargate.tenant_id', true), '') AS uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO cedargate_tenant;",
    }],
};

pub(crate) const NOTES: Service = Service { name: "notes", schema: &SCHEMA, routes };

fn routes() -> Router<Kit> {
    Router::new()
        .route("/notes", get(list).post(create))
        .route("/notes/{id}", get(read).put(star).patch(star_anyhow))
        .route("/other", post(create))
}

#[derive(FromRow, Serialize)]
pub(crate) struct Note {
    id: Uuid,
    title: String,
    stars: i64,
    version: i64,
}

impl Listed for Note {
    const FILTERS: &'static [Filter] = &[
        Filter { name: "stars.gte", kind: FilterKind::Number, about: "At least that many." },
        Filter { name: "title", kind: FilterKind::Text(200), about: "The one with this title." },
    ];
    const SORTS: &'static [Sort<Self>] = sorts! {
        "SELECT id, title, stars, version
FROM notes
WHERE tenant_id = $1
  AND ($2 IS NULL OR stars >= $2)
  AND ($3 IS NULL OR title = $3)",
        limit "$4";
        "id": "id > $5" => "id", |note| vec![note.id.into()];
        "stars": "(stars, id) > ($5, $6)" => "stars, id", |note| vec![note.stars.into(), note.id.into()];
        "-stars": "(stars, id) < ($5, $6)" => "stars DESC, id DESC", |note| vec![note.stars.into(), note.id.into()];
        "-title": "title < $5" => "title DESC", |note| vec![note.title.as_str().into()];
    };
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewNote {
    title: Option<String>,
    stars: Option<i64>,
}

async fn list(tenant: Tenant, asked: ListRequest<Note>) -> Result<Json<Page<Note>>, Problem> {
    let rows = asked.rows(&mut tenant.read().await?, &[]).await?;
    asked.page(rows, |note| note).await.map(Json)
}

const INSERT: &str = "INSERT INTO notes (tenant_id, id, title, stars, version) VALUES ($1, $2, $3, $4, 1)";

async fn create(tenant: Tenant, JsonBody(new): JsonBody<NewNote>) -> Result<Reply, Problem> {
    let mut fields = Fields::default();
    let title = fields.required("title", new.title, text::line);
    let (title,) = fields.finish((title,))?;
    let mut change = tenant.begin().await?;
    let note = Note { id: change.new_id(), title, stars: new.stars.unwrap_or_default(), version: 1 };
    let insert = change.query(INSERT).bind(note.id).bind(note.title.as_str()).bind(note.stars);
    insert.execute().await?;
    let reply = Reply::created(&note)?.location(format!("/notes/{}", note.id)).version(Version::FIRST);
    change.commit(act("CreateNote", note.id), reply).await
}

const FIND: &str = "SELECT id, title, stars, version FROM notes WHERE tenant_id = $1 AND id = $2";

async fn read(tenant: Tenant, id: ResourceId, seen: IfNoneMatch) -> Result<Reply, Problem> {
    let note: Option<Note> = tenant.read().await?.query(FIND).bind(id.0).fetch_optional().await?;
    let note = note.ok_or(NOT_FOUND)?;
    Ok(Reply::ok(&note)?.version(Version(note.version)).unless(&seen))
}

async fn star(tenant: Tenant, id: ResourceId, seen: IfMatch) -> Result<Reply, Problem> {
    add_star(tenant, id, Some(seen)).await
}

async fn star_anyhow(tenant: Tenant, id: ResourceId, seen: Option<IfMatch>) -> Result<Reply, Problem> {
    add_star(tenant, id, seen).await
}

const STAR: &str = "
UPDATE notes
SET stars = stars + 1, version = version + 1
WHERE tenant_id = $1 AND id = $2 AND ($3 IS NULL OR version = $3)
RETURNING id, title, stars, version";

async fn add_star(tenant: Tenant, id: ResourceId, seen: Option<IfMatch>) -> Result<Reply, Problem> {
    let mut change = tenant.begin().await?;
    let note: Option<Note> = change.query(FIND).bind(id.0).fetch_optional().await?;
    let note = note.ok_or(NOT_FOUND)?;
    let matched = seen.map(|seen| seen.admits(Version(note.version))).transpose()?;
    let matched = matched.map(|matched| matched.version());
    let note: Option<Note> = change.query(STAR).bind(id.0).bind(matched).fetch_optional().await?;
    let note = note.ok_or(PRECONDITION_FAILED)?;
    let reply = Reply::ok(&note)?.version(Version(note.version));
    change.commit(act("StarNote", note.id), reply).await
}

fn act(action: &'static str, id: Uuid) -> Act {
    Act { action, resource: format!("Notes::Note::\"{id}\""), detail: json!({}) }
}

pub(crate) async fn notes() -> TestService {
    TestService::start(&NOTES).await
}

pub(crate) fn people(service: &TestService) -> (TestClient, TestClient) {
    (service.person(&tenant(1, "acme")), service.person(&tenant(2, "globex")))
}

pub(crate) async fn count(service: &TestService, sql: &'static str) -> i64 {
    service.operator().await.number(sql).await
}
