//! What fields may hold beyond what the kit's checks say. The schema says it once more.

/// The most pieces of one line.
pub(crate) const QUANTITY_MAX: i64 = 1_000_000;

/// The highest price of one piece, in minor units.
pub(crate) const UNIT_PRICE_MAX: i64 = 1_000_000_000_000;

/// A rate of 100 %, in basis points.
pub(crate) const TAX_RATE_MAX: i64 = 10_000;

/// How many pieces.
pub(crate) fn quantity(number: i64) -> Result<i64, &'static str> {
    if (1..=QUANTITY_MAX).contains(&number) { Ok(number) } else { Err("use a whole number from 1 to 1000000") }
}

/// What one piece costs.
pub(crate) fn unit_price(minor: i64) -> Result<i64, &'static str> {
    if (0..=UNIT_PRICE_MAX).contains(&minor) {
        Ok(minor)
    } else {
        Err("use minor units, a whole number from 0 to 1000000000000")
    }
}

/// A tax rate.
pub(crate) fn tax_rate(basis_points: i64) -> Result<i64, &'static str> {
    if (0..=TAX_RATE_MAX).contains(&basis_points) {
        Ok(basis_points)
    } else {
        Err("use basis points, a whole number from 0 to 10000")
    }
}

/// An address for mail, kept in small letters: two customers do not differ by capitals. Whether mail arrives there only
/// mail can tell, so this asks for no more than one `@` with something around it.
pub(crate) fn email(text: String) -> Result<String, &'static str> {
    let is_plain =
        text.len() <= 254 && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b',' | b'"'));
    match text.split_once('@') {
        Some((local, domain)) if is_plain && !local.is_empty() && !domain.is_empty() && !domain.contains('@') => {
            Ok(text.to_ascii_lowercase())
        }
        Some(_) | None => Err("use an address such as `name@example.org`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("a@{}", "b".repeat(260));
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\n", "A <a@b>", "ä@b", &long] {
            assert!(email(bad.into()).is_err(), "{bad}");
        }
        assert_eq!(email("Ann.Smith+x@Example.org".into()).unwrap(), "ann.smith+x@example.org");
    }

    #[test]
    fn numbers_have_bounds_on_both_sides() {
        for bad in [0, -1, i64::MIN, QUANTITY_MAX + 1, i64::MAX] {
            assert!(quantity(bad).is_err(), "{bad}");
        }
        for bad in [-1, i64::MIN, UNIT_PRICE_MAX + 1, i64::MAX] {
            assert!(unit_price(bad).is_err(), "{bad}");
        }
        for bad in [-1, TAX_RATE_MAX + 1] {
            assert!(tax_rate(bad).is_err(), "{bad}");
        }
        assert!(quantity(1).is_ok() && unit_price(0).is_ok() && tax_rate(TAX_RATE_MAX).is_ok());
    }
}
