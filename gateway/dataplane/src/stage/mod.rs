//! The stages of the walk, one file each, in the order in which a request passes them:
//! accept, hygiene, route, limit, authenticate, quota, guard, inspect, authorize, record, forward, respond.

pub(crate) mod accept;
pub(crate) mod authenticate;
pub(crate) mod authorize;
pub(crate) mod forward;
pub(crate) mod guard;
pub(crate) mod hygiene;
pub(crate) mod inspect;
pub(crate) mod keep;
pub(crate) mod limit;
pub(crate) mod quota;
pub(crate) mod record;
pub(crate) mod respond;
pub(crate) mod route;
mod shadow;
