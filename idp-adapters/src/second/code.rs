//! Codes, as typed.

use std::fmt;

use cedargate_identity::RecoveryCode;
use cedargate_model::ProofKind;
use zeroize::Zeroizing;

use super::totp::DIGITS;

/// A code as somebody typed it: of an app, or to recover. `Debug` hides it; memory is wiped on drop.
pub struct PresentedCode(Shape);

enum Shape {
    /// Six digits.
    Totp(Zeroizing<String>),
    Recovery(RecoveryCode),
    /// No code is like that.
    Neither,
}

impl PresentedCode {
    /// Takes what was typed, whatever it is: the two kinds of code do not look alike.
    pub fn new(text: &str) -> Self {
        // Blanks as apps show them: `123 456`. With room for all, no copy is left behind by growing.
        let mut plain = Zeroizing::new(String::with_capacity(DIGITS));
        let typed = text.chars().map(western).filter(|c| !matches!(c, ' ' | '-' | '\u{a0}'));
        plain.extend(typed.take(DIGITS + 1));
        if plain.len() == DIGITS && plain.bytes().all(|octet| octet.is_ascii_digit()) {
            return Self(Shape::Totp(plain));
        }
        Self(RecoveryCode::parse(text).map_or(Shape::Neither, Shape::Recovery))
    }

    /// What kind of proof it is meant to be; an app's code where it cannot be told.
    pub fn kind(&self) -> ProofKind {
        match self.0 {
            Shape::Recovery(_) => ProofKind::RecoveryCode,
            Shape::Totp(_) | Shape::Neither => ProofKind::Totp,
        }
    }

    pub(super) fn as_totp(&self) -> Option<&str> {
        match &self.0 {
            Shape::Totp(code) => Some(code),
            Shape::Recovery(_) | Shape::Neither => None,
        }
    }

    pub(super) fn as_recovery(&self) -> Option<&RecoveryCode> {
        match &self.0 {
            Shape::Recovery(code) => Some(code),
            Shape::Totp(_) | Shape::Neither => None,
        }
    }
}

/// A digit as apps show it, where somebody has a Persian or an Arabic keyboard.
fn western(c: char) -> char {
    let digit = match c {
        '\u{6f0}'..='\u{6f9}' => u32::from(c) - 0x6f0,
        '\u{660}'..='\u{669}' => u32::from(c) - 0x660,
        _ => return c,
    };
    char::from_digit(digit, 10).unwrap_or(c)
}

impl fmt::Debug for PresentedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_in_the_digits_of_other_keyboards() {
        for typed in ["123456", "123 456", "۱۲۳۴۵۶", "١٢٣ ٤٥٦", "12۳45۶"] {
            assert_eq!(PresentedCode::new(typed).as_totp(), Some("123456"), "{typed}");
        }
        for typed in ["１２３４５６", "१२३४५६", "۱۲۳۴۵"] {
            assert_eq!(PresentedCode::new(typed).as_totp(), None, "{typed}");
        }
    }
}
