//! The secret that a session cookie carries.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_model::Scheme;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::random::{EntropyError, random_bytes};

/// The session cookie's name: with the `__Host-` prefix wherever there is TLS, so that no other host, path or plain
/// connection can set it (RFC 6265bis §4.1.3.2).
pub fn session_cookie_name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Https => "__Host-cedargate",
        Scheme::Http => "cedargate",
    }
}

/// The name of the cookie that binds a sign-in by an identity provider to the browser that began it.
pub fn signin_cookie_name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Https => "__Host-cedargate-signin",
        Scheme::Http => "cedargate-signin",
    }
}

/// The name of the cookie by which a browser says that its person proved a second factor in it before.
pub fn device_cookie_name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Https => "__Host-cedargate-device",
        Scheme::Http => "cedargate-device",
    }
}

/// How many random octets a token has: 256 bits cannot be guessed, so neither salt nor stretching is needed.
const TOKEN_BYTES: usize = 32;

/// A fresh token, on its way to the client that it belongs to. `Debug` hides it; memory is wiped on drop.
pub struct SessionToken(Zeroizing<[u8; TOKEN_BYTES]>);

impl SessionToken {
    /// Draws a token from the operating system's randomness.
    pub(crate) fn draw() -> Result<Self, EntropyError> {
        random_bytes().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// The cookie's value: 43 characters of base64url without padding.
    ///
    /// # Security
    /// Only for `Set-Cookie` in the answer to whoever just signed in.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(*self.0))
    }

    pub(crate) fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(..)")
    }
}

/// A token that a client presented: well formed, and otherwise unverified. Only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedToken(TokenHash);

impl PresentedToken {
    /// Reads a cookie's value. What is not exactly one token in canonical spelling is none, and counts as not presented.
    pub fn parse(value: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
        // The decoder refuses other lengths, padding and trailing bits.
        let length = URL_SAFE_NO_PAD.decode_slice(value, bytes.as_mut_slice()).ok()?;
        (length == TOKEN_BYTES).then(|| Self(TokenHash::of(&bytes)))
    }

    pub(crate) fn hash(&self) -> TokenHash {
        self.0
    }
}

/// SHA-256 of a token. Whoever reads it in the store cannot make a cookie of it.
///
/// Looking one up by equality leaks nothing useful through time: an attacker does not choose hashes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    fn of(token: &[u8; TOKEN_BYTES]) -> Self {
        Self(Sha256::digest(token).into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first eight octets as a number.
    pub(crate) fn first_octets(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl From<[u8; 32]> for TokenHash {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_what_is_recognised() {
        let token = SessionToken::draw().unwrap();
        let cookie = token.expose();
        assert_eq!(cookie.len(), 43);
        assert_eq!(PresentedToken::parse(&cookie).unwrap().hash(), token.hash());
        assert_ne!(SessionToken::draw().unwrap().hash(), token.hash());
    }

    #[test]
    fn nothing_shows_the_token() {
        let token = SessionToken::draw().unwrap();
        let presented = PresentedToken::parse(&token.expose()).unwrap();
        assert_eq!(format!("{token:?} {presented:?}"), "SessionToken(..) PresentedToken(TokenHash(..))");
    }

    #[test]
    fn only_the_canonical_spelling_is_a_token() {
        let good = "A".repeat(43);
        assert!(PresentedToken::parse(&good).is_some());
        for bad in [
            String::new(),
            "A".repeat(42),
            "A".repeat(44),
            "A".repeat(4_000),
            format!("{good}="),
            format!(" {good}"),
            format!("{}B", "A".repeat(42)),
            format!("{}+", "A".repeat(42)),
            format!("{}/", "A".repeat(42)),
            format!("{}%41", "A".repeat(40)),
        ] {
            assert!(PresentedToken::parse(&bad).is_none(), "{bad}");
        }
    }
}
