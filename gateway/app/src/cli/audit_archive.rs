//! `cedargate audit seal`, `prove` and `export`, and what `verify` makes of an archive or a proof.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cedargate_audit::{
    Archive, ArchiveReader, Break, Broken, ProveError, Proved, SealError, Tree, is_archive, verify_archive,
    verify_export, verify_proof,
};
use cedargate_model::{EventId, SystemClock, TenantName};
use clap::Args;
use ed25519_dalek::VerifyingKey;
use serde_json::{Value, json};

use super::audit::read_public_keys;
use super::output::Output;
use super::{Common, Ending, Failure};

/// A proof is some thousand octets; nothing much larger is read.
const PROOF_FILE_BYTES_MAX: u64 = 1 << 20;

/// Seal what gateways recorded into the trees of an archive, under signed checkpoints
///
/// A gateway seals its own record every `audit.seal_interval_seconds`. This does it once, also for the audit logs of several
/// gateways, and while they run. Only what their signed heads cover is sealed. Ends with 1 where one of them is broken.
#[derive(Debug, Args)]
pub(crate) struct Seal {
    /// The audit logs' directories; the configured one where none is named
    #[arg(value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// The archive's directory; the configured one where it is left out
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// The public keys of other gateways whose audit logs are sealed here, as `cedargate keys export-public audit --all`
    /// prints them there; may be given more than once. The keys beside a log are not trusted.
    #[arg(long, value_name = "FILE")]
    public_key: Vec<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print the proof that an event is in the record, or that the record was only appended to
///
/// The proof is JSON: the event, its salt, some hashes and a signed checkpoint. `cedargate audit verify --receipt` verifies
/// it with the public key alone, on any machine. It is about the tree of the event's tenant, and tells nothing of others.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// The event's id, as the `Cedargate-Decision` of an answer and the audit log's entries have it
    #[arg(value_name = "EVENT", required_unless_present = "since")]
    event: Option<EventId>,
    /// Prove that the tree begins with that of this earlier checkpoint
    #[arg(long, value_name = "FILE", conflicts_with = "event")]
    since: Option<PathBuf>,
    /// With `--since`: the tree of this tenant
    #[arg(long, value_name = "NAME", value_parser = TenantName::parse, requires = "since")]
    tenant: Option<TenantName>,
    /// Prove it from the tree that has everybody's entries
    #[arg(long, conflicts_with = "tenant")]
    installation: bool,
    /// The archive's directory; the configured one where it is left out
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
}

/// Copy one tenant's entries out of an archive, with the hashes alone of everybody else's
///
/// `cedargate audit verify --export-of` proves the copy as it proves the whole.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Whose
    #[arg(long, value_name = "NAME", value_parser = TenantName::parse)]
    tenant: TenantName,
    /// The archive's directory; the configured one where it is left out
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// Where the copy goes: a directory that is empty or not there
    to: PathBuf,
    /// Answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Seal {
    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let (config, ring) = common.load_with_keys()?;
        let logs = if self.logs.is_empty() { vec![config.audit.dir] } else { self.logs };
        let dir = self.archive.unwrap_or(config.audit.archive_dir);
        let others: Vec<_> = self.public_key.iter().map(|file| read_public_keys(file)).collect::<Result<_, _>>()?;
        let gateways = [ring.audit_publics()?, others.concat()].concat();
        let (key, clock) = (ring.audit()?, Arc::new(SystemClock));
        let mut archive = Archive::open(&dir, &config.audit.origin, key, &gateways, clock).map_err(refused)?;
        let sealed = archive.seal(logs.iter().map(PathBuf::as_path)).map_err(refused)?;
        let value = json!({ "entries": sealed.entries, "size": sealed.size, "broken": sealed.broken });
        let mut text = format!("sealed {} entries; `{}` has {} now", sealed.entries, config.audit.origin, sealed.size);
        for broken in &sealed.broken {
            text.push_str(&format!("\nBROKEN at {broken}: sealed no further"));
        }
        output.answer(&value, text);
        Ok(Ending::yes_if(sealed.broken.is_empty()))
    }
}

impl Prove {
    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let reader = ArchiveReader::open(&archive(self.archive, common)?).map_err(unproved)?;
        let tree = |tenant| if self.installation { Tree::Installation } else { tenant };
        let proof = match (self.event, self.since) {
            (Some(event), _) => {
                let tenant = reader.find(event).map_err(unproved)?.tenant;
                let tree = tree(tenant.map_or(Tree::Installation, |(tenant, _)| Tree::Tenant(tenant)));
                reader.prove(event, &tree)
            }
            (None, Some(since)) => {
                let tree = tree(self.tenant.map_or(Tree::Installation, Tree::Tenant));
                reader.prove_since(&read_file(&since)?, &tree)
            }
            (None, None) => return Err(Failure::mistake("name an event, or an earlier checkpoint by `--since`")),
        };
        output.text(proof.map_err(unproved)?);
        Ok(Ending::Done)
    }
}

impl Export {
    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let Self { tenant, to, .. } = self;
        let entries = ArchiveReader::open(&archive(self.archive, common)?)
            .and_then(|reader| reader.export(&tenant, &to))
            .map_err(unproved)?;
        let text = format!("the {entries} entries of `{tenant}` are in `{}`", to.display());
        output.answer(&json!({ "tenant": tenant, "entries": entries }), text);
        Ok(Ending::Done)
    }
}

/// Whether a directory is an archive, and then whether it holds: as the whole, or as the export of the tenant that is named.
pub(super) fn verify_if_archive(
    dir: &Path,
    export_of: Option<&TenantName>,
    trusted: &[VerifyingKey],
    since: &[PathBuf],
    output: &Output,
) -> Result<Option<Ending>, Failure> {
    if !is_archive(dir) {
        return match (since, export_of) {
            ([], None) => Ok(None),
            (_, Some(_)) => Err(Failure::mistake(format!("`{}` is no export of an archive", dir.display()))),
            (_, None) => Err(Failure::mistake(format!("`{}` is no archive: only one has checkpoints", dir.display()))),
        };
    }
    let earlier: Vec<_> = since.iter().map(|file| read_file(file)).collect::<Result<_, _>>()?;
    let proved = match export_of {
        None => verify_archive(dir, trusted, &earlier),
        Some(tenant) => verify_export(dir, tenant, trusted, &earlier),
    };
    match proved {
        Ok(report) => {
            output.answer(&json!({ "holds": true, "report": report }), &report);
            Ok(Some(Ending::Done))
        }
        Err(broken) => broken_ending(broken, output).map(Some),
    }
}

/// Verifies a proof by itself.
pub(super) fn verify_receipt(file: &Path, trusted: &[VerifyingKey], output: &Output) -> Result<Ending, Failure> {
    if trusted.is_empty() {
        return Err(Failure::mistake("a proof is verified with a key that you trust: name its file by `--public-key`"));
    }
    match verify_proof(read_file(file)?.as_bytes(), trusted) {
        Ok(proved) => {
            output.answer(&json!({ "holds": true, "proved": shown(&proved) }), &proved);
            Ok(Ending::Done)
        }
        Err(broken) => broken_ending(broken, output),
    }
}

fn shown(proved: &Proved) -> Value {
    json!(proved)
}

fn broken_ending(broken: Broken, output: &Output) -> Result<Ending, Failure> {
    if matches!(broken.what, Break::Exhausted) {
        return Err(Failure::unavailable_because("the archive could not be looked at", &broken));
    }
    output.answer(&json!({ "holds": false, "break": broken }), format_args!("BROKEN at {broken}"));
    Ok(Ending::No)
}

fn archive(given: Option<PathBuf>, common: &Common) -> Result<PathBuf, Failure> {
    given.map_or_else(|| Ok(common.load()?.audit.archive_dir), Ok)
}

fn read_file(file: &Path) -> Result<String, Failure> {
    let cannot = |error| Failure::unavailable_because(format_args!("`{}` cannot be read", file.display()), &error);
    let bytes = fs::metadata(file).map_err(cannot)?.len();
    if bytes > PROOF_FILE_BYTES_MAX {
        return Err(Failure::mistake(format!("`{}` is too large to be a proof or a checkpoint", file.display())));
    }
    fs::read_to_string(file).map_err(cannot)
}

fn refused(error: SealError) -> Failure {
    match error {
        SealError::OriginInvalid(_) | SealError::OriginMismatch { .. } | SealError::Export(_) => {
            Failure::mistaken(&error)
        }
        SealError::Broken(_) | SealError::Locked(_) | SealError::Io { .. } => Failure::unavailable(&error),
    }
}

fn unproved(error: ProveError) -> Failure {
    match error {
        ProveError::NoArchive(_) | ProveError::Broken(_) => Failure::unavailable(&error),
        ProveError::NotSealed(_) | ProveError::NoTree(_) | ProveError::OtherTree { .. } | ProveError::NotEarlier(_) => {
            Failure::mistaken(&error)
        }
    }
}
