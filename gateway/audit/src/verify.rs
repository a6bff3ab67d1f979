//! Proving a record: the chain, and every signed head against it.

use std::fmt;
use std::fs;
use std::path::Path;

use ed25519_dalek::VerifyingKey;
use serde::Serialize;

use crate::broken::{Break, Broken};
use crate::format::directory::{HEADS_FILE, SegmentName};
use crate::format::entry::Link;
use crate::format::head::Head;
use crate::format::keys::KeyId;
use crate::format::marker::{Ended, Marker, SegmentClosed, SegmentOpened};
use crate::read::heads::{HeadsReader, VerifiedHead};
use crate::read::opening::Opening;
use crate::read::segment::{Bound, End, Placed};
use crate::read::walk::{Step, Walk};

/// What a record that holds consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The gateway that wrote it.
    pub instance: String,
    /// What the proof rests on.
    pub trust: Trust,
    /// Boots that wrote to it.
    pub boots: u64,
    /// Segments read.
    pub segments: u64,
    /// Entries proved, the record's own markers included.
    pub entries: u64,
    /// Heads whose signature holds and that agree with the chain.
    pub heads: u64,
    /// How many of them each key signed, in the order in which the keys came.
    pub heads_by_key: Vec<HeadsOfKey>,
    /// Heads among them that no trusted key signed. A later head of a trusted key covers them.
    pub heads_of_other_keys: u64,
    /// The last entry's boot.
    pub last_boot: u64,
    /// The last entry's number in its boot.
    pub last_sequence: u64,
    /// The last head.
    pub last_head: Option<Head>,
    /// Entries after the last head: chained, and not yet signed for.
    pub entries_after_last_head: u64,
    /// Octets at the end that are no whole entry: a write in progress, or what a crash left. No part of the record.
    pub unfinished_tail: Option<UnfinishedTail>,
    /// Segments that their writer gave up after a failed write. What stands in them after the last entry of the record
    /// is no part of it.
    pub retired_segments: u64,
    /// Segments that never began, because their first write failed. Nothing in them is part of the record.
    pub abandoned_segments: u64,
}

/// The heads that one key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeadsOfKey {
    /// The key.
    pub key: KeyId,
    /// How many it signed.
    pub heads: u64,
}

/// What a proof rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The keys that the caller trusts: one of them signed the last head.
    TrustedKeys(Vec<KeyId>),
    /// The public keys in the directory itself. Whoever can write there could have written another consistent record.
    ConsistencyOnly,
}

/// Octets at the end of the record that are no whole entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnfinishedTail {
    /// The file.
    pub file: String,
    /// The first line that is no entry.
    pub line: u64,
    /// How many octets.
    pub bytes: u64,
}

impl Report {
    fn count_head_of(&mut self, key: KeyId) {
        match self.heads_by_key.iter_mut().find(|of_key| of_key.key == key) {
            Some(of_key) => of_key.heads += 1,
            None => self.heads_by_key.push(HeadsOfKey { key, heads: 1 }),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, segments, boots, heads, instance, .. } = self;
        writeln!(
            f,
            "the record of `{instance}` holds: {entries} entries in {segments} segments, {boots} boots, {heads} signed heads"
        )?;
        if let Some(head) = &self.last_head {
            let after = self.entries_after_last_head;
            writeln!(
                f,
                "last head: {} of boot {}, entry {}; {after} entries after it",
                head.number, head.boot, head.sequence
            )?;
        }
        if let Some(tail) = &self.unfinished_tail {
            writeln!(
                f,
                "unfinished: {} octets from line {} of {}, no part of the record",
                tail.bytes, tail.line, tail.file
            )?;
        }
        if self.retired_segments > 0 {
            writeln!(
                f,
                "{} segments were given up after a failed write and continued elsewhere",
                self.retired_segments
            )?;
        }
        for HeadsOfKey { key, heads } in self.heads_by_key.iter().filter(|_| self.heads_by_key.len() > 1) {
            writeln!(f, "{heads} of the heads are signed with key {key}")?;
        }
        match &self.trust {
            Trust::TrustedKeys(keys) => {
                let keys: Vec<_> = keys.iter().map(KeyId::to_string).collect();
                let noun = if keys.len() == 1 { "key" } else { "keys" };
                write!(f, "proved with the trusted {noun} {}", keys.join(", "))
            }
            Trust::ConsistencyOnly => f.write_str(
                "no trusted key was given: this shows that the record is consistent, not that nobody replaced all of it",
            ),
        }
    }
}

/// Proves the record in `dir`, also while it is being written.
///
/// Without a trusted key the public keys in the directory are used, which proves consistency only; the report says so.
/// After a change of keys several may be trusted; one of them must have signed the last head. Memory does not grow with
/// the record.
///
/// # Errors
/// The first place where it does not hold.
pub fn verify(dir: &Path, trusted: impl IntoIterator<Item = VerifyingKey>) -> Result<Report, Broken> {
    Listed::take(dir)?.prove(trusted.into_iter().collect())
}

/// A record as it stands at one moment, perhaps while it is being written.
///
/// The order matters on a live directory. A head is written after the entries that it covers are durable, and before a
/// closing entry that names it. So heads there before the entries are listed must be covered by them; and heads that
/// the listed entries name are there when the file is opened after.
pub(crate) struct Listed<'a> {
    dir: &'a Path,
    /// How long the file of heads was before.
    heads_before: u64,
    walk: Walk,
}

impl<'a> Listed<'a> {
    pub(crate) fn take(dir: &'a Path) -> Result<Self, Broken> {
        let heads_before = fs::metadata(dir.join(HEADS_FILE)).map_or(0, |file| file.len());
        Ok(Self { dir, heads_before, walk: Walk::new(dir)? })
    }

    pub(crate) fn prove(mut self, trusted: Vec<VerifyingKey>) -> Result<Report, Broken> {
        if self.walk.is_empty() && self.heads_before == 0 {
            return Err(Broken::new(self.dir.display(), Break::NoRecord, "there is no audit log in this directory"));
        }
        let known = trusted.iter().map(KeyId::of).collect();
        let mut proof = Proof::new(HeadsReader::open(self.dir, trusted)?, self.heads_before, known)?;
        while let Some(step) = self.walk.next()? {
            match step {
                Step::Begins(name, opening) => proof.begin(name, &opening)?,
                Step::Entry(name, placed) => proof.entry(name, &placed)?,
                Step::Ends(name, bound, end) => proof.end(name, bound, end),
            }
        }
        proof.report.abandoned_segments = self.walk.abandoned;
        proof.finish()
    }
}

/// The proof as far as it has come.
struct Proof {
    heads: HeadsReader,
    /// Heads that begin before this octet were there before the entries were listed.
    heads_before: u64,
    /// The next head, not yet reached.
    pending: Option<VerifiedHead>,
    /// The last head that agreed with the chain.
    agreed: Option<VerifiedHead>,
    trusted: Vec<KeyId>,
    boot: u64,
    boot_heads: u64,
    boot_entries: u64,
    link: Link,
    last_name: Option<SegmentName>,
    tail: Option<(SegmentName, crate::read::segment::Tail)>,
    report: Report,
}

impl Proof {
    fn new(mut heads: HeadsReader, heads_before: u64, trusted: Vec<KeyId>) -> Result<Self, Broken> {
        let pending = heads.next()?;
        let trust = if trusted.is_empty() { Trust::ConsistencyOnly } else { Trust::TrustedKeys(trusted.clone()) };
        let report = Report {
            instance: String::new(),
            trust,
            boots: 0,
            segments: 0,
            entries: 0,
            heads: 0,
            heads_by_key: Vec::new(),
            heads_of_other_keys: 0,
            last_boot: 0,
            last_sequence: 0,
            last_head: None,
            entries_after_last_head: 0,
            unfinished_tail: None,
            retired_segments: 0,
            abandoned_segments: 0,
        };
        Ok(Self {
            heads,
            heads_before,
            pending,
            agreed: None,
            trusted,
            boot: 0,
            boot_heads: 0,
            boot_entries: 0,
            link: Link::default(),
            last_name: None,
            tail: None,
            report,
        })
    }

    fn begin(&mut self, name: SegmentName, opening: &Opening) -> Result<(), Broken> {
        let opened = &opening.opened;
        if name.boot != self.boot {
            self.end_boot(name.boot)?;
            self.check_recovered(name, opened)?;
            check_undamaged(name, opened)?;
            self.boot = name.boot;
            self.boot_heads = 0;
            self.boot_entries = 0;
            self.report.boots += 1;
            self.report.instance.clone_from(&opened.instance);
        } else if opened.instance != self.report.instance {
            let detail =
                format_args!("it was written by `{}` in a boot of `{}`", opened.instance, self.report.instance);
            return Err(Broken::new(name, Break::SegmentMisplaced, detail).at(1, None));
        }
        self.link = opening.joins;
        self.last_name = Some(name);
        self.report.segments += 1;
        Ok(())
    }

    fn entry(&mut self, name: SegmentName, placed: &Placed<'_>) -> Result<(), Broken> {
        let line = &placed.line;
        if let Ok(Some(Marker::SegmentClosed(closed))) = Marker::parse(line.event) {
            self.check_closing_head(name, &closed)
                .map_err(|broken| broken.at(placed.line_number, Some(line.sequence)))?;
        }
        self.link = Link { sequence: line.sequence, chain: line.chain };
        self.boot_entries += 1;
        self.report.entries += 1;
        self.report.entries_after_last_head += 1;
        self.agree(name, placed.line_number)
    }

    /// Holds the heads of this entry against the chain.
    fn agree(&mut self, name: SegmentName, line_number: u64) -> Result<(), Broken> {
        while let Some(pending) = self
            .pending
            .take_if(|pending| (pending.head.boot, pending.head.sequence) <= (self.boot, self.link.sequence))
        {
            let (line, head) = (pending.line, &pending.head);
            let contradicted =
                |what, detail: String| Err(Broken::new(HEADS_FILE, what, detail).at(line, Some(head.sequence)));
            if (head.boot, head.sequence) != (self.boot, self.link.sequence) {
                let detail =
                    format!("head {} covers an entry before the one that the head before it covers", head.number);
                return contradicted(Break::HeadInvalid, detail);
            }
            if head.chain != self.link.chain {
                // The writer may have given this segment up since it was listed, and this entry with it. Then the head
                // is of the entry in its place, in a segment that is not listed; the next proof looks at both.
                if pending.offset >= self.heads_before {
                    self.pending = self.heads.next()?;
                    continue;
                }
                let at = format_args!("{name}, line {line_number}");
                let detail =
                    format!("head {} does not agree with the chain at {at}: the record was rewritten", head.number);
                return contradicted(Break::HeadContradicted, detail);
            }
            if head.instance != self.report.instance {
                let detail = format!("head {} is of instance `{}`", head.number, head.instance);
                return contradicted(Break::HeadInvalid, detail);
            }
            self.boot_heads += 1;
            self.report.heads += 1;
            let of_other_key = !self.trusted.is_empty() && !self.trusted.contains(&pending.key);
            self.report.heads_of_other_keys += u64::from(of_other_key);
            self.report.count_head_of(pending.key);
            self.report.entries_after_last_head = 0;
            self.agreed = Some(pending);
            self.pending = self.heads.next()?;
        }
        Ok(())
    }

    fn end(&mut self, name: SegmentName, bound: Bound, end: End) {
        match bound {
            Bound::Named { ended: Ended::Retired, .. } => self.report.retired_segments += 1,
            Bound::Named { .. } => {}
            Bound::Open => self.tail = end.tail.map(|tail| (name, tail)),
        }
    }

    /// A closing entry names the head that was durable before it.
    fn check_closing_head(&self, name: SegmentName, closed: &SegmentClosed) -> Result<(), Broken> {
        let agreed = self.agreed.as_ref().map(|agreed| (agreed.head.number, agreed.hash));
        if agreed == Some((closed.head, closed.head_hash)) {
            return Ok(());
        }
        let detail = format_args!("it names head {}, which is not in {HEADS_FILE}", closed.head);
        Err(Broken::new(name, Break::HeadMissing, detail))
    }

    /// A boot's first entry says which heads there were.
    fn check_recovered(&self, name: SegmentName, opened: &SegmentOpened) -> Result<(), Broken> {
        let Some(recovered) = &opened.recovered else { return Ok(()) };
        let (heads, last_head) =
            self.agreed.as_ref().map_or_else(Default::default, |agreed| (agreed.head.number, agreed.hash));
        if (recovered.heads, recovered.last_head) == (heads, last_head) {
            return Ok(());
        }
        let detail = format_args!("the boot found {} heads, and {heads} of them are in {HEADS_FILE}", recovered.heads);
        Err(Broken::new(name, Break::HeadMissing, detail).at(1, None))
    }

    /// Nothing may be left of a boot's heads when the next one begins.
    fn end_boot(&self, next_boot: u64) -> Result<(), Broken> {
        if let Some(pending) = self.pending.as_ref().filter(|pending| pending.head.boot < next_boot) {
            return Err(self.cut(pending));
        }
        // A boot signs a head before it takes its first event.
        if self.boot_heads == 0 && self.boot_entries > 1 {
            let detail = format_args!("there is no head of boot {}", self.boot);
            return Err(Broken::new(HEADS_FILE, Break::HeadMissing, detail));
        }
        Ok(())
    }

    /// A head covers more than there is.
    fn cut(&self, pending: &VerifiedHead) -> Broken {
        let Head { number, boot, sequence, .. } = pending.head;
        if let Some((_, tail)) = self.tail.as_ref().filter(|_| boot == self.boot) {
            let mut broken = tail.reason.clone();
            broken.detail = format!("{}; head {number} covers entries up to {sequence}", broken.detail);
            return broken;
        }
        let (file, last) = match self.last_name {
            Some(name) => (name.to_string(), format!("entry {} of boot {}", self.link.sequence, self.boot)),
            None => (HEADS_FILE.to_owned(), "nothing".to_owned()),
        };
        let detail = format!("the record ends with {last}, and head {number} covers entry {sequence} of boot {boot}");
        let first_missing = if boot == self.boot { self.link.sequence + 1 } else { 1 };
        Broken { sequence: Some(first_missing), ..Broken::new(file, Break::TailCut, detail) }
    }

    fn finish(mut self) -> Result<Report, Broken> {
        if let Some(pending) = self.pending.as_ref().filter(|pending| pending.offset < self.heads_before) {
            return Err(self.cut(pending));
        }
        self.end_boot(self.boot)?;
        // Heads written since are signed for entries written since; their own chain is still checked.
        while self.heads.next()?.is_some() {}

        let last_key = self.agreed.as_ref().map(|agreed| agreed.key);
        if !self.trusted.is_empty() && last_key.is_none_or(|key| !self.trusted.contains(&key)) {
            let detail = match last_key {
                Some(key) => format!("the last head is signed with key {key}, which is not trusted"),
                None => "there is no head that a trusted key signed".into(),
            };
            return Err(Broken::new(HEADS_FILE, Break::NotTrusted, detail));
        }
        self.report.last_boot = self.boot;
        self.report.last_sequence = self.link.sequence;
        self.report.last_head = self.agreed.map(|agreed| agreed.head);
        self.report.unfinished_tail =
            self.tail.map(|(name, tail)| UnfinishedTail { file: name.to_string(), line: tail.line, bytes: tail.bytes });
        Ok(self.report)
    }
}

/// Damage that a boot found stays a break, also if somebody has put everything back since.
fn check_undamaged(name: SegmentName, opened: &SegmentOpened) -> Result<(), Broken> {
    let damage = opened.recovered.as_ref().and_then(|recovered| recovered.damage.as_deref());
    let ended = opened.previous.as_ref().map(|previous| previous.ended);
    if damage.is_none() && ended != Some(Ended::Damaged) {
        return Ok(());
    }
    let detail = format_args!("the boot found damage before it: {}", damage.unwrap_or("not described"));
    Err(Broken::new(name, Break::DamageRecorded, detail).at(1, None))
}
