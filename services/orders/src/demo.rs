//! A few customers and orders for a demonstration.

use cedargate_kit::Version;
use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{Micros, TenantId};
use uuid::Uuid;

use crate::customers::{self, Customer};
use crate::money::Amounts;
use crate::orders::{self, Line, OrderHead};
use crate::state::State;

/// Name and address.
const CUSTOMERS: [(&str, &str); 2] =
    [("Harbour Street Clinic", "orders@harbour-street.example"), ("Northgate Pharmacy", "desk@northgate.example")];

/// SKU, description, quantity, price of one in minor units, tax rate in basis points.
type Wanted = (&'static str, &'static str, i64, i64, i64);

const GLOVES: Wanted = ("GLV-M", "Nitrile gloves, medium", 20, 849, 1_900);
const SALINE: Wanted = ("SAL-500", "Saline solution 0.9 %, 500 ml", 144, 215, 700);
const VACCINE: Wanted = ("VAC-FLU", "Influenza vaccine", 900, 1_390, 0);

/// Where each order stands, and what it is made of. The first is delivered, the last is large.
const ORDERS: [(State, &[Wanted]); 3] =
    [(State::Delivered, &[GLOVES]), (State::Placed, &[SALINE, GLOVES]), (State::Placed, &[VACCINE])];

const CUSTOMER: &str = "
SELECT id
FROM customers
WHERE tenant_id = $1
  AND email = $2";

/// What seeding did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeded {
    /// How many customers were added.
    pub customers: usize,
    /// How many orders were added.
    pub orders: usize,
}

/// Gives a tenant some customers and orders where it has none of these customers yet, and a draft where none is left.
///
/// This is an operator's act on the database itself: it comes before any decision of the gateway, so it leaves no
/// entry in the audit outbox.
///
/// # Errors
/// [`StoreError`]; then nothing was added.
pub async fn seed(pool: &Pool, tenant: TenantId, now: Micros) -> Result<Seeded, StoreError> {
    let mut tx = pool.tenant(tenant).begin().await?;
    let mut seeded = Seeded { customers: 0, orders: 0 };
    let mut first = None;
    for (name, email) in CUSTOMERS {
        let known = tx.query(CUSTOMER).bind(email).fetch_optional::<(Uuid,)>().await?;
        let id = match known {
            Some((id,)) => id,
            None => {
                let id = Uuid::now_v7();
                let (name, email, version) = (name.to_owned(), email.to_owned(), Version::FIRST);
                let customer = Customer { id, name, email, version, created_at: now.0, updated_at: now.0 };
                customers::insert(&mut tx, &customer).await?;
                seeded.customers += 1;
                id
            }
        };
        if first.is_none() {
            first = Some(id);
            if known.is_none() {
                for (state, wanted) in ORDERS {
                    order(&mut tx, id, state, wanted, now).await?;
                    seeded.orders += 1;
                }
            }
        }
    }
    if let (Some(customer), None) = (first, orders::any_draft(&mut tx).await?) {
        order(&mut tx, customer, State::Draft, &[GLOVES, SALINE], now).await?;
        seeded.orders += 1;
    }
    tx.commit().await?;
    Ok(seeded)
}

async fn order(
    tx: &mut TenantTx,
    customer: Uuid,
    state: State,
    wanted: &[Wanted],
    now: Micros,
) -> Result<(), StoreError> {
    // The amounts above are small: each is one, and so is their sum.
    let line = |(sku, description, quantity, unit_price_minor, tax_rate_bp): &Wanted| {
        let amounts = Amounts::of_line(*quantity, *unit_price_minor, *tax_rate_bp).unwrap_or_default();
        Line {
            sku: (*sku).into(),
            description: (*description).into(),
            quantity: *quantity,
            unit_price_minor: *unit_price_minor,
            tax_rate_bp: *tax_rate_bp,
            amounts,
        }
    };
    let lines: Vec<Line> = wanted.iter().map(line).collect();
    let head = OrderHead {
        id: Uuid::now_v7(),
        number: orders::next_number(tx).await?,
        customer,
        currency: "EUR".into(),
        state,
        reason: None,
        amounts: Amounts::sum(lines.iter().map(|line| line.amounts)).unwrap_or_default(),
        version: Version::FIRST,
        created_at: now.0,
        updated_at: now.0,
    };
    orders::insert(tx, &head).await?;
    orders::insert_lines(tx, head.id, &lines).await
}
