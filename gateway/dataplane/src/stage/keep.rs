//! Keeping what a person sent while they confirm who they are.

use async_trait::async_trait;
use bytes::Bytes;
use cedargate_model::{
    Canonical, Challenge, Credential, FORM_MEDIA_TYPE, PostedForm, Principal, PrincipalId, Refusal, RefusalCode,
    SessionId, TenantId,
};
use cedargate_policy::Route;
use http::{HeaderMap, Method, header};
use uuid::Uuid;

use super::respond;

/// Keeps forms for after a step-up. The app implements it with the store and the master key.
#[async_trait]
pub trait KeepsForms: Send + Sync {
    /// Keeps one, and says under which id. None where it is not kept: then its sender is told so.
    async fn keep(&self, form: FormToKeep) -> Option<Uuid>;
}

/// A form to keep, and whose it is.
#[derive(Clone, Debug)]
pub struct FormToKeep {
    /// The tenant whose host was asked.
    pub tenant: TenantId,
    /// Who sent it.
    pub account: PrincipalId,
    /// In which session.
    pub session: SessionId,
    /// The action that was refused, as policies name it.
    pub action: String,
    /// What was sent.
    pub form: PostedForm,
}

/// What may be kept of a request that was refused: the form of a person who has to sign in more strongly or anew, and who sent it from a
/// page. Nothing of a program's, nothing of the gateway's own pages, and nothing with a password: a field that the route keeps from the
/// inspection, or one that is called like one.
pub(crate) fn keepable(
    refusal: &Refusal,
    principal: &Principal,
    canonical: &Canonical,
    route: &Route,
    headers: &HeaderMap,
    read: Option<&Bytes>,
) -> Option<FormToKeep> {
    let steps_up = refusal.code == RefusalCode::StepUpRequired && matches!(refusal.challenge, Challenge::StepUp { .. });
    let is_person = principal.credential == Credential::Session;
    let target = canonical.target();
    let is_posted = canonical.method == Method::POST && is_form(headers) && respond::may_return_to(&target);
    if !(steps_up && is_person && is_posted) || canonical.path.as_str().starts_with("/auth/") {
        return None;
    }
    let form = PostedForm::of(&target, read?)?;
    let exempt = &route.inspection.exempt_fields;
    let is_exempt = |name: &String| exempt.iter().any(|field| field.eq_ignore_ascii_case(name));
    if form.fields().iter().any(|(name, _)| is_exempt(name) || is_password(name)) {
        return None;
    }
    let action = route.action.to_string();
    Some(FormToKeep { tenant: principal.tenant, account: principal.id, session: principal.session, action, form })
}

/// Whether a field's name says that a password is in it.
fn is_password(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["passw", "passphrase", "passcode", "secret"].iter().any(|word| name.contains(word))
}

/// A form as browsers send it: of this type, and of no other at once.
fn is_form(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else { return false };
    let essence = kind.as_bytes().split(|octet| *octet == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(FORM_MEDIA_TYPE.as_bytes())
}
