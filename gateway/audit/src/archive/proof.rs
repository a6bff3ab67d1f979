//! A proof as a file: one event with its inclusion proof, or that one checkpoint extends another. Verified with a public
//! key and nothing else.

use std::fmt;

use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::checkpoint::Checkpoint;
use crate::broken::{Break, Broken};
use crate::format::hash::{Hash, decode_hex, leaf_hash, push_hex};
use crate::format::keys::KeyId;
use crate::tree::proof::{extends, includes};

/// The version of a proof's file.
const VERSION: u16 = 1;

/// The largest proof that is read: the largest event, and room for 64 hashes and two checkpoints.
const PROOF_BYTES_MAX: usize = 320 << 10;

/// What a proof's file says.
#[derive(Debug, Serialize)]
#[serde(tag = "proof", rename_all = "snake_case")]
pub(crate) enum ProofFile {
    /// That an event is in a tree.
    Inclusion {
        v: u16,
        /// The event's octets are what is hashed.
        event: Box<RawValue>,
        /// The salt of its leaf hash, as 32 hexadecimal digits.
        salt: String,
        /// Its leaf's place.
        index: u64,
        hashes: Vec<Hash>,
        checkpoint: String,
    },
    /// That a tree is the beginning of a later one.
    Consistency { v: u16, from: String, hashes: Vec<Hash>, to: String },
}

impl ProofFile {
    pub(crate) fn inclusion(
        (event, salt): (&[u8], &[u8; 16]),
        index: u64,
        hashes: Vec<Hash>,
        checkpoint: String,
    ) -> Option<Self> {
        let event = RawValue::from_string(std::str::from_utf8(event).ok()?.to_owned()).ok()?;
        let mut digits = vec![];
        push_hex(&mut digits, salt);
        let salt = String::from_utf8(digits).ok()?;
        Some(Self::Inclusion { v: VERSION, event, salt, index, hashes, checkpoint })
    }

    pub(crate) fn consistency(from: String, hashes: Vec<Hash>, to: String) -> Self {
        Self::Consistency { v: VERSION, from, hashes, to }
    }
}

/// What a proof has shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proved {
    /// An event is in the tree of a checkpoint.
    Event(ProvedEvent),
    /// The tree of `from` is the beginning of that of `to`.
    Extends {
        /// The origin of both.
        origin: String,
        /// How many leaves the earlier tree had.
        from: u64,
        /// How many the later one had.
        to: u64,
        /// The key that signed the later one.
        key: KeyId,
    },
}

/// An event that is in a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProvedEvent {
    /// Which tree.
    pub origin: String,
    /// The leaf's place in it.
    pub index: u64,
    /// How many leaves the tree had.
    pub size: u64,
    /// The key that signed its checkpoint.
    pub key: KeyId,
    /// The event, as it was recorded.
    pub event: serde_json::Value,
}

impl fmt::Display for Proved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(ProvedEvent { origin, index, size, key, event }) => write!(
                f,
                "proved: the event below is entry {index} of the {size} in `{origin}`, whose root key {key} signed\n{event}"
            ),
            Self::Extends { origin, from, to, key } => write!(
                f,
                "proved: the first {from} of the {to} entries in `{origin}`, whose root key {key} signed, are those of the \
                 earlier checkpoint"
            ),
        }
    }
}

/// Verifies a proof's file with public keys and nothing else.
///
/// # Errors
/// It is no proof, or does not show what it should; said with what is wrong.
pub fn verify_proof(text: &[u8], keys: &[VerifyingKey]) -> Result<Proved, Broken> {
    let invalid = |detail: &str| Broken::new("the proof", Break::ProofInvalid, detail);
    if text.len() > PROOF_BYTES_MAX {
        return Err(invalid("it is larger than a proof can be"));
    }
    let not_one = |error| Broken::new("the proof", Break::ProofInvalid, format_args!("this is not a proof: {error}"));
    let version = |v| {
        let newer = format_args!("its version is {v}, and this program knows {VERSION}");
        if v == VERSION { Ok(()) } else { Err(Broken::new("the proof", Break::ProofInvalid, newer)) }
    };
    let signed = |note: &str, which: &str| {
        Checkpoint::verify(note, keys).ok_or_else(|| {
            let detail = format_args!("the {which} is not one that a key given here signed");
            Broken::new("the proof", Break::CheckpointInvalid, detail)
        })
    };
    match read(text).map_err(not_one)? {
        ProofFile::Inclusion { v, event, salt, index, hashes, checkpoint } => {
            version(v)?;
            let salt = decode_hex(salt.as_bytes()).ok_or_else(|| invalid("its salt is not 32 hexadecimal digits"))?;
            let (Checkpoint { origin, size, root }, key) = signed(&checkpoint, "checkpoint")?;
            let leaf = leaf_hash(&salt, event.get().as_bytes());
            if !includes(&hashes, index, size, leaf, &root) {
                return Err(invalid("the hashes do not lead from the event to the root that was signed"));
            }
            let event = serde_json::from_str(event.get()).map_err(not_one)?;
            Ok(Proved::Event(ProvedEvent { origin, index, size, key, event }))
        }
        ProofFile::Consistency { v, from, hashes, to } => {
            version(v)?;
            let (from, _) = signed(&from, "earlier checkpoint")?;
            let (to, key) = signed(&to, "later checkpoint")?;
            if from.origin != to.origin {
                return Err(invalid("the checkpoints are of different trees"));
            }
            if !extends(&hashes, from.size, &from.root, to.size, &to.root) {
                return Err(invalid("the hashes do not lead from the earlier root to the later"));
            }
            Ok(Proved::Extends { origin: to.origin, from: from.size, to: to.size, key })
        }
    }
}

/// `serde` cannot lend raw values to a tagged enum, so the tag is read first.
fn read(text: &[u8]) -> serde_json::Result<ProofFile> {
    #[derive(Deserialize)]
    struct Tag {
        proof: String,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inclusion {
        #[serde(rename = "proof")]
        _tag: String,
        v: u16,
        event: Box<RawValue>,
        salt: String,
        index: u64,
        hashes: Vec<Hash>,
        checkpoint: String,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Consistency {
        #[serde(rename = "proof")]
        _tag: String,
        v: u16,
        from: String,
        hashes: Vec<Hash>,
        to: String,
    }
    match serde_json::from_slice::<Tag>(text)?.proof.as_str() {
        "inclusion" => {
            let Inclusion { _tag, v, event, salt, index, hashes, checkpoint } = serde_json::from_slice(text)?;
            Ok(ProofFile::Inclusion { v, event, salt, index, hashes, checkpoint })
        }
        "consistency" => {
            let Consistency { _tag, v, from, hashes, to } = serde_json::from_slice(text)?;
            Ok(ProofFile::Consistency { v, from, hashes, to })
        }
        _ => Err(serde::de::Error::custom("`proof` is neither `inclusion` nor `consistency`")),
    }
}
