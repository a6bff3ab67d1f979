//! Proving an archive: every entry, every tile, every chain, and the signed roots over them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use cedargate_model::TenantName;
use ed25519_dalek::VerifyingKey;
use serde::Serialize;

use super::bundle;
use super::checkpoint::{Checkpoint, NOTE_BYTES_MAX};
use super::line::{Archived, Origin};
use super::reader::IDS_FILE;
use super::state::{STATE_FILE, State, served_path, set_back, tenant_dir, tenant_origin};
use crate::bounded;
use crate::broken::{Break, Broken};
use crate::format::hash::{Hash, next_in_chain};
use crate::format::keys::{KeyId, PUBLIC_KEYS_FILE, PublicKeys};
use crate::tree::edge::Edge;
use crate::tree::tile::{TILE_BYTES_MAX, TILE_WIDTH, octets, read_tile, tile_path};
use crate::verify::Trust;

/// How long a new tree's checkpoint may be missing while somebody seals: some writes on a slow disk.
const PUBLISHED_WITHIN: Duration = if cfg!(test) { Duration::from_millis(100) } else { Duration::from_secs(5) };

/// How often it is looked for.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// What an archive that holds consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArchiveReport {
    /// Which installation's.
    pub origin: String,
    /// What the proof rests on.
    pub trust: Trust,
    /// The key that signed the installation's checkpoint.
    pub key: KeyId,
    /// How many leaves the installation's tree has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// How many of the entries are here and are what was hashed.
    pub entries: u64,
    /// Where only one tenant's entries are here: whose. The others are here as hashes alone.
    pub export_of: Option<TenantName>,
    /// The trees of tenants, and how many entries each has.
    pub tenants: BTreeMap<TenantName, u64>,
    /// The gateways whose spools are sealed here, and the boot and number of the last entry of each.
    pub sources: BTreeMap<String, (u64, u64)>,
    /// How many of the earlier checkpoints given are beginnings of these trees. All are, or it does not hold.
    pub extends: usize,
}

impl fmt::Display for ArchiveReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root, entries, tenants, sources, .. } = self;
        match &self.export_of {
            None => {
                writeln!(f, "the archive of `{origin}` holds: {size} entries, {} tenants, root {root}", tenants.len())?
            }
            Some(tenant) => {
                let others = size - entries;
                writeln!(
                    f,
                    "the export of tenant `{tenant}` from `{origin}` holds: all its {entries} entries, in their"
                )?;
                writeln!(f, "places among {others} others of which only the hashes are here, root {root}")?;
            }
        }
        for (source, (boot, sequence)) in sources {
            writeln!(f, "gateway `{source}` is sealed up to entry {sequence} of boot {boot}")?;
        }
        if self.extends > 0 {
            writeln!(
                f,
                "{} earlier checkpoints are beginnings of it: nothing was taken out or put in since",
                self.extends
            )?;
        }
        match &self.trust {
            Trust::TrustedKeys(_) => write!(f, "proved with the trusted key {}", self.key),
            Trust::ConsistencyOnly => f.write_str(
                "no trusted key was given: this shows that the archive is consistent, not that nobody replaced all of it",
            ),
        }
    }
}

/// Proves the whole archive in `dir`, also while it is being appended to.
///
/// Each of `earlier` is a signed checkpoint that was kept elsewhere, of the installation or of a tenant: it has to be the
/// beginning of what is here. Without a trusted key the public keys in the folder are used, which proves consistency only.
///
/// # Errors
/// The first place where it does not hold. An archive that calls itself an export does not: what it says of itself is not
/// signed, and must not excuse it from having everybody's entries.
pub fn verify_archive(dir: &Path, trusted: &[VerifyingKey], earlier: &[String]) -> Result<ArchiveReport, Broken> {
    verify_part(dir, None, trusted, earlier)
}

/// Proves the export of one tenant's entries in `dir`, as [`verify_archive`] proves the whole: the tenant's entries are
/// here, of the others their hashes.
///
/// # Errors
/// The first place where it does not hold, also where it is a whole archive or another tenant's export.
pub fn verify_export(
    dir: &Path,
    tenant: &TenantName,
    trusted: &[VerifyingKey],
    earlier: &[String],
) -> Result<ArchiveReport, Broken> {
    verify_part(dir, Some(tenant), trusted, earlier)
}

/// Proves an archive, or an export where the caller expects that tenant's.
fn verify_part(
    dir: &Path,
    expected: Option<&TenantName>,
    trusted: &[VerifyingKey],
    earlier: &[String],
) -> Result<ArchiveReport, Broken> {
    let Some(state) = State::read(dir)? else {
        return Err(Broken::new(dir.display(), Break::NoRecord, "there is no archive in this folder"));
    };
    if state.export_of.as_ref() != expected {
        let is = |of: Option<&TenantName>| {
            of.map_or_else(|| "a whole archive".to_owned(), |of| format!("an export of tenant `{of}`"))
        };
        let detail =
            format_args!("it says that it is {}, and {} was asked for", is(state.export_of.as_ref()), is(expected));
        return Err(Broken::new(STATE_FILE, Break::EntryMissing, detail));
    }
    let (keys, trust) = if trusted.is_empty() {
        (beside(dir)?, Trust::ConsistencyOnly)
    } else {
        beside(dir)?;
        (trusted.to_vec(), Trust::TrustedKeys(trusted.iter().map(KeyId::of).collect()))
    };
    let (checkpoint, key) = signed("checkpoint", &state.checkpoint, &keys)?;
    let mut proof = Proof::new(dir, &state, keys, checkpoint.clone())?;
    for note in earlier {
        proof.hold_against("the earlier checkpoint", note)?;
    }
    proof.hold_against_served(None, &state.checkpoint)?;
    for (tenant, note) in &state.tenants {
        proof.hold_against_served(Some(tenant), note)?;
    }
    proof.read_all()?;
    proof.finish()?;
    let Proof { sources, entries, extends, .. } = proof;
    let tenants =
        state.tenants.keys().map(|tenant| Ok((tenant.clone(), state.checkpoint_of(tenant)?.map_or(0, |c| c.size))));
    Ok(ArchiveReport {
        origin: checkpoint.origin,
        trust,
        key,
        size: checkpoint.size,
        root: checkpoint.root,
        entries,
        export_of: state.export_of.clone(),
        tenants: tenants.collect::<Result<_, Broken>>()?,
        sources: sources.into_iter().map(|(name, at)| (name, (at.boot, at.sequence))).collect(),
        extends: extends.min(earlier.len()),
    })
}

/// A tree that is being built anew, and what it has to be.
struct Rebuilt {
    /// Its folder, with a `/` at its end unless it is the archive's.
    dir: String,
    edge: Edge,
    checkpoint: Checkpoint,
    /// Roots that it has to have at smaller sizes, and whose they are.
    earlier: Vec<(u64, Hash, String)>,
}

/// Where a gateway's chain has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ChainEnd {
    boot: u64,
    sequence: u64,
    chain: Hash,
}

struct Proof<'a> {
    dir: &'a Path,
    state: &'a State,
    keys: Vec<VerifyingKey>,
    installation: Rebuilt,
    tenants: BTreeMap<TenantName, Rebuilt>,
    sources: BTreeMap<String, ChainEnd>,
    /// Chain ends that the sealing has confirmed, as the trees cover them.
    confirmed: BTreeMap<String, ChainEnd>,
    entries: u64,
    extends: usize,
}

impl<'a> Proof<'a> {
    fn new(dir: &'a Path, state: &'a State, keys: Vec<VerifyingKey>, checkpoint: Checkpoint) -> Result<Self, Broken> {
        let mut tenants = BTreeMap::new();
        for (tenant, note) in &state.tenants {
            let dir = format!("{}/", tenant_dir(tenant));
            let (theirs, _) = signed(&format!("{dir}checkpoint"), note, &keys)?;
            if theirs.origin != tenant_origin(&checkpoint.origin, tenant) {
                let detail = format_args!("it is of `{}`", theirs.origin);
                return Err(Broken::new(format!("{dir}checkpoint"), Break::CheckpointInvalid, detail));
            }
            tenants.insert(tenant.clone(), Rebuilt::new(dir, theirs));
        }
        for found in names(&dir.join("tenants"))? {
            let path = format!("tenants/{found}/checkpoint");
            let name = TenantName::parse(&found).ok();
            // Without a checkpoint nothing is claimed: a sealing may be under way. With one it may have come in between.
            let is_known = |state: &State| name.as_ref().is_some_and(|name| state.tenants.contains_key(name));
            if is_known(state) || !dir.join(&path).exists() || State::read(dir)?.as_ref().is_some_and(is_known) {
                continue;
            }
            let detail = "it is of a tree that the archive does not have";
            return Err(Broken::new(path, Break::CheckpointInvalid, detail));
        }
        let installation = Rebuilt::new(String::new(), checkpoint);
        let (sources, confirmed) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { dir, state, keys, installation, tenants, sources, confirmed, entries: 0, extends: 0 })
    }

    /// An earlier checkpoint, which has to be the beginning of a tree here.
    fn hold_against(&mut self, what: &str, note: &str) -> Result<(), Broken> {
        let (earlier, _) = signed(what, note, &self.keys)?;
        let Checkpoint { origin, size, root } = earlier;
        let trees = [&mut self.installation].into_iter().chain(self.tenants.values_mut());
        let Some(tree) = trees.into_iter().find(|tree| tree.checkpoint.origin == origin) else {
            let detail = format_args!("it is of `{origin}`, and there is no such tree here");
            return Err(Broken::new(what, Break::NotAppendOnly, detail));
        };
        if size > tree.checkpoint.size {
            let has = tree.checkpoint.size;
            let detail = format_args!("it has {size} entries, and the tree here has {has}: some are gone");
            return Err(Broken::new(what, Break::NotAppendOnly, detail));
        }
        tree.earlier.push((size, root, what.into()));
        self.extends += 1;
        Ok(())
    }

    /// The checkpoint that is served: the one of the state, or an earlier one where somebody is sealing.
    fn hold_against_served(&mut self, tenant: Option<&TenantName>, now: &str) -> Result<(), Broken> {
        let path = &served_path(tenant);
        match read_published(&self.dir.join(path)) {
            Ok(served) if served == now => Ok(()),
            Ok(served) => {
                let (now, _) = signed(path, now, &self.keys)?;
                match Checkpoint::verify(&served, &self.keys) {
                    Some((served, _)) if served.origin == now.origin && served.size > now.size => {
                        self.sealed_since(path, tenant, &served)
                    }
                    Some(_) | None => self.hold_against(path, &served),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Broken::new(path, Break::CheckpointInvalid, "the signed checkpoint is gone"))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge) => {
                Err(Broken::new(path, Break::CheckpointInvalid, "this is not a checkpoint"))
            }
            Err(error) => Err(Broken::unreadable(path, &error)),
        }
    }

    /// What is served is newer than the state that was read. Because the state is replaced first, it has come as far by now
    /// where somebody is sealing, and the next proof looks at it. Where it has not, it was set back.
    fn sealed_since(&self, path: &str, tenant: Option<&TenantName>, served: &Checkpoint) -> Result<(), Broken> {
        let state = State::read(self.dir)?.unwrap_or_default();
        let note = tenant.map_or(Some(&state.checkpoint), |tenant| state.tenants.get(tenant));
        let now = note.and_then(|note| Checkpoint::verify(note, &self.keys));
        match now {
            Some((now, _)) if now.origin == served.origin && now.size >= served.size => Ok(()),
            Some(_) | None => Err(set_back(path, served.size, now.map_or(0, |(now, _)| now.size))),
        }
    }

    fn read_all(&mut self) -> Result<(), Broken> {
        let size = self.installation.checkpoint.size;
        let mut ids = Ids::open(self.dir, size > 0 && self.state.export_of.is_none())?;
        // A checkpoint of an empty tree is the beginning of any.
        self.installation.compare()?;
        for tree in self.tenants.values() {
            tree.compare()?;
        }
        for bundle in 0..size.div_ceil(TILE_WIDTH) {
            let first = bundle * TILE_WIDTH;
            let width = (size - first).min(TILE_WIDTH);
            let leaves = read_tile(self.dir, 0, bundle, width)?;
            let (path, lines) = match bundle::read(self.dir, bundle, width) {
                Err(broken) if broken.what == Break::EntryMissing && self.state.export_of.is_some() => {
                    (String::new(), vec![])
                }
                read => read?,
            };
            let mut lines =
                lines.split(|octet| *octet == b'\n').zip(1_u64..).filter(|(line, _)| !line.is_empty()).peekable();
            for (leaf, index) in leaves.into_iter().zip(first..) {
                let here = |what, detail: &str| Broken::new(&path, what, detail);
                let entry = match lines.peek() {
                    Some((line, number)) => {
                        let malformed = || here(Break::Malformed, "this is no archived entry").at(*number, None);
                        Some((Archived::parse(line).ok_or_else(malformed)?, *number))
                    }
                    None => None,
                };
                match entry {
                    Some((archived, number)) if archived.index == index => {
                        lines.next();
                        if archived.leaf() != leaf {
                            let detail =
                                format_args!("the event is not the one whose hash is leaf {index} of the tree");
                            return Err(Broken::new(&path, Break::EventChanged, detail).at(number, None));
                        }
                        self.entry(&archived, leaf, &mut ids).map_err(|(what, detail)| {
                            Broken::new(&path, what, detail).at(number, archived.from.map(|from| from.sequence))
                        })?;
                    }
                    Some((archived, number)) if archived.index < index || self.state.export_of.is_none() => {
                        let detail =
                            format_args!("entry {index} was expected and entry {} stands here", archived.index);
                        return Err(Broken::new(&path, Break::OutOfSequence, detail).at(number, None));
                    }
                    Some(_) => {}
                    None if self.state.export_of.is_some() => {}
                    None => {
                        let detail = format_args!("entry {index} and what follows it is gone");
                        return Err(Broken::new(&path, Break::EntryMissing, detail));
                    }
                }
                self.installation.push(self.dir, leaf)?;
            }
            // In the last file, what was written for the next sealing may follow. Nothing speaks for it.
            if width == TILE_WIDTH
                && let Some((_, number)) = lines.next()
            {
                let detail = "something stands after the last entry of the file";
                return Err(Broken::new(&path, Break::AfterTheEnd, detail).at(number, None));
            }
        }
        Ok(())
    }

    /// An entry whose leaf is right: its place in its tenant's tree, in its gateway's chain, and in the list of ids.
    fn entry(&mut self, archived: &Archived<'_>, leaf: Hash, ids: &mut Ids) -> Result<(), (Break, String)> {
        self.entries += 1;
        let malformed = || (Break::Malformed, "its event cannot be read".to_owned());
        let belongs = archived.belongs().ok_or_else(malformed)?;
        ids.check(archived.index, belongs.id.map_or(uuid::Uuid::nil(), |id| id.0))?;
        if let Some(of) = &self.state.export_of
            && belongs.tenant.as_ref() != Some(of)
        {
            return Err((Break::EntryMissing, format!("the folder says that it holds the entries of `{of}` alone")));
        }
        match (&belongs.tenant, archived.tenant_index) {
            (None, None) => {}
            (Some(tenant), Some(index)) => {
                let missing = || (Break::CheckpointInvalid, format!("there is no signed tree of tenant `{tenant}`"));
                let tree = self.tenants.get_mut(tenant).ok_or_else(missing)?;
                if tree.edge.size() != index {
                    let expected = tree.edge.size();
                    return Err((
                        Break::OutOfSequence,
                        format!("it is entry {expected} of `{tenant}`, and says {index}"),
                    ));
                }
                tree.push(self.dir, leaf).map_err(|broken| (broken.what, broken.to_string()))?;
            }
            (Some(_), None) | (None, Some(_)) => {
                return Err((Break::Malformed, "its place in a tenant's tree does not fit its event".to_owned()));
            }
        }
        if self.state.export_of.is_some() {
            return Ok(());
        }
        match archived.from {
            Some(from) => self.follow(&from, leaf),
            None => self.confirm(archived),
        }
    }

    fn follow(&mut self, from: &Origin<'_>, leaf: Hash) -> Result<(), (Break, String)> {
        let Origin { source, boot, sequence, durable } = *from;
        let last = self.sources.get(source).copied().unwrap_or_default();
        let before = if last.boot == boot { last } else { ChainEnd { boot, ..ChainEnd::default() } };
        let in_order =
            boot >= last.boot && boot > 0 && sequence > 0 && sequence - 1 == before.sequence && durable < sequence;
        if !in_order {
            let detail = format!(
                "entry {sequence} of boot {boot} of `{source}` stands after entry {} of boot {}",
                last.sequence, last.boot
            );
            return Err((Break::OutOfSequence, detail));
        }
        let chain = next_in_chain(&before.chain, &leaf, sequence, durable);
        self.sources.insert(source.to_owned(), ChainEnd { boot, sequence, chain });
        Ok(())
    }

    fn confirm(&mut self, archived: &Archived<'_>) -> Result<(), (Break, String)> {
        let marker = archived.marker().ok_or_else(|| (Break::Malformed, "it came from no gateway".to_owned()))?;
        let says = ChainEnd { boot: marker.boot, sequence: marker.sequence, chain: marker.chain };
        if self.sources.get(&marker.source) != Some(&says) {
            let detail = format!("the entries of `{}` before it are not those that were sealed", marker.source);
            return Err((Break::ChainBroken, detail));
        }
        self.confirmed.insert(marker.source, says);
        Ok(())
    }

    fn finish(&self) -> Result<(), Broken> {
        self.installation.finish(self.dir)?;
        for tree in self.tenants.values() {
            tree.finish(self.dir)?;
        }
        if self.state.export_of.is_some() {
            return Ok(());
        }
        let cursors = self
            .state
            .sources
            .iter()
            .map(|(name, at)| (name.clone(), ChainEnd { boot: at.boot, sequence: at.sequence, chain: at.chain }));
        if self.confirmed != self.sources || self.confirmed != cursors.collect() {
            let detail = "the gateways' last entries are not those that were sealed last";
            return Err(Broken::new(STATE_FILE, Break::ChainBroken, detail));
        }
        Ok(())
    }
}

impl Rebuilt {
    fn new(dir: String, checkpoint: Checkpoint) -> Self {
        Self { dir, edge: Edge::default(), checkpoint, earlier: vec![] }
    }

    fn push(&mut self, dir: &Path, leaf: Hash) -> Result<(), Broken> {
        let tree = dir.join(&self.dir);
        let path = &self.dir;
        self.edge.push(leaf, |level, index, hashes| check_tile(&tree, path, level, index, hashes))?;
        self.compare()
    }

    /// Holds the tree as far as it has come against the roots that were signed.
    fn compare(&self) -> Result<(), Broken> {
        let mut due = self.earlier.iter().filter(|(size, ..)| *size == self.edge.size()).peekable();
        if due.peek().is_none() {
            return Ok(());
        }
        let root = self.edge.root();
        match due.find(|(_, signed, _)| *signed != root) {
            Some((size, _, what)) => {
                let detail = format_args!("the first {size} entries here are not those that it was signed for");
                Err(Broken::new(what, Break::NotAppendOnly, detail))
            }
            None => Ok(()),
        }
    }

    fn finish(&self, dir: &Path) -> Result<(), Broken> {
        let Checkpoint { size, root, .. } = &self.checkpoint;
        let path = format!("{}checkpoint", self.dir);
        if self.edge.size() != *size {
            let detail = format_args!("it has {size} entries, and {} are here", self.edge.size());
            return Err(Broken::new(path, Break::TailCut, detail));
        }
        if self.edge.root() != *root {
            return Err(Broken::new(path, Break::TreeContradicted, "the entries do not have the root that was signed"));
        }
        let tree = dir.join(&self.dir);
        for (level, index, hashes) in self.edge.unfinished() {
            check_tile(&tree, &self.dir, level, index, hashes)?;
        }
        Ok(())
    }
}

/// Reads a checkpoint that is served. Where a tree is new, it is published a moment after it counts.
fn read_published(path: &Path) -> io::Result<String> {
    let until = Instant::now() + PUBLISHED_WITHIN;
    loop {
        match bounded::read(path, NOTE_BYTES_MAX as u64) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && Instant::now() < until => {
                thread::sleep(RETRY_AFTER)
            }
            read => return String::from_utf8(read?).map_err(|_| io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Holds the files of a tile against its hashes: the one of its width, and those of smaller widths that are still there.
fn check_tile(tree: &Path, dir: &str, level: u8, index: u64, hashes: &[Hash]) -> Result<(), Broken> {
    let width = u64::try_from(hashes.len()).unwrap_or(u64::MAX);
    let changed =
        |path: &str| Broken::new(format!("{dir}{path}"), Break::TileChanged, "it does not hold the tree's hashes");
    let path = tile_path(level, index, width);
    let named = |mut broken: Broken| {
        broken.file = format!("{dir}{}", broken.file);
        broken
    };
    if read_tile(tree, level, index, width).map_err(named)? != hashes {
        return Err(changed(&path));
    }
    let folder = format!("{}.p", tile_path(level, index, TILE_WIDTH));
    for name in names(&tree.join(&folder))? {
        let Ok(part) = name.parse::<u64>() else { return Err(changed(&format!("{folder}/{name}"))) };
        let expected = usize::try_from(part).ok().and_then(|part| hashes.get(..part));
        // A wider one is of a sealing that is under way.
        let Some(expected) = expected else { continue };
        let path = tile_path(level, index, part);
        match bounded::read(&tree.join(&path), TILE_BYTES_MAX) {
            Ok(found) if found == octets(expected) => {}
            Ok(_) => return Err(changed(&path)),
            // It was removed, because the tile is full now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(changed(&path)),
            Err(error) => return Err(Broken::unreadable(path, &error)),
        }
    }
    Ok(())
}

/// The list of ids: no part of the proof, and all the same not to be wrong.
struct Ids(Option<io::BufReader<fs::File>>);

impl Ids {
    fn open(dir: &Path, expected: bool) -> Result<Self, Broken> {
        match fs::File::open(dir.join(IDS_FILE)) {
            Ok(file) => Ok(Self(Some(io::BufReader::new(file)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !expected => Ok(Self(None)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Broken::new(IDS_FILE, Break::EntryMissing, "the list of ids is gone"))
            }
            Err(error) => Err(Broken::unreadable(IDS_FILE, &error)),
        }
    }

    fn check(&mut self, index: u64, id: uuid::Uuid) -> Result<(), (Break, String)> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let mut found = [0; 16];
        let read = io::Read::read_exact(file, &mut found);
        if read.is_err() || found != id.into_bytes() {
            return Err((Break::EventChanged, format!("the list of ids has another for entry {index}")));
        }
        Ok(())
    }
}

fn signed(what: &str, note: &str, keys: &[VerifyingKey]) -> Result<(Checkpoint, KeyId), Broken> {
    Checkpoint::verify(note, keys).ok_or_else(|| {
        let detail = "it is not one that a key which is trusted here signed";
        Broken::new(what, Break::CheckpointInvalid, detail)
    })
}

/// The keys in the folder, each of them well-formed.
fn beside(dir: &Path) -> Result<Vec<VerifyingKey>, Broken> {
    let unreadable = |error| Broken::unreadable(PUBLIC_KEYS_FILE, &error);
    let text = fs::read(dir.join(PUBLIC_KEYS_FILE)).map_err(unreadable)?;
    let keys = PublicKeys::read(dir).map_err(unreadable)?.all();
    let spelled: Vec<u8> = keys.iter().flat_map(crate::format::keys::public_key_line).collect();
    if spelled != text {
        return Err(Broken::new(PUBLIC_KEYS_FILE, Break::CheckpointInvalid, "a line is no public key"));
    }
    Ok(keys)
}

fn names(dir: &Path) -> Result<Vec<String>, Broken> {
    let unreadable = |error| Broken::unreadable(dir.display(), &error);
    let found = match fs::read_dir(dir) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(unreadable(error)),
    };
    let names = found.map(|item| Ok(item.map_err(unreadable)?.file_name().to_string_lossy().into_owned()));
    names.filter(|name| !name.as_ref().is_ok_and(|name| name.ends_with(".new"))).collect()
}
