//! The file of signed heads, head by head.

use std::fs::File;
use std::io;
use std::path::Path;

use ed25519_dalek::VerifyingKey;

use super::lines::{Lines, NextLine, is_padding};
use crate::broken::{Break, Broken};
use crate::format::directory::HEADS_FILE;
use crate::format::hash::Hash;
use crate::format::head::{HEAD_LINE_BYTES_MAX, Head, UnverifiedHead};
use crate::format::keys::{KeyId, PublicKeys};

/// Reads heads in order, each held against its signature and the one before it.
pub(crate) struct HeadsReader {
    lines: Lines,
    keys: PublicKeys,
    trusted: Vec<VerifyingKey>,
    length: u64,
    /// How many have been read.
    pub(crate) count: u64,
    /// The hash of the last one's line.
    pub(crate) last_hash: Hash,
    /// Octets at the end that are no whole head: a crash, or a write in progress.
    pub(crate) torn_bytes: u64,
}

/// A head whose signature holds.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedHead {
    pub(crate) head: Head,
    pub(crate) key: KeyId,
    pub(crate) hash: Hash,
    pub(crate) line: u64,
    /// Where its line begins.
    pub(crate) offset: u64,
}

impl HeadsReader {
    /// Opens the heads as they stand now.
    pub(crate) fn open(dir: &Path, trusted: Vec<VerifyingKey>) -> Result<Self, Broken> {
        let file = File::open(dir.join(HEADS_FILE)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Broken::new(HEADS_FILE, Break::HeadMissing, "the file of signed heads is gone"),
            _ => Broken::unreadable(HEADS_FILE, &error),
        })?;
        let length = file.metadata().map_err(|error| Broken::unreadable(HEADS_FILE, &error))?.len();
        let keys =
            PublicKeys::read(dir).map_err(|error| Broken::unreadable(crate::format::keys::PUBLIC_KEYS_FILE, &error))?;
        let lines = Lines::new(file, length, HEAD_LINE_BYTES_MAX);
        Ok(Self { lines, keys, trusted, length, count: 0, last_hash: Hash::ZERO, torn_bytes: 0 })
    }

    /// The next head; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<VerifiedHead>, Broken> {
        let unreadable = |error| Broken::unreadable(HEADS_FILE, &error);
        let (offset, line) = (self.lines.offset, self.lines.number + 1);
        let parsed = match self.lines.next().map_err(unreadable)? {
            NextLine::End => return Ok(None),
            NextLine::Whole(text) => UnverifiedHead::parse(text).map(|head| (head, Hash::of(text))),
            NextLine::Fragment => None,
        };
        let invalid = |detail: String| Broken::new(HEADS_FILE, Break::HeadInvalid, detail).at(line, None);
        let Some((unverified, hash)) = parsed else {
            // Only the last line can be torn: a head is durable before the next one is written.
            while self.lines.offset < self.length {
                match self.lines.next().map_err(unreadable)? {
                    NextLine::Whole(text) if is_padding(text) => {}
                    NextLine::Whole(_) | NextLine::Fragment => return Err(invalid("this is not a head".into())),
                    NextLine::End => break,
                }
            }
            self.torn_bytes = self.length - offset;
            return Ok(None);
        };
        let key = unverified.key();
        let trusted = self.trusted.iter().find(|trusted| KeyId::of(trusted) == key);
        let Some(verifying_key) = trusted.or_else(|| self.keys.find(key)) else {
            return Err(invalid(format!("it is signed with key {key}, which is not known")));
        };
        let Some(head) = unverified.verify(verifying_key) else {
            return Err(invalid(format!("its signature does not hold under key {key}")));
        };
        if head.number != self.count + 1 || head.previous != self.last_hash {
            let (expected, found) = (self.count + 1, head.number);
            let detail = if found == expected {
                format!("head {found} does not follow from the line before it")
            } else {
                format!("head {expected} was expected and head {found} stands here")
            };
            return Err(Broken::new(HEADS_FILE, Break::HeadMissing, detail).at(line, None));
        }
        self.count = head.number;
        self.last_hash = hash;
        Ok(Some(VerifiedHead { head: head.clone(), key, hash, line, offset }))
    }
}

#[cfg(test)]
mod tests {
    use cedargate_model::Micros;
    use ed25519_dalek::SigningKey;

    use super::*;

    fn write(dir: &Path, heads: &[(u64, Hash)], key: &SigningKey) {
        let line = |(number, previous): &(u64, Hash)| {
            let (boot, sequence, chain, at) = (1, *number, Hash::of(b"chain"), Micros(0));
            let head =
                Head { number: *number, previous: *previous, instance: "gw-1".into(), boot, sequence, chain, at };
            [head.sign(key).unwrap(), b"\n".to_vec()].concat()
        };
        std::fs::write(dir.join(HEADS_FILE), heads.iter().map(line).collect::<Vec<_>>().concat()).unwrap();
    }

    #[test]
    fn a_head_follows_the_line_before_it_and_not_only_its_number() {
        let (dir, key) = (tempfile::tempdir().unwrap(), SigningKey::from_bytes(&[7; 32]));
        write(dir.path(), &[(1, Hash::ZERO), (2, Hash::of(b"another line"))], &key);
        let mut reader = HeadsReader::open(dir.path(), vec![key.verifying_key()]).unwrap();
        assert!(reader.next().unwrap().is_some());
        assert_eq!(reader.next().unwrap_err().what, Break::HeadMissing);
    }

    #[test]
    fn a_head_of_an_unknown_key_is_refused() {
        let (dir, key) = (tempfile::tempdir().unwrap(), SigningKey::from_bytes(&[7; 32]));
        write(dir.path(), &[(1, Hash::ZERO)], &key);
        let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
        assert_eq!(HeadsReader::open(dir.path(), vec![other]).unwrap().next().unwrap_err().what, Break::HeadInvalid);
    }
}
