//! Merkle trees of RFC 6962 §2.1, kept as the tiles of C2SP tlog-tiles: growing one, proving from one, and verifying
//! without one.

pub(crate) mod edge;
pub(crate) mod proof;
pub(crate) mod tile;

use sha2::{Digest, Sha256};

use crate::format::hash::Hash;

/// The hash of an inner node: `SHA-256(0x01 || left || right)`.
pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut sha = Sha256::new();
    sha.update([0x01]);
    sha.update(left.0);
    sha.update(right.0);
    Hash(sha.finalize().into())
}

/// The root of a tree that holds nothing: the hash of nothing.
pub(crate) fn empty_root() -> Hash {
    Hash::of(&[])
}

/// The root over a power of two of hashes.
pub(crate) fn perfect_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [one] => *one,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            node_hash(&perfect_root(left), &perfect_root(right))
        }
    }
}

/// The size of the left half of a tree: the largest power of two below its size, which is at least two.
pub(crate) fn split(size: u64) -> u64 {
    1 << (size.saturating_sub(1).max(1)).ilog2()
}
