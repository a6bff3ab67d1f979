//! Pages: each a struct with what it shows, and a template of the same name.

pub(crate) mod account;
pub(crate) mod consent;
pub(crate) mod directory;
pub(crate) mod enrolment;
pub(crate) mod factor;
pub(crate) mod home;
pub(crate) mod join;
pub(crate) mod kept;
pub(crate) mod onward;
pub(crate) mod passkey;
pub(crate) mod portal;
pub(crate) mod post;
pub(crate) mod refusal;
pub(crate) mod signin;
pub(crate) mod stepup;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, header};

use crate::problem::{FAILED, Problem};
use crate::view::View;

/// A page loads its stylesheet and its images from here, sends its forms to here, and can do nothing else.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; \
     base-uri 'none'",
);

/// A page with passkeys runs the one script that is ours, which asks nobody but us.
const CONTENT_SECURITY_POLICY_SCRIPTED: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// Renders a page. What it shows is one person's, so nobody may keep it.
pub(crate) fn render(t: &View, page: &impl Template) -> Response {
    render_under(t, page, CONTENT_SECURITY_POLICY)
}

/// Renders a page that has the script for passkeys.
pub(crate) fn render_scripted(t: &View, page: &impl Template) -> Response {
    render_under(t, page, CONTENT_SECURITY_POLICY_SCRIPTED)
}

fn render_under(t: &View, page: &impl Template, policy: HeaderValue) -> Response {
    match page.render() {
        Ok(html) => {
            let mut response = Html(html).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(t.language().tag()));
            headers.insert(header::VARY, HeaderValue::from_static("accept, accept-language, cookie"));
            response
        }
        Err(error) => Problem::new(FAILED).because(error).into_response(),
    }
}
