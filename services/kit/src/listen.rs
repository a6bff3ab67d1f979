//! Where a service listens.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::net::{TcpListener, UnixListener, UnixStream};

/// Where a service listens: reachable from this machine only, since what it is sent carries assertions in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A Unix socket that its owner and group may use.
    Unix(PathBuf),
    /// A loopback address.
    Tcp(SocketAddr),
}

/// Why a text is no place to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenParseError {
    /// Neither of the two forms.
    #[error("write `unix:PATH` or `127.0.0.1:PORT`")]
    Unknown,
    /// An address that other machines may reach.
    #[error("a service listens on this machine only: use `unix:PATH` or a loopback address")]
    NotLoopback,
}

/// Why the service cannot listen there.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The socket's directory could not be made.
    #[error("the directory `{}` cannot be made", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody listens there already.
    #[error("somebody listens on `{}` already", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket is in the way. It is left alone.
    #[error("`{}` exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The socket could not be made.
    #[error("cannot listen on `{place}`")]
    Bind {
        /// The address or path.
        place: String,
        /// Why.
        source: io::Error,
    },
}

/// A socket that accepts connections.
#[derive(Debug)]
pub enum Bound {
    /// A Unix socket, and its path.
    Unix(UnixListener, PathBuf),
    /// A TCP socket.
    Tcp(TcpListener),
}

impl FromStr for Listen {
    type Err = ListenParseError;

    fn from_str(text: &str) -> Result<Self, ListenParseError> {
        match text.strip_prefix("unix:") {
            Some("") => Err(ListenParseError::Unknown),
            Some(path) => Ok(Self::Unix(path.into())),
            None => match text.parse::<SocketAddr>() {
                Ok(address) if address.ip().is_loopback() => Ok(Self::Tcp(address)),
                Ok(_) => Err(ListenParseError::NotLoopback),
                Err(_) => Err(ListenParseError::Unknown),
            },
        }
    }
}

impl Listen {
    /// Binds the socket. A Unix socket left behind by a dead process is removed, a live one is not.
    ///
    /// # Errors
    /// [`ListenError`], naming the place.
    pub async fn bind(&self) -> Result<Bound, ListenError> {
        match self {
            Self::Unix(path) => {
                make_directory(path)?;
                remove_stale(path).await?;
                let bind = |source| ListenError::Bind { place: path.display().to_string(), source };
                let listener = UnixListener::bind(path).map_err(bind)?;
                // To connect is to write. Until here the process's umask holds, which lets nobody more in than this.
                std::fs::set_permissions(path, PermissionsExt::from_mode(0o660)).map_err(bind)?;
                Ok(Bound::Unix(listener, path.clone()))
            }
            Self::Tcp(address) => {
                let bind = |source| ListenError::Bind { place: address.to_string(), source };
                TcpListener::bind(address).await.map(Bound::Tcp).map_err(bind)
            }
        }
    }
}

/// Makes the socket's directory, for its owner alone, where it is missing. One that exists keeps its rights.
fn make_directory(socket: &Path) -> Result<(), ListenError> {
    let Some(directory) = socket.parent().filter(|directory| !directory.as_os_str().is_empty()) else {
        return Ok(());
    };
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|source| ListenError::Directory { path: directory.to_owned(), source })
}

async fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let bind = |source| ListenError::Bind { place: path.display().to_string(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(bind(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(bind),
        Ok(_) => Err(ListenError::InUse(path.to_owned())),
        // Full backlog, no permission: somebody may well be there.
        Err(error) => Err(bind(error)),
    }
}
