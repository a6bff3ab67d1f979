//! The gateway as the SP of one IdP.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cedargate_identity::Subject;
use cedargate_model::{ConnectionName, Micros};
use tokio::sync::Semaphore;
use url::Url;

use super::binding::{Parameter, redirect};
use super::certificate::SamlCertificate;
use super::key::SpKey;
use super::message::{self, AuthnRequest, Draft};
use super::metadata::{Binding, Endpoint, IdpMetadata};
use super::names::{DSIG, METADATA, POST_BINDING, PROTOCOL, REDIRECT_BINDING};
use super::published::Published;
use super::read::NameId;
use super::text::attribute;
use super::turn::OF_CONNECTION;
use crate::Refused;
use crate::oidc::Ask;

/// What is configured of an IdP. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamlSettings {
    /// What the IdP says of itself, as an operator has it.
    pub metadata: IdpMetadata,
    /// Where it says it anew, if it does.
    pub published: Option<Published>,
    /// The gateway's key at this IdP.
    pub key: SpKey,
    /// How far the IdP's clock may be off.
    pub clock_skew: Duration,
    /// Whether answers are taken that nobody asked for: a sign-in that begins at the IdP.
    pub unsolicited: bool,
    /// Whether an assertion has to be encrypted.
    pub encrypted_only: bool,
    /// Whether ciphers are taken that do not notice a changed ciphertext.
    pub cbc: bool,
    /// Which kind of NameID is asked for.
    pub name_id_format: Option<String>,
}

/// What the gateway is called at an IdP, and where it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sp {
    /// Its entity id, which is also where its metadata is.
    pub entity_id: String,
    /// Where answers arrive.
    pub acs: String,
    /// Where the IdP says that somebody signs out.
    pub slo: String,
}

/// A message that the browser takes to the IdP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// By a redirect to here.
    Redirect(Url),
    /// By a form that is posted to here.
    Form {
        /// To where.
        action: Url,
        /// With which fields.
        fields: Vec<(&'static str, String)>,
    },
}

/// The gateway as the SP of one IdP.
#[derive(Debug)]
pub struct SamlClient {
    pub(super) settings: SamlSettings,
    /// What is known of the provider: at first what is configured.
    pub(super) metadata: ArcSwap<IdpMetadata>,
    pub(super) turns: Arc<Semaphore>,
}

impl Sp {
    /// The SP of a connection, at the origin that people come to: `https://acme.gateway.example`.
    pub fn of(origin: &str, connection: &ConnectionName) -> Self {
        let at = |what: &str| format!("{origin}/auth/saml/{connection}/{what}");
        Self { entity_id: at("metadata"), acs: at("acs"), slo: at("slo") }
    }
}

impl SamlClient {
    /// A client for these settings.
    pub fn new(settings: SamlSettings) -> Self {
        let metadata = ArcSwap::from_pointee(settings.metadata.clone());
        Self { settings, metadata, turns: Arc::new(Semaphore::new(OF_CONNECTION)) }
    }

    /// What is known of the provider now.
    pub fn metadata(&self) -> Arc<IdpMetadata> {
        self.metadata.load_full()
    }

    /// What is configured.
    pub fn settings(&self) -> &SamlSettings {
        &self.settings
    }

    /// The request to sign somebody in. The IdP brings its id back: `_` and the attempt's `state`.
    ///
    /// # Errors
    /// [`Refused`] where it cannot be signed.
    pub fn authn_request(&self, sp: &Sp, state: &str, ask: Ask<'_>, now: Micros) -> Result<Outgoing, Refused> {
        let metadata = self.metadata();
        let to = &metadata.sign_on;
        let request = AuthnRequest {
            id: request_id(state),
            now,
            destination: to.url.url().as_str(),
            sp: &sp.entity_id,
            acs: &sp.acs,
            force: ask.max_age_seconds.is_some(),
            classes: ask.classes,
            name_id_format: self.settings.name_id_format.as_deref(),
        };
        self.send(to.url.url(), to.binding, Parameter::Request, &request.draft(), None)
    }

    /// The request to sign the person out at the IdP, if it has a place for that.
    ///
    /// # Errors
    /// [`Refused`] where it cannot be signed.
    pub fn logout_request(
        &self,
        sp: &Sp,
        name_id: &NameId,
        session: Option<&Subject>,
        id: &str,
        now: Micros,
    ) -> Result<Option<Outgoing>, Refused> {
        let metadata = self.metadata();
        let Some(to) = &metadata.logout else { return Ok(None) };
        let index = session.map(Subject::as_str);
        let to_url = to.url.url();
        let draft = message::logout_request(request_id(id), now, to_url.as_str(), &sp.entity_id, name_id, index);
        self.send(to_url, to.binding, Parameter::Request, &draft, None).map(Some)
    }

    /// The answer to the IdP's own request to sign somebody out; none where it has no place for answers.
    ///
    /// # Errors
    /// [`Refused`] where it cannot be signed.
    pub fn logout_response(
        &self,
        sp: &Sp,
        in_response_to: &str,
        relay_state: Option<&str>,
        id: &str,
        now: Micros,
    ) -> Result<Option<Outgoing>, Refused> {
        let metadata = self.metadata();
        let Some(Endpoint { url, binding }) = &metadata.logout else { return Ok(None) };
        let url = metadata.logout_response.as_ref().unwrap_or(url).url();
        let draft = message::logout_response(request_id(id), now, url.as_str(), &sp.entity_id, in_response_to);
        self.send(url, *binding, Parameter::Response, &draft, relay_state).map(Some)
    }

    /// The SP's metadata, for the IdP's administrator.
    pub fn sp_metadata(&self, sp: &Sp) -> String {
        let certificate = self.settings.key.certificate().map(SamlCertificate::to_base64).unwrap_or_default();
        let key = |usage: &str| {
            format!(
                "  <md:KeyDescriptor use=\"{usage}\"><ds:KeyInfo xmlns:ds=\"{DSIG}\"><ds:X509Data><ds:X509Certificate>{certificate}\
                 </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>\n"
            )
        };
        let (signing, encryption) = (key("signing"), key("encryption"));
        let slo = attribute(&sp.slo);
        let format = self
            .settings
            .name_id_format
            .as_ref()
            .map(|format| format!("  <md:NameIDFormat>{}</md:NameIDFormat>\n", super::text::content(format)));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <md:EntityDescriptor xmlns:md=\"{METADATA}\" entityID=\"{entity}\">\n \
             <md:SPSSODescriptor AuthnRequestsSigned=\"true\" WantAssertionsSigned=\"true\" protocolSupportEnumeration=\"{PROTOCOL}\">\n\
             {signing}{encryption}  \
             <md:SingleLogoutService Binding=\"{REDIRECT_BINDING}\" Location=\"{slo}\"/>\n  \
             <md:SingleLogoutService Binding=\"{POST_BINDING}\" Location=\"{slo}\"/>\n{format}  \
             <md:AssertionConsumerService Binding=\"{POST_BINDING}\" Location=\"{acs}\" index=\"0\" isDefault=\"true\"/>\n \
             </md:SPSSODescriptor>\n</md:EntityDescriptor>\n",
            entity = attribute(&sp.entity_id),
            acs = attribute(&sp.acs),
            format = format.unwrap_or_default(),
        )
    }

    fn send(
        &self,
        to: &Url,
        binding: Binding,
        parameter: Parameter,
        draft: &Draft,
        relay_state: Option<&str>,
    ) -> Result<Outgoing, Refused> {
        use base64::Engine as _;
        match binding {
            Binding::Redirect => {
                redirect(to, parameter, &draft.unsigned(), relay_state, &self.settings.key).map(Outgoing::Redirect)
            }
            Binding::Post => {
                let message = draft.signed(&self.settings.key)?;
                let message = base64::engine::general_purpose::STANDARD.encode(message);
                let mut fields = vec![(parameter.as_str(), message)];
                fields.extend(relay_state.map(|state| ("RelayState", state.to_owned())));
                Ok(Outgoing::Form { action: to.clone(), fields })
            }
        }
    }
}

/// An id begins with a letter or `_`, a state with any character of base64url.
fn request_id(state: &str) -> String {
    format!("_{state}")
}
