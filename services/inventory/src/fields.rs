//! What fields may hold. Each check is the one place that says so to clients; the schema says it once more.

use cedargate_kit::text::is_line;
pub(crate) use cedargate_kit::text::{code, id, line};

/// The most that one movement moves.
pub(crate) const MOVED_MAX: i64 = 1_000_000_000;

/// A unit: a line of 1 to 16 characters.
pub(crate) fn unit(text: String) -> Result<String, &'static str> {
    if is_line(&text, 16) { Ok(text) } else { Err("use 1 to 16 characters, without space around them") }
}

/// A signed number of units that moves something.
pub(crate) fn moved(quantity: i64) -> Result<i64, &'static str> {
    if quantity != 0 && (-MOVED_MAX..=MOVED_MAX).contains(&quantity) {
        Ok(quantity)
    } else {
        Err("use a whole number from -1000000000 to 1000000000 other than 0")
    }
}

/// A day of the Gregorian calendar from 1900 on, `2027-02-28`: in this form, text sorts as time does.
pub(crate) fn day(text: String) -> Result<String, &'static str> {
    if is_day(&text) { Ok(text) } else { Err("use a day of the calendar from 1900 on, as YYYY-MM-DD") }
}

fn is_day(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let mut number = |digits: usize| -> Option<u32> {
        let part = parts.next()?;
        let well_formed = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        if well_formed { part.parse().ok() } else { None }
    };
    let (Some(year), Some(month), Some(day)) = (number(4), number(2), number(2)) else { return false };
    year >= 1900 && (1..=days_in(year, month)).contains(&day)
}

fn days_in(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_that_is_not_in_the_calendar_is_refused() {
        for bad in [
            "",
            "2027",
            "2027-1-1",
            "2027-13-01",
            "2027-00-10",
            "2027-02-29",
            "1900-02-29",
            "2026-04-31",
            "2026-01-00",
            "+202-01-01",
            "2026-01-01T00:00",
            "2026-01-01-",
            "1899-12-31",
            "２026-01-01",
        ] {
            assert!(day(bad.into()).is_err(), "{bad}");
        }
        for good in ["2028-02-29", "2000-02-29", "9999-12-31", "1900-01-01"] {
            assert_eq!(day(good.into()).unwrap(), good);
        }
    }

    #[test]
    fn a_movement_moves_something_within_bounds() {
        for bad in [0, MOVED_MAX + 1, -MOVED_MAX - 1, i64::MIN, i64::MAX] {
            assert!(moved(bad).is_err(), "{bad}");
        }
        assert_eq!(moved(-MOVED_MAX), Ok(-MOVED_MAX));
    }

    proptest! {
        #[test]
        fn any_text_is_a_day_or_is_refused(text in ".{0,12}") {
            if let Ok(day) = day(text) {
                prop_assert_eq!(day.len(), 10);
            }
        }
    }
}
