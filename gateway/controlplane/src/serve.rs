//! Serving on a Unix socket that only this user can reach.

use std::fs::Permissions;
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use axum::Router;
use tokio::net::{UnixListener, UnixStream};

/// Why the socket could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another process serves there.
    #[error("another process listens on `{}`", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket is in the way. It is left alone.
    #[error("`{}` is there already and is no socket", .0.display())]
    NotASocket(PathBuf),
    /// The socket could not be made.
    #[error("the socket `{}` cannot be made", path.display())]
    Bind {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Accepting connections failed for good.
    #[error("the socket `{}` could not be served", path.display())]
    Serve {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Serves on a socket of mode 0600 until `shutdown` resolves, then finishes what is in flight and removes the socket.
///
/// # Errors
/// [`ServeError`]. A socket that a dead process left behind is replaced.
pub async fn serve_unix(
    router: Router,
    path: &Path,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    make_way(path).await?;
    let listener = bind_private(path).map_err(|source| ServeError::Bind { path: path.to_owned(), source })?;
    let served = axum::serve(listener, router).with_graceful_shutdown(shutdown).await;
    // Best effort: the next start replaces what is left.
    let _ = std::fs::remove_file(path);
    served.map_err(|source| ServeError::Serve { path: path.to_owned(), source })
}

async fn make_way(path: &Path) -> Result<(), ServeError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(ServeError::Bind { path: path.to_owned(), source }),
        Ok(metadata) if !metadata.file_type().is_socket() => Err(ServeError::NotASocket(path.to_owned())),
        Ok(_) => match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            // A full backlog is an error, too, and somebody's.
            Ok(_) | Err(_) => Err(ServeError::InUse(path.to_owned())),
        },
    }
}

/// Binds under another name first, so that the socket never stands at its path with a mode that lets others in.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let mut unnamed = path.as_os_str().to_owned();
    unnamed.push(format!(".{}", std::process::id()));
    let unnamed = PathBuf::from(unnamed);
    match std::fs::remove_file(&unnamed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&unnamed)?;
    std::fs::set_permissions(&unnamed, Permissions::from_mode(0o600))?;
    std::fs::rename(&unnamed, path)?;
    Ok(listener)
}
