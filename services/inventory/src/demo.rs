//! A little stock for a demonstration.

use cedargate_kit::Version;
use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{Micros, TenantId};
use uuid::Uuid;

use crate::items::{self, Item};
use crate::lots::{self, Lot, LotState};
use crate::movements::{self, Movement};

/// An item of the demonstration, with its lots.
struct Stocked {
    sku: &'static str,
    name: &'static str,
    unit: &'static str,
    lots: &'static [StockedLot],
}

/// Code, last day and quantity.
type StockedLot = (&'static str, &'static str, i64);

const STOCK: &[Stocked] = &[
    Stocked {
        sku: "GLV-M",
        name: "Nitrile gloves, medium",
        unit: "box",
        lots: &[("G-2601", "2029-01-31", 120), ("G-2604", "2029-04-30", 80)],
    },
    Stocked {
        sku: "SAL-500",
        name: "Saline solution 0.9 %, 500 ml",
        unit: "bottle",
        lots: &[("S-1187", "2027-09-30", 400)],
    },
    Stocked {
        sku: "VAC-FLU",
        name: "Influenza vaccine",
        unit: "dose",
        lots: &[("F-77A", "2027-03-31", 250), ("F-78C", "2027-05-31", 500)],
    },
];

const HAS_SKU: &str = "
SELECT id
FROM items
WHERE tenant_id = $1
  AND sku = $2";

/// What seeding did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeded {
    /// How many items were added, each with its lots.
    pub added: usize,
    /// How many were there already and were left as they are.
    pub kept: usize,
}

/// Gives a tenant some items, lots and stock. What has the same SKU already is left as it is, so that it can be done
/// again at any time.
///
/// This is an operator's act on the database itself: it comes before any decision of the gateway, so it leaves no
/// entry in the audit outbox.
///
/// # Errors
/// [`StoreError`]; then nothing was added.
pub async fn seed(pool: &Pool, tenant: TenantId, now: Micros) -> Result<Seeded, StoreError> {
    let mut tx = pool.tenant(tenant).begin().await?;
    let mut seeded = Seeded { added: 0, kept: 0 };
    for Stocked { sku, name, unit, lots } in STOCK {
        if tx.query(HAS_SKU).bind(*sku).fetch_optional::<(Uuid,)>().await?.is_some() {
            seeded.kept += 1;
            continue;
        }
        let item = Item {
            id: Uuid::now_v7(),
            sku: (*sku).into(),
            name: (*name).into(),
            unit: (*unit).into(),
            version: Version::FIRST,
            created_at: now.0,
            updated_at: now.0,
        };
        items::insert(&mut tx, &item).await?;
        for (code, expires_on, quantity) in *lots {
            seed_lot(&mut tx, item.id, code, expires_on, *quantity, now).await?;
        }
        seeded.added += 1;
    }
    tx.commit().await?;
    Ok(seeded)
}

async fn seed_lot(
    tx: &mut TenantTx,
    item: Uuid,
    code: &str,
    expires_on: &str,
    quantity: i64,
    now: Micros,
) -> Result<(), StoreError> {
    let lot = Lot {
        id: Uuid::now_v7(),
        item,
        code: code.into(),
        expires_on: expires_on.into(),
        quantity: 0,
        version: Version::FIRST,
        created_at: now.0,
        state: LotState::Active,
    };
    lots::insert(tx, &lot).await?;
    // A new lot holds nothing and every quantity above is above zero: this cannot be refused.
    let _held = lots::shift(tx, item, lot.id, quantity).await?;
    let reason = "goods received".into();
    let movement = Movement { id: Uuid::now_v7(), item, lot: lot.id, quantity, reason, recorded_at: now.0 };
    movements::insert(tx, &movement).await
}
