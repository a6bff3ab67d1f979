//! Whether the listeners can be had, asked before the server starts: its own answer would be a panic on a thread.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use super::StartError;
use crate::config::Config;

/// Binds every address once and lets go of it.
pub(super) fn check_addresses(config: &Config) -> Result<(), StartError> {
    for listener in &config.listen.listeners {
        bind("listen.listener", listener.address)?;
    }
    bind("listen.admin_address", config.listen.admin_address)
}

/// Every address, as somebody on this machine connects to it.
pub(super) fn of(config: &Config) -> Vec<SocketAddr> {
    let addresses = config.listen.listeners.iter().map(|listener| listener.address);
    addresses.chain([config.listen.admin_address]).map(reachable).collect()
}

fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        match address {
            SocketAddr::V4(_) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            SocketAddr::V6(_) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        }
    }
    address
}

pub(super) fn bind(key: &'static str, address: SocketAddr) -> Result<(), StartError> {
    TcpListener::bind(address).map(drop).map_err(|source| StartError::Bind { key, address, source })
}

/// What is in a socket's way is removed by whoever binds it: nothing but a socket may be.
pub(super) fn check_socket(path: &Path) -> Result<(), StartError> {
    let not_there = |error: &io::Error| error.kind() == ErrorKind::NotFound;
    match fs::symlink_metadata(path) {
        Err(error) if not_there(&error) => Ok(()),
        Ok(metadata) if metadata.file_type().is_socket() => Ok(()),
        Ok(_) | Err(_) => Err(StartError::NotASocket(path.to_owned())),
    }
}
