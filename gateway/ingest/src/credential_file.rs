//! The book of credentials on disk, read anew whenever it was replaced.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::credential::{BookError, CredentialBook};

/// Room for every credential that a book may hold.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The file of the book. A missing one is an empty book.
pub struct CredentialFile {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Arc<CredentialBook>)>>,
}

/// Why the book cannot be had. Nobody is heard then: a credential that was withdrawn must not count because of it.
#[derive(Debug, thiserror::Error)]
pub enum CredentialFileError {
    /// The file cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("`{}` cannot be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: BookError,
    },
}

/// What tells one state of a file from the next: it is only ever replaced as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl CredentialFile {
    /// The book in this file. Nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read: Mutex::new(None) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The book as it is now. Costs one look at the file's metadata where nothing has changed.
    ///
    /// # Errors
    /// [`CredentialFileError`].
    pub fn current(&self) -> Result<Arc<CredentialBook>, CredentialFileError> {
        let unreadable = |source| CredentialFileError::Unreadable { path: self.path.clone(), source };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = match fs::metadata(&self.path) {
            Ok(metadata) => Stamp::of(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                *read = None;
                return Ok(Arc::default());
            }
            Err(error) => return Err(unreadable(error)),
        };
        if let Some((known, book)) = &*read
            && *known == stamp
        {
            return Ok(Arc::clone(book));
        }
        let (mut file, mut text) = (File::open(&self.path).map_err(unreadable)?, String::new());
        // Of the file that was opened: it may have been replaced since the look above.
        let stamp = Stamp::of(&file.metadata().map_err(unreadable)?);
        (&mut file).take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
        let book = CredentialBook::parse(&text);
        let book = book.map_err(|source| CredentialFileError::Unusable { path: self.path.clone(), source })?;
        let book = Arc::new(book);
        *read = Some((stamp, Arc::clone(&book)));
        Ok(book)
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self { inode: metadata.ino(), size: metadata.size(), changed: (metadata.ctime(), metadata.ctime_nsec()) }
    }
}

#[cfg(test)]
mod tests {
    use cedargate_model::Micros;

    use super::*;
    use crate::ServiceName;

    #[test]
    fn what_is_added_or_withdrawn_counts_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = CredentialFile::new(dir.path().join("book.json"));
        assert_eq!(file.current().unwrap().entries(), []);

        let mut book = CredentialBook::default();
        let made = book.create(&ServiceName::parse("inventory").unwrap(), Micros(1)).unwrap();
        fs::write(file.path(), book.to_text().unwrap()).unwrap();
        assert!(file.current().unwrap().authenticate(&made).is_some());

        book.withdraw(made.id().as_str()).unwrap();
        let fresh = dir.path().join("fresh");
        fs::write(&fresh, book.to_text().unwrap()).unwrap();
        fs::rename(fresh, file.path()).unwrap();
        assert!(file.current().unwrap().authenticate(&made).is_none());
    }

    #[test]
    fn a_book_that_cannot_be_read_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let file = CredentialFile::new(dir.path().join("book.json"));
        fs::write(file.path(), "{\"version\": 1,").unwrap();
        assert!(matches!(file.current(), Err(CredentialFileError::Unusable { .. })));
        fs::remove_file(file.path()).unwrap();
        fs::create_dir(file.path()).unwrap();
        assert!(matches!(file.current(), Err(CredentialFileError::Unreadable { .. })));
    }
}
