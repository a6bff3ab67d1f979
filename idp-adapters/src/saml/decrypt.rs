//! From an encrypted assertion to its text, which is then scanned as any other.

use std::fmt::Write as _;

use bergshamra_enc::EncContext;
use bergshamra_enc::decrypt::decrypt_to_bytes;
use bergshamra_keys::KeysManager;
use bergshamra_keys::loader::load_rsa_private_pem;
use cedargate_model::SigninReason;
use roxmltree::Node;
use zeroize::Zeroizing;

use super::key::SpKey;
use super::names::{CBC, DSIG, GCM, KEY_TRANSPORTS, MASKS, OAEP_DIGESTS, XENC, XENC11};
use super::scan::Scanned;
use crate::Refused;

/// Decrypts the one encrypted assertion of a message. `cbc` says whether ciphers are taken that do not notice a changed ciphertext.
///
/// # Errors
/// `saml_encryption` for a cipher that is not taken, `saml_decryption` for everything that goes wrong with one that is: which of it, a
/// stranger must not learn, and does not.
pub(crate) fn decrypt(scanned: &Scanned<'_>, key: &SpKey, cbc: bool) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let encrypted = scanned.encrypted().ok_or(SigninReason::SamlEncryption)?;
    let document = rewritten(encrypted, cbc)?;
    let failed = |error: &dyn std::fmt::Display| Refused::because(SigninReason::SamlDecryption, error.to_string());
    let mut keys = KeysManager::new();
    keys.add_key(load_rsa_private_pem(key.pem().as_bytes()).map_err(|error| failed(&error))?);
    let context = EncContext::new(keys).with_disable_cipher_reference(true).with_max_pbkdf2_iterations(0);
    decrypt_to_bytes(&context, &document).map(Zeroizing::new).map_err(|error| failed(&error))
}

/// The same ciphertext in a document of our own: names of algorithms come from the lists here, and nothing of the sender's markup goes
/// on. Its type says that the plaintext is no XML, so that the library hands it out as it is; as XML it would be written anew.
fn rewritten(encrypted: Node<'_, '_>, cbc: bool) -> Result<String, SigninReason> {
    let data = named(encrypted, XENC, "EncryptedData").ok_or(SigninReason::SamlEncryption)?;
    let key = named(data, DSIG, "KeyInfo").and_then(|info| named(info, XENC, "EncryptedKey"));
    let key = key.ok_or(SigninReason::SamlEncryption)?;
    let method = |node| named(node, XENC, "EncryptionMethod");
    let ciphers: &[&str] = if cbc { &[GCM[0], GCM[1], CBC[0], CBC[1]] } else { &GCM };
    let cipher = algorithm(method(data), ciphers)?;
    let transport = algorithm(method(key), &KEY_TRANSPORTS)?;
    let mut parameters = String::new();
    if let Some(digest) = method(key).and_then(|method| named(method, DSIG, "DigestMethod")) {
        let digest = algorithm(Some(digest), &OAEP_DIGESTS)?;
        let _infallible = write!(parameters, "<ds:DigestMethod Algorithm=\"{digest}\"/>");
    }
    if let Some(mask) = method(key).and_then(|method| named(method, XENC11, "MGF")) {
        let mask = algorithm(Some(mask), &MASKS)?;
        let _infallible = write!(parameters, "<xenc11:MGF Algorithm=\"{mask}\"/>");
    }
    Ok(format!(
        "<xenc:EncryptedData xmlns:xenc=\"{XENC}\" xmlns:xenc11=\"{XENC11}\" xmlns:ds=\"{DSIG}\" Type=\"urn:cedargate:octets\">\
         <xenc:EncryptionMethod Algorithm=\"{cipher}\"/><ds:KeyInfo><xenc:EncryptedKey>\
         <xenc:EncryptionMethod Algorithm=\"{transport}\">{parameters}</xenc:EncryptionMethod>\
         <xenc:CipherData><xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>\
         <xenc:CipherData><xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>",
        octets(key)?,
        octets(data)?,
    ))
}

fn named<'a, 'x>(within: Node<'a, 'x>, namespace: &str, name: &str) -> Option<Node<'a, 'x>> {
    within.children().find(|node| node.has_tag_name((namespace, name)))
}

fn algorithm<'l>(method: Option<Node<'_, '_>>, list: &[&'l str]) -> Result<&'l str, SigninReason> {
    let said = method.and_then(|method| method.attribute("Algorithm"));
    list.iter().copied().find(|known| said == Some(known)).ok_or(SigninReason::SamlEncryption)
}

/// The base64 of a ciphertext, without white space.
fn octets(of: Node<'_, '_>) -> Result<String, SigninReason> {
    let value = named(of, XENC, "CipherData").and_then(|data| named(data, XENC, "CipherValue"));
    let text = value.and_then(|value| value.text()).ok_or(SigninReason::SamlDecryption)?;
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    if text.bytes().all(is_base64) { Ok(text) } else { Err(SigninReason::SamlDecryption) }
}
