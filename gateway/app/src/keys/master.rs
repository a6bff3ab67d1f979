//! The master key.

use std::fmt;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// 32 octets that open every sealed file. `Debug` hides them, memory is wiped on drop.
#[derive(Clone)]
pub(crate) struct MasterKey(Zeroizing<[u8; 32]>);

/// A text that is no master key. The text is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MasterKeyError {
    #[error("the master key is 64 hexadecimal digits or 32 octets in base64; make one with `openssl rand -base64 32`")]
    Malformed,
    #[error("the master key is the same octet over and over; make one with `openssl rand -base64 32`")]
    Trivial,
}

impl MasterKey {
    /// Accepts 64 hexadecimal digits, or 32 octets in base64 (either alphabet, padded or not).
    pub(crate) fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim();
        let octets = Zeroizing::new(match text.len() {
            64 => hexadecimal(text),
            _ => base64(text),
        });
        let octets: [u8; 32] = octets.as_slice().try_into().map_err(|_| MasterKeyError::Malformed)?;
        let octets = Zeroizing::new(octets);
        // Placeholders such as `AAAA...` pass every other test.
        match octets.iter().all(|octet| octets.first() == Some(octet)) {
            true => Err(MasterKeyError::Trivial),
            false => Ok(Self(octets)),
        }
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// The octets, or none where anything is wrong: the length then is.
fn hexadecimal(text: &str) -> Vec<u8> {
    let pair = |pair: &[u8]| {
        let digits = std::str::from_utf8(pair).ok()?;
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
    };
    text.as_bytes().chunks(2).map(pair).collect::<Option<_>>().unwrap_or_default()
}

fn base64(text: &str) -> Vec<u8> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = GeneralPurpose::new(&::base64::alphabet::STANDARD, config);
    let url_safe = GeneralPurpose::new(&::base64::alphabet::URL_SAFE, config);
    standard.decode(text).or_else(|_| url_safe.decode(text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_two_spellings() {
        let octets: [u8; 32] = std::array::from_fn(|n| u8::try_from(n * 8).unwrap());
        let hexadecimal: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
        let padded = ::base64::engine::general_purpose::STANDARD.encode(octets);
        let url_safe = ::base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets);
        for text in [&hexadecimal, &padded, &url_safe, &format!(" {padded}\n")] {
            assert_eq!(MasterKey::parse(text).unwrap().expose(), &octets, "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "secret", &"a".repeat(63), &"g".repeat(64), &"+0".repeat(32), &"A".repeat(44), "c2hvcnQ="] {
            assert!(MasterKey::parse(text).is_err(), "{text}");
        }
        assert_eq!(MasterKey::parse(&"00".repeat(32)).unwrap_err(), MasterKeyError::Trivial);
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = MasterKey::parse(&"0123456789abcdef".repeat(4)).unwrap();
        assert_eq!(format!("{key:?}"), "MasterKey(..)");
    }
}
