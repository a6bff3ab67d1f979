//! On to an identity provider, with a message: by a redirect, or by a form that goes to its address and nowhere else.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_idp_adapters::saml::Outgoing;
use http::{HeaderValue, header};

use super::render;
use crate::problem::{FAILED, Problem};
use crate::view::View;

#[derive(Template)]
#[template(path = "post.html")]
struct Post<'p> {
    t: &'p View,
    title: &'p str,
    action: &'p str,
    fields: &'p [(&'static str, String)],
}

/// Sends the browser on. `title` is what people call the provider.
pub(crate) fn send(t: &View, title: &str, out: Outgoing) -> Response {
    match out {
        Outgoing::Redirect(url) => Redirect::to(url.as_str()).into_response(),
        Outgoing::Form { action, fields } => {
            let mut response = render(t, &Post { t, title, action: action.as_str(), fields: &fields });
            // This one page's form leads elsewhere, to this one origin: it is the operator's to name.
            let policy = format!(
                "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action {}; frame-ancestors 'none'; base-uri 'none'",
                action.origin().ascii_serialization()
            );
            match HeaderValue::from_str(&policy) {
                Ok(policy) => drop(response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy)),
                Err(error) => return Problem::new(FAILED).because(error).into_response(),
            }
            response
        }
    }
}
