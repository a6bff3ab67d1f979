//! Lines: what an order is made of.

use cedargate_kit::{Fields, text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::fields;
use crate::money::Amounts;

/// How many lines an order has at most.
pub(crate) const LINES_MAX: usize = 200;

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Line {
    /// What is ordered.
    pub(crate) sku: String,
    /// What it is called.
    pub(crate) description: String,
    /// How many pieces.
    pub(crate) quantity: i64,
    /// What one piece costs without tax, in minor units of the currency.
    pub(crate) unit_price_minor: i64,
    /// The tax rate in basis points: 1900 is 19 %.
    pub(crate) tax_rate_bp: i64,
    /// What the line costs: tax is rounded to a whole minor unit, halves up.
    #[serde(flatten)]
    pub(crate) amounts: Amounts,
}

/// A line to be. What it costs is not for the client to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLine {
    /// 1 to 64 of letters, digits, `.`, `_` and `-`.
    #[schema(required, nullable = false)]
    sku: Option<String>,
    /// One line of 1 to 200 characters.
    #[schema(required, nullable = false)]
    description: Option<String>,
    /// How many pieces.
    #[schema(required, nullable = false, minimum = 1, maximum = 1_000_000)]
    quantity: Option<i64>,
    /// What one piece costs without tax, in minor units of the currency.
    #[schema(required, nullable = false, minimum = 0, maximum = 1_000_000_000_000_i64)]
    unit_price_minor: Option<i64>,
    /// The tax rate in basis points: 1900 is 19 %.
    #[schema(required, nullable = false, minimum = 0, maximum = 10_000)]
    tax_rate_bp: Option<i64>,
}

/// The lines and what they cost together. Where something is wrong, every field of every line is named.
pub(crate) fn checked(fields: &mut Fields, new: Vec<NewLine>) -> Option<(Vec<Line>, Amounts)> {
    if new.len() > LINES_MAX {
        fields.refuse("lines", format!("use at most {LINES_MAX} lines"));
        return None;
    }
    let given = new.len();
    let lines: Vec<Line> =
        new.into_iter().enumerate().filter_map(|(index, line)| checked_line(fields, index, line)).collect();
    if lines.len() < given {
        return None;
    }
    let Some(amounts) = Amounts::sum(lines.iter().map(|line| line.amounts)) else {
        fields.refuse("lines", "together they cost more than an order can");
        return None;
    };
    Some((lines, amounts))
}

fn checked_line(fields: &mut Fields, index: usize, new: NewLine) -> Option<Line> {
    let name = |field: &str| format!("lines[{index}].{field}");
    let sku = fields.required(&name("sku"), new.sku, text::code);
    let description = fields.required(&name("description"), new.description, text::line);
    let quantity = fields.required(&name("quantity"), new.quantity, fields::quantity);
    let unit_price = fields.required(&name("unit_price_minor"), new.unit_price_minor, fields::unit_price);
    let tax_rate = fields.required(&name("tax_rate_bp"), new.tax_rate_bp, fields::tax_rate);
    let (sku, description) = (sku?, description?);
    let (quantity, unit_price_minor, tax_rate_bp) = (quantity?, unit_price?, tax_rate?);
    let Some(amounts) = Amounts::of_line(quantity, unit_price_minor, tax_rate_bp) else {
        fields.refuse(&name("quantity"), "the line costs more than an order can");
        return None;
    };
    Some(Line { sku, description, quantity, unit_price_minor, tax_rate_bp, amounts })
}
