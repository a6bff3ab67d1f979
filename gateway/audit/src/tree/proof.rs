//! Proofs of RFC 6962 §2.1: that a leaf is in a tree, and that a tree is the beginning of a later one.

use super::tile::Tiles;
use super::{empty_root, node_hash, split};
use crate::broken::Broken;
use crate::format::hash::Hash;

/// The hashes that lead from leaf `index` to the root of the tree of `size` leaves (RFC 6962 §2.1.1). `index` is below
/// `size`, and the tiles hold at least that many.
pub(crate) fn inclusion(tiles: &Tiles, index: u64, size: u64) -> Result<Vec<Hash>, Broken> {
    let (mut from, mut to, mut path) = (0, size, Vec::new());
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            path.push(tiles.range(middle, to)?);
            to = middle;
        } else {
            path.push(tiles.range(from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that lead from the root of the tree of `first` leaves to that of `second` leaves (RFC 6962 §2.1.2).
/// `first` is at most `second`.
pub(crate) fn consistency(tiles: &Tiles, first: u64, second: u64) -> Result<Vec<Hash>, Broken> {
    if first == 0 || first >= second {
        return Ok(vec![]);
    }
    let (mut from, mut to, mut path) = (0, second, Vec::new());
    while first != to {
        let middle = from + split(to - from);
        if first <= middle {
            path.push(tiles.range(middle, to)?);
            to = middle;
        } else {
            path.push(tiles.range(from, middle)?);
            from = middle;
        }
    }
    // Where all that was left out stood to the right, whoever verifies has this one: it is the first root.
    if from > 0 {
        path.push(tiles.range(from, to)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether `path` leads from a leaf to a root (RFC 9162 §2.1.3.2).
pub(crate) fn includes(path: &[Hash], index: u64, size: u64, leaf: Hash, root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for beside in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(beside, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, beside);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `path` shows that a tree of `first` leaves is the beginning of one of `second` leaves (RFC 9162 §2.1.4.2).
pub(crate) fn extends(path: &[Hash], first: u64, first_root: &Hash, second: u64, second_root: &Hash) -> bool {
    if first == 0 {
        return path.is_empty() && *first_root == empty_root() && (second > 0 || *second_root == empty_root());
    }
    if first >= second {
        return first == second && path.is_empty() && first_root == second_root;
    }
    let begins_with_root = first.is_power_of_two();
    let mut path = path.iter();
    let Some(start) = (if begins_with_root { Some(first_root) } else { path.next() }) else { return false };
    let (mut at, mut last) = (first - 1, second - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut former, mut latter) = (*start, *start);
    for beside in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            former = node_hash(beside, &former);
            latter = node_hash(beside, &latter);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            latter = node_hash(&latter, beside);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && former == *first_root && latter == *second_root
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::fs;

    use proptest::prelude::*;
    use tlog_tiles::{
        Hash as TheirHash, HashReader, Tile, check_record, check_tree, prove_record, prove_tree, record_hash,
        stored_hashes, tree_hash,
    };

    use super::*;
    use crate::tree::edge::Edge;
    use crate::tree::tile::{octets, tile_path};

    /// Their tree, whole and in memory.
    struct Theirs(Vec<TheirHash>);

    impl HashReader for Theirs {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<TheirHash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
        }
    }

    fn leaf(number: u64) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    fn theirs(size: u64) -> Theirs {
        let mut theirs = Theirs(vec![]);
        for number in 0..size {
            let hashes = stored_hashes(number, &leaf(number), &theirs).unwrap();
            theirs.0.extend(hashes);
        }
        theirs
    }

    /// Our tree, as tiles in a folder.
    fn ours(size: u64) -> (tempfile::TempDir, Edge) {
        let (dir, mut edge) = (tempfile::tempdir().unwrap(), Edge::default());
        let write = |level, index, hashes: &[Hash]| {
            let path = dir.path().join(tile_path(level, index, hashes.len() as u64));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, octets(hashes)).unwrap();
            Ok::<(), Infallible>(())
        };
        for number in 0..size {
            edge.push(Hash(record_hash(&leaf(number)).0), write).unwrap();
        }
        for (level, index, hashes) in edge.unfinished() {
            write(level, index, hashes).unwrap();
        }
        (dir, edge)
    }

    fn same(ours: &[Hash], theirs: &[TheirHash]) -> bool {
        ours.iter().map(|hash| hash.0).eq(theirs.iter().map(|hash| hash.0))
    }

    #[test]
    fn trees_and_tiles_are_those_of_another_implementation() {
        for size in [0, 1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 600, 65_536, 65_537, 66_100] {
            let (theirs, (dir, edge)) = (theirs(size), ours(size));
            assert_eq!(edge.root().0, tree_hash(size, &theirs).unwrap().0, "{size}");
            assert_eq!(Tiles::new(dir.path(), size).range(0, size).unwrap(), edge.root(), "{size}");
            assert_eq!(Edge::read(dir.path(), size).unwrap().root(), edge.root(), "{size}");
            for tile in Tile::new_tiles(8, 0, size) {
                let file = fs::read(dir.path().join(tile_path(tile.level(), tile.level_index(), tile.width().into())));
                assert_eq!(file.unwrap(), tile.read_data(&theirs).unwrap(), "{size}: {}", tile.path());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn proofs_are_those_of_another_implementation(size in 1_u64..1500, a in any::<u64>(), b in any::<u64>()) {
            let (theirs, (dir, _)) = (theirs(size), ours(size));
            let tiles = Tiles::new(dir.path(), size);
            let shorter = 1 + a % size;
            let index = b % shorter;

            let path = inclusion(&tiles, index, shorter).unwrap();
            let their_path = prove_record(shorter, index, &theirs).unwrap();
            prop_assert!(same(&path, &their_path));
            let (root, leaf) = (tree_hash(shorter, &theirs).unwrap(), record_hash(&leaf(index)));
            check_record(&their_path, shorter, root, index, leaf).unwrap();
            prop_assert!(includes(&path, index, shorter, Hash(leaf.0), &Hash(root.0)));

            let path = consistency(&tiles, shorter, size).unwrap();
            let their_path = prove_tree(size, shorter, &theirs).unwrap();
            prop_assert!(same(&path, &their_path), "{shorter} of {size}");
            let whole = tree_hash(size, &theirs).unwrap();
            check_tree(&their_path, size, whole, shorter, root).unwrap();
            prop_assert!(extends(&path, shorter, &Hash(root.0), size, &Hash(whole.0)));
        }

        #[test]
        fn a_proof_shows_nothing_else(
            size in 2_u64..600, a in any::<u64>(), b in any::<u64>(), at in any::<prop::sample::Index>(), bit in 0_usize..256,
        ) {
            let (dir, edge) = ours(size);
            let (tiles, root) = (Tiles::new(dir.path(), size), edge.root());
            let (index, shorter) = (a % size, 1 + b % (size - 1));
            let leaf = |number| Hash(record_hash(&leaf(number)).0);

            let mut path = inclusion(&tiles, index, size).unwrap();
            prop_assert!(includes(&path, index, size, leaf(index), &root));
            prop_assert!(!includes(&path, index, size, leaf(index + 1), &root));
            prop_assert!(!includes(&path, (index + 1) % size, size, leaf(index), &root));
            prop_assert!(!includes(&path[1..], index, size, leaf(index), &root));
            let flipped = at.index(path.len());
            path[flipped].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!includes(&path, index, size, leaf(index), &root));

            let former = tiles.range(0, shorter).unwrap();
            let mut path = consistency(&tiles, shorter, size).unwrap();
            prop_assert!(extends(&path, shorter, &former, size, &root));
            prop_assert!(!extends(&path, shorter, &root, size, &root));
            prop_assert!(!extends(&path, shorter, &former, size, &former));
            prop_assert!(!extends(&path[1..], shorter, &former, size, &root));
            let flipped = at.index(path.len());
            path[flipped].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!extends(&path, shorter, &former, size, &root));
        }

        #[test]
        fn verifying_never_panics(
            path in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..70), a in any::<u64>(), b in any::<u64>(),
        ) {
            let zero = Hash::ZERO;
            prop_assert!(!includes(&path, a, b, zero, &zero) || b == 1);
            prop_assert!(!extends(&path, a, &zero, b, &Hash::of(b"x")));
        }
    }
}
