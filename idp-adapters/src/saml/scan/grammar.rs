//! The messages that are read: SAML Core's schemas, less what nobody needs.
//!
//! Left out on purpose, each a place where something could hide: extensions, advice, encrypted ids and attributes, statements of other
//! kinds, keys in confirmations, and in signatures objects, manifests and keys that stand elsewhere.

use cedargate_model::SigninReason as Reason;

use super::shape::{Content, Part, Shape, any, maybe, one};
use crate::saml::names::{ASSERTION, DSIG, DSIG11, EXC_C14N, PROTOCOL, XENC, XENC11};

const fn shape(
    namespace: &'static str,
    name: &'static str,
    attributes: &'static [&'static str],
    content: Content,
    reason: Reason,
) -> Shape {
    Shape { namespace, name, attributes, content, reason }
}

const fn saml(name: &'static str, attributes: &'static [&'static str], content: Content) -> Shape {
    shape(ASSERTION, name, attributes, content, Reason::SamlStructure)
}

const fn samlp(name: &'static str, attributes: &'static [&'static str], content: Content) -> Shape {
    shape(PROTOCOL, name, attributes, content, Reason::SamlStructure)
}

const fn ds(name: &'static str, attributes: &'static [&'static str], content: Content) -> Shape {
    shape(DSIG, name, attributes, content, Reason::SamlSignatureShape)
}

const fn xenc(name: &'static str, attributes: &'static [&'static str], content: Content) -> Shape {
    shape(XENC, name, attributes, content, Reason::SamlEncryption)
}

const fn parts(parts: &'static [Part]) -> Content {
    Content::Parts(parts)
}

pub(super) static RESPONSE: Shape = samlp(
    "Response",
    &["ID", "Version", "IssueInstant", "Destination", "Consent", "InResponseTo"],
    parts(&[maybe(&ISSUER), maybe(&SIGNATURE), one(&STATUS), maybe(&SAML_ASSERTION), maybe(&ENCRYPTED_ASSERTION)]),
);

pub(super) static LOGOUT_REQUEST: Shape = samlp(
    "LogoutRequest",
    &["ID", "Version", "IssueInstant", "Destination", "Consent", "Reason", "NotOnOrAfter"],
    parts(&[one(&ISSUER), maybe(&SIGNATURE), one(&NAME_ID), Part { shape: &SESSION_INDEX, min: 0, max: 16 }]),
);

pub(super) static LOGOUT_RESPONSE: Shape = samlp(
    "LogoutResponse",
    &["ID", "Version", "IssueInstant", "Destination", "Consent", "InResponseTo"],
    parts(&[maybe(&ISSUER), maybe(&SIGNATURE), one(&STATUS)]),
);

static SESSION_INDEX: Shape = samlp("SessionIndex", &[], Content::Text);

static STATUS: Shape = samlp("Status", &[], parts(&[one(&STATUS_CODE), maybe(&STATUS_MESSAGE), maybe(&STATUS_DETAIL)]));
static STATUS_CODE: Shape = samlp("StatusCode", &["Value"], parts(&[maybe(&SUB_STATUS_CODE)]));
static SUB_STATUS_CODE: Shape = samlp("StatusCode", &["Value"], Content::Empty);
static STATUS_MESSAGE: Shape = samlp("StatusMessage", &[], Content::Text);
static STATUS_DETAIL: Shape = samlp("StatusDetail", &[], Content::Open);

static ISSUER: Shape = saml("Issuer", &["Format", "NameQualifier", "SPNameQualifier"], Content::Text);

pub(super) static SAML_ASSERTION: Shape = saml(
    "Assertion",
    &["ID", "Version", "IssueInstant"],
    parts(&[
        one(&ISSUER),
        maybe(&SIGNATURE),
        one(&SUBJECT),
        maybe(&CONDITIONS),
        one(&AUTHN_STATEMENT),
        maybe(&ATTRIBUTE_STATEMENT),
    ]),
);

static SUBJECT: Shape = saml("Subject", &[], parts(&[one(&NAME_ID), one(&SUBJECT_CONFIRMATION)]));
static NAME_ID: Shape = shape(
    ASSERTION,
    "NameID",
    &["Format", "NameQualifier", "SPNameQualifier", "SPProvidedID"],
    Content::Text,
    Reason::SamlNameId,
);
static SUBJECT_CONFIRMATION: Shape =
    saml("SubjectConfirmation", &["Method"], parts(&[one(&SUBJECT_CONFIRMATION_DATA)]));
static SUBJECT_CONFIRMATION_DATA: Shape = saml(
    "SubjectConfirmationData",
    &["NotBefore", "NotOnOrAfter", "Recipient", "InResponseTo", "Address"],
    Content::Empty,
);

static CONDITIONS: Shape = shape(
    ASSERTION,
    "Conditions",
    &["NotBefore", "NotOnOrAfter"],
    parts(&[maybe(&AUDIENCE_RESTRICTION), maybe(&ONE_TIME_USE), maybe(&PROXY_RESTRICTION)]),
    Reason::SamlConditions,
);
static AUDIENCE_RESTRICTION: Shape =
    saml("AudienceRestriction", &[], parts(&[Part { shape: &AUDIENCE, min: 1, max: 16 }]));
static AUDIENCE: Shape = saml("Audience", &[], Content::Text);
static ONE_TIME_USE: Shape = saml("OneTimeUse", &[], Content::Empty);
static PROXY_RESTRICTION: Shape = saml("ProxyRestriction", &["Count"], parts(&[any(&AUDIENCE)]));

static AUTHN_STATEMENT: Shape = saml(
    "AuthnStatement",
    &["AuthnInstant", "SessionIndex", "SessionNotOnOrAfter"],
    parts(&[maybe(&SUBJECT_LOCALITY), one(&AUTHN_CONTEXT)]),
);
static SUBJECT_LOCALITY: Shape = saml("SubjectLocality", &["Address", "DNSName"], Content::Empty);
static AUTHN_CONTEXT: Shape = saml(
    "AuthnContext",
    &[],
    parts(&[
        maybe(&AUTHN_CONTEXT_CLASS_REF),
        maybe(&AUTHN_CONTEXT_DECL_REF),
        Part { shape: &AUTHENTICATING_AUTHORITY, min: 0, max: 16 },
    ]),
);
static AUTHN_CONTEXT_CLASS_REF: Shape = saml("AuthnContextClassRef", &[], Content::Text);
static AUTHN_CONTEXT_DECL_REF: Shape = saml("AuthnContextDeclRef", &[], Content::Text);
static AUTHENTICATING_AUTHORITY: Shape = saml("AuthenticatingAuthority", &[], Content::Text);

static ATTRIBUTE_STATEMENT: Shape = saml("AttributeStatement", &[], parts(&[any(&ATTRIBUTE)]));
static ATTRIBUTE: Shape = saml("Attribute", &["Name", "NameFormat", "FriendlyName"], parts(&[any(&ATTRIBUTE_VALUE)]));
static ATTRIBUTE_VALUE: Shape = saml("AttributeValue", &[], Content::Open);

pub(super) static SIGNATURE: Shape =
    ds("Signature", &["Id"], parts(&[one(&SIGNED_INFO), one(&SIGNATURE_VALUE), maybe(&KEY_INFO)]));
static SIGNED_INFO: Shape = shape(
    DSIG,
    "SignedInfo",
    &["Id"],
    parts(&[one(&CANONICALIZATION_METHOD), one(&SIGNATURE_METHOD), one(&REFERENCE)]),
    // Another reference, or none.
    Reason::SamlReference,
);
static CANONICALIZATION_METHOD: Shape = shape(
    DSIG,
    "CanonicalizationMethod",
    &["Algorithm"],
    parts(&[maybe(&INCLUSIVE_NAMESPACES)]),
    Reason::SamlTransform,
);
static SIGNATURE_METHOD: Shape = shape(DSIG, "SignatureMethod", &["Algorithm"], Content::Empty, Reason::SamlAlgorithm);
static SIGNATURE_VALUE: Shape = ds("SignatureValue", &["Id"], Content::Text);
static REFERENCE: Shape = shape(
    DSIG,
    "Reference",
    &["URI"],
    parts(&[one(&TRANSFORMS), one(&DIGEST_METHOD), one(&DIGEST_VALUE)]),
    Reason::SamlReference,
);
static TRANSFORMS: Shape =
    shape(DSIG, "Transforms", &[], parts(&[Part { shape: &TRANSFORM, min: 2, max: 2 }]), Reason::SamlTransform);
static TRANSFORM: Shape =
    shape(DSIG, "Transform", &["Algorithm"], parts(&[maybe(&INCLUSIVE_NAMESPACES)]), Reason::SamlTransform);
static INCLUSIVE_NAMESPACES: Shape =
    shape(EXC_C14N, "InclusiveNamespaces", &["PrefixList"], Content::Empty, Reason::SamlTransform);
static DIGEST_METHOD: Shape = shape(DSIG, "DigestMethod", &["Algorithm"], Content::Empty, Reason::SamlAlgorithm);
static DIGEST_VALUE: Shape = ds("DigestValue", &[], Content::Text);

/// What a signature says about its key. It is held against nothing and believed nothing: it only must not lead anywhere.
static KEY_INFO: Shape = ds("KeyInfo", &["Id"], parts(&[any(&KEY_NAME), any(&KEY_VALUE), any(&X509_DATA)]));
static KEY_NAME: Shape = ds("KeyName", &[], Content::Text);
static KEY_VALUE: Shape = ds("KeyValue", &[], parts(&[maybe(&RSA_KEY_VALUE), maybe(&EC_KEY_VALUE)]));
static RSA_KEY_VALUE: Shape = ds("RSAKeyValue", &[], parts(&[one(&MODULUS), one(&EXPONENT)]));
static MODULUS: Shape = ds("Modulus", &[], Content::Text);
static EXPONENT: Shape = ds("Exponent", &[], Content::Text);
static EC_KEY_VALUE: Shape =
    shape(DSIG11, "ECKeyValue", &[], parts(&[one(&NAMED_CURVE), one(&PUBLIC_KEY)]), Reason::SamlSignatureShape);
static NAMED_CURVE: Shape = shape(DSIG11, "NamedCurve", &["URI"], Content::Empty, Reason::SamlSignatureShape);
static PUBLIC_KEY: Shape = shape(DSIG11, "PublicKey", &[], Content::Text, Reason::SamlSignatureShape);
static X509_DATA: Shape = ds(
    "X509Data",
    &[],
    parts(&[any(&X509_CERTIFICATE), any(&X509_ISSUER_SERIAL), any(&X509_SUBJECT_NAME), any(&X509_SKI)]),
);
static X509_CERTIFICATE: Shape = ds("X509Certificate", &[], Content::Text);
static X509_ISSUER_SERIAL: Shape =
    ds("X509IssuerSerial", &[], parts(&[one(&X509_ISSUER_NAME), one(&X509_SERIAL_NUMBER)]));
static X509_ISSUER_NAME: Shape = ds("X509IssuerName", &[], Content::Text);
static X509_SERIAL_NUMBER: Shape = ds("X509SerialNumber", &[], Content::Text);
static X509_SUBJECT_NAME: Shape = ds("X509SubjectName", &[], Content::Text);
static X509_SKI: Shape = ds("X509SKI", &[], Content::Text);

/// The wrapped key stands in the encrypted data; nothing is looked up elsewhere.
pub(super) static ENCRYPTED_ASSERTION: Shape =
    shape(ASSERTION, "EncryptedAssertion", &[], parts(&[one(&ENCRYPTED_DATA)]), Reason::SamlEncryption);
static ENCRYPTED_DATA: Shape = xenc(
    "EncryptedData",
    &["Id", "Type", "MimeType"],
    parts(&[one(&DATA_METHOD), one(&DATA_KEY_INFO), one(&CIPHER_DATA)]),
);
static DATA_METHOD: Shape = xenc("EncryptionMethod", &["Algorithm"], Content::Empty);
static DATA_KEY_INFO: Shape = shape(DSIG, "KeyInfo", &["Id"], parts(&[one(&ENCRYPTED_KEY)]), Reason::SamlEncryption);
static ENCRYPTED_KEY: Shape = xenc(
    "EncryptedKey",
    &["Id", "Recipient"],
    parts(&[one(&KEY_METHOD), maybe(&RECIPIENT_KEY_INFO), one(&CIPHER_DATA)]),
);
static KEY_METHOD: Shape = xenc("EncryptionMethod", &["Algorithm"], parts(&[maybe(&OAEP_DIGEST), maybe(&MASK)]));
static OAEP_DIGEST: Shape = shape(DSIG, "DigestMethod", &["Algorithm"], Content::Empty, Reason::SamlEncryption);
static MASK: Shape = shape(XENC11, "MGF", &["Algorithm"], Content::Empty, Reason::SamlEncryption);
static RECIPIENT_KEY_INFO: Shape =
    shape(DSIG, "KeyInfo", &["Id"], parts(&[any(&KEY_NAME), any(&X509_DATA)]), Reason::SamlEncryption);
static CIPHER_DATA: Shape = xenc("CipherData", &[], parts(&[one(&CIPHER_VALUE)]));
static CIPHER_VALUE: Shape = xenc("CipherValue", &[], Content::Text);
