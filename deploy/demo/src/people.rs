//! Who there is in the demo, and what each may and may not do.

/// A tenant of the demo.
#[derive(Clone, Copy, Debug)]
pub struct Tenant {
    /// Its name, and the first label of its host.
    pub name: &'static str,
    /// Who works there.
    pub people: &'static [Person],
}

/// Somebody who can sign in.
///
/// What they may do is checked at every start by asking the running gateway, so that this list cannot drift away from the
/// policies. `{item}` and `{spare}` stand for two of the tenant's items, `{order}` for one of its drafts, `{large}` for its
/// largest order.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// What they sign in with.
    pub email: &'static str,
    /// Their roles, as `policies/platform/roles.toml` names them.
    pub roles: &'static [&'static str],
    /// Allowed; the first is a GET.
    pub may: &'static [&'static str],
    /// Refused.
    pub may_not: &'static [&'static str],
}

const LIST: &str = "GET /inventory/items";
const GET: &str = "GET /inventory/items/{item}";
const LOTS: &str = "GET /inventory/items/{item}/lots";
const MOVEMENTS: &str = "GET /inventory/items/{item}/movements";
const CREATE: &str = "POST /inventory/items";
const UPDATE: &str = "PATCH /inventory/items/{item}";
const DELETE: &str = "DELETE /inventory/items/{item}";
/// Of an item that nobody else is told to ask for.
const DELETE_SPARE: &str = "DELETE /inventory/items/{spare}";
const RECEIVE: &str = "POST /inventory/items/{item}/lots";
const MOVE: &str = "POST /inventory/items/{item}/movements";

const ORDERS: &str = "GET /orders/orders";
const ORDER: &str = "GET /orders/orders/{order}";
const CUSTOMERS: &str = "GET /orders/customers";
const TAKE: &str = "POST /orders/orders";
const PLACE: &str = "POST /orders/orders/{order}/place";
const CONFIRM: &str = "POST /orders/orders/{order}/confirm";
/// An order above 10,000. Globex asks for a second factor, which nobody has who has only signed in.
const CONFIRM_LARGE: &str = "POST /orders/orders/{large}/confirm-large";
const CANCEL: &str = "POST /orders/orders/{order}/cancel";

/// Everybody.
pub const TENANTS: &[Tenant] = &[
    Tenant {
        name: "acme",
        people: &[
            Person {
                email: "amina@acme.example",
                roles: &["admin"],
                may: &[LIST, GET, LOTS, MOVEMENTS, CREATE, UPDATE, DELETE_SPARE, ORDERS, ORDER, CUSTOMERS],
                may_not: &[RECEIVE, MOVE, TAKE, PLACE, CONFIRM],
            },
            Person {
                email: "marco@acme.example",
                roles: &["manager"],
                may: &[
                    LIST, GET, LOTS, MOVEMENTS, CREATE, UPDATE, RECEIVE, MOVE, ORDERS, ORDER, CUSTOMERS, TAKE, PLACE,
                    CONFIRM, CANCEL,
                ],
                may_not: &[DELETE],
            },
            Person {
                email: "clara@acme.example",
                roles: &["clerk"],
                may: &[LIST, GET, LOTS, MOVEMENTS, UPDATE, RECEIVE, MOVE, ORDERS, ORDER, CUSTOMERS, TAKE, PLACE],
                may_not: &[CREATE, DELETE, CONFIRM, CANCEL],
            },
            Person {
                email: "vera@acme.example",
                roles: &["viewer"],
                may: &[LIST, GET, LOTS, MOVEMENTS, ORDERS, ORDER],
                may_not: &[CREATE, UPDATE, DELETE, RECEIVE, MOVE, CUSTOMERS, TAKE, PLACE],
            },
        ],
    },
    Tenant {
        name: "globex",
        people: &[
            // Globex forbids deletion to everybody, its administrators included: policies/tenants/globex.
            Person {
                email: "gus@globex.example",
                roles: &["admin"],
                may: &[LIST, GET, LOTS, MOVEMENTS, CREATE, UPDATE, ORDERS, ORDER, CUSTOMERS],
                may_not: &[DELETE, RECEIVE, MOVE, TAKE, PLACE],
            },
            Person {
                email: "greta@globex.example",
                roles: &["manager"],
                may: &[
                    LIST, GET, LOTS, MOVEMENTS, CREATE, UPDATE, RECEIVE, MOVE, ORDERS, ORDER, CUSTOMERS, TAKE, PLACE,
                    CONFIRM, CANCEL,
                ],
                may_not: &[DELETE, CONFIRM_LARGE],
            },
            Person {
                email: "carol@globex.example",
                roles: &["auditor", "clerk"],
                may: &[LIST, GET, LOTS, MOVEMENTS, UPDATE, RECEIVE, MOVE, ORDERS, ORDER, CUSTOMERS, TAKE, PLACE],
                may_not: &[CREATE, DELETE, CONFIRM, CANCEL],
            },
            Person {
                email: "otto@globex.example",
                roles: &["auditor"],
                may: &[LIST, GET, LOTS, MOVEMENTS, ORDERS, ORDER, CUSTOMERS],
                may_not: &[CREATE, UPDATE, DELETE, RECEIVE, MOVE, TAKE, PLACE],
            },
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_may_read_something_first_and_is_refused_something() {
        for person in TENANTS.iter().flat_map(|tenant| tenant.people) {
            assert!(person.may.first().is_some_and(|first| first.starts_with("GET ")), "{}", person.email);
            assert!(!person.may_not.is_empty(), "{}", person.email);
            assert!(!person.roles.is_empty(), "{}", person.email);
        }
    }

    #[test]
    fn nobody_may_and_may_not_do_the_same() {
        for person in TENANTS.iter().flat_map(|tenant| tenant.people) {
            assert!(person.may.iter().all(|what| !person.may_not.contains(what)), "{}", person.email);
        }
    }
}
