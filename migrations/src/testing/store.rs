//! A store for one test.

use cedargate_model::Micros;
use tempfile::TempDir;

use super::databases::Cluster;
use super::{Engine, Operator};
use crate::{MigrationSet, Pool, StoreUrl};

/// A fresh store on the test's engine, gone when it is dropped.
#[derive(Debug)]
pub struct TestStore {
    url: StoreUrl,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// The directory, which is removed with the store.
    File(#[expect(dead_code, reason = "held for its end")] TempDir),
    Database(String),
}

impl TestStore {
    /// An empty one on [`Engine::current`].
    pub async fn new() -> Self {
        Self::on(Engine::current()).await
    }

    /// An empty one on this engine.
    pub async fn on(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                let directory = TempDir::new().unwrap();
                let url = StoreUrl::sqlite(directory.path().join("store.db"));
                Self { url, place: Place::File(directory) }
            }
            Engine::Postgres => {
                let cluster = Cluster::of_process();
                let name = cluster.fresh().await;
                let url = StoreUrl::parse(&cluster.server.url(&name)).unwrap();
                Self { url, place: Place::Database(name) }
            }
        }
    }

    /// Where it is.
    pub fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// The same as text, as a program's command line or configuration has it.
    pub fn url_text(&self) -> String {
        match &self.place {
            Place::File(_) => self.url.to_string(),
            Place::Database(name) => Cluster::of_process().server.url(name),
        }
    }

    /// Opens it: each pool is as good as another process.
    pub async fn open(&self) -> Pool {
        Pool::open(&self.url).await.unwrap()
    }

    /// Opens it and brings it up to a schema.
    pub async fn migrated(&self, sets: &[&MigrationSet]) -> Pool {
        let pool = self.open().await;
        for set in sets {
            let _migrated = pool.migrate(set, Micros(1)).await.unwrap();
        }
        pool
    }

    /// The operator, who is above row security.
    pub async fn operator(&self) -> Operator {
        match (&self.place, &self.url) {
            (Place::Database(name), _) => {
                Operator::postgres(&Cluster::of_process().server.url_as("postgres", name)).await
            }
            (Place::File(_), StoreUrl::Sqlite { path }) => Operator::sqlite(path).await,
            (Place::File(_), StoreUrl::Postgres(_)) => unreachable!("a file's URL is SQLite's"),
        }
    }

    /// Its URL for another role, where the engine has roles.
    pub fn url_as(&self, role: &str) -> Option<StoreUrl> {
        match &self.place {
            Place::File(_) => None,
            Place::Database(name) => StoreUrl::parse(&Cluster::of_process().server.url_as(role, name)).ok(),
        }
    }
}

impl Drop for TestStore {
    fn drop(&mut self) {
        if let Place::Database(name) = &self.place {
            Cluster::of_process().drop_later(name.clone());
        }
    }
}
