//! Fresh databases in this process's cluster.

use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::Server;
use crate::{StoreUrl, url::PostgresUrl};

/// The cluster of this process. A static is never dropped: the cluster's keeper sees the process end.
pub(crate) struct Cluster {
    pub(crate) server: Server,
    fresh: tokio::sync::Mutex<tokio::sync::mpsc::Receiver<String>>,
    used: Mutex<mpsc::Sender<String>>,
}

impl Cluster {
    pub(crate) fn of_process() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(Self::start)
    }

    fn start() -> Self {
        let server = Server::start().unwrap();
        server.set_up("cedargate").unwrap();
        let (fresh, ready) = tokio::sync::mpsc::channel(1);
        let (used, done) = mpsc::channel();
        let administration = postgres_url(&server.url_as("postgres", "postgres"));
        thread::spawn(move || keep_ready(&administration, &fresh, &done));
        Self { server, fresh: tokio::sync::Mutex::new(ready), used: Mutex::new(used) }
    }

    /// The name of a database that nobody has used.
    pub(crate) async fn fresh(&self) -> String {
        self.fresh.lock().await.recv().await.unwrap()
    }

    /// Drops a database some time soon: a gigabyte of them is easily made.
    pub(crate) fn drop_later(&self, name: String) {
        let _gone = self.used.lock().unwrap().send(name);
    }
}

pub(crate) fn postgres_url(text: &str) -> PostgresUrl {
    match StoreUrl::parse(text).unwrap() {
        StoreUrl::Postgres(url) => url,
        StoreUrl::Sqlite { .. } => unreachable!("the text of a PostgreSQL URL"),
    }
}

/// Keeps a database ready while a test runs, so that the next one need not wait for it. It has a runtime of its own: a
/// connection ends with the runtime that it was made in, and each test has another.
fn keep_ready(administration: &PostgresUrl, fresh: &tokio::sync::mpsc::Sender<String>, used: &mpsc::Receiver<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect_with(administration.options()).await.unwrap();
        for number in 1_u32.. {
            for name in used.try_iter() {
                let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
            }
            // What `setup.sql` does for a database of its own, without the time that `psql` takes.
            let name = format!("test_{number}");
            for sql in [
                format!("CREATE DATABASE {name} OWNER cedargate TEMPLATE cedargate STRATEGY file_copy"),
                format!("REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC"),
            ] {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            }
            if fresh.send(name).await.is_err() {
                break;
            }
        }
    });
}
