//! The part of a spool that a signed head covers, from a place on: what can be sealed, because its writer cannot take it
//! back any more.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use ed25519_dalek::VerifyingKey;

use super::segment::{Place, Placed};
use super::walk::{Step, Walk};
use crate::broken::{Break, Broken};
use crate::format::directory::{HEADS_FILE, SegmentName};
use crate::format::entry::Link;
use crate::format::hash::Hash;
use crate::format::head::{HEAD_LINE_BYTES_MAX, Head, UnverifiedHead};
use crate::format::keys::KeyId;

/// An entry that was read, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stand {
    pub(crate) name: SegmentName,
    pub(crate) sequence: u64,
    pub(crate) chain: Hash,
    /// The chain's value before it.
    pub(crate) joins: Hash,
    pub(crate) offset: u64,
    pub(crate) line: u64,
}

/// The last head of a spool; none where it has none yet.
///
/// Only its own signature is checked: [`crate::verify`] proves all.
///
/// # Security
/// `keys` are the caller's. Those that stand beside the spool are not asked: whoever writes the disk could put a key of
/// their own there, and have what it signed sealed under the archive's.
pub(crate) fn last_head(dir: &Path, keys: &[VerifyingKey]) -> Result<Option<Head>, Broken> {
    let unreadable = |error| Broken::unreadable(HEADS_FILE, &error);
    let file = match File::open(dir.join(HEADS_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let length = file.metadata().map_err(unreadable)?.len();
    // Room for a torn line after a whole one.
    let start = length.saturating_sub(2 * u64::try_from(HEAD_LINE_BYTES_MAX).unwrap_or(0));
    let mut end = vec![0; usize::try_from(length - start).unwrap_or(0)];
    file.read_exact_at(&mut end, start).map_err(unreadable)?;
    let Some(whole) = memchr::memrchr(b'\n', &end).and_then(|last| end.get(..last)) else { return Ok(None) };
    let Some(head) = whole.rsplit(|octet| *octet == b'\n').find_map(UnverifiedHead::parse) else { return Ok(None) };
    let by = head.key();
    let Some(key) = keys.iter().find(|key| KeyId::of(key) == by) else {
        let detail = format_args!("the last head is signed with key {by}, which is not known here");
        return Err(Broken::new(HEADS_FILE, Break::HeadInvalid, detail));
    };
    match head.verify(key) {
        Some(head) => Ok(Some(head.clone())),
        None => Err(Broken::new(HEADS_FILE, Break::HeadInvalid, "the last head's signature does not hold")),
    }
}

/// Gives the entries after `after` up to the one that `head` covers, until `visit` has enough of them.
pub(crate) fn entries(
    dir: &Path,
    after: Option<Stand>,
    head: &Head,
    mut visit: impl FnMut(Stand, &Placed<'_>) -> ControlFlow<()>,
) -> Result<(), Broken> {
    let signed = (head.boot, head.sequence);
    if after.is_some_and(|after| (after.name.boot, after.sequence) >= signed) {
        return Ok(());
    }
    let mut last = after;
    let mut walk = match after {
        None => Walk::new(dir)?,
        Some(Stand { name, sequence, joins, offset, line, .. }) => {
            let joins = Link { sequence: sequence.saturating_sub(1), chain: joins };
            Walk::resume(dir, Place { name, joins, offset, line })?
        }
    };
    let mut again = after;
    while let Some(step) = walk.next()? {
        let Step::Entry(name, placed) = step else { continue };
        let Placed { line, line_number, offset } = placed;
        // The one that was read last comes again, and has to be the same.
        if let Some(again) = again.take() {
            if line.chain != again.chain {
                let detail = "this is not the entry that was sealed here";
                let broken = Broken::new(name, Break::ChainBroken, detail);
                return Err(broken.at(line_number, Some(line.sequence)));
            }
            continue;
        }
        let joins = last.filter(|last| last.name.boot == name.boot).map_or(Hash::ZERO, |last| last.chain);
        let (sequence, chain) = (line.sequence, line.chain);
        let stand = Stand { name, sequence, chain, joins, offset, line: line_number };
        last = Some(stand);
        let at = (name.boot, sequence);
        if at == signed && chain != head.chain {
            let detail = format_args!("head {} says otherwise of this entry", head.number);
            let broken = Broken::new(name, Break::HeadContradicted, detail);
            return Err(broken.at(line_number, Some(sequence)));
        }
        if at > signed {
            break;
        }
        if visit(stand, &placed).is_break() || at == signed {
            return Ok(());
        }
    }
    let detail =
        format_args!("head {} covers entry {} of boot {}, which is not there", head.number, head.sequence, head.boot);
    Err(Broken::new(dir.display(), Break::TailCut, detail))
}
