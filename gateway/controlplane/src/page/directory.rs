//! The bare host: which tenants there are.

use askama::Template;
use axum::response::Response;
use cedargate_model::RefusalCode;

use super::render;
use crate::problem::Problem;
use crate::router::ControlPlane;
use crate::view::View;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "directory.html")]
struct Directory<'p> {
    t: &'p View,
    tenants: Vec<Entry>,
}

struct Entry {
    name: String,
    host: String,
    href: String,
    initial: char,
}

/// Shows the tenants, each with the address of its own host.
pub(crate) async fn show(control_plane: &ControlPlane, visit: &Visit) -> Result<Response, Problem> {
    let unavailable = |error| Problem::new(RefusalCode::SessionStoreUnavailable).because(error).retry_after(5);
    let tenants = control_plane.tenants.list().await.map_err(unavailable)?;
    let entry = |name: &str| {
        // A tenant's host is its name under the bare host, on the same port.
        let host = format!("{name}.{}", visit.host);
        let href = format!("{}://{host}/", visit.scheme.as_str());
        Entry { name: name.to_owned(), host, href, initial: initial(name) }
    };
    let t = &visit.view;
    Ok(render(t, &Directory { t, tenants: tenants.iter().map(|tenant| entry(tenant.name.as_str())).collect() }))
}

pub(crate) fn initial(name: &str) -> char {
    name.chars().next().unwrap_or('?').to_ascii_uppercase()
}
