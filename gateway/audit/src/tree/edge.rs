//! The growing edge of a tree: its unfinished tiles, which are all that appending needs.

use std::path::Path;

use super::tile::{TILE_WIDTH, hashes_at, read_tile};
use super::{empty_root, node_hash, perfect_root};
use crate::broken::Broken;
use crate::format::hash::Hash;

/// A tree as far as it has to be known to append to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    size: u64,
    /// The unfinished tile of each level, the leaves' first; each shorter than a full tile.
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// Reads the edge of the tree of that size.
    pub(crate) fn read(dir: &Path, size: u64) -> Result<Self, Broken> {
        let mut levels = Vec::new();
        for level in 0..8_u8 {
            let hashes = hashes_at(level, size);
            if hashes == 0 {
                break;
            }
            let width = hashes % TILE_WIDTH;
            levels.push(if width == 0 { vec![] } else { read_tile(dir, level, hashes / TILE_WIDTH, width)? });
        }
        Ok(Self { size, levels })
    }

    /// How many leaves the tree has.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf, and hands over each tile that it fills: its level, its index and its hashes.
    pub(crate) fn push<E>(
        &mut self,
        leaf: Hash,
        mut filled: impl FnMut(u8, u64, &[Hash]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.size += 1;
        let mut carried = leaf;
        for level in 0..8_u8 {
            let at = usize::from(level);
            if self.levels.len() <= at {
                self.levels.push(Vec::new());
            }
            let Some(tile) = self.levels.get_mut(at) else { break };
            tile.push(carried);
            if u64::try_from(tile.len()).unwrap_or(u64::MAX) < TILE_WIDTH {
                break;
            }
            filled(level, hashes_at(level, self.size) / TILE_WIDTH - 1, tile)?;
            carried = perfect_root(tile);
            tile.clear();
        }
        Ok(())
    }

    /// The unfinished tiles: level, index and hashes of each that has any.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = (u8, u64, &[Hash])> {
        (0_u8..).zip(&self.levels).filter(|(_, tile)| !tile.is_empty()).map(|(level, tile)| {
            let index = hashes_at(level, self.size) / TILE_WIDTH;
            (level, index, tile.as_slice())
        })
    }

    /// The tree's root.
    pub(crate) fn root(&self) -> Hash {
        let mut root = None;
        for tile in &self.levels {
            // From the right: the smaller subtrees stand there, and a lower level right of all higher ones.
            let mut rest = tile.as_slice();
            while !rest.is_empty() {
                let size = 1_usize << rest.len().trailing_zeros();
                let (before, subtree) = rest.split_at(rest.len() - size);
                let subtree = perfect_root(subtree);
                root = Some(root.map_or(subtree, |right| node_hash(&subtree, &right)));
                rest = before;
            }
        }
        root.unwrap_or_else(empty_root)
    }
}
