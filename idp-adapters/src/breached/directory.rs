//! A copy of all ranges, a file each.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::RANGE_BYTES_MAX;

/// Why a range cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RangeFileError {
    /// There is no such file, or it cannot be read. A copy without it is not whole.
    #[error("`{}` cannot be read", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is longer than any range.
    #[error("`{}` is too long to be a range", .0.display())]
    TooLong(PathBuf),
    /// The thread that read is gone.
    #[error("the reading thread was lost")]
    Lost(#[source] tokio::task::JoinError),
}

pub(super) async fn read(directory: &Path, prefix: &str) -> Result<Vec<u8>, RangeFileError> {
    let path = directory.join(prefix);
    tokio::task::spawn_blocking(move || read_either(path)).await.map_err(RangeFileError::Lost)?
}

/// Programs that fetch the ranges write them with and without an ending.
fn read_either(path: PathBuf) -> Result<Vec<u8>, RangeFileError> {
    let with_ending = path.with_extension("txt");
    let file = File::open(&path).or_else(|_| File::open(&with_ending));
    let unreadable = |source| RangeFileError::Unreadable { path: with_ending.clone(), source };
    let limit = u64::try_from(RANGE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut range = Vec::new();
    file.map_err(unreadable)?.take(limit).read_to_end(&mut range).map_err(unreadable)?;
    if range.len() > RANGE_BYTES_MAX { Err(RangeFileError::TooLong(path)) } else { Ok(range) }
}
