//! What a boot does with what it finds: nothing whole is touched, nothing torn is lost.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;

use super::OpenError;
use super::disk::Disk;
use crate::broken::{Break, Broken};
use crate::format::directory::{HEADS_FILE, QUARANTINE_FOLDER, SegmentName, segments, unbegun};
use crate::format::entry::Link;
use crate::format::hash::Hash;
use crate::format::head::UnverifiedHead;
use crate::format::keys::{PUBLIC_KEYS_FILE, PublicKeys};
use crate::format::marker::{Ended, Previous, Recovered};
use crate::read::opening::Opening;
use crate::read::segment::{Bound, SegmentReader};

/// What was found in the directory when the spool opened.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// The boot that now writes, counted from 1.
    pub boot: u64,
    /// A tail that a crash had left, copied aside. Nobody was answered on the strength of it.
    pub torn: Vec<TornTail>,
    /// Damage that a crash does not explain: entries that had been durable are gone or changed.
    pub damage: Option<Broken>,
}

/// The unfinished end of a file after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The file's name.
    pub file: String,
    /// The octets that were not whole entries.
    pub bytes: u64,
    /// Where they were copied, below the record's directory.
    pub quarantined_as: String,
}

/// Where a new boot takes up.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) boot: u64,
    pub(crate) previous: Option<Previous>,
    pub(crate) recovered: Recovered,
    pub(crate) heads: HeadsEnd,
    pub(crate) recovery: Recovery,
}

/// The end of the file of heads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeadsEnd {
    pub(crate) offset: u64,
    pub(crate) number: u64,
    pub(crate) hash: Hash,
}

/// Looks at the end of the record and mends what a crash left.
///
/// Only the last segment is read: what comes before it is [`crate::verify`]'s to prove, and at start-up would take as
/// long as the record is old. A head counts where it is signed with `own` or with a key that stands beside the record;
/// whoever can write to the directory could otherwise choose the numbers of the next boot and the next head.
pub(crate) fn recover(dir: &Path, disk: &dyn Disk, instance: &str, own: VerifyingKey) -> Result<Found, OpenError> {
    let keys = PublicKeys::read(dir).map_err(io_error("read", &dir.join(PUBLIC_KEYS_FILE)))?.and(own);
    let mut recovering = Recovering { dir, disk, keys, torn: Vec::new(), damage: None };
    let names = segments(dir).map_err(io_error("list", dir))?;
    recovering.unbegun_segments()?;
    let (heads, last_head_covers) = recovering.heads(!names.is_empty())?;
    let previous = recovering.segments(&names, instance)?;
    recovering.check_covered(previous.as_ref(), last_head_covers);

    let Recovering { torn, damage, .. } = recovering;
    let previous = previous.map(|mut previous| {
        if damage.is_some() {
            previous.ended = Ended::Damaged;
        }
        previous
    });
    let last_boot = names.last().map_or(0, |name| name.boot).max(last_head_covers.map_or(0, |(boot, _)| boot));
    // Counting never comes this far. A file that somebody named so, or a head of a key that somebody added, does.
    let boot = last_boot.checked_add(1).filter(|_| heads.number < u64::MAX);
    let boot = boot.ok_or_else(|| OpenError::NumbersExhausted(dir.to_owned()))?;
    Ok(Found {
        boot,
        previous,
        recovered: Recovered {
            heads: heads.number,
            last_head: heads.hash,
            quarantined: torn.iter().map(|tail| tail.quarantined_as.clone()).collect(),
            damage: damage.as_ref().map(ToString::to_string),
        },
        heads,
        recovery: Recovery { boot, torn, damage },
    })
}

struct Recovering<'a> {
    dir: &'a Path,
    disk: &'a dyn Disk,
    keys: PublicKeys,
    torn: Vec<TornTail>,
    damage: Option<Broken>,
}

impl Recovering<'_> {
    /// Finds the last whole head, and what it covers. Cuts off what a crash left after it.
    fn heads(&mut self, has_segments: bool) -> Result<(HeadsEnd, Option<(u64, u64)>), OpenError> {
        let path = self.dir.join(HEADS_FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if has_segments {
                    self.damaged(Broken::new(HEADS_FILE, Break::HeadMissing, "the file of signed heads is gone"));
                }
                self.disk.create(&path, 0).and_then(|mut file| file.sync()).map_err(io_error("create", &path))?;
                return Ok((HeadsEnd::default(), None));
            }
            Err(error) => return Err(io_error("open", &path)(error)),
        };
        let length = file.metadata().map_err(io_error("read", &path))?.len();
        // Far more than one head and one torn line.
        let start = length.saturating_sub(64 << 10);
        let end = read_part(&file, start..length).map_err(io_error("read", &path))?;
        let last = last_head(&end);
        let last_line = last.as_ref().map_or(0..0, |last| last.line.clone());
        let in_file = |offset| start + u64::try_from(offset).unwrap_or(0);
        let (last_start, whole) = (in_file(last_line.start), in_file(last_line.end));
        if last.is_none() && length > 0 && start > 0 {
            self.damaged(Broken::new(HEADS_FILE, Break::HeadInvalid, "its last 64 KiB hold no signed head"));
            return Ok((HeadsEnd { offset: length, ..HeadsEnd::default() }, None));
        }
        if whole < length {
            self.set_aside(HEADS_FILE, &file, whole..length)?;
            self.cut(&path, whole)?;
        }
        self.make_durable(&path, &file, last_start..whole)?;
        // What nobody signed stays where it is, for whoever looks into it, and says nothing.
        let mut next = last;
        while let Some(WholeHead { line, head, hash }) = next {
            if let Some(head) = self.keys.verify(&head) {
                return Ok((HeadsEnd { offset: whole, number: head.number, hash }, Some((head.boot, head.sequence))));
            }
            let detail = format_args!("the signature of the head at octet {} does not hold", in_file(line.start));
            self.damaged(Broken::new(HEADS_FILE, Break::HeadInvalid, detail));
            next = last_head(end.get(..line.start).unwrap_or_default());
        }
        Ok((HeadsEnd { offset: whole, ..HeadsEnd::default() }, None))
    }

    /// Removes segments that never began. Nobody was answered on the strength of them: they hold nothing but the
    /// beginning of their own first entry.
    fn unbegun_segments(&mut self) -> Result<(), OpenError> {
        for path in unbegun(self.dir).map_err(io_error("list", self.dir))? {
            self.disk.remove(&path).map_err(io_error("remove", &path))?;
        }
        Ok(())
    }

    /// Finds the last whole entry. Cuts off what a crash left after it.
    fn segments(&mut self, names: &[SegmentName], instance: &str) -> Result<Option<Previous>, OpenError> {
        for name in names.iter().rev().copied() {
            let opening = match Opening::read(self.dir, name) {
                Ok(opening) => opening,
                Err(broken) if matches!(broken.what, Break::Unreadable | Break::Exhausted) => {
                    return Err(io_error("read", &self.dir.join(name.to_string()))(io::Error::other(broken)));
                }
                // A segment gets its name once its first entry is durable, so this is no crash's doing.
                Err(broken) => {
                    self.damaged(broken);
                    continue;
                }
            };
            if opening.opened.instance != instance {
                let found = opening.opened.instance;
                return Err(OpenError::InstanceMismatch { found, asked: instance.to_owned() });
            }
            return self.last_segment(name, opening.joins).map(Some);
        }
        Ok(None)
    }

    fn last_segment(&mut self, name: SegmentName, joins: Link) -> Result<Previous, OpenError> {
        let path = self.dir.join(name.to_string());
        let mut reader = match SegmentReader::open(self.dir, name, joins, Bound::Open, None) {
            Ok(reader) => reader,
            Err(broken) => return Err(io_error("read", &path)(io::Error::other(broken))),
        };
        let end = loop {
            match reader.advance() {
                Ok(()) => {
                    if let Some(end) = reader.end() {
                        break Some(end.clone());
                    }
                }
                // What cannot be read today may be read tomorrow; written down as damage it would stand for good.
                Err(broken) if matches!(broken.what, Break::Unreadable | Break::Exhausted) => {
                    return Err(io_error("read", &path)(io::Error::other(broken)));
                }
                Err(broken) => {
                    self.damaged(broken);
                    break None;
                }
            }
        };
        let Link { sequence, chain } = reader.link;
        let mut ended = Ended::Damaged;
        if let Some(end) = end {
            ended = if end.closed.is_some() { Ended::Closed } else { Ended::Crashed };
            let file = File::open(&path).map_err(io_error("open", &path))?;
            let length = file.metadata().map_err(io_error("read", &path))?.len();
            if let Some(tail) = end.tail {
                self.set_aside(&name.to_string(), &file, tail.offset..tail.offset + tail.bytes)?;
            }
            if end.offset < length {
                self.cut(&path, end.offset)?;
            }
            self.make_durable(&path, &file, reader.last_commit_offset()..end.offset)?;
        }
        Ok(Previous { boot: name.boot, segment: name.segment, sequence, chain, ended })
    }

    /// Copies a torn part of a file aside. The copy is durable when this returns.
    fn set_aside(&mut self, name: &str, file: &File, part: Range<u64>) -> Result<(), OpenError> {
        let octets = read_part(file, part.clone()).map_err(io_error("read", &self.dir.join(name)))?;
        let (quarantined_as, copy) = self.quarantine_name(name, part.start)?;
        let write = || -> io::Result<()> {
            let mut file = self.disk.create(&copy, 0)?;
            file.write_at(0, &octets)?;
            file.sync()
        };
        write().map_err(io_error("write", &copy))?;
        self.sync_dirs()?;
        self.torn.push(TornTail { file: name.to_owned(), bytes: part.end - part.start, quarantined_as });
        Ok(())
    }

    fn cut(&self, path: &Path, offset: u64) -> Result<(), OpenError> {
        let cut = || -> io::Result<()> {
            let mut file = self.disk.open(path)?;
            file.truncate(offset)?;
            file.sync()
        };
        cut().map_err(io_error("cut", path))
    }

    /// Makes what may be in memory only durable, because the new boot is about to say that it is here.
    ///
    /// After a kill it may never have been synced. After a failed sync the kernel takes it for clean and would not
    /// write it again, so it is written again here, the same octets to the same place.
    fn make_durable(&self, path: &Path, file: &File, part: Range<u64>) -> Result<(), OpenError> {
        let octets = read_part(file, part.clone()).map_err(io_error("read", path))?;
        let write = || -> io::Result<()> {
            let mut file = self.disk.open(path)?;
            file.write_at(part.start, &octets)?;
            file.sync()
        };
        write().map_err(io_error("write", path))
    }

    /// A name that is free: a boot that was itself interrupted may have used the first.
    fn quarantine_name(&self, name: &str, offset: u64) -> Result<(String, PathBuf), OpenError> {
        let folder = self.dir.join(QUARANTINE_FOLDER);
        fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
        let mut tries = 1_u64..;
        loop {
            let again = tries.next().filter(|count| *count > 1).map(|count| format!("-{count}")).unwrap_or_default();
            let short = format!("{name}.{offset}.torn{again}");
            let path = folder.join(&short);
            if !path.exists() {
                return Ok((format!("{QUARANTINE_FOLDER}/{short}"), path));
            }
        }
    }

    fn sync_dirs(&self) -> Result<(), OpenError> {
        let folder = self.dir.join(QUARANTINE_FOLDER);
        if folder.exists() {
            self.disk.sync_dir(&folder).map_err(io_error("sync", &folder))?;
        }
        self.disk.sync_dir(self.dir).map_err(io_error("sync", self.dir))
    }

    /// The last head may not cover more than there is.
    fn check_covered(&mut self, previous: Option<&Previous>, last_head_covers: Option<(u64, u64)>) {
        let ends = previous.map_or((0, 0), |previous| (previous.boot, previous.sequence));
        let Some(covers) = last_head_covers.filter(|covers| *covers > ends) else { return };
        let ((end_boot, end), (boot, sequence)) = (ends, covers);
        let detail = format_args!(
            "the record ends with entry {end} of boot {end_boot}, and the last head covers entry {sequence} of boot {boot}"
        );
        self.damaged(Broken {
            sequence: Some(end.saturating_add(1)),
            ..Broken::new(HEADS_FILE, Break::TailCut, detail)
        });
    }

    /// Keeps the first damage met.
    fn damaged(&mut self, broken: Broken) {
        self.damage.get_or_insert(broken);
    }
}

/// A line that is a head by its spelling, and where it stands.
struct WholeHead {
    line: Range<usize>,
    head: UnverifiedHead,
    hash: Hash,
}

/// The last whole head in these octets.
fn last_head(octets: &[u8]) -> Option<WholeHead> {
    let mut end = octets.len();
    while let Some(line_end) = octets.get(..end).and_then(|rest| rest.iter().rposition(|octet| *octet == b'\n')) {
        let before = octets.get(..line_end).unwrap_or_default();
        let line_start = before.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        let line = before.get(line_start..).unwrap_or_default();
        if let Some(head) = UnverifiedHead::parse(line) {
            return Some(WholeHead { line: line_start..line_end + 1, head, hash: Hash::of(line) });
        }
        end = line_end;
    }
    None
}

fn read_part(file: &File, part: Range<u64>) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; usize::try_from(part.end.saturating_sub(part.start)).unwrap_or(0)];
    file.read_exact_at(&mut octets, part.start)?;
    Ok(octets)
}

/// An error that says what was tried on what.
pub(crate) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { doing, path, source }
}
