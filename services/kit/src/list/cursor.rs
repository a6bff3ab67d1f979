//! Where a page ended, sealed so that only we can have written it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_migrations::{Migration, MigrationSet, Pool, StoreError};
use cedargate_model::Micros;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// The secret of the cursors, in every service's store.
pub const CURSOR_SECRET: MigrationSet = MigrationSet {
    name: "kit-cursor",
    migrations: &[Migration {
        version: 1,
        name: "cursor_secret",
        sqlite: include_str!("../../migrations/sqlite/cursor_0001_secret.sql"),
        postgres: include_str!("../../migrations/postgres/cursor_0001_secret.sql"),
    }],
};

/// The longest cursor that is read at all, in characters. The longest that we write has two texts of 200 characters.
const CHARACTERS_MAX: usize = 4_096;

/// How much of the code is kept, in bytes: 128 bits, far beyond what can be tried over a network.
const SEAL_BYTES: usize = 16;

/// One part of a row's place in an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// A number or a time.
    #[serde(rename = "n")]
    Number(i64),
    /// A text.
    #[serde(rename = "t")]
    Text(String),
    /// An id.
    #[serde(rename = "i")]
    Id(Uuid),
}

impl From<i64> for Place {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Place {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Uuid> for Place {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

/// The secret, read from the store when it is first needed. All processes on one store have the same, so that a walk goes
/// on over an upgrade.
#[derive(Debug, Default)]
pub(crate) struct CursorSecret(OnceCell<Seal>);

const MAKE: &str = "
INSERT INTO cursor_secret (id, secret, created_at)
VALUES (1, $1, $2)
ON CONFLICT (id) DO NOTHING";

const READ: &str = "
SELECT secret
FROM cursor_secret
WHERE id = 1";

impl CursorSecret {
    /// Makes the store's secret where there is none yet. `fresh` is random.
    pub(crate) async fn make(pool: &Pool, fresh: [u8; 32], now: Micros) -> Result<(), StoreError> {
        let mut tx = pool.begin_system().await?;
        tx.query(MAKE).bind(fresh.to_vec()).bind(now.0).execute().await?;
        tx.commit().await
    }

    pub(super) async fn seal(&self, pool: &Pool) -> Result<&Seal, StoreError> {
        let read = async || {
            let mut tx = pool.read_system().await?;
            let (secret,): (Vec<u8>,) = tx.query(READ).fetch_one().await?;
            Ok(Seal(secret))
        };
        self.0.get_or_try_init(read).await
    }
}

/// Seals cursors and opens them.
pub(super) struct Seal(Vec<u8>);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

impl Seal {
    /// The cursor of a place in the list that `list` names.
    pub(super) fn close(&self, list: &[&[u8]], place: &[Place]) -> Option<String> {
        let place = serde_json::to_vec(place).ok()?;
        let code = self.code(list, &place)?.finalize().into_bytes();
        let mut cursor = code.get(..SEAL_BYTES)?.to_vec();
        cursor.extend_from_slice(&place);
        Some(URL_SAFE_NO_PAD.encode(cursor))
    }

    /// The place that a cursor of this very list holds.
    pub(super) fn open(&self, list: &[&[u8]], cursor: &str) -> Option<Vec<Place>> {
        if cursor.len() > CHARACTERS_MAX {
            return None;
        }
        let cursor = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (code, place) = cursor.split_at_checked(SEAL_BYTES)?;
        // Compares in constant time.
        self.code(list, place)?.verify_truncated_left(code).ok()?;
        serde_json::from_slice(place).ok()
    }

    /// Each part with its length before it, so that no two lists read alike.
    fn code(&self, list: &[&[u8]], place: &[u8]) -> Option<Hmac<Sha256>> {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        for part in list.iter().copied().chain([place]) {
            code.update(&(part.len() as u64).to_be_bytes());
            code.update(part);
        }
        Some(code)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place() -> impl Strategy<Value = Vec<Place>> {
        let part = prop_oneof![
            any::<i64>().prop_map(Place::Number),
            ".{0,20}".prop_map(Place::Text),
            any::<u128>().prop_map(|id| Place::Id(Uuid::from_u128(id))),
        ];
        proptest::collection::vec(part, 0..4)
    }

    proptest! {
        #[test]
        fn a_cursor_opens_in_its_own_list_only(place in place(), list: Vec<u8>, other: Vec<u8>) {
            let seal = Seal(vec![7; 32]);
            let cursor = seal.close(&[&list], &place).unwrap();
            prop_assert_eq!(seal.open(&[&list], &cursor), Some(place));
            prop_assert_eq!(seal.open(&[&list, &[]], &cursor), None);
            prop_assert_eq!(Seal(vec![8; 32]).open(&[&list], &cursor), None);
            if list != other {
                prop_assert_eq!(seal.open(&[&other], &cursor), None);
            }
        }

        #[test]
        fn a_cursor_with_one_bit_changed_opens_nothing(place in place(), at: proptest::sample::Index, bit in 0_u32..8) {
            let seal = Seal(vec![7; 32]);
            let mut cursor = URL_SAFE_NO_PAD.decode(seal.close(&[b"list"], &place).unwrap()).unwrap();
            let at = at.index(cursor.len());
            cursor[at] ^= 1_u8 << bit;
            prop_assert_eq!(seal.open(&[b"list"], &URL_SAFE_NO_PAD.encode(cursor)), None);
        }

        #[test]
        fn any_text_is_refused_as_a_cursor(text in "\\PC*") {
            prop_assert_eq!(Seal(vec![7; 32]).open(&[b"list"], &text), None);
        }
    }
}
