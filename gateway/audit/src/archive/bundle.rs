//! Bundles: 256 archived entries a file, as lines while it fills, compressed once it is full.
//!
//! A full bundle is gzip that `zcat` reads. Its extra field holds the SHA-256 of what follows it, because gzip itself
//! does not notice every changed bit.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::bounded;
use crate::broken::{Break, Broken};
use crate::format::entry::LINE_BYTES_MAX;
use crate::format::hash::Hash;
use crate::tree::tile::{TILE_WIDTH, number_path};

/// gzip's header with an extra field of 36 octets: a subfield `CG` of 32.
const HEADER: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 36, 0, b'C', b'G', 32, 0];

/// The longest that a bundle's lines may be, all together.
const BUNDLE_BYTES_MAX: u64 = TILE_WIDTH * (LINE_BYTES_MAX as u64 + 256);

/// The longest that a full bundle's file may be: what does not compress gets longer by far less than a hundredth.
const FILE_BYTES_MAX: u64 = BUNDLE_BYTES_MAX + BUNDLE_BYTES_MAX / 100;

/// How hard is tried. Most of what is left are ids and salts, which do not get shorter.
const LEVEL: u32 = 4;

/// The file of a bundle that is full.
pub(crate) fn full_path(bundle: u64) -> String {
    format!("entries/{}.jsonl.gz", number_path(bundle))
}

/// The file of a bundle that is not.
pub(crate) fn partial_path(bundle: u64) -> String {
    format!("entries/{}.jsonl", number_path(bundle))
}

/// Compresses a full bundle's lines.
pub(crate) fn compress(lines: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(LEVEL));
    encoder.write_all(lines)?;
    let mut body = encoder.finish()?;
    let mut crc = flate2::Crc::new();
    crc.update(lines);
    body.extend_from_slice(&crc.sum().to_le_bytes());
    body.extend_from_slice(&crc.amount().to_le_bytes());
    Ok([HEADER.as_slice(), &Hash::of(&body).0, &body].concat())
}

/// Expands a full bundle; none where an octet of it was changed.
fn expand(file: &[u8]) -> Option<Vec<u8>> {
    let (hash, body) = file.strip_prefix(&HEADER)?.split_first_chunk::<32>()?;
    if Hash::of(body).0 != *hash {
        return None;
    }
    let mut lines = Vec::new();
    DeflateDecoder::new(body).take(BUNDLE_BYTES_MAX).read_to_end(&mut lines).ok()?;
    Some(lines)
}

/// Reads a bundle's lines, full or not, and says which file they came from.
pub(crate) fn read(dir: &Path, bundle: u64, width: u64) -> Result<(String, Vec<u8>), Broken> {
    let missing = |path: String| Broken::new(path, Break::EntryMissing, "these entries are gone");
    if width < TILE_WIDTH {
        let path = partial_path(bundle);
        match bounded::read(&dir.join(&path), BUNDLE_BYTES_MAX) {
            Ok(lines) if lines.ends_with(b"\n") => return Ok((path, lines)),
            Ok(_) => return Err(Broken::new(path, Break::EntryMissing, "its last line has no end")),
            // It has become full since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(path, &error)),
        }
    }
    let path = full_path(bundle);
    match bounded::read(&dir.join(&path), FILE_BYTES_MAX) {
        Ok(file) => match expand(&file) {
            Some(lines) if lines.ends_with(b"\n") => Ok((path, lines)),
            Some(_) | None => Err(Broken::new(path, Break::EventChanged, "it is not what was compressed")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing(path)),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: String, error: &io::Error) -> Broken {
    match error.kind() {
        io::ErrorKind::FileTooLarge => Broken::new(path, Break::EventChanged, error),
        _ => Broken::unreadable(path, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_of_a_bundle_is_noticed_and_gzip_reads_it() {
        let lines = b"{\"index\":0}\n{\"index\":1}\n".repeat(9);
        let file = compress(&lines).unwrap();
        assert_eq!(expand(&file).unwrap(), lines);
        let mut theirs = vec![];
        flate2::read::GzDecoder::new(file.as_slice()).read_to_end(&mut theirs).unwrap();
        assert_eq!(theirs, lines);
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(expand(&flipped), None, "{bit}");
        }
        assert_eq!(expand(&[file.as_slice(), b"x"].concat()), None);
    }
}
