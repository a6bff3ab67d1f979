//! What somebody wanted to send, once they have confirmed who they are.

use askama::Template;
use axum::response::Response;
use cedargate_model::PostedForm;
use uuid::Uuid;

use super::render;
use crate::own::Own;
use crate::view::View;

#[derive(Template)]
#[template(path = "kept.html")]
struct Kept<'p> {
    t: &'p View,
    id: Uuid,
    path: &'p str,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    value: String,
    /// What people type unseen stays so.
    secret: bool,
}

/// Shows the form with what was typed, and a button that sends it.
pub(crate) fn show(own: &Own, id: Uuid, form: &PostedForm) -> Response {
    let field = |(name, value): (String, String)| Field { secret: is_secret(&name), name, value };
    let path = form.target().split('?').next().unwrap_or_default();
    let t = &own.visit.view;
    render(t, &Kept { t, id, path, fields: form.fields().into_iter().map(field).collect() })
}

/// Whether a field's name says that its value is not for others' eyes.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "secret", "token", "csrf"].iter().any(|word| name.contains(word))
}
