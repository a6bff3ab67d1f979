//! What lines and orders cost, in minor units. Only the service computes amounts; clients give prices and rates.
//!
//! The rule: a line's net is its quantity times its unit price; its tax is the net times the rate, rounded to a whole
//! minor unit, halves up; its total is net plus tax. An order's amounts are the sums of its lines'. So a printed order
//! adds up line by line, and no amount depends on how lines are grouped.

use serde::Serialize;
use utoipa::ToSchema;

/// The largest amount: 2^53 - 1, which every JSON reader takes exactly.
pub(crate) const AMOUNT_MAX: i64 = 9_007_199_254_740_991;

/// A rate of 100 %.
const WHOLE_BP: i128 = 10_000;

/// What something costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Amounts {
    /// Without tax, in minor units of the currency.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub(crate) net_minor: i64,
    /// The tax, in minor units of the currency.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub(crate) tax_minor: i64,
    /// With tax, in minor units of the currency.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub(crate) total_minor: i64,
}

impl Amounts {
    /// What a line costs; none if that is no amount. The rate is in basis points.
    pub(crate) fn of_line(quantity: i64, unit_price_minor: i64, tax_rate_bp: i64) -> Option<Self> {
        let net_minor = quantity.checked_mul(unit_price_minor)?;
        let tax = (i128::from(net_minor) * i128::from(tax_rate_bp) + WHOLE_BP / 2).div_euclid(WHOLE_BP);
        let tax_minor = i64::try_from(tax).ok()?;
        Self { net_minor, tax_minor, total_minor: net_minor.checked_add(tax_minor)? }.within_bounds()
    }

    /// What all of them cost together; none if that is no amount.
    pub(crate) fn sum(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        all.into_iter().try_fold(Self::default(), |sum, amounts| {
            Self {
                net_minor: sum.net_minor.checked_add(amounts.net_minor)?,
                tax_minor: sum.tax_minor.checked_add(amounts.tax_minor)?,
                total_minor: sum.total_minor.checked_add(amounts.total_minor)?,
            }
            .within_bounds()
        })
    }

    fn within_bounds(self) -> Option<Self> {
        let Self { net_minor, tax_minor, total_minor } = self;
        let is_amount = |minor| (0..=AMOUNT_MAX).contains(&minor);
        (is_amount(net_minor) && is_amount(tax_minor) && is_amount(total_minor)).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tax_is_rounded_to_the_minor_unit_halves_up() {
        for (net, rate, tax) in
            [(100, 1_900, 19), (1, 5_000, 1), (1, 4_999, 0), (3, 5_000, 2), (150, 700, 11), (0, 1_900, 0)]
        {
            assert_eq!(Amounts::of_line(1, net, rate).unwrap().tax_minor, tax, "{net} at {rate}");
        }
    }

    #[test]
    fn what_is_too_large_is_no_amount() {
        assert_eq!(Amounts::of_line(i64::MAX, 2, 0), None);
        assert_eq!(Amounts::of_line(1_000_000, 1_000_000_000_000, 0), None);
        assert!(Amounts::of_line(1, AMOUNT_MAX, 0).is_some());
        assert_eq!(Amounts::of_line(1, AMOUNT_MAX, 1), None);
        assert_eq!(Amounts::of_line(-1, 5, 0), None);
        let most = Amounts::of_line(1, AMOUNT_MAX, 0).unwrap();
        let least = Amounts::of_line(1, 1, 0).unwrap();
        assert_eq!(Amounts::sum([most, least]), None);
    }

    fn line() -> impl Strategy<Value = Amounts> {
        (1_i64..=1_000_000, 0_i64..=1_000_000, 0_i64..=10_000)
            .prop_map(|(quantity, price, rate)| Amounts::of_line(quantity, price, rate).unwrap())
    }

    proptest! {
        #[test]
        fn an_orders_total_is_the_sum_of_its_lines(lines in proptest::collection::vec(line(), 0..50)) {
            let order = Amounts::sum(lines.iter().copied()).unwrap();
            prop_assert_eq!(order.total_minor, lines.iter().map(|line| line.total_minor).sum::<i64>());
            prop_assert_eq!(order.total_minor, order.net_minor + order.tax_minor);
        }

        #[test]
        fn no_order_of_lines_changes_the_total(mut lines in proptest::collection::vec(line(), 0..50)) {
            let forwards = Amounts::sum(lines.iter().copied());
            lines.reverse();
            prop_assert_eq!(Amounts::sum(lines), forwards);
        }

        /// Never off by more than half a minor unit.
        #[test]
        fn a_lines_tax_is_the_nearest(quantity in 1_i64..=1_000_000, price in 0_i64..=1_000_000, rate in 0_i64..=10_000) {
            let line = Amounts::of_line(quantity, price, rate).unwrap();
            let exact = i128::from(quantity) * i128::from(price) * i128::from(rate);
            let off = i128::from(line.tax_minor) * 10_000 - exact;
            prop_assert!((-5_000 < off) && (off <= 5_000), "off by {} ten-thousandths", off);
        }

        #[test]
        fn any_numbers_are_amounts_or_are_refused(quantity: i64, price: i64, rate: i64) {
            if let Some(line) = Amounts::of_line(quantity, price, rate) {
                prop_assert!(line.total_minor <= AMOUNT_MAX && line.net_minor >= 0 && line.tax_minor >= 0);
            }
        }
    }
}
