//! Tiles: where 256 neighbouring hashes of a tree stand, and reading them back.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{perfect_root, split};
use crate::bounded;
use crate::broken::{Break, Broken};
use crate::format::hash::Hash;

/// How many hashes a full tile has.
pub(crate) const TILE_WIDTH: u64 = 256;

/// How many levels of the tree lie between two levels of tiles.
const TILE_HEIGHT: u32 = 8;

/// The octets of a full tile.
pub(crate) const TILE_BYTES_MAX: u64 = TILE_WIDTH * 32;

/// How many tiles a reader keeps: what a few thousand proofs share.
const CACHED_TILES_MAX: usize = 4096;

/// A number as a path: three digits a folder, all but the last with an `x` before them.
pub(crate) fn number_path(number: u64) -> String {
    let mut groups = vec![number % 1000];
    let mut rest = number / 1000;
    while rest > 0 {
        groups.push(rest % 1000);
        rest /= 1000;
    }
    let mut path = String::new();
    for (place, group) in groups.iter().enumerate().rev() {
        let _never_fails = if place == 0 { write!(path, "{group:03}") } else { write!(path, "x{group:03}/") };
    }
    path
}

/// The path of a tile: `tile/<level>/<index>`, with `.p/<width>` where it is not full.
pub(crate) fn tile_path(level: u8, index: u64, width: u64) -> String {
    let full = format!("tile/{level}/{}", number_path(index));
    if width < TILE_WIDTH { format!("{full}.p/{width}") } else { full }
}

/// The number of hashes at a level of tiles in a tree of a size.
pub(crate) fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level) * TILE_HEIGHT).unwrap_or(0)
}

/// A tile's octets.
pub(crate) fn octets(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// A tree that is read from its tiles.
pub(crate) struct Tiles {
    dir: PathBuf,
    size: u64,
    cache: RefCell<Cached>,
}

/// Tiles by level and index.
type Cached = HashMap<(u8, u64), Rc<[Hash]>>;

impl Tiles {
    /// The tree of that size whose tiles are in `dir`.
    pub(crate) fn new(dir: &Path, size: u64) -> Self {
        Self { dir: dir.into(), size, cache: RefCell::default() }
    }

    /// A tile, as far as the tree fills it.
    pub(crate) fn tile(&self, level: u8, index: u64) -> Result<Rc<[Hash]>, Broken> {
        if let Some(tile) = self.cache.borrow().get(&(level, index)) {
            return Ok(Rc::clone(tile));
        }
        let width = hashes_at(level, self.size).saturating_sub(index.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
        let tile: Rc<[Hash]> = read_tile(&self.dir, level, index, width)?.into();
        let mut cache = self.cache.borrow_mut();
        if cache.len() >= CACHED_TILES_MAX {
            cache.clear();
        }
        cache.insert((level, index), Rc::clone(&tile));
        Ok(tile)
    }

    /// The root over the leaves from `from` to before `to`.
    pub(crate) fn range(&self, from: u64, to: u64) -> Result<Hash, Broken> {
        let size = to.saturating_sub(from);
        if size == 0 {
            return Ok(super::empty_root());
        }
        if size.is_power_of_two() && from.is_multiple_of(size) {
            return self.perfect(size.ilog2(), from / size);
        }
        let middle = from + split(size);
        Ok(super::node_hash(&self.range(from, middle)?, &self.range(middle, to)?))
    }

    /// The root of the subtree of `2^height` leaves that is number `index` of its kind.
    fn perfect(&self, height: u32, index: u64) -> Result<Hash, Broken> {
        let level = u8::try_from(height / TILE_HEIGHT).unwrap_or(u8::MAX);
        let inside = height % TILE_HEIGHT;
        let first = index << inside;
        let tile = self.tile(level, first / TILE_WIDTH)?;
        let begin = usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX);
        let hashes = begin.checked_add(1 << inside).and_then(|end| tile.get(begin..end));
        hashes.map(perfect_root).ok_or_else(|| {
            let path = tile_path(level, first / TILE_WIDTH, TILE_WIDTH);
            Broken::new(path, Break::TileMissing, "the tree's size does not reach this far")
        })
    }
}

/// Reads a tile of at least that width: a partial one may have become a full one since.
pub(crate) fn read_tile(dir: &Path, level: u8, index: u64, width: u64) -> Result<Vec<Hash>, Broken> {
    let path = tile_path(level, index, width);
    let found = match bounded::read(&dir.join(&path), TILE_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && width < TILE_WIDTH => {
            bounded::read(&dir.join(tile_path(level, index, TILE_WIDTH)), TILE_BYTES_MAX)
        }
        found => found,
    };
    let octets = found.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Broken::new(&path, Break::TileMissing, "this tile is gone"),
        io::ErrorKind::FileTooLarge => Broken::new(&path, Break::TileChanged, &error),
        _ => Broken::unreadable(&path, &error),
    })?;
    let (hashes, rest) = octets.as_chunks::<32>();
    let width = usize::try_from(width).unwrap_or(usize::MAX);
    if !rest.is_empty() || hashes.len() < width {
        let detail = format_args!("it should hold {width} hashes and has {} octets", octets.len());
        return Err(Broken::new(path, Break::TileChanged, detail));
    }
    Ok(hashes.iter().take(width).copied().map(Hash).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_has_the_path_of_the_specification() {
        for (level, index, width, path) in [
            (0, 0, 256, "tile/0/000"),
            (0, 1_234_067, 256, "tile/0/x001/x234/067"),
            (1, 5, 3, "tile/1/005.p/3"),
            (0, 1000, 256, "tile/0/x001/000"),
        ] {
            assert_eq!(tile_path(level, index, width), path);
        }
    }
}
