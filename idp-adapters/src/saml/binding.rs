//! How messages travel: in the query of a redirect (SAML Bindings §3.4), or in a form (§3.5).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cedargate_model::SigninReason;
use url::{Url, form_urlencoded};

use super::certificate::SamlCertificate;
use super::key::SpKey;
use super::names::{RSA_SHA256, SIGNATURE_METHODS};
use super::scan::MESSAGE_BYTES_MAX;
use crate::Refused;

/// The name of a message's parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// A request.
    Request,
    /// An answer.
    Response,
}

impl Parameter {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "SAMLRequest",
            Self::Response => "SAMLResponse",
        }
    }
}

/// The address with a message in its query, signed.
pub(crate) fn redirect(
    to: &Url,
    parameter: Parameter,
    message: &str,
    relay_state: Option<&str>,
    key: &SpKey,
) -> Result<Url, Refused> {
    let deflated = miniz_oxide::deflate::compress_to_vec(message.as_bytes(), 8);
    let mut signed = form_urlencoded::Serializer::new(String::new());
    signed.append_pair(parameter.as_str(), &STANDARD.encode(deflated));
    if let Some(state) = relay_state {
        signed.append_pair("RelayState", state);
    }
    signed.append_pair("SigAlg", RSA_SHA256);
    let signed = signed.finish();
    let signature = STANDARD.encode(key.sign(signed.as_bytes())?);
    let signature: String = form_urlencoded::byte_serialize(signature.as_bytes()).collect();
    let mut url = to.clone();
    let query = [to.query().unwrap_or_default(), &signed].into_iter().filter(|part| !part.is_empty());
    url.set_query(Some(&format!("{}&Signature={signature}", query.collect::<Vec<_>>().join("&"))));
    Ok(url)
}

/// A message in a query, as it came.
#[derive(Debug)]
pub(crate) struct Redirected<'q> {
    /// What was signed: a part of the query, octet for octet.
    signed: String,
    message: &'q str,
    method: Option<&'q str>,
    signature: Option<&'q str>,
    pub(crate) relay_state: Option<String>,
}

impl<'q> Redirected<'q> {
    /// Finds a message in a raw query. Of a parameter that stands twice nobody knows which one was signed.
    pub(crate) fn read(query: &'q str, parameter: Parameter) -> Result<Self, SigninReason> {
        let find = |name: &str| {
            let mut found = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(n, _)| *n == name);
            match (found.next(), found.next()) {
                (first, None) => Ok(first.map(|(_, value)| value)),
                (_, Some(_)) => Err(SigninReason::SamlEncoding),
            }
        };
        let message = find(parameter.as_str())?.ok_or(SigninReason::SamlEncoding)?;
        let (relay_state, method) = (find("RelayState")?, find("SigAlg")?);
        let mut signed = format!("{}={message}", parameter.as_str());
        for (name, value) in [("RelayState", relay_state), ("SigAlg", method)] {
            if let Some(value) = value {
                signed.push_str(&format!("&{name}={value}"));
            }
        }
        let relay_state = relay_state.map(decoded).transpose()?;
        Ok(Self { signed, message, method, signature: find("Signature")?, relay_state })
    }

    /// Whether it brings a signature beside the message.
    pub(crate) fn is_signed(&self) -> bool {
        self.signature.is_some()
    }

    /// The message's octets.
    pub(crate) fn message(&self) -> Result<Vec<u8>, SigninReason> {
        let deflated = STANDARD.decode(decoded(self.message)?).map_err(|_| SigninReason::SamlEncoding)?;
        miniz_oxide::inflate::decompress_to_vec_with_limit(&deflated, MESSAGE_BYTES_MAX)
            .map_err(|_| SigninReason::SamlEncoding)
    }

    /// Verifies the signature beside the message.
    pub(crate) fn verify(&self, certificates: &[SamlCertificate]) -> Result<(), SigninReason> {
        let (Some(method), Some(signature)) = (self.method, self.signature) else {
            return Err(SigninReason::SamlUnsigned);
        };
        let method = decoded(method)?;
        let algorithm: &'static dyn VerificationAlgorithm = match SIGNATURE_METHODS.iter().position(|m| *m == method) {
            Some(0) => &RSA_PKCS1_2048_8192_SHA256,
            Some(1) => &RSA_PKCS1_2048_8192_SHA384,
            Some(2) => &RSA_PKCS1_2048_8192_SHA512,
            Some(3) => &ECDSA_P256_SHA256_FIXED,
            Some(4) => &ECDSA_P384_SHA384_FIXED,
            Some(_) | None => return Err(SigninReason::SamlAlgorithm),
        };
        let signature = STANDARD.decode(decoded(signature)?).map_err(|_| SigninReason::SamlEncoding)?;
        let is_theirs = |certificate: &SamlCertificate| {
            let key = UnparsedPublicKey::new(algorithm, certificate.public_key());
            key.verify(self.signed.as_bytes(), &signature).is_ok()
        };
        match certificates.iter().any(is_theirs) {
            true => Ok(()),
            false => Err(SigninReason::SamlSignature),
        }
    }
}

/// The octets of a message in a form's field.
pub(crate) fn posted(field: &str) -> Result<Vec<u8>, SigninReason> {
    // Four octets for three, and a break after each 76.
    const FIELD_BYTES_MAX: usize = MESSAGE_BYTES_MAX / 3 * 4 + MESSAGE_BYTES_MAX / 16;
    if field.len() > FIELD_BYTES_MAX {
        return Err(SigninReason::SamlBounds);
    }
    let text: String = field.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(text).map_err(|_| SigninReason::SamlEncoding)
}

/// The longest field of a form that is a message: what a handler has to read.
pub const FORM_BYTES_MAX: usize = 256 * 1024;

fn decoded(value: &str) -> Result<String, SigninReason> {
    let value = value.replace('+', " ");
    percent_encoding::percent_decode_str(&value)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| SigninReason::SamlEncoding)
}
