//! The files as the writer holds them: append, head, rotate, and give up a segment that failed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cedargate_model::{Clock, Event, EventBody, EventId};
use ed25519_dalek::SigningKey;
use tracing::{error, warn};

use super::disk::{Disk, DiskFile};
use super::queue::Batch;
use super::recover::{Found, HeadsEnd};
use crate::format::directory::{HEADS_FILE, SegmentName, UNBEGUN_SUFFIX};
use crate::format::entry::{LINE_OVERHEAD_BYTES, Link};
use crate::format::hash::{Hash, Salt};
use crate::format::head::Head;
use crate::format::marker::{Ended, Marker, Previous, Recovered, SegmentClosed, SegmentOpened};

/// How far a segment is padded ahead of its content, with line ends.
///
/// Overwriting blocks that exist makes a sync half as dear as growing the file: 90 microseconds against 180, measured
/// on ext4. Line ends rather than zeros, so that a live segment is text for every tool. A small segment is padded to no
/// more than its size.
const PADDING_BYTES_MAX: u64 = 512 << 10;

/// The writer's files.
pub(crate) struct Log {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    key: SigningKey,
    clock: Arc<dyn Clock>,
    instance: String,
    segment_bytes: u64,
    boot: u64,
    /// The last segment begun, whatever became of it.
    segment: u64,
    /// The end of the chain. Everything up to it is durable.
    link: Link,
    file: Option<Segment>,
    /// The end of the record before the segment that is to come; none once it is there.
    previous: Option<Previous>,
    abandoned: Vec<u64>,
    recovered: Option<Recovered>,
    heads: Heads,
    scratch: Scratch,
    pub(crate) segments_retired: u64,
}

/// Memory kept between commits.
#[derive(Default)]
struct Scratch {
    lines: Vec<u8>,
    salts: Vec<u8>,
}

/// The open segment.
struct Segment {
    file: Box<dyn DiskFile>,
    offset: u64,
    padded_to: u64,
    padding_bytes: u64,
}

/// The open file of heads.
struct Heads {
    file: Box<dyn DiskFile>,
    end: HeadsEnd,
    /// The last entry of this boot that a head covers.
    covered: u64,
    /// A write failed: something may stand after the end.
    dirty: bool,
    count: u64,
}

impl Log {
    /// Begins a boot: its first entry and its first head are durable when this returns.
    pub(crate) fn begin(
        dir: PathBuf,
        disk: Arc<dyn Disk>,
        key: SigningKey,
        clock: Arc<dyn Clock>,
        (instance, segment_bytes): (String, u64),
        found: Found,
    ) -> io::Result<Self> {
        let heads = disk.open(&dir.join(HEADS_FILE))?;
        let Found { boot, previous, recovered, heads: end, .. } = found;
        let mut log = Self {
            dir,
            disk,
            key,
            clock,
            instance,
            segment_bytes,
            boot,
            segment: 0,
            link: Link::default(),
            file: None,
            previous,
            abandoned: Vec::new(),
            recovered: Some(recovered),
            heads: Heads { file: heads, end, covered: 0, dirty: false, count: 0 },
            scratch: Scratch::default(),
            segments_retired: 0,
        };
        log.begin_segment()?;
        log.write_head()?;
        Ok(log)
    }

    /// The last durable entry.
    pub(crate) fn sequence(&self) -> u64 {
        self.link.sequence
    }

    /// Whether entries wait for a head.
    pub(crate) fn has_uncovered(&self) -> bool {
        self.heads.covered < self.link.sequence
    }

    /// Whether the last head could not be written.
    pub(crate) fn heads_fail(&self) -> bool {
        self.heads.dirty
    }

    pub(crate) fn heads_written(&self) -> u64 {
        self.heads.count
    }

    /// Whether a segment is open for writing.
    pub(crate) fn is_writable(&self) -> bool {
        self.file.is_some()
    }

    /// Writes a batch and makes it durable: in the open segment or, where that fails, anew in a fresh one.
    pub(crate) fn commit(&mut self, batch: &mut Batch) -> io::Result<()> {
        let folded = self.folded_events(batch)?;
        if self.file.is_some() {
            match self.write_batch(batch, &folded) {
                Ok(()) => return Ok(()),
                Err(error) => self.retire(&error),
            }
        }
        self.begin_segment()?;
        self.write_batch(batch, &folded).inspect_err(|error| self.retire(error))
    }

    /// Whether the open segment has its size.
    pub(crate) fn is_full(&self) -> bool {
        self.file.as_ref().is_some_and(|segment| segment.offset >= self.segment_bytes)
    }

    /// Closes the full segment in order and begins the next.
    pub(crate) fn rotate(&mut self) -> io::Result<()> {
        self.close_segment(false)?;
        self.begin_segment()
    }

    /// Closes the boot in order.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            return Err(io::Error::other("the log is not writable"));
        }
        self.close_segment(true)
    }

    /// Begins a fresh segment; its first entry is durable when this returns.
    pub(crate) fn begin_segment(&mut self) -> io::Result<()> {
        self.segment += 1;
        let path = self.dir.join(SegmentName { boot: self.boot, segment: self.segment }.to_string());
        let mut unbegun = path.clone().into_os_string();
        unbegun.push(UNBEGUN_SUFFIX);
        let unbegun = PathBuf::from(unbegun);
        let mut named = false;
        self.try_begin_segment((&unbegun, &path), &mut named).inspect_err(|error| {
            error!(segment = self.segment, %error, "a fresh audit segment cannot be written");
            self.file = None;
            self.remove_failed(&unbegun);
            // Before it got its name nothing of it is anywhere, and its number is left out. An outage takes as many
            // tries as it lasts, so nothing may grow with them.
            if named {
                match self.remove_failed(&path) {
                    // After a power cut it may be there again, until the next segment takes its name.
                    true => self.segment -= 1,
                    false => self.abandoned.push(self.segment),
                }
            }
        })
    }

    /// Removes what a failed beginning left. Whether it is gone.
    fn remove_failed(&self, path: &Path) -> bool {
        match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(segment = self.segment, %error, "an audit segment that never began could not be removed");
                false
            }
            Ok(()) | Err(_) => true,
        }
    }

    /// Under another name until its first entry is durable, so that a reader never meets half a beginning.
    /// `named` says, also after an error, whether it may stand under its own name.
    fn try_begin_segment(&mut self, (unbegun, path): (&Path, &Path), named: &mut bool) -> io::Result<()> {
        let file = self.disk.create(unbegun, self.segment_bytes)?;
        let padding_bytes = self.segment_bytes.clamp(1, PADDING_BYTES_MAX);
        self.file = Some(Segment { file, offset: 0, padded_to: 0, padding_bytes });
        let before = self.link;
        self.write_marker(&Marker::SegmentOpened(SegmentOpened {
            instance: self.instance.clone(),
            boot: self.boot,
            segment: self.segment,
            at: self.clock.now(),
            previous: self.previous.clone(),
            abandoned: self.abandoned.clone(),
            recovered: self.recovered.clone(),
        }))?;
        *named = true;
        let durable = self.disk.rename(unbegun, path).and_then(|()| self.disk.sync_dir(&self.dir));
        if durable.is_err() {
            self.link = before;
            return durable;
        }
        self.previous = None;
        self.recovered = None;
        self.abandoned.clear();
        Ok(())
    }

    fn close_segment(&mut self, last: bool) -> io::Result<()> {
        // The head first: then a closing entry without its head was tampered with, and cannot be a crash's doing.
        self.write_head()?;
        let closed =
            SegmentClosed { at: self.clock.now(), last, head: self.heads.end.number, head_hash: self.heads.end.hash };
        self.write_marker(&Marker::SegmentClosed(closed)).inspect_err(|error| self.retire(error))?;
        self.leave_segment(Ended::Closed);
        Ok(())
    }

    /// Signs a head for everything durable, unless the last one covers it.
    pub(crate) fn write_head(&mut self) -> io::Result<()> {
        if !self.has_uncovered() {
            return Ok(());
        }
        let number = self.heads.end.number.checked_add(1);
        let head = Head {
            number: number.ok_or_else(|| io::Error::other("no number is left for a head"))?,
            previous: self.heads.end.hash,
            instance: self.instance.clone(),
            boot: self.boot,
            sequence: self.link.sequence,
            chain: self.link.chain,
            at: self.clock.now(),
        };
        let mut line = head.sign(&self.key)?;
        let hash = Hash::of(&line);
        line.push(b'\n');
        self.heads.append(&line)?;
        self.heads.end.number = head.number;
        self.heads.end.hash = hash;
        self.heads.covered = head.sequence;
        self.heads.count += 1;
        Ok(())
    }

    fn write_marker(&mut self, marker: &Marker) -> io::Result<()> {
        let event = serde_json::to_vec(marker)?;
        self.scratch.salts.resize(16, 0);
        getrandom::fill(&mut self.scratch.salts).map_err(io::Error::other)?;
        self.write([event.as_slice()].into_iter())
    }

    fn write_batch(&mut self, batch: &Batch, folded: &[Vec<u8>]) -> io::Result<()> {
        // One call for all salts: a system call for each would cost as much as hashing.
        self.scratch.salts.resize(16 * (batch.len() + folded.len()), 0);
        getrandom::fill(&mut self.scratch.salts).map_err(io::Error::other)?;
        self.scratch.lines.reserve(batch.bytes() + batch.len() * LINE_OVERHEAD_BYTES);
        self.write(batch.events().chain(folded.iter().map(Vec::as_slice)))
    }

    /// Appends events to the open segment and makes them durable. The chain moves on only if that succeeds.
    fn write<'a>(&mut self, events: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        let Scratch { lines, salts } = &mut self.scratch;
        lines.clear();
        let mut link = self.link;
        for (event, salt) in events.zip(salts.chunks_exact(16)) {
            let mut own: Salt = [0; 16];
            own.copy_from_slice(salt);
            link.append(lines, self.link.sequence, &own, event);
        }
        let segment = self.file.as_mut().ok_or_else(|| io::Error::other("no segment is open"))?;
        segment.append(lines)?;
        self.link = link;
        Ok(())
    }

    /// Gives up the open segment after a failed write or sync. It is never written again: what the disk holds of the
    /// last write is unknown, and a later sync that succeeds would prove nothing about it.
    fn retire(&mut self, error: &io::Error) {
        error!(boot = self.boot, segment = self.segment, %error, "an audit segment is retired after a failed write");
        self.segments_retired += 1;
        self.file = None;
        self.follow(Ended::Retired);
    }

    /// Gives back the room that a closed segment did not need. Failing changes nothing that counts.
    fn leave_segment(&mut self, ended: Ended) {
        if let Some(mut segment) = self.file.take()
            && let Err(error) = segment.file.truncate(segment.offset).and_then(|()| segment.file.sync())
        {
            warn!(boot = self.boot, segment = self.segment, %error, "a closed audit segment keeps its padding");
        }
        self.follow(ended);
    }

    fn follow(&mut self, ended: Ended) {
        let Link { sequence, chain } = self.link;
        self.previous = Some(Previous { boot: self.boot, segment: self.segment, sequence, chain, ended });
    }

    /// The batch's folded refusals as events.
    fn folded_events(&self, batch: &mut Batch) -> io::Result<Vec<Vec<u8>>> {
        let folded = batch.folds.drain();
        folded
            .into_iter()
            .map(|(tenant, folded)| {
                let at = self.clock.now();
                let mut random = [0; 10];
                getrandom::fill(&mut random).map_err(io::Error::other)?;
                let millis = u64::try_from(at.0 / 1000).unwrap_or(0);
                let id = EventId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid());
                Ok(serde_json::to_vec(&Event { id, at, tenant, body: EventBody::Folded(folded) })?)
            })
            .collect()
    }
}

impl Segment {
    fn append(&mut self, lines: &mut Vec<u8>) -> io::Result<()> {
        let written = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let end = self.offset.saturating_add(written);
        if end > self.padded_to {
            // Padded in the same write, so that the length changes once for many commits.
            self.padded_to = end.next_multiple_of(self.padding_bytes);
            let padding = usize::try_from(self.padded_to - end).unwrap_or(0);
            lines.resize(lines.len() + padding, b'\n');
        }
        self.file.write_at(self.offset, lines)?;
        self.file.sync()?;
        self.offset = end;
        Ok(())
    }
}

impl Heads {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.dirty {
            // What failed may stand there in part, and be longer than this line where the clock was set back.
            self.file.truncate(self.end.offset)?;
        }
        self.dirty = true;
        self.file.write_at(self.end.offset, line)?;
        self.file.sync()?;
        self.dirty = false;
        self.end.offset += u64::try_from(line.len()).unwrap_or(0);
        Ok(())
    }
}
