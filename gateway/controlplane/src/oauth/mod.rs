//! Tokens for programs: the token endpoint (RFC 6749), revocation (RFC 7009), and where clients read about both (RFC 8414).
//!
//! There is no password grant, and no browser is led anywhere: whoever asks has a secret of their own, a service account's key, a
//! refresh token, or the session that they signed in to. A session's cookie that a browser sends along is not enough: it must be shown
//! as a parameter, so that a script injected into some page cannot make a token, which it could carry away, of a cookie, which it
//! cannot read.

mod client;
mod form;
mod metadata;
mod rate;
mod reply;
mod revoke;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use self::rate::Rates;
use crate::router::ControlPlane;

/// Where tokens are asked for. The data plane passes client authentication in the `Authorization` header on to here and nowhere else.
const TOKEN_PATH: &str = "/auth/token";

/// What the handlers work with.
struct Office {
    control_plane: Arc<ControlPlane>,
    rates: Rates,
}

/// The endpoints, as part of the control plane's router.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(control_plane: Arc<ControlPlane>) -> Router<S> {
    let office = Arc::new(Office { control_plane, rates: Rates::default() });
    Router::new()
        .route(TOKEN_PATH, post(token::post))
        .route("/auth/refresh", post(token::post_refresh))
        .route("/auth/revoke", post(revoke::post))
        .route("/.well-known/oauth-authorization-server", get(metadata::get))
        .with_state(office)
}
