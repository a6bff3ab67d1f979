//! Namespaces and identifiers, as the standards write them.

/// SAML's protocol messages (SAML Core §1.1).
pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// SAML's assertions (SAML Core §1.1).
pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// SAML's metadata (SAML Metadata §1.1).
pub(crate) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
/// XML signatures.
pub(crate) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// XML signatures 1.1: keys on elliptic curves.
pub(crate) const DSIG11: &str = "http://www.w3.org/2009/xmldsig11#";
/// XML encryption.
pub(crate) const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
/// XML encryption 1.1.
pub(crate) const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
/// Attributes that belong to XML itself.
pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Exclusive canonicalisation, without comments. Also the namespace of its parameter.
pub(crate) const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// The transform that leaves the signature itself out.
pub(crate) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

pub(crate) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub(crate) const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// How a signature may be made: SHA-1 is not on the list, and neither is anything with a shared key.
pub(crate) const SIGNATURE_METHODS: [&str; 6] = [
    RSA_SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
];

/// How a digest may be made.
pub(crate) const DIGEST_METHODS: [&str; 3] =
    [SHA256, "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512"];

/// Ciphers that notice a changed ciphertext.
pub(crate) const GCM: [&str; 2] =
    ["http://www.w3.org/2009/xmlenc11#aes128-gcm", "http://www.w3.org/2009/xmlenc11#aes256-gcm"];
/// Ciphers that do not: whoever may ask often enough learns the text.
pub(crate) const CBC: [&str; 2] =
    ["http://www.w3.org/2001/04/xmlenc#aes128-cbc", "http://www.w3.org/2001/04/xmlenc#aes256-cbc"];
/// How the key of a cipher may be wrapped. The first always uses SHA-1 within its mask, where that is no weakness; the padding of
/// PKCS #1 v1.5 is not on the list.
pub(crate) const KEY_TRANSPORTS: [&str; 2] =
    ["http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", "http://www.w3.org/2009/xmlenc11#rsa-oaep"];

/// The digests of OAEP, where SHA-1 is no weakness.
pub(crate) const OAEP_DIGESTS: [&str; 4] =
    ["http://www.w3.org/2000/09/xmldsig#sha1", SHA256, DIGEST_METHODS[1], DIGEST_METHODS[2]];
/// The masks of OAEP.
pub(crate) const MASKS: [&str; 4] = [
    "http://www.w3.org/2009/xmlenc11#mgf1sha1",
    "http://www.w3.org/2009/xmlenc11#mgf1sha256",
    "http://www.w3.org/2009/xmlenc11#mgf1sha384",
    "http://www.w3.org/2009/xmlenc11#mgf1sha512",
];

/// Whoever brings the assertion is the one whom it is about.
pub(crate) const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
/// The one status that is a success.
pub(crate) const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
/// A NameID that means nobody tomorrow.
pub(crate) const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
/// The format of a NameID that says none (SAML Core §8.3.1).
pub(crate) const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
/// The browser is redirected, the message is in its query.
pub(crate) const REDIRECT_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
/// The browser posts a form with the message.
pub(crate) const POST_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
