//! Passwords, as typed and as set.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// Passwords that are set have at least so many characters: the length for a single factor in NIST SP 800-63B-4 §3.1.1.2.
pub const PASSWORD_CHARS_MIN: usize = 15;

/// Longer ones are neither set nor tried, so that hashing has a bound. In octets of UTF-8 after normalisation.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// A password as somebody typed it to sign in. `Debug` hides it; memory is wiped on drop.
pub struct PresentedPassword(Zeroizing<String>);

impl PresentedPassword {
    /// Takes what was typed, whatever it is.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The octets to hash; none where no password is like that, which must cost as much as a wrong one.
    pub(crate) fn to_octets(&self) -> Option<Zeroizing<Vec<u8>>> {
        // Checked before the work of normalising, too: it may lengthen a text, but not beyond all bounds.
        if self.0.len() > PASSWORD_BYTES_MAX {
            return None;
        }
        let octets = normalised(&self.0);
        (octets.len() <= PASSWORD_BYTES_MAX).then_some(octets)
    }
}

impl fmt::Debug for PresentedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedPassword(..)")
    }
}

/// A password that may be set. `Debug` hides it; memory is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPassword(Zeroizing<String>);

/// Why a password may not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewPasswordError {
    /// Fewer than 15 characters.
    #[error("a password has at least {PASSWORD_CHARS_MIN} characters; several words make a good one")]
    TooShort,
    /// More than 1024 octets.
    #[error("a password has at most {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
    /// One character over and over.
    #[error("a password has more than one kind of character")]
    Uniform,
}

impl NewPassword {
    /// Accepts a password of sufficient length. There are no rules about kinds of characters (NIST SP 800-63B-4 §3.1.1.2),
    /// only that it is not one character over and over.
    ///
    /// # Errors
    /// [`NewPasswordError`].
    pub fn parse(text: &str) -> Result<Self, NewPasswordError> {
        if text.len() > PASSWORD_BYTES_MAX || normalised(text).len() > PASSWORD_BYTES_MAX {
            return Err(NewPasswordError::TooLong);
        }
        if text.nfkc().count() < PASSWORD_CHARS_MIN {
            return Err(NewPasswordError::TooShort);
        }
        let mut characters = text.chars();
        let first = characters.next();
        if characters.all(|character| Some(character) == first) {
            return Err(NewPasswordError::Uniform);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Draws a password: four groups of five from 32 letters and digits that are not taken for each other, 100 bits.
    ///
    /// # Errors
    /// Where the operating system gives no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        const ALPHABET: [char; 32] = [
            'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x',
            'y', 'z', '2', '3', '4', '5', '6', '7', '8', '9', '0',
        ];
        let mut random = Zeroizing::new([0_u8; 20]);
        getrandom::fill(random.as_mut_slice())?;
        let mut text = Zeroizing::new(String::with_capacity(23));
        for (position, octet) in random.iter().enumerate() {
            if position > 0 && position % 5 == 0 {
                text.push('-');
            }
            // 256 is a multiple of 32, so every letter is as likely as any other.
            text.extend(ALPHABET.get(usize::from(octet % 32)));
        }
        Ok(Self(text))
    }

    /// The password itself.
    ///
    /// # Security
    /// Only to tell the person whose it is.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn to_octets(&self) -> Zeroizing<Vec<u8>> {
        normalised(&self.0)
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(..)")
    }
}

/// One form for what different keyboards send for the same password (NFKC, NIST SP 800-63B-4 §3.1.1.2).
fn normalised(text: &str) -> Zeroizing<Vec<u8>> {
    // One character may become 18 (UAX #15); with room from the start no copy is left behind by growing.
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len().saturating_mul(11)));
    for character in text.nfkc() {
        octets.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    octets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_may_not_be_set_is_refused() {
        assert_eq!(NewPassword::parse("fourteen chars"), Err(NewPasswordError::TooShort));
        assert_eq!(NewPassword::parse(&"ab".repeat(513)), Err(NewPasswordError::TooLong));
        // U+FDFA becomes 18 characters, 33 octets.
        assert_eq!(NewPassword::parse(&"\u{FDFA}".repeat(300)), Err(NewPasswordError::TooLong));
        assert_eq!(NewPassword::parse(&"a".repeat(40)), Err(NewPasswordError::Uniform));
        assert!(NewPassword::parse("fifteen chars..").is_ok());
        assert!(NewPassword::parse(&"ab".repeat(512)).is_ok());
    }

    #[test]
    fn the_same_password_from_two_keyboards_is_the_same() {
        let composed = NewPassword::parse("caf\u{e9} caf\u{e9} caf\u{e9} caf\u{e9}").unwrap();
        let decomposed = PresentedPassword::new("cafe\u{301} cafe\u{301} cafe\u{301} cafe\u{301}".to_owned());
        assert_eq!(Some(composed.to_octets()), decomposed.to_octets());
    }

    #[test]
    fn a_presented_password_may_be_anything_within_the_bound() {
        assert!(PresentedPassword::new(String::new()).to_octets().is_some());
        assert!(PresentedPassword::new("a".repeat(1024)).to_octets().is_some());
        assert!(PresentedPassword::new("a".repeat(1025)).to_octets().is_none());
    }

    #[test]
    fn drawn_passwords_may_be_set_and_differ() {
        let [one, two] = [NewPassword::generate().unwrap(), NewPassword::generate().unwrap()];
        assert_ne!(one, two);
        assert!(NewPassword::parse(one.expose()).is_ok());
        assert_eq!(one.expose().split('-').map(str::len).collect::<Vec<_>>(), [5, 5, 5, 5]);
    }

    #[test]
    fn nothing_shows_a_password() {
        let new = NewPassword::generate().unwrap();
        let presented = PresentedPassword::new(new.expose().to_owned());
        assert_eq!(format!("{new:?} {presented:?}"), "NewPassword(..) PresentedPassword(..)");
    }

    proptest! {
        #[test]
        fn what_was_set_is_recognised(text in "\\PC{15,60}") {
            if let Ok(new) = NewPassword::parse(&text) {
                prop_assert_eq!(Some(new.to_octets()), PresentedPassword::new(text).to_octets());
            }
        }
    }
}
