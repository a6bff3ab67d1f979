//! The address that a local account signs in with.

use std::fmt;

/// An e-mail address in canonical form: trimmed, lower-case ASCII, 3 to 254 octets (RFC 5321 §4.5.3.1.3).
///
/// The local part is case-sensitive on paper (RFC 5321 §2.4) and nowhere in practice; two accounts that differ in
/// case only would be a trap. Non-ASCII addresses are refused until one normal form of them is chosen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

/// Why a text is no e-mail address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Under 3 or over 254 octets.
    #[error("an e-mail address has 3 to 254 characters")]
    Length,
    /// Not `local@domain` with one `@`.
    #[error("an e-mail address has one `@` with something on both sides")]
    Shape,
    /// A space, a control, a quote or a character that is not ASCII.
    #[error("an e-mail address has only ASCII letters, digits and punctuation, without quotes and spaces")]
    Character,
}

impl Email {
    /// Accepts an address and brings it into canonical form.
    ///
    /// # Errors
    /// One [`EmailError`] by what is wrong first.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        if !(3..=254).contains(&text.len()) {
            return Err(EmailError::Length);
        }
        let refused = |b: u8| {
            !b.is_ascii_graphic()
                || matches!(b, b'"' | b'(' | b')' | b',' | b':' | b';' | b'<' | b'>' | b'[' | b'\\' | b']')
        };
        if text.bytes().any(refused) {
            return Err(EmailError::Character);
        }
        match text.split_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() && !domain.contains('@') => {
                Ok(Self(text.to_ascii_lowercase()))
            }
            _ => Err(EmailError::Shape),
        }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_surrounding_space_do_not_make_another_address() {
        assert_eq!(Email::parse(" Ada.L+x@Example.COM\n").unwrap().as_str(), "ada.l+x@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, why) in [
            ("", EmailError::Length),
            ("a@", EmailError::Length),
            (&*format!("{}@b", "a".repeat(253)), EmailError::Length),
            ("abc", EmailError::Shape),
            ("@bc", EmailError::Shape),
            ("ab@", EmailError::Shape),
            ("a@b@c", EmailError::Shape),
            ("a b@c", EmailError::Character),
            ("a\0b@c", EmailError::Character),
            ("ä@b", EmailError::Character),
            ("<a@b>", EmailError::Character),
            ("a@b,c@d", EmailError::Character),
        ] {
            assert_eq!(Email::parse(text), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_stable(text in "\\PC{0,12}@?[A-Za-z.]{0,12}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email));
            }
        }
    }
}
