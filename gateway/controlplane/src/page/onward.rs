//! On to another place: a page between, because a form of ours must not lead to another origin.
//!
//! Browsers hold every redirect that follows a form to the page's `form-action`, which is `'self'`. So a form is answered with this page,
//! and the page goes on by itself, without script.

use askama::Template;
use axum::response::Response;

use super::render;
use crate::view::View;

#[derive(Template)]
#[template(path = "onward.html")]
struct Onward<'p> {
    t: &'p View,
    title: &'p str,
    sentence: &'p str,
    href: &'p str,
    label: &'p str,
}

/// Shows the page. `href` is a path of ours, or an address that was made here.
pub(crate) fn show(t: &View, title: &str, sentence: &str, href: &str, label: &str) -> Response {
    render(t, &Onward { t, title, sentence, href, label })
}
