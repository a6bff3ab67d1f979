//! Links that are mailed: their tokens, and where they lead.

use std::fmt;

use cedargate_model::{Host, LinkPurpose, Scheme};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::random::{EntropyError, random_bytes};
use crate::token::TokenHash;

/// How many random octets a token has: 256 bits cannot be guessed.
const TOKEN_BYTES: usize = 32;

/// Where a tenant's pages are: scheme, host and port, as the person's browser reached them or the configuration has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct LinkOrigin {
    scheme: Scheme,
    host: Host,
}

/// A text is no origin of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an origin is `http` or `https`, a host and perhaps a port")]
pub struct LinkOriginError;

impl LinkOrigin {
    /// A scheme and a host.
    pub fn new(scheme: Scheme, host: Host) -> Self {
        Self { scheme, host }
    }

    /// The host, and its port where there is one.
    pub fn host(&self) -> &Host {
        &self.host
    }
}

impl fmt::Display for LinkOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host.as_str())
    }
}

impl From<LinkOrigin> for String {
    fn from(origin: LinkOrigin) -> Self {
        origin.to_string()
    }
}

impl TryFrom<String> for LinkOrigin {
    type Error = LinkOriginError;

    fn try_from(text: String) -> Result<Self, LinkOriginError> {
        let (scheme, host) = text.split_once("://").ok_or(LinkOriginError)?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(LinkOriginError),
        };
        Ok(Self { scheme, host: Host::parse(host).map_err(|_| LinkOriginError)? })
    }
}

/// A token that was just drawn, on its way into a mail. `Debug` hides it; memory is wiped on drop.
pub struct LinkToken {
    purpose: LinkPurpose,
    octets: Zeroizing<[u8; TOKEN_BYTES]>,
}

impl LinkToken {
    pub(crate) fn draw(purpose: LinkPurpose) -> Result<Self, EntropyError> {
        Ok(Self { purpose, octets: Zeroizing::new(random_bytes()?) })
    }

    /// 64 hexadecimal digits: no inspection takes them for anything else, and no mail program breaks them.
    ///
    /// # Security
    /// Only for the mail to whoever the link is for.
    pub fn expose(&self) -> Zeroizing<String> {
        const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let mut text = Zeroizing::new(String::with_capacity(2 * TOKEN_BYTES));
        for octet in self.octets.iter() {
            text.extend([octet >> 4, octet & 15].into_iter().filter_map(|digit| DIGITS.get(usize::from(digit))));
        }
        text
    }

    pub(crate) fn hash(&self) -> TokenHash {
        digest(self.purpose, &self.octets)
    }
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken(..)")
    }
}

/// A token that somebody showed: well formed, and otherwise unverified. Only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedLink {
    purpose: LinkPurpose,
    hash: TokenHash,
}

impl PresentedLink {
    /// Reads a token for one purpose: for another it is another. `None` where no token is like that.
    pub fn parse(purpose: LinkPurpose, text: &str) -> Option<Self> {
        if text.len() != 2 * TOKEN_BYTES {
            return None;
        }
        let mut octets = Zeroizing::new([0_u8; TOKEN_BYTES]);
        for (octet, pair) in octets.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            for digit in pair {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return None,
                };
                *octet = (*octet << 4) | value;
            }
        }
        Some(Self { purpose, hash: digest(purpose, &octets) })
    }

    /// What it is shown for.
    pub fn purpose(&self) -> LinkPurpose {
        self.purpose
    }

    pub(crate) fn hash(&self) -> TokenHash {
        self.hash
    }
}

/// Over the purpose, too: a token never does anything else than what it was made for.
fn digest(purpose: LinkPurpose, octets: &[u8; TOKEN_BYTES]) -> TokenHash {
    let digest: [u8; 32] = Sha256::new()
        .chain_update("cedargate link ")
        .chain_update(purpose.as_str())
        .chain_update(octets)
        .finalize()
        .into();
    TokenHash::from(digest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_mailed_is_what_is_recognised_and_for_nothing_else() {
        let token = LinkToken::draw(LinkPurpose::Reset).unwrap();
        let text = token.expose();
        assert_eq!(text.len(), 64);
        assert_eq!(PresentedLink::parse(LinkPurpose::Reset, &text).unwrap().hash(), token.hash());
        assert_ne!(PresentedLink::parse(LinkPurpose::Invitation, &text).unwrap().hash(), token.hash());
        assert_ne!(LinkToken::draw(LinkPurpose::Reset).unwrap().hash(), token.hash());
    }

    #[test]
    fn only_one_spelling_is_a_token() {
        let good = "0123456789abcdef".repeat(4);
        assert!(PresentedLink::parse(LinkPurpose::Reset, &good).is_some());
        for bad in [
            String::new(),
            good.to_uppercase(),
            good[1..].to_owned(),
            format!("{good}0"),
            "g".repeat(64),
            "é".repeat(32),
        ] {
            assert_eq!(PresentedLink::parse(LinkPurpose::Reset, &bad), None, "{bad}");
        }
    }

    #[test]
    fn nothing_shows_the_token() {
        let token = LinkToken::draw(LinkPurpose::Reset).unwrap();
        let presented = PresentedLink::parse(LinkPurpose::Reset, &token.expose()).unwrap();
        assert_eq!(
            format!("{token:?} {presented:?}"),
            "LinkToken(..) PresentedLink { purpose: Reset, hash: TokenHash(..) }"
        );
    }

    #[test]
    fn an_origin_is_read_back_and_nothing_else_is_one() {
        let origin = LinkOrigin::new(Scheme::Https, Host::parse("acme.gateway.example:8443").unwrap());
        assert_eq!(LinkOrigin::try_from(origin.to_string()), Ok(origin));
        for text in ["acme.example", "ftp://acme.example", "https://a@b.example", "https://acme.example/x", "https://"]
        {
            assert_eq!(LinkOrigin::try_from(text.to_owned()), Err(LinkOriginError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_token_survives_its_text(octets: [u8; 32]) {
            let token = LinkToken { purpose: LinkPurpose::Invitation, octets: Zeroizing::new(octets) };
            let presented = PresentedLink::parse(LinkPurpose::Invitation, &token.expose()).unwrap();
            prop_assert_eq!(presented.hash(), token.hash());
        }
    }
}
