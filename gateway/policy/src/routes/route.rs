//! A route: what one method on one path asks of whom, and how it is handled on the way.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::EntityTypeName;
use cedargate_model::{Host, RouteId, SnapshotId};
use http::Method;
use serde::Deserialize;

/// One method on one path. Made only by building a snapshot, which has checked it against the schema.
#[derive(Debug)]
pub struct Route {
    /// The route's id, `<module>.<Action>`: a closed set, so it may label a metric.
    pub id: RouteId,
    /// The module that declares it.
    pub module: Arc<str>,
    /// The upstream's name, and the audience of the identity assertion. `gateway` is the gateway itself.
    pub service: Arc<str>,
    /// The method; `HEAD` follows `GET`.
    pub method: Method,
    /// The path as declared, for example `/inventory/items/{id}`.
    pub path: Arc<str>,
    /// The Cedar action, for example `Inventory::Action::"UpdateItem"`.
    pub action: Arc<str>,
    /// The protocol that a client may upgrade to; none where it may not.
    pub upgrade: Option<Upgrade>,
    /// Whether this is gRPC: HTTP/2 on both sides, trailers, refusals as `grpc-status`.
    pub grpc: bool,
    /// Whether a client gets here only over a connection that it made with a certificate.
    pub client_certificate: bool,
    /// Whether a page of any site may send a form here: the gateway's own routes that identity providers post to.
    pub any_site: bool,
    /// The other origins that a browser may call this route from, exact.
    pub cors: Vec<Origin>,
    /// How head and body are inspected.
    pub inspection: RouteInspection,
    /// How long the upstream may take for the head of its answer.
    pub timeout: Duration,
    pub(crate) resource: ResourceRule,
    /// The snapshot whose decisions know this route.
    pub(crate) snapshot: SnapshotId,
    /// The action's place in that snapshot.
    pub(crate) action_index: usize,
}

impl Route {
    /// Whether a client may upgrade to this protocol, named as in the `Upgrade` header, whatever its case.
    pub fn allows_upgrade(&self, protocol: &str) -> bool {
        self.upgrade.is_some_and(|upgrade| protocol.eq_ignore_ascii_case(upgrade.as_str()))
    }

    /// Whether a browser may call this route from `origin`, the value of its `Origin` header.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.cors.iter().any(|allowed| allowed.as_str() == origin)
    }

    /// The entity type of its resource: `Inventory::Item`.
    pub fn resource_kind(&self) -> &Arc<str> {
        &self.resource.kind.text
    }

    /// The id of its resource where that is always the same, as a collection's or a page's.
    pub fn fixed_resource(&self) -> Option<&Arc<str>> {
        match &self.resource.id {
            ResourceIdRule::Fixed(id) => Some(id),
            ResourceIdRule::Parameter(_) => None,
        }
    }
}

/// What a route's resource is.
#[derive(Clone, Debug)]
pub(crate) struct ResourceRule {
    pub(crate) kind: ResourceKind,
    pub(crate) id: ResourceIdRule,
}

/// Where a resource's id comes from.
#[derive(Clone, Debug)]
pub(crate) enum ResourceIdRule {
    /// Always the same: a collection or a page.
    Fixed(Arc<str>),
    /// The path parameter at this position.
    Parameter(usize),
}

/// A resource's entity type, as Cedar knows it and as text.
#[derive(Clone, Debug)]
pub(crate) struct ResourceKind {
    pub(crate) name: EntityTypeName,
    pub(crate) text: Arc<str>,
}

/// The Cedar resource of one request. Displays as Cedar writes it: `Inventory::Item::"42"`.
#[derive(Clone, Debug)]
pub struct Resource {
    pub(crate) kind: ResourceKind,
    pub(crate) id: Arc<str>,
}

impl Resource {
    /// The entity type: `Inventory::Item`.
    pub fn kind(&self) -> &Arc<str> {
        &self.kind.text
    }

    /// The id, decoded: at most `RESOURCE_ID_BYTES_MAX` octets of UTF-8 without controls.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.id.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\'' | b'\\'));
        if !plain {
            return write!(f, "{}::\"{}\"", self.kind.text, self.id.escape_debug());
        }
        [&*self.kind.text, "::\"", &*self.id, "\""].iter().try_for_each(|piece| f.write_str(piece))
    }
}

/// A request's route and resource.
#[derive(Clone, Debug)]
pub struct Routed {
    pub(crate) route: Arc<Route>,
    pub(crate) resource: Resource,
}

impl Routed {
    /// The route.
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// The Cedar resource.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }
}

/// A protocol that a connection may be upgraded to (RFC 9110 §7.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Upgrade {
    /// RFC 6455.
    Websocket,
}

impl Upgrade {
    /// The name as it stands in the `Upgrade` header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
        }
    }
}

/// How a route's requests are inspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInspection {
    /// What a finding does.
    pub mode: InspectionMode,
    /// Form and JSON fields whose values are secrets and are never inspected, such as `password`. Sorted.
    pub exempt_fields: Vec<String>,
    /// How many octets of a body are inspected.
    pub body_bytes_max: u64,
    /// What happens to a body that is larger.
    pub on_excess: OnExcess,
    /// The rule set that inspects; none for the tenant's or the gateway's own choice.
    pub rules: Option<Arc<str>>,
    /// The rules' paranoia level, 1 to 4; none for the tenant's or the gateway's own choice.
    pub paranoia: Option<u8>,
    /// The score from which mode `block` refuses; none for the tenant's or the gateway's own choice.
    pub threshold: Option<u32>,
    /// The content types that the route admits, as rules compare them: `|text/csv| |application/json|`. None where it does not say.
    pub content_types: Option<String>,
    /// Whether answers are inspected, too.
    pub responses: bool,
}

/// What an inspection's finding does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InspectionMode {
    /// An attack ends the walk with 403.
    Block,
    /// The score goes to Cedar as `context.waf.score`, which must decide.
    Score,
    /// What is found is recorded, and nothing else comes of it.
    Detect,
    /// Nothing is inspected. For uploads and the like, where the service knows better.
    Off,
}

/// What happens to a body that is larger than is inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExcess {
    /// 413.
    Refuse,
    /// The rest goes to the service uninspected.
    Pass,
}

/// A web origin as browsers serialise it (RFC 6454 §6.2): scheme, host and a port that is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin(String);

/// Why a text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an origin as browsers send it: write `https://app.example.com`, with a port only if it is not the scheme's own"
)]
pub struct OriginError(String);

impl Origin {
    /// Accepts an origin in exactly the form in which browsers send it. `*` and `null` are none.
    ///
    /// # Errors
    /// Anything else, with the text quoted and cut to 80 characters.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let refuse = || OriginError(text.chars().take(80).collect());
        let (scheme, authority) = text.split_once("://").ok_or_else(refuse)?;
        let own_port = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return Err(refuse()),
        };
        let host = Host::parse(authority).map_err(|_| refuse())?;
        let canonical = host.to_string() == authority && host.port() != Some(own_port);
        if canonical { Ok(Self(text.to_owned())) } else { Err(refuse()) }
    }

    /// The origin as browsers send it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_spelling() {
        for good in ["https://app.example.com", "http://localhost:3000", "https://[::1]:8443"] {
            assert_eq!(Origin::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "*",
            "null",
            "",
            "app.example.com",
            "https://app.example.com/",
            "https://APP.example.com",
            "https://a:443",
            "http://a:80",
            "ftp://a",
            "https://*.example.com",
            "https://u@a",
            "https://a.",
        ] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }
}
