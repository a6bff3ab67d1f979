//! The messages that are written here. Each is written in the form that exclusive canonicalisation gives it, so that signing it is
//! hashing it.

use cedargate_model::Micros;
use chrono::DateTime;

use super::key::SpKey;
use super::names::{ASSERTION, POST_BINDING, PROTOCOL, SUCCESS};
use super::read::NameId;
use super::text::{attribute, content};
use crate::Refused;

/// A message around the place where its signature goes: behind the issuer.
pub(crate) struct Draft {
    pub(crate) id: String,
    before: String,
    after: String,
}

impl Draft {
    /// Without a signature: where the query that carries it is signed.
    pub(crate) fn unsigned(&self) -> String {
        format!("{}{}", self.before, self.after)
    }

    pub(crate) fn signed(&self, key: &SpKey) -> Result<String, Refused> {
        let signature = key.signature_element(&self.id, &self.before, &self.after)?;
        Ok(format!("{}{signature}{}", self.before, self.after))
    }
}

/// What a request to sign somebody in says.
pub(crate) struct AuthnRequest<'r> {
    pub(crate) id: String,
    pub(crate) now: Micros,
    pub(crate) destination: &'r str,
    pub(crate) sp: &'r str,
    pub(crate) acs: &'r str,
    /// Whether the person is to prove anew who they are.
    pub(crate) force: bool,
    /// The classes of which one must be reached.
    pub(crate) classes: &'r [&'r str],
    pub(crate) name_id_format: Option<&'r str>,
}

impl AuthnRequest<'_> {
    pub(crate) fn draft(&self) -> Draft {
        let force = if self.force { " ForceAuthn=\"true\"" } else { "" };
        // Attributes in the order of their names, as canonical XML has them.
        let before = format!(
            "<samlp:AuthnRequest xmlns:samlp=\"{PROTOCOL}\" AssertionConsumerServiceURL=\"{}\" Destination=\"{}\"{force} ID=\"{}\" \
             IssueInstant=\"{}\" ProtocolBinding=\"{POST_BINDING}\" Version=\"2.0\">{}",
            attribute(self.acs),
            attribute(self.destination),
            self.id,
            instant(self.now),
            issuer(self.sp),
        );
        let format = self.name_id_format.map(|format| format!(" Format=\"{}\"", attribute(format))).unwrap_or_default();
        let mut after = format!("<samlp:NameIDPolicy AllowCreate=\"true\"{format}></samlp:NameIDPolicy>");
        if !self.classes.is_empty() {
            after.push_str("<samlp:RequestedAuthnContext Comparison=\"exact\">");
            for class in self.classes {
                let class = content(class);
                after.push_str(&format!(
                    "<saml:AuthnContextClassRef xmlns:saml=\"{ASSERTION}\">{class}</saml:AuthnContextClassRef>"
                ));
            }
            after.push_str("</samlp:RequestedAuthnContext>");
        }
        after.push_str("</samlp:AuthnRequest>");
        Draft { id: self.id.clone(), before, after }
    }
}

/// A request to end a person's sessions at the provider.
pub(crate) fn logout_request(
    id: String,
    now: Micros,
    destination: &str,
    sp: &str,
    name_id: &NameId,
    session_index: Option<&str>,
) -> Draft {
    let before = format!(
        "<samlp:LogoutRequest xmlns:samlp=\"{PROTOCOL}\" Destination=\"{}\" ID=\"{id}\" IssueInstant=\"{}\" Version=\"2.0\">{}",
        attribute(destination),
        instant(now),
        issuer(sp),
    );
    let qualifier = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!(" {name}=\"{}\"", attribute(value))).unwrap_or_default()
    };
    let index = session_index.map(|index| format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", content(index)));
    let after = format!(
        "<saml:NameID xmlns:saml=\"{ASSERTION}\"{}{}{}>{}</saml:NameID>{}</samlp:LogoutRequest>",
        qualifier("Format", &name_id.format),
        qualifier("NameQualifier", &name_id.name_qualifier),
        qualifier("SPNameQualifier", &name_id.sp_name_qualifier),
        content(&name_id.value),
        index.unwrap_or_default(),
    );
    Draft { id, before, after }
}

/// The answer that sessions were ended.
pub(crate) fn logout_response(id: String, now: Micros, destination: &str, sp: &str, in_response_to: &str) -> Draft {
    let before = format!(
        "<samlp:LogoutResponse xmlns:samlp=\"{PROTOCOL}\" Destination=\"{}\" ID=\"{id}\" InResponseTo=\"{}\" IssueInstant=\"{}\" \
         Version=\"2.0\">{}",
        attribute(destination),
        attribute(in_response_to),
        instant(now),
        issuer(sp),
    );
    let after = format!(
        "<samlp:Status><samlp:StatusCode Value=\"{SUCCESS}\"></samlp:StatusCode></samlp:Status></samlp:LogoutResponse>"
    );
    Draft { id, before, after }
}

fn issuer(sp: &str) -> String {
    format!("<saml:Issuer xmlns:saml=\"{ASSERTION}\">{}</saml:Issuer>", content(sp))
}

/// A moment as SAML writes it, to the second.
pub(crate) fn instant(moment: Micros) -> String {
    DateTime::from_timestamp(moment.epoch_seconds(), 0)
        .map(|moment| moment.format("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}
