//! Whether a module's routes are the operations of its service's OpenAPI document, no more and no fewer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cedargate_policy::{Place, Route, Snapshot};
use serde_json::Value;

use crate::report::{Report, below};

/// The methods that a path item can have (OpenAPI 3.1 §4.8.9).
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The service that needs no document: the gateway itself.
const GATEWAY: &str = "gateway";

/// Checks each module of a snapshot once.
pub(crate) fn check_snapshot(policies: &Path, snapshot: &Snapshot, seen: &mut BTreeSet<Arc<str>>, report: &mut Report) {
    let shown = policies.display().to_string();
    for module in &snapshot.tenant().modules {
        let routes: Vec<&Route> =
            snapshot.routes().all().iter().map(|route| &**route).filter(|route| route.module == *module).collect();
        let is_services = routes.iter().any(|route| &*route.service != GATEWAY);
        if !is_services || !seen.insert(Arc::clone(module)) {
            continue;
        }
        let place = below(&shown, &Place::start_of(format!("{module}/openapi.json")));
        match fs::read_to_string(policies.join(&**module).join("openapi.json")) {
            Ok(text) => {
                for message in disagreements(&routes, &text) {
                    report.find(place.clone(), message);
                }
            }
            Err(error) => report.find(place, format!("the service's OpenAPI document cannot be read: {error}")),
        }
    }
}

/// Every way in which routes and a document disagree, in the order of paths and methods.
fn disagreements(routes: &[&Route], document: &str) -> Vec<String> {
    let document: Value = match serde_json::from_str(document) {
        Ok(document) => document,
        Err(error) => return vec![format!("not a JSON document: {error}")],
    };
    let Some(paths) = document.get("paths").and_then(Value::as_object) else {
        return vec!["the document has no `paths`".into()];
    };
    let mut operations: BTreeMap<(String, String), (Option<&str>, Taken)> = BTreeMap::new();
    for (path, item) in paths {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                let key = (anonymous_parameters(path), method.to_ascii_uppercase());
                operations.insert(key, (operation["operationId"].as_str(), taken(operation)));
            }
        }
    }
    let mut said = Vec::new();
    let mut routed = BTreeSet::new();
    for route in routes {
        let key = (anonymous_parameters(&route.path), route.method.to_string());
        let action = route.id.as_str().rsplit('.').next().unwrap_or_default();
        match operations.get(&key) {
            None => {
                said.push(format!("route `{}` ({} {}) is no operation of the document", route.id, key.1, route.path))
            }
            Some((None, _)) => said.push(format!("{} {} has no `operationId`, expected `{action}`", key.1, route.path)),
            Some((Some(id), _)) if *id != action => {
                said.push(format!("{} {} is operation `{id}`, the route's action is `{action}`", key.1, route.path));
            }
            Some((Some(_), types)) => said.extend(other_types(route, types.as_ref())),
        }
        routed.insert(key);
    }
    for ((path, method), (id, _)) in operations.iter().filter(|(key, _)| !routed.contains(*key)) {
        said.push(format!(
            "operation `{}` ({method} {path}) has no route, so nobody can be permitted it",
            id.unwrap_or("?")
        ));
    }
    said
}

/// The content types of an operation's bodies; none where it takes no body.
type Taken = Option<BTreeSet<String>>;

fn taken(operation: &Value) -> Taken {
    let content = operation.get("requestBody")?.get("content")?.as_object()?;
    Some(content.keys().map(|kind| kind.to_ascii_lowercase()).collect())
}

/// Where a route says which content types it admits, those must be the operation's: what the inspection lets in, the service takes.
fn other_types(route: &Route, taken: Option<&BTreeSet<String>>) -> Option<String> {
    let declared = route.inspection.content_types.as_ref()?;
    let declared: BTreeSet<String> = declared.split(' ').map(|kind| kind.trim_matches('|').to_owned()).collect();
    let taken = taken.filter(|taken| **taken != declared)?;
    let list = |types: &BTreeSet<String>| types.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
    Some(format!("route `{}` admits {}, the operation takes {}", route.id, list(&declared), list(taken)))
}

/// A path whose parameters have no names: `/items/{}`.
fn anonymous_parameters(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}
