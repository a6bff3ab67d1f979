//! Which keys this gateway's record has heard of, so that it hears of each change once: one that was made while it did not run, too.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use cedargate_assertion::SigningKeys;
use cedargate_audit::{Priority, Spool};
use cedargate_model::{Clock, Event, EventBody, EventId, KeyEvent, SystemClock};
use uuid::Uuid;

use crate::files;
use crate::keys::Purpose;

/// The file in the state directory: names of keys, the one that signs first, by purpose. Nothing of it is secret.
pub(super) const FILE: &str = "recorded-keys.json";

/// Hands news of keys to the record.
pub(super) struct KeyRecord {
    file: PathBuf,
    spool: Spool,
    recorded: Mutex<Recorded>,
}

type Recorded = BTreeMap<String, Vec<String>>;

impl KeyRecord {
    /// Reads what was recorded before. A file that is not there, or not to be read, says nothing: the keys of a first start are no
    /// news.
    pub(super) fn open(file: PathBuf, spool: Spool) -> Self {
        let recorded = fs::read_to_string(&file).ok().and_then(|text| serde_json::from_str(&text).ok());
        Self { file, spool, recorded: Mutex::new(recorded.unwrap_or_default()) }
    }

    /// Hands the news of other keys to the record, if there are any. A key that cannot be recorded does not sign; it is tried again
    /// whenever the file is looked at, and only the first time `is_news` for the log.
    pub(super) fn taken_up(&self, purpose: Purpose, keys: &SigningKeys, is_news: bool) -> bool {
        let names: Vec<_> = std::iter::once(keys.kid()).chain(keys.older()).map(|kid| kid.to_string()).collect();
        // Every state of the map is a valid one, so a panic elsewhere does not matter.
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let before = recorded.get(&purpose.to_string());
        if before == Some(&names) {
            return true;
        }
        if let Some(before) = before
            && !self.record(purpose, &names, before, is_news)
        {
            return false;
        }
        recorded.insert(purpose.to_string(), names);
        let written = serde_json::to_vec(&*recorded).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|text| files::replace(&self.file, &text, 0o600)) {
            // It is recorded once more at the next start.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what was recorded of keys cannot be written down"
            );
        }
        true
    }

    fn record(&self, purpose: Purpose, names: &[String], before: &[String], is_news: bool) -> bool {
        let first = |names: &[String]| names.first().cloned().unwrap_or_default();
        let withdrawn = before.iter().filter(|name| !names.contains(name)).cloned().collect();
        let taken = KeyEvent { purpose: purpose.to_string(), key: first(names), former: first(before), withdrawn };
        let event =
            Event { id: EventId(Uuid::now_v7()), at: SystemClock.now(), tenant: None, body: EventBody::Key(taken) };
        match self.spool.record(&event, Priority::Known) {
            // The writer makes it durable with what comes beside it; nothing that the key signs is answered before.
            Ok(_) => true,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                if is_news {
                    tracing::error!(error, "a change of keys cannot be recorded: a new key does not sign yet");
                }
                false
            }
        }
    }
}
