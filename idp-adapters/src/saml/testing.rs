//! An IdP that says whatever a test wants, honestly signed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bergshamra_enc::EncContext;
use bergshamra_enc::encrypt::encrypt;
use bergshamra_keys::KeysManager;
use bergshamra_keys::loader::load_x509_cert_der;
use cedargate_model::Micros;
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::client::Sp;
use super::key::SpKey;
use super::message::instant;
use super::metadata::IdpMetadata;
use super::names::{
    ASSERTION, BEARER, DSIG, GCM, KEY_TRANSPORTS, METADATA, POST_BINDING, PROTOCOL, REDIRECT_BINDING, SUCCESS, XENC,
};

/// An IdP with a key of its own.
#[derive(Debug)]
pub struct TestIdp {
    /// What it signs with.
    pub key: SpKey,
}

/// Who it is.
pub const ENTITY_ID: &str = "https://idp.example/metadata";
/// Where it signs people in.
pub const SIGN_ON: &str = "https://idp.example/sso?tenant=1";
/// Where it is told that they sign out.
pub const LOGOUT: &str = "https://idp.example/slo";

/// What it says. Every field is said as it stands.
#[derive(Clone, Debug)]
pub struct Said {
    /// The message's id.
    pub response_id: String,
    /// The assertion's id.
    pub assertion_id: String,
    /// When both were issued.
    pub issued: Micros,
    /// Attributes of the message beyond what it needs.
    pub destination: String,
    /// Which request it answers, in the message.
    pub in_response_to: Option<String>,
    /// Which request it answers, in the assertion.
    pub confirmed_in_response_to: Option<String>,
    /// Who says so, in the message.
    pub response_issuer: String,
    /// Who says so, in the assertion.
    pub issuer: String,
    /// How it went.
    pub status: String,
    /// The NameID's text, as XML.
    pub name_id: String,
    /// The NameID's kind.
    pub format: String,
    /// How the assertion is confirmed.
    pub method: String,
    /// For which place.
    pub recipient: String,
    /// Until when.
    pub not_on_or_after: Micros,
    /// The conditions, as XML.
    pub conditions: String,
    /// When the person proved who they are.
    pub authn_instant: Micros,
    /// The IdP's own session.
    pub session_index: String,
    /// Until when that session is good.
    pub session_ends: Option<Micros>,
    /// How they proved it.
    pub class: String,
    /// The attributes, as XML.
    pub attributes: String,
}

/// A piece of XML around the place of its signature.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Its id.
    pub id: String,
    /// Up to its issuer.
    pub before: String,
    /// What follows.
    pub after: String,
}

/// A key and a certificate for it, as PEM: of the IdP, or of the gateway.
pub fn key_and_certificate() -> (String, String) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let pem =
        |label: &str, der: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der));
    let signer = PrivatePkcs8KeyDer::from(der.as_ref().to_vec());
    let signer = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&signer, &rcgen::PKCS_RSA_SHA256).unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["idp.example".to_owned()]).unwrap().self_signed(&signer).unwrap();
    (pem("PRIVATE KEY", der.as_ref()), pem("CERTIFICATE", certificate.der()))
}

impl Default for TestIdp {
    fn default() -> Self {
        let (key, certificate) = key_and_certificate();
        Self { key: SpKey::parse(&key, &certificate).unwrap() }
    }
}

impl TestIdp {
    /// Its metadata, with these certificates.
    pub fn metadata_xml(&self, certificates: &[&SpKey]) -> String {
        let keys: String = certificates
            .iter()
            .map(|key| {
                format!(
                    "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"{DSIG}\"><ds:X509Data><ds:X509Certificate>\n{}\n\
                     </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>",
                    key.certificate().unwrap().to_base64()
                )
            })
            .collect();
        format!(
            "<?xml version=\"1.0\"?>\n<!-- a comment -->\n<md:EntityDescriptor xmlns:md=\"{METADATA}\" entityID=\"{ENTITY_ID}\">\
             <md:IDPSSODescriptor protocolSupportEnumeration=\"{PROTOCOL}\">{keys}\
             <md:SingleLogoutService Binding=\"{REDIRECT_BINDING}\" Location=\"{LOGOUT}\"/>\
             <md:SingleSignOnService Binding=\"{POST_BINDING}\" Location=\"https://idp.example/post\"/>\
             <md:SingleSignOnService Binding=\"{REDIRECT_BINDING}\" Location=\"{SIGN_ON}\"/>\
             </md:IDPSSODescriptor></md:EntityDescriptor>"
        )
    }

    /// Its metadata as it publishes it: with these certificates and attributes, signed by somebody.
    pub fn sign_published(&self, certificates: &[&SpKey], signed_by: &SpKey, attributes: &str) -> String {
        let keys: String = certificates
            .iter()
            .map(|key| {
                format!(
                    "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"{DSIG}\"><ds:X509Data><ds:X509Certificate>{}\
                     </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>",
                    key.certificate().unwrap().to_base64()
                )
            })
            .collect();
        let before = format!(
            "<md:EntityDescriptor xmlns:md=\"{METADATA}\" ID=\"_published\" entityID=\"{ENTITY_ID}\"{attributes}>"
        );
        let after = format!(
            "<md:IDPSSODescriptor protocolSupportEnumeration=\"{PROTOCOL}\">{keys}\
             <md:SingleSignOnService Binding=\"{REDIRECT_BINDING}\" Location=\"{SIGN_ON}\"></md:SingleSignOnService>\
             </md:IDPSSODescriptor></md:EntityDescriptor>"
        );
        let signature = signed_by.signature_element("_published", &before, &after).unwrap();
        format!("{before}{signature}{after}")
    }

    /// Its metadata, read.
    pub fn metadata(&self) -> IdpMetadata {
        IdpMetadata::parse(self.metadata_xml(&[&self.key]).as_bytes()).unwrap()
    }

    /// Signs a piece.
    pub fn sign(&self, piece: &Piece) -> String {
        let signature = self.signature(piece);
        format!("{}{signature}{}", piece.before, piece.after)
    }

    /// The signature of a piece, by itself.
    pub fn signature(&self, piece: &Piece) -> String {
        self.key.signature_element(&piece.id, &piece.before, &piece.after).unwrap()
    }
}

impl Said {
    /// What an honest IdP says of Ada to this SP.
    pub fn honest(sp: &Sp, request: Option<&str>, now: Micros) -> Self {
        let end = now.after(Duration::from_secs(300));
        Self {
            response_id: "_response".to_owned(),
            assertion_id: "_assertion".to_owned(),
            issued: now,
            destination: sp.acs.clone(),
            in_response_to: request.map(str::to_owned),
            confirmed_in_response_to: request.map(str::to_owned),
            response_issuer: ENTITY_ID.to_owned(),
            issuer: ENTITY_ID.to_owned(),
            status: SUCCESS.to_owned(),
            name_id: "ada".to_owned(),
            format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned(),
            method: BEARER.to_owned(),
            recipient: sp.acs.clone(),
            not_on_or_after: end,
            conditions: format!(
                "<saml:Conditions NotBefore=\"{}\" NotOnOrAfter=\"{}\"><saml:AudienceRestriction><saml:Audience>{}</saml:Audience>\
                 </saml:AudienceRestriction></saml:Conditions>",
                instant(now),
                instant(end),
                sp.entity_id
            ),
            authn_instant: now,
            session_index: "_session".to_owned(),
            session_ends: None,
            class: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport".to_owned(),
            attributes: "<saml:AttributeStatement><saml:Attribute Name=\"email\"><saml:AttributeValue>ada@acme.example\
                         </saml:AttributeValue></saml:Attribute><saml:Attribute Name=\"groups\"><saml:AttributeValue>warehouse\
                         </saml:AttributeValue><saml:AttributeValue>office</saml:AttributeValue></saml:Attribute>\
                         </saml:AttributeStatement>"
                .to_owned(),
        }
    }

    /// The assertion.
    pub fn assertion(&self) -> Piece {
        let (issued, end) = (instant(self.issued), instant(self.not_on_or_after));
        let in_response_to = attribute("InResponseTo", self.confirmed_in_response_to.as_deref());
        let session_ends = attribute("SessionNotOnOrAfter", self.session_ends.map(instant).as_deref());
        Piece {
            id: self.assertion_id.clone(),
            before: format!(
                "<saml:Assertion xmlns:saml=\"{ASSERTION}\" ID=\"{}\" IssueInstant=\"{issued}\" Version=\"2.0\">\
                 <saml:Issuer>{}</saml:Issuer>",
                self.assertion_id, self.issuer
            ),
            after: format!(
                "<saml:Subject><saml:NameID Format=\"{}\">{}</saml:NameID><saml:SubjectConfirmation Method=\"{}\">\
                 <saml:SubjectConfirmationData{in_response_to} NotOnOrAfter=\"{end}\" Recipient=\"{}\">\
                 </saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>{}\
                 <saml:AuthnStatement AuthnInstant=\"{}\" SessionIndex=\"{}\"{session_ends}><saml:AuthnContext>\
                 <saml:AuthnContextClassRef>{}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>{}\
                 </saml:Assertion>",
                self.format,
                self.name_id,
                self.method,
                self.recipient,
                self.conditions,
                instant(self.authn_instant),
                self.session_index,
                self.class,
                self.attributes,
            ),
        }
    }

    /// The message around something: an assertion, or an encrypted one.
    pub fn response(&self, around: &str) -> Piece {
        Piece {
            id: self.response_id.clone(),
            before: format!(
                "<samlp:Response xmlns:samlp=\"{PROTOCOL}\" Destination=\"{}\" ID=\"{}\"{} IssueInstant=\"{}\" Version=\"2.0\">\
                 <saml:Issuer xmlns:saml=\"{ASSERTION}\">{}</saml:Issuer>",
                self.destination,
                self.response_id,
                attribute("InResponseTo", self.in_response_to.as_deref()),
                instant(self.issued),
                self.response_issuer,
            ),
            after: format!(
                "<samlp:Status><samlp:StatusCode Value=\"{}\"></samlp:StatusCode></samlp:Status>{around}</samlp:Response>",
                self.status
            ),
        }
    }
}

impl Piece {
    /// Without a signature.
    pub fn unsigned(&self) -> String {
        format!("{}{}", self.before, self.after)
    }
}

/// Encrypts an assertion to somebody.
pub fn encrypted(assertion: &str, to: &SpKey) -> String {
    encrypted_by(assertion, to, GCM[1], KEY_TRANSPORTS[0])
}

/// Encrypts an assertion to somebody in a certain way.
pub fn encrypted_by(assertion: &str, to: &SpKey, cipher: &str, transport: &str) -> String {
    let empty = |name: &str, algorithm: &str| format!("<{name} Algorithm=\"{algorithm}\"></{name}>");
    let value = "<xenc:CipherData><xenc:CipherValue></xenc:CipherValue></xenc:CipherData>";
    // In canonical form, so that a message around it can be signed here.
    let template = format!(
        "<xenc:EncryptedData xmlns:xenc=\"{XENC}\" Type=\"{XENC}Element\">{}<ds:KeyInfo xmlns:ds=\"{DSIG}\"><xenc:EncryptedKey>{}{value}\
         </xenc:EncryptedKey></ds:KeyInfo>{value}</xenc:EncryptedData>",
        empty("xenc:EncryptionMethod", cipher),
        empty("xenc:EncryptionMethod", transport),
    );
    let mut keys = KeysManager::new();
    keys.add_key(load_x509_cert_der(to.certificate().unwrap().der()).unwrap());
    let data = encrypt(&EncContext::new(keys), &template, assertion.as_bytes()).unwrap();
    format!("<saml:EncryptedAssertion xmlns:saml=\"{ASSERTION}\">{data}</saml:EncryptedAssertion>")
}

/// As a form's field has it.
pub fn field(message: &str) -> String {
    STANDARD.encode(message)
}

fn attribute(name: &str, value: Option<&str>) -> String {
    value.map(|value| format!(" {name}=\"{value}\"")).unwrap_or_default()
}

/// The id of the request in an address, and the request.
pub fn request_in(url: &str) -> (String, String) {
    let url = url::Url::parse(url).unwrap();
    let message = url.query_pairs().find(|(name, _)| name == "SAMLRequest").unwrap().1.into_owned();
    let message = miniz_oxide::inflate::decompress_to_vec(&STANDARD.decode(message).unwrap()).unwrap();
    let message = String::from_utf8(message).unwrap();
    let id = message.split(" ID=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    (id, message)
}

impl TestIdp {
    /// The query of a request to end a person's sessions.
    pub fn logout_query(&self, sp: &Sp, name_id: &str, session: Option<&str>, id: &str, now: Micros) -> String {
        let name_id = super::read::NameId {
            value: name_id.to_owned(),
            format: None,
            name_qualifier: None,
            sp_name_qualifier: None,
        };
        let draft = super::message::logout_request(id.to_owned(), now, &sp.slo, ENTITY_ID, &name_id, session);
        let to = url::Url::parse(&sp.slo).unwrap();
        let parameter = super::binding::Parameter::Request;
        let url = super::binding::redirect(&to, parameter, &draft.unsigned(), Some("x y"), &self.key).unwrap();
        url.query().unwrap().to_owned()
    }
}
