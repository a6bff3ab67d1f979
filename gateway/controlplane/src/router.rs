//! Which handler answers what.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use cedargate_assertion::{JWKS_PATH, Verifier};
use cedargate_identity::{Accounts, Identities, KeptPosts, Sessions, Tenants};
use cedargate_idp_adapters::admissions::Admissions;
use cedargate_idp_adapters::connection::Connections;
use cedargate_idp_adapters::local::LocalAccounts;
use cedargate_idp_adapters::saml::FORM_BYTES_MAX;
use cedargate_idp_adapters::second::SecondFactors;
use cedargate_idp_adapters::webauthn::Webauthn;
use cedargate_idp_adapters::workload::Workloads;
use cedargate_idp_adapters::{KnownDevices, SigninAttempts, Vault};
use cedargate_model::{Clock, RefusalCode};
use cedargate_tokens::{KeyLook, TokenAuthority};
use http::HeaderMap;

use crate::page::{self, home, refusal};
use crate::problem::Problem;
use crate::visit::{Visit, require_visit};
use crate::wanted::Wanted;
use crate::{
    ConsentAsking, Receipts, Recorder, account, assets, consent, join, keys, language, oauth, passkey, receipt, saml,
    scim, signin, signout, sso, stepup,
};

/// The audience of the assertions that this room accepts: the name of the gateway's own service in its routes.
pub const AUDIENCE: &str = "gateway";

/// What the handlers work with.
#[derive(Clone)]
pub struct ControlPlane {
    /// Sessions, shared with the data plane: what ends here ends there at once.
    pub sessions: Sessions,
    /// Who people are.
    pub accounts: Accounts,
    /// Sign-in with a password.
    pub local: LocalAccounts,
    /// The ways to identity providers. Replaced when their configuration changes.
    pub connections: Arc<ArcSwap<Connections>>,
    /// The issuers that vouch for programs. Replaced when their configuration changes.
    pub workloads: Arc<ArcSwap<Workloads>>,
    /// Where keys of access tokens are found that are not known here yet.
    pub token_keys: Arc<KeyLook>,
    /// Who people are at identity providers.
    pub identities: Identities,
    /// Sign-ins that were sent to an identity provider.
    pub attempts: SigninAttempts,
    /// Devices on which people proved a factor before.
    pub devices: KnownDevices,
    /// Forms that are kept while their senders confirm who they are.
    pub posts: KeptPosts,
    /// What they prove beside.
    pub second: SecondFactors,
    /// Passkeys and security keys: to sign in with, and to prove beside.
    pub webauthn: Webauthn,
    /// How people come to have a password: by invitations and resets.
    pub admissions: Admissions,
    /// What people are to agree to.
    pub consents: ConsentAsking,
    /// Seals what the store keeps and has to be read again.
    pub vault: Arc<dyn Vault>,
    /// The tenants that the bare host lists.
    pub tenants: Tenants,
    /// Verifies assertions for [`AUDIENCE`], and holds the keys that are published. Replaced when keys rotate.
    pub verifier: Arc<ArcSwap<Verifier>>,
    /// Issues access tokens, and verifies them to revoke them. Replaced when keys rotate.
    pub tokens: Arc<ArcSwap<TokenAuthority>>,
    /// Where sign-ins are recorded.
    pub recorder: Arc<dyn Recorder>,
    /// Proofs of what is recorded.
    pub receipts: Arc<dyn Receipts>,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
    /// The services that the portal links to.
    pub services: Vec<ServiceLink>,
}

/// A service as the portal shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceLink {
    /// Its name for people.
    pub title: String,
    /// What one finds there, in a few words.
    pub about: String,
    /// Where it begins, as a path of the tenant's host.
    pub href: String,
}

/// The gateway's own HTTP surface. Serve it on a private socket only.
pub fn router(control_plane: ControlPlane) -> Router {
    let state = Arc::new(control_plane);
    Router::new()
        .route("/", get(home::show))
        .route("/auth/login", get(page::signin::show).post(signin::post))
        .route("/auth/login/passkey", post(passkey::sign_in::begin))
        .route("/auth/login/passkey/{ceremony}", post(passkey::sign_in::finish))
        .route("/auth/forgot", get(join::forgot::show).post(join::forgot::ask))
        .route("/auth/reset", get(join::reset::show).post(join::reset::set))
        .route("/auth/invitation", get(join::invitation::show).post(join::invitation::accept))
        .route("/auth/register", get(join::registration::show).post(join::registration::ask))
        .route("/auth/registration", get(join::registration::open).post(join::registration::verify))
        .route("/auth/admin/registrations", get(join::wishes::list))
        .route("/auth/admin/registrations/{id}", post(join::wishes::decide))
        .route("/auth/consent", get(consent::show).post(consent::give))
        .route("/auth/logout", post(signout::post))
        .route("/auth/sso", post(sso::discover::post))
        .route("/auth/sso/{connection}", get(sso::start::get))
        .route("/auth/sso/{connection}/callback", get(sso::callback::get))
        .route("/auth/sso/{connection}/jwks.json", get(sso::client_keys::get))
        .route(
            "/auth/sso/{connection}/backchannel-logout",
            post(sso::provider_logout::post).layer(DefaultBodyLimit::max(LOGOUT_BYTES_MAX)),
        )
        .route("/auth/saml/{connection}/metadata", get(saml::metadata::get))
        .route("/auth/saml/{connection}/acs", post(saml::acs::post).layer(DefaultBodyLimit::max(FORM_BYTES_MAX)))
        .route(
            "/auth/saml/{connection}/slo",
            get(saml::slo::get).post(saml::slo::post).layer(DefaultBodyLimit::max(FORM_BYTES_MAX)),
        )
        .route("/auth/step-up", get(page::stepup::show).post(stepup::post))
        .route("/auth/step-up/passkey", post(passkey::step_up::begin))
        .route("/auth/step-up/passkey/{ceremony}", post(passkey::step_up::finish))
        .route("/auth/account", get(account::show))
        .route("/auth/account/passkey", get(account::passkey::new).post(account::passkey::begin))
        .route("/auth/account/passkey/{ceremony}", post(account::passkey::finish))
        .route("/auth/account/totp", get(account::totp::new).post(account::totp::begin))
        .route("/auth/account/totp/{id}", get(account::totp::show).post(account::totp::finish))
        .route("/auth/account/factors/{id}", get(account::factor::show))
        .route("/auth/account/factors/{id}/name", post(account::factor::rename))
        .route("/auth/account/factors/{id}/remove", post(account::factor::remove))
        .route("/auth/account/recovery-codes", get(account::recovery::show).post(account::recovery::draw))
        .route("/auth/account/kept/{id}", get(account::kept::show).post(account::kept::send))
        .route("/auth/account/sessions/{id}/end", post(account::sessions::end))
        .route("/auth/account/sessions/end-others", post(account::sessions::end_others))
        .route("/auth/language", post(language::post))
        .route("/auth/assets/{file}", get(assets::show))
        .route(JWKS_PATH, get(keys::show))
        .route("/audit/receipt/{id}", get(receipt::show))
        .route("/.well-known/cedargate/checkpoint", get(receipt::checkpoint))
        .merge(oauth::router(Arc::clone(&state)))
        .merge(scim::router())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(state.clone(), require_visit))
        .with_state(state)
}

/// A sign-in with the longest address and password, percent-encoded, is under 6 KiB.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// A logout token brings no claims about a person; with a long chain of key names it is under 4 KiB.
const LOGOUT_BYTES_MAX: usize = 32 * 1024;

async fn not_found(visit: Visit, headers: HeaderMap) -> Response {
    refusal::answer(Wanted::of(&headers), Problem::new(RefusalCode::RouteUnknown).of_request(visit.request))
}

async fn method_not_allowed(visit: Visit, headers: HeaderMap) -> Response {
    refusal::answer(Wanted::of(&headers), Problem::new(RefusalCode::MethodNotAllowed).of_request(visit.request))
}
