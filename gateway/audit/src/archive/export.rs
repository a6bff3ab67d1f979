//! One tenant's part of an archive: its entries, its tree, and of everybody else's entries the hashes alone.

use std::fs;
use std::io;
use std::path::Path;

use cedargate_model::TenantName;

use super::ArchiveReader;
use super::bundle;
use super::checkpoint::Checkpoint;
use super::files::Files;
use super::line::Archived;
use super::reader::ProveError;
use super::state::{STATE_FILE, State, tenant_dir};
use crate::broken::{Break, Broken};
use crate::format::keys::PUBLIC_KEYS_FILE;
use crate::tree::tile::{TILE_WIDTH, Tiles, hashes_at, octets, tile_path};

impl ArchiveReader {
    /// Copies what `tenant` may have into `to`, which is made and must be empty; gives the number of its entries.
    /// [`super::verify_export`] proves it as it proves the whole.
    ///
    /// # Errors
    /// The tenant has no entries, the archive does not hold, or the copy cannot be written.
    pub fn export(&self, tenant: &TenantName, to: &Path) -> Result<u64, ProveError> {
        let Some(theirs) = self.state.checkpoint_of(tenant)? else { return Err(ProveError::NoTree(tenant.clone())) };
        let unwritable = |error: io::Error| ProveError::Broken(Broken::unreadable(to.display(), &error));
        fs::create_dir_all(to).map_err(unwritable)?;
        if fs::read_dir(to).map_err(unwritable)?.next().is_some() {
            return Err(unwritable(io::Error::other("it is not empty")));
        }
        let mut files = Files::new(to);
        let mut entries = 0;
        for bundle in 0..self.checkpoint.size.div_ceil(TILE_WIDTH) {
            let width = (self.checkpoint.size - bundle * TILE_WIDTH).min(TILE_WIDTH);
            let (path, lines) = bundle::read(&self.dir, bundle, width)?;
            let mut kept = Vec::new();
            for line in lines.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
                let malformed = || Broken::new(&path, Break::Malformed, "a line is no archived entry");
                let archived = Archived::parse(line).ok_or_else(malformed)?;
                let is_theirs = archived.tenant_index.is_some()
                    && archived.index < self.checkpoint.size
                    && archived.belongs().is_some_and(|belongs| belongs.tenant.as_ref() == Some(tenant));
                if is_theirs {
                    kept.extend_from_slice(line);
                    kept.push(b'\n');
                    entries += 1;
                }
            }
            if kept.is_empty() {
                continue;
            }
            if width < TILE_WIDTH {
                files.put(&bundle::partial_path(bundle), &kept).map_err(unwritable)?;
            } else {
                let full = bundle::compress(&kept).map_err(unwritable)?;
                files.put(&bundle::full_path(bundle), &full).map_err(unwritable)?;
            }
        }
        copy_tiles(&Tiles::new(&self.dir, self.checkpoint.size), &self.checkpoint, "", &mut files, to)?;
        let dir = tenant_dir(tenant);
        copy_tiles(&Tiles::new(&self.dir.join(&dir), theirs.size), &theirs, &format!("{dir}/"), &mut files, to)?;

        let note = self.state.tenants.get(tenant).cloned().unwrap_or_default();
        let keys = fs::read(self.dir.join(PUBLIC_KEYS_FILE)).map_err(unwritable)?;
        let state = State {
            export_of: Some(tenant.clone()),
            checkpoint: self.state.checkpoint.clone(),
            tenants: [(tenant.clone(), note.clone())].into(),
            sources: [].into(),
        };
        files.put("checkpoint", state.checkpoint.as_bytes()).map_err(unwritable)?;
        files.put(&format!("{dir}/checkpoint"), note.as_bytes()).map_err(unwritable)?;
        files.put(PUBLIC_KEYS_FILE, &keys).map_err(unwritable)?;
        let text = state.to_file().map_err(|error| unwritable(error.into()))?;
        files.put(STATE_FILE, &text).map_err(unwritable)?;
        files.sync().map_err(unwritable)?;
        Ok(entries)
    }
}

fn copy_tiles(
    tiles: &Tiles,
    checkpoint: &Checkpoint,
    dir: &str,
    files: &mut Files,
    to: &Path,
) -> Result<(), ProveError> {
    for level in 0..8 {
        let hashes = hashes_at(level, checkpoint.size);
        for index in 0..hashes.div_ceil(TILE_WIDTH) {
            let tile = tiles.tile(level, index)?;
            let width = u64::try_from(tile.len()).unwrap_or(u64::MAX);
            let path = format!("{dir}{}", tile_path(level, index, width));
            files
                .put(&path, &octets(&tile))
                .map_err(|error| ProveError::Broken(Broken::unreadable(to.display(), &error)))?;
        }
    }
    Ok(())
}
