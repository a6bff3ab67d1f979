//! What a service shows to be heard, and the book of those that count.

use std::fmt;

use cedargate_model::Micros;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::ServiceName;

/// What every credential begins with, so that it is known for what it is where it should not be.
const PREFIX: &str = "cgs_";

const ID_BYTES: usize = 8;

/// 256 random bits cannot be guessed: neither salt nor stretching is needed.
const SECRET_BYTES: usize = 32;

/// So that a service can be given a new credential before its former one is withdrawn.
const VALID_AT_ONCE_MAX: usize = 2;

/// Far more services than a gateway has.
const CREDENTIALS_MAX: usize = 1_000;

/// The version of the book's text.
const VERSION: u32 = 1;

/// A service's credential, on its way to whoever keeps it: `cgs_<id>_<secret>` in hexadecimal. Wiped on drop.
pub struct Credential {
    id: CredentialId,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

/// A credential's name in lists and logs. It is no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CredentialId(String);

/// What the book says about a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialEntry {
    /// Its name.
    pub id: CredentialId,
    /// Whose it is: the one service that it can speak for.
    pub service: ServiceName,
    /// When it was made.
    pub created_at: Micros,
    /// SHA-256 of its secret, in hexadecimal.
    sha256: String,
}

/// The credentials that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialBook {
    entries: Vec<CredentialEntry>,
}

/// Why a text is no book.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// Not the JSON that it should be.
    #[error("it is not a book of service credentials")]
    Malformed(#[from] serde_json::Error),
    /// A later program wrote it.
    #[error("it has version {0}, and this program knows {VERSION}")]
    VersionUnknown(u32),
}

/// Why a credential was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The service has as many as may be valid at once.
    #[error(
        "`{service}` has {VALID_AT_ONCE_MAX} credentials already; withdraw the one that is no longer used first: {ids}"
    )]
    TwoAlready {
        /// The service.
        service: ServiceName,
        /// Their names.
        ids: String,
    },
    /// The book is full.
    #[error("there are {CREDENTIALS_MAX} credentials already; withdraw those that are no longer used first")]
    Full,
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Entropy(#[source] getrandom::Error),
}

impl Credential {
    /// Reads what a service presents. What is not exactly one credential in its one spelling is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        decode_hex::<ID_BYTES>(id)?;
        Some(Self { id: CredentialId(id.to_owned()), secret: Zeroizing::new(decode_hex(secret)?) })
    }

    /// Its text.
    ///
    /// # Security
    /// Only for whoever asked for it to be made. It is kept nowhere.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}_{}", self.id, encode_hex(&*self.secret)))
    }

    /// Its name.
    pub fn id(&self) -> &CredentialId {
        &self.id
    }

    fn draw() -> Result<Self, getrandom::Error> {
        let (mut id, mut secret) = ([0; ID_BYTES], Zeroizing::new([0; SECRET_BYTES]));
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut *secret)?;
        Ok(Self { id: CredentialId(encode_hex(&id)), secret })
    }

    fn digest(&self) -> String {
        encode_hex(&Sha256::digest(*self.secret))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, ..)", self.id)
    }
}

impl CredentialId {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl CredentialBook {
    /// Reads a book's text.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn parse(text: &str) -> Result<Self, BookError> {
        let BookText { version, credentials: entries } = serde_json::from_str(text)?;
        if version != VERSION {
            return Err(BookError::VersionUnknown(version));
        }
        Ok(Self { entries })
    }

    /// The book as text: no secrets, only their hashes.
    ///
    /// # Errors
    /// None that are known.
    pub fn to_text(&self) -> Result<String, BookError> {
        let text = BookText { version: VERSION, credentials: self.entries.clone() };
        Ok(serde_json::to_string_pretty(&text)? + "\n")
    }

    /// Every credential, in the order in which they were made.
    pub fn entries(&self) -> &[CredentialEntry] {
        &self.entries
    }

    /// Makes a service's credential. It is shown here and never again.
    ///
    /// # Errors
    /// [`CreateError`]; two of one service can be valid at once.
    pub fn create(&mut self, service: &ServiceName, now: Micros) -> Result<Credential, CreateError> {
        let ids: Vec<_> =
            self.entries.iter().filter(|entry| entry.service == *service).map(|e| e.id.as_str()).collect();
        if ids.len() >= VALID_AT_ONCE_MAX {
            return Err(CreateError::TwoAlready { service: service.clone(), ids: ids.join(", ") });
        }
        if self.entries.len() >= CREDENTIALS_MAX {
            return Err(CreateError::Full);
        }
        let made = Credential::draw().map_err(CreateError::Entropy)?;
        let (id, service) = (made.id.clone(), service.clone());
        self.entries.push(CredentialEntry { id, service, created_at: now, sha256: made.digest() });
        Ok(made)
    }

    /// Withdraws a credential: nobody is heard with it any more. None where there is none of that name.
    pub fn withdraw(&mut self, id: &str) -> Option<CredentialEntry> {
        let at = self.entries.iter().position(|entry| entry.id.as_str() == id)?;
        Some(self.entries.remove(at))
    }

    /// Whose credential this is; none where it does not count.
    pub fn authenticate(&self, presented: &Credential) -> Option<&CredentialEntry> {
        let digest = presented.digest();
        // Names are no secrets. What is compared in constant time is what only the service knows, and even there a hash.
        let named = self.entries.iter().find(|entry| entry.id == presented.id)?;
        bool::from(named.sha256.as_bytes().ct_eq(digest.as_bytes())).then_some(named)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BookText {
    version: u32,
    credentials: Vec<CredentialEntry>,
}

fn encode_hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Lower-case digits and the right number of them: one spelling.
fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |octet: u8| match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        _ => None,
    };
    let mut octets = [0; N];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
        *octet = digit(*high)? << 4 | digit(*low)?;
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> ServiceName {
        ServiceName::parse(name).unwrap()
    }

    #[test]
    fn a_credential_speaks_for_its_service_until_it_is_withdrawn() {
        let mut book = CredentialBook::default();
        let made = book.create(&service("inventory"), Micros(1)).unwrap();
        let presented = Credential::parse(&made.expose()).unwrap();
        assert_eq!(book.authenticate(&presented).unwrap().service, service("inventory"));
        assert_eq!(book.withdraw("none"), None);
        assert!(book.withdraw(made.id().as_str()).is_some());
        assert_eq!(book.authenticate(&presented), None);
    }

    #[test]
    fn another_secret_under_a_known_name_counts_for_nothing() {
        let mut book = CredentialBook::default();
        let (one, two) = (Credential::draw().unwrap(), book.create(&service("inventory"), Micros(1)).unwrap());
        let forged = Credential { id: two.id.clone(), secret: one.secret.clone() };
        assert_eq!(book.authenticate(&forged), None);
        assert_eq!(book.authenticate(&one), None);
    }

    #[test]
    fn two_are_valid_at_once_and_a_third_is_refused() {
        let mut book = CredentialBook::default();
        let made: Vec<_> = (0..2).map(|n| book.create(&service("inventory"), Micros(n)).unwrap()).collect();
        assert!(made.iter().all(|made| book.authenticate(made).is_some()));
        assert!(matches!(book.create(&service("inventory"), Micros(3)), Err(CreateError::TwoAlready { .. })));
        assert!(book.create(&service("orders"), Micros(3)).is_ok());
        book.withdraw(made[0].id().as_str()).unwrap();
        assert!(book.create(&service("inventory"), Micros(4)).is_ok());
    }

    #[test]
    fn the_book_holds_no_secret_and_reads_back() {
        let mut book = CredentialBook::default();
        let made = book.create(&service("inventory"), Micros(1)).unwrap();
        let text = book.to_text().unwrap();
        assert!(!text.contains(&encode_hex(&*made.secret)));
        assert!(!format!("{made:?} {book:?}").contains(&encode_hex(&*made.secret)));
        assert_eq!(CredentialBook::parse(&text).unwrap(), book);
        assert!(CredentialBook::parse(&text.replace("\"version\": 1", "\"version\": 2")).is_err());
        assert!(CredentialBook::parse("{}").is_err());
    }

    #[test]
    fn a_credential_has_one_spelling() {
        let good = Credential::draw().unwrap().expose().to_string();
        assert!(Credential::parse(&good).is_some());
        for bad in [
            String::new(),
            good.to_uppercase(),
            format!("{good}0"),
            good[..good.len() - 1].to_owned(),
            good.replace("cgs_", "cgs-"),
            format!(" {good}"),
            good.replacen('_', "__", 2),
        ] {
            assert!(Credential::parse(&bad).is_none(), "{bad}");
        }
    }
}
