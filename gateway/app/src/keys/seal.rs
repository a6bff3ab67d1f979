//! Envelope encryption: a sealed text is encrypted under a key of its own, and that key under the master key.
//!
//! So a master key that lives in a KMS would only ever see keys, and changing it rewrites 32 octets a file.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::MasterKey;

/// The version of the format, and what every tag covers beside the name.
const VERSION: u16 = 1;

/// XChaCha20's nonce (draft-irtf-cfrg-xchacha): long enough to be drawn at random.
const NONCE_BYTES: usize = 24;

/// A sealed text as its file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    v: u16,
    name: String,
    /// The text's key: nonce and XChaCha20-Poly1305 under the master key, in base64.
    key: String,
    /// The text: nonce and XChaCha20-Poly1305 under its key, in base64.
    text: String,
}

/// Why a text could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the operating system gave no random bytes")]
    RandomUnavailable(#[source] getrandom::Error),
    #[error("it is not a sealed file of version {VERSION}")]
    Malformed,
    #[error(
        "it was sealed under another master key, or was changed; check CEDARGATE_MASTER_KEY or `secrets.master_key_file`"
    )]
    Refused,
    #[error("it could not be sealed")]
    Encoding,
}

/// Seals a text under a name, as the text of a file.
pub(super) fn seal(master: &MasterKey, name: &str, text: &str) -> Result<String, SealError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(SealError::RandomUnavailable)?;
    let sealed = Sealed {
        v: VERSION,
        name: name.to_owned(),
        key: encrypt(master.expose(), &covered(name, "key"), key.as_slice())?,
        text: encrypt(&key, &covered(name, "text"), text.as_bytes())?,
    };
    serde_json::to_string(&sealed).map(|line| line + "\n").map_err(|_| SealError::Encoding)
}

/// Opens what [`seal`] made under the same name.
pub(super) fn open(master: &MasterKey, name: &str, file: &str) -> Result<Zeroizing<String>, SealError> {
    let sealed: Sealed = serde_json::from_str(file).map_err(|_| SealError::Malformed)?;
    if sealed.v != VERSION || sealed.name != name {
        return Err(SealError::Malformed);
    }
    let key = decrypt(master.expose(), &covered(name, "key"), &sealed.key)?;
    let key = Zeroizing::new(<[u8; 32]>::try_from(key.as_slice()).map_err(|_| SealError::Malformed)?);
    let text = decrypt(&key, &covered(name, "text"), &sealed.text)?;
    let text = std::str::from_utf8(&text).map_err(|_| SealError::Malformed)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Seals a text under a name as shortly as that goes, for a browser to keep: nonce and XChaCha20-Poly1305 under the master key, in base64url
/// without padding. Nonces of 192 bits are drawn at random, however many strangers ask for one.
pub(super) fn seal_short(master: &MasterKey, name: &str, text: &str) -> Result<String, SealError> {
    let sealed = encrypt_octets(master.expose(), &covered(name, "short"), text.as_bytes())?;
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

/// Opens what [`seal_short`] made under the same name.
pub(super) fn open_short(master: &MasterKey, name: &str, sealed: &str) -> Result<Zeroizing<String>, SealError> {
    let octets = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| SealError::Malformed)?;
    let text = decrypt_octets(master.expose(), &covered(name, "short"), &octets)?;
    let text = std::str::from_utf8(&text).map_err(|_| SealError::Malformed)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// What a tag covers: so neither file nor part can stand for another.
fn covered(name: &str, part: &str) -> String {
    format!("cedargate-sealed/{VERSION} {name} {part}")
}

fn encrypt(key: &[u8; 32], covered: &str, plain: &[u8]) -> Result<String, SealError> {
    encrypt_octets(key, covered, plain).map(|octets| STANDARD.encode(octets))
}

fn encrypt_octets(key: &[u8; 32], covered: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(SealError::RandomUnavailable)?;
    let payload = Payload { msg: plain, aad: covered.as_bytes() };
    let cipher = XChaCha20Poly1305::new(key.into());
    let encrypted = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Encoding)?;
    Ok([nonce.as_slice(), &encrypted].concat())
}

fn decrypt(key: &[u8; 32], covered: &str, text: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let octets = STANDARD.decode(text).map_err(|_| SealError::Malformed)?;
    decrypt_octets(key, covered, &octets)
}

fn decrypt_octets(key: &[u8; 32], covered: &str, octets: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (nonce, encrypted) = octets.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Malformed)?;
    let payload = Payload { msg: encrypted, aad: covered.as_bytes() };
    let cipher = XChaCha20Poly1305::new(key.into());
    let plain = cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Refused)?;
    Ok(Zeroizing::new(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(digit: char) -> MasterKey {
        MasterKey::parse(&format!("1{}", digit.to_string().repeat(63))).unwrap()
    }

    #[test]
    fn a_sealed_text_opens_under_its_key_and_name_alone() {
        let file = seal(&master('2'), "identity", "secret").unwrap();
        assert!(!file.contains("secret"));
        assert_eq!(*open(&master('2'), "identity", &file).unwrap(), "secret");
        assert!(matches!(open(&master('3'), "identity", &file), Err(SealError::Refused)));
        assert!(matches!(open(&master('2'), "audit", &file), Err(SealError::Malformed)));
        let renamed = file.replace("identity", "audit");
        assert!(matches!(open(&master('2'), "audit", &renamed), Err(SealError::Refused)));
    }

    #[test]
    fn a_changed_octet_is_noticed() {
        let file = seal(&master('2'), "identity", "secret").unwrap();
        for at in 0..file.len() - 1 {
            let mut octets = file.clone().into_bytes();
            octets[at] = if octets[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(octets).unwrap();
            assert!(open(&master('2'), "identity", &changed).is_err(), "octet {at}");
        }
        assert!(matches!(open(&master('2'), "identity", ""), Err(SealError::Malformed)));
    }
}
