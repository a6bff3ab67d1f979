//! The socket that nobody else can reach.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use cedargate_controlplane::{ServeError, serve_unix};
use http::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

fn app() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

async fn ask(path: &Path) -> Option<StatusCode> {
    let stream = UnixStream::connect(path).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    Some(sender.send_request(Request::get("/").body(Body::empty()).unwrap()).await.ok()?.status())
}

/// Waits until the server has bound its socket: it is there at once with its final mode, or not at all.
async fn ask_until_answered(path: &Path) -> StatusCode {
    loop {
        if let Some(status) = ask(path).await {
            return status;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_socket_is_its_owners_alone_and_gone_at_the_end() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("gateway.sock");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn({
        let path = path.clone();
        async move { serve_unix(app(), &path, async { drop(stopped.await) }).await }
    });
    assert_eq!(ask_until_answered(&path).await, StatusCode::OK);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let second = serve_unix(app(), &path, std::future::ready(())).await;
    assert!(matches!(second, Err(ServeError::InUse(_))), "{second:?}");
    assert_eq!(ask(&path).await, Some(StatusCode::OK), "the first still serves");

    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_socket_left_by_a_dead_process_is_replaced_and_anything_else_is_not() {
    let directory = TempDir::new().unwrap();
    let stale = directory.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    serve_unix(app(), &stale, std::future::ready(())).await.unwrap();

    let precious = directory.path().join("precious.txt");
    std::fs::write(&precious, "keep me").unwrap();
    let refused = serve_unix(app(), &precious, std::future::ready(())).await;
    assert!(matches!(refused, Err(ServeError::NotASocket(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "keep me");

    let nowhere = serve_unix(app(), &directory.path().join("missing/x.sock"), std::future::ready(())).await;
    assert!(matches!(nowhere, Err(ServeError::Bind { .. })), "{nowhere:?}");
}
