//! The attributes that are kept (RFC 7643 §3.1, §4). A password is none of them: people of a provider sign in there.

use super::{Attribute, Kind, Schema};

/// The most members of a group.
pub const MEMBERS_MAX: usize = 5_000;

/// The enterprise extension's URN (RFC 7643 §4.3).
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The most values of any other list.
const VALUES_MAX: usize = 100;

const fn attribute(name: &'static str, kind: Kind, about: &'static str) -> Attribute {
    Attribute {
        name,
        kind,
        values_max: 1,
        required: false,
        case_exact: false,
        read_only: false,
        always: false,
        unique: false,
        about,
    }
}

const fn text(name: &'static str, about: &'static str) -> Attribute {
    attribute(name, Kind::Text, about)
}

const fn exact(name: &'static str, about: &'static str) -> Attribute {
    Attribute { case_exact: true, ..text(name, about) }
}

const fn reference(name: &'static str, kinds: &'static [&'static str], about: &'static str) -> Attribute {
    Attribute { case_exact: true, ..attribute(name, Kind::Reference(kinds), about) }
}

const fn complex(name: &'static str, subs: &'static [Attribute], about: &'static str) -> Attribute {
    attribute(name, Kind::Complex(subs), about)
}

const fn list(name: &'static str, subs: &'static [Attribute], about: &'static str) -> Attribute {
    Attribute { values_max: VALUES_MAX, ..complex(name, subs, about) }
}

const fn read_only(attribute: Attribute) -> Attribute {
    Attribute { read_only: true, ..attribute }
}

const PRIMARY: Attribute = attribute("primary", Kind::Boolean, "Whether it is the first choice; true of one at most.");
const TYPE: Attribute = text("type", "What it is for, such as `work`.");
const DISPLAY: Attribute = text("display", "What people read.");

const VALUED: &[Attribute] = &[text("value", "The value."), DISPLAY, TYPE, PRIMARY];

/// What every resource has.
pub(crate) const COMMON: &[Attribute] = &[
    Attribute {
        always: true,
        values_max: 10,
        case_exact: true,
        required: true,
        ..attribute("schemas", Kind::Reference(&["uri"]), "The URNs of its schemas.")
    },
    Attribute { always: true, unique: true, ..read_only(exact("id", "The gateway's own id for it, for ever.")) },
    exact("externalId", "What the provider calls it; unique among the resources of one connection."),
    read_only(complex(
        "meta",
        &[
            read_only(exact("resourceType", "`User` or `Group`.")),
            read_only(attribute("created", Kind::Moment, "When it was made.")),
            read_only(attribute("lastModified", Kind::Moment, "When it was last changed.")),
            read_only(reference("location", &["uri"], "Where it is.")),
            read_only(exact("version", "Its ETag.")),
        ],
        "About the resource itself.",
    )),
];

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

pub(crate) static CORE_USER: Schema = Schema {
    id: USER,
    name: "User",
    about: "Somebody who may sign in by the connection.",
    attributes: &[
        Attribute {
            required: true,
            unique: true,
            ..text("userName", "What the provider signs them in as; unique within the connection, in any case.")
        },
        complex(
            "name",
            &[
                text("formatted", "The whole name."),
                text("familyName", "The family name."),
                text("givenName", "The given name."),
                text("middleName", "The middle names."),
                text("honorificPrefix", "Titles before."),
                text("honorificSuffix", "Titles behind."),
            ],
            "What they are called.",
        ),
        text("displayName", "What they are shown as."),
        text("nickName", "What friends say."),
        reference("profileUrl", &["external"], "A page about them."),
        text("title", "Their position."),
        text("userType", "Such as `Employee` or `Contractor`."),
        text("preferredLanguage", "As in `Accept-Language`."),
        text("locale", "For dates and numbers."),
        text("timezone", "As in `Europe/Berlin`."),
        attribute("active", Kind::Boolean, "Whether they may sign in. Once false, all their sessions have ended."),
        list("emails", VALUED, "Their addresses. None of them names or links anybody here."),
        list("phoneNumbers", VALUED, "Their telephone numbers."),
        list(
            "addresses",
            &[
                text("formatted", "The whole address."),
                text("streetAddress", "Street and number."),
                text("locality", "The place."),
                text("region", "The region."),
                text("postalCode", "The code."),
                text("country", "The country."),
                TYPE,
                PRIMARY,
            ],
            "Where they are.",
        ),
        read_only(list(
            "groups",
            &[
                read_only(exact("value", "The group's id.")),
                read_only(reference("$ref", &["Group"], "Where it is.")),
                read_only(text("display", "What it is called.")),
                read_only(text("type", "`direct`.")),
            ],
            "The groups that they are in; changed by changing the group.",
        )),
        list("entitlements", VALUED, "What they are entitled to; roles follow by the connection's rules alone."),
        list("roles", VALUED, "Their roles at the provider; roles here follow by the connection's rules alone."),
    ],
};

pub(crate) static ENTERPRISE: Schema = Schema {
    id: ENTERPRISE_USER,
    name: "EnterpriseUser",
    about: "Where somebody belongs in an organisation.",
    attributes: &[
        text("employeeNumber", "Their number."),
        text("costCenter", "Their cost centre."),
        text("organization", "Their organisation."),
        text("division", "Their division."),
        text("department", "Their department."),
        complex(
            "manager",
            &[
                exact("value", "The manager's id."),
                reference("$ref", &["User"], "Where the manager is."),
                text("displayName", "What the manager is called."),
            ],
            "Who they report to.",
        ),
    ],
};

pub(crate) static CORE_GROUP: Schema = Schema {
    id: GROUP,
    name: "Group",
    about: "Users of the connection. What it gives is said by the connection's rules.",
    attributes: &[
        Attribute { required: true, ..text("displayName", "What it is called; unique within the connection.") },
        Attribute {
            values_max: MEMBERS_MAX,
            ..list(
                "members",
                &[
                    exact("value", "The user's id."),
                    reference("$ref", &["User"], "Where the user is."),
                    text("display", "What the user is called."),
                    text("type", "`User`."),
                ],
                "Who is in it: users of the connection, and no groups.",
            )
        },
    ],
};
