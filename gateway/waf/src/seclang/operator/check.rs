//! Numbers with check digits.

/// How check digits are computed: whether they are right for these digits.
#[derive(Clone, Copy)]
pub(crate) struct Scheme(fn(&[u32]) -> bool);

impl std::fmt::Debug for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scheme")
    }
}

pub(super) const SCHEMES: &[(&str, Scheme)] = &[("cc", Scheme(luhn)), ("cpf", Scheme(cpf))];

impl Scheme {
    /// Whether a text's digits have the right check digits.
    pub(super) fn holds(self, text: &[u8]) -> bool {
        let digits: Vec<u32> = text.iter().filter_map(|byte| char::from(*byte).to_digit(10)).collect();
        (self.0)(&digits)
    }
}

fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| if index.is_multiple_of(2) { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    digits.len() >= 2 && sum.is_multiple_of(10)
}

fn cpf(digits: &[u32]) -> bool {
    let check = |count: usize| {
        let weights = (2..=u32::try_from(count).unwrap_or(0) + 1).rev();
        let sum: u32 = digits.iter().take(count).zip(weights).map(|(digit, weight)| digit * weight).sum();
        let rest = sum * 10 % 11 % 10;
        digits.get(count) == Some(&rest)
    };
    let all_same = digits.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    digits.len() == 11 && !all_same && check(9) && check(10)
}
