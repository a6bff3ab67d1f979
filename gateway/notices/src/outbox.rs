//! Mails as files, for whoever has no mail server: one a file, whole or not at all, and no more than so many.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::Letter;

/// A directory of mails.
#[derive(Clone, Debug)]
pub struct Outbox {
    directory: PathBuf,
    files_max: usize,
}

/// Why a mail is not in the directory.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// As many wait there as may: somebody has to take some away.
    #[error("there are {0} mails in the outbox: take some away")]
    Full(usize),
    /// A file cannot be written.
    #[error("the mail cannot be written to `{}`", .path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The thread that writes is gone.
    #[error("the writing thread was lost")]
    Lost(#[source] tokio::task::JoinError),
}

impl Outbox {
    /// Mails in this directory, which is made when the first one comes.
    pub fn new(directory: PathBuf, files_max: usize) -> Self {
        Self { directory, files_max }
    }

    /// Writes a mail under its own name: one that is sent again is still one.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn put(&self, letter: &Letter) -> Result<(), OutboxError> {
        let (this, name, octets) = (self.clone(), letter.id().to_owned(), letter.formatted());
        let written = tokio::task::spawn_blocking(move || this.write(&name, &octets));
        written.await.map_err(OutboxError::Lost)?
    }

    fn write(&self, name: &str, octets: &[u8]) -> Result<(), OutboxError> {
        let (part, whole) =
            (self.directory.join(format!("{name}.part")), self.directory.join(name).with_extension("eml"));
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| OutboxError::File { path, source }
        };
        // There are links in them: nobody else may look.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory).map_err(at(&self.directory))?;
        let count = fs::read_dir(&self.directory).map_err(at(&self.directory))?.take(self.files_max).count();
        if count >= self.files_max {
            return Err(OutboxError::Full(count));
        }
        let opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part);
        let mut file = opened.map_err(at(&part))?;
        file.write_all(octets).and_then(|()| file.sync_all()).map_err(at(&part))?;
        fs::rename(&part, &whole).map_err(at(&whole))?;
        let directory = fs::File::open(&self.directory).map_err(at(&self.directory))?;
        directory.sync_all().map_err(at(&self.directory))
    }
}
