//! What is to be agreed to.

use askama::Template;
use axum::response::Response;
use cedargate_model::ConsentDocument;

use super::render;
use crate::consent::{AskedDocument, documents_of};
use crate::own::Own;
use crate::return_to::ReturnTo;
use crate::view::View;

#[derive(Template)]
#[template(path = "consent.html")]
struct Consent<'p> {
    t: &'p View,
    tenant: &'p str,
    documents: &'p [AskedDocument],
    shown: String,
    return_to: &'p ReturnTo,
}

/// Shows what somebody has not agreed to yet.
pub(crate) fn show(own: &Own, documents: &[AskedDocument], return_to: &ReturnTo) -> Response {
    let tenant = own.tenant.name.as_str();
    let t = &own.visit.view;
    render(t, &Consent { t, tenant, documents, shown: documents_of(documents), return_to })
}
