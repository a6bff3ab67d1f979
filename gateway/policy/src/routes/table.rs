//! Finding a request's route.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedargate_model::NormalizedPath;
use http::Method;

use crate::routes::{Resource, ResourceIdRule, Route, Routed};

/// The largest id of a resource, in octets once decoded: longer ones name nothing that exists.
const RESOURCE_ID_BYTES_MAX: usize = 256;

/// What a method and a path lead to.
#[derive(Debug)]
pub enum Routing {
    /// A route, and the resource that the path names.
    Found(Routed),
    /// The path is known with these methods only.
    MethodNotAllowed(Vec<Method>),
    /// No route has this path.
    Unknown,
}

/// All routes of a snapshot.
#[derive(Debug)]
pub struct Routes {
    matcher: matchit::Router<Entry>,
    all: Vec<Arc<Route>>,
}

/// The routes of one path. A path has few methods, so a list is searched faster than a map.
#[derive(Debug, Default)]
struct Entry {
    routes: Vec<Arc<Route>>,
}

impl Routes {
    /// Finds the route of a method and a path.
    ///
    /// `HEAD` follows `GET`. A preflight is looked up by the method that it asks for, never by `OPTIONS`.
    pub fn find(&self, method: &Method, path: &NormalizedPath) -> Routing {
        let Ok(found) = self.matcher.at(path.as_str()) else { return Routing::Unknown };
        let wanted = if *method == Method::HEAD { &Method::GET } else { method };
        let Some(route) = found.value.routes.iter().find(|route| route.method == *wanted) else {
            return Routing::MethodNotAllowed(found.value.methods());
        };
        let id = match &route.resource.id {
            ResourceIdRule::Fixed(id) => Some(Arc::clone(id)),
            ResourceIdRule::Parameter(position) => {
                found.params.iter().nth(*position).and_then(|(_, segment)| resource_id(segment))
            }
        };
        match id {
            Some(id) => Routing::Found(Self::routed(route, id)),
            None => Routing::Unknown,
        }
    }

    /// Every route, in the order of the files.
    pub fn all(&self) -> &[Arc<Route>] {
        &self.all
    }

    /// Names an action and a resource directly, as policy tests and `explain` do: `Inventory::Action::"GetItem"`,
    /// `Inventory::Item::"42"`. None where no route leads there.
    pub fn address(&self, action: &str, resource: &str) -> Option<Routed> {
        let uid: cedar_policy::EntityUid = resource.parse().ok()?;
        let id = uid.id().unescaped();
        if id.is_empty() || id.len() > RESOURCE_ID_BYTES_MAX {
            return None;
        }
        let leads_there = |route: &&Arc<Route>| {
            *route.action == *action
                && route.resource.kind.name == *uid.type_name()
                && match &route.resource.id {
                    ResourceIdRule::Fixed(fixed) => **fixed == *id,
                    ResourceIdRule::Parameter(_) => true,
                }
        };
        let route = self.all.iter().find(leads_there)?;
        Some(Self::routed(route, id.into()))
    }

    fn routed(route: &Arc<Route>, id: Arc<str>) -> Routed {
        Routed { route: Arc::clone(route), resource: Resource { kind: route.resource.kind.clone(), id } }
    }
}

impl Entry {
    fn methods(&self) -> Vec<Method> {
        let mut methods: Vec<Method> = self.routes.iter().map(|route| route.method.clone()).collect();
        if methods.contains(&Method::GET) {
            methods.push(Method::HEAD);
        }
        methods.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        methods
    }
}

/// Decodes a path segment to a resource's id, within its bound. Escapes are three octets for one, so a segment that
/// is longer than three times the bound need not be decoded to be refused.
fn resource_id(segment: &str) -> Option<Arc<str>> {
    if segment.len() > RESOURCE_ID_BYTES_MAX * 3 {
        return None;
    }
    let id = NormalizedPath::decode_segment(segment);
    (!id.is_empty() && id.len() <= RESOURCE_ID_BYTES_MAX).then(|| id.into())
}

/// Collects routes that are already known not to be in conflict.
#[derive(Debug, Default)]
pub(crate) struct RoutesBuilder {
    by_pattern: BTreeMap<String, Entry>,
    all: Vec<Arc<Route>>,
}

impl RoutesBuilder {
    /// Adds a route under its matcher's pattern.
    ///
    /// # Errors
    /// The route that already has this method on this path.
    pub(crate) fn add(&mut self, pattern: String, route: Arc<Route>) -> Result<(), Arc<Route>> {
        let entry = self.by_pattern.entry(pattern).or_default();
        if let Some(other) = entry.routes.iter().find(|other| other.method == route.method) {
            return Err(Arc::clone(other));
        }
        entry.routes.push(Arc::clone(&route));
        self.all.push(route);
        Ok(())
    }

    /// The finished table.
    ///
    /// # Errors
    /// The first pattern that the matcher refuses, and why.
    pub(crate) fn finish(self) -> Result<Routes, (String, matchit::InsertError)> {
        let mut matcher = matchit::Router::new();
        for (pattern, entry) in self.by_pattern {
            matcher.insert(pattern.clone(), entry).map_err(|error| (pattern, error))?;
        }
        Ok(Routes { matcher, all: self.all })
    }
}
