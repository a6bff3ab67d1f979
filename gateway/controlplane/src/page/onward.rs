//! On to another place: a page between, because a form of ours must not lead to another origin.
//!
//! Browsers hold every redirect that follows a form to the page's `form-action`, which is `'self'`. So a form is answered with this page,
//! and the page goes on by itself, without script.

use askama::Template;
use axum::response::Response;

use super::render;

#[derive(Template)]
#[template(path = "onward.html")]
struct Onward<'p> {
    title: &'p str,
    sentence: &'p str,
    href: &'p str,
    label: &'p str,
}

/// Shows the page. `href` is a path of ours, or an address that was made here.
pub(crate) fn show(title: &str, sentence: &str, href: &str, label: &str) -> Response {
    render(&Onward { title, sentence, href, label })
}
