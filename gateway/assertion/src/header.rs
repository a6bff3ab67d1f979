//! The names under which all this travels. HTTP field names are case-insensitive; these are written as HTTP/2 has them.

/// The field that carries the identity assertion to a service. A client's own is removed.
pub const IDENTITY_HEADER: &str = "cedargate-identity";

/// The field that carries the decision's id, a UUID, to a service and to the client.
pub const DECISION_HEADER: &str = "cedargate-decision";

/// The field that carries the exchange's id, a UUID, to a service and to the client.
pub const REQUEST_HEADER: &str = "cedargate-request";

/// Where the gateway publishes the keys that verify assertions.
pub const JWKS_PATH: &str = "/.well-known/cedargate/jwks.json";
