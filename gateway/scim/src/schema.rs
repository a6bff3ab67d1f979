//! What resources have: attributes, their kinds, and who may change them (RFC 7643 §2, §7).

mod tables;

use serde_json::{Map, Value};

pub(crate) use tables::{COMMON, CORE_GROUP, CORE_USER, ENTERPRISE};
pub use tables::{ENTERPRISE_USER, MEMBERS_MAX};

/// The kinds of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// Somebody.
    User,
    /// A group of users.
    Group,
}

/// A set of attributes under one URN.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) attributes: &'static [Attribute],
}

/// One attribute.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The most values; one where it is no list.
    pub(crate) values_max: usize,
    pub(crate) required: bool,
    pub(crate) case_exact: bool,
    pub(crate) read_only: bool,
    /// Whether it is in every answer, whatever was asked for.
    pub(crate) always: bool,
    /// Whether no two resources have the same value.
    pub(crate) unique: bool,
    pub(crate) about: &'static str,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    Boolean,
    Moment,
    /// An address, of these kinds of thing.
    Reference(&'static [&'static str]),
    Complex(&'static [Attribute]),
}

impl ResourceKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// The name in `meta.resourceType`.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// Where such resources are, below the service's root.
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    pub(crate) fn core(self) -> &'static Schema {
        match self {
            Self::User => &CORE_USER,
            Self::Group => &CORE_GROUP,
        }
    }

    pub(crate) fn extension(self) -> Option<&'static Schema> {
        match self {
            Self::User => Some(&ENTERPRISE),
            Self::Group => None,
        }
    }

    /// The attributes outside of extensions.
    pub(crate) fn attributes(self) -> impl Iterator<Item = &'static Attribute> + Clone {
        COMMON.iter().chain(self.core().attributes)
    }
}

impl Attribute {
    pub(crate) fn is_many(&self) -> bool {
        self.values_max > 1
    }

    /// Its sub-attributes; none of a plain one.
    pub(crate) fn subs(&self) -> &'static [Attribute] {
        match self.kind {
            Kind::Complex(subs) => subs,
            Kind::Text | Kind::Boolean | Kind::Moment | Kind::Reference(_) => &[],
        }
    }

    pub(crate) fn sub(&self, name: &str) -> Option<&'static Attribute> {
        find(self.subs().iter(), name)
    }
}

/// A place in a resource: an attribute, or a part of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Under which extension's URN, where it is an extension's.
    pub(crate) extension: Option<&'static str>,
    pub(crate) attribute: &'static Attribute,
    pub(crate) sub: Option<&'static Attribute>,
}

/// What a name in a path stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Named {
    Place(Place),
    /// A whole extension, by its URN.
    Extension(&'static Schema),
}

/// What stands for this name among a kind's attributes: `name.givenName`, or with the URN of its schema before it.
pub(crate) fn resolve(kind: ResourceKind, text: &str) -> Option<Named> {
    for schema in [Some(kind.core()), kind.extension()].into_iter().flatten() {
        let Some(rest) = strip_prefix_ignoring_case(text, schema.id) else { continue };
        let extension = kind.extension().filter(|extension| extension.id == schema.id);
        return match (rest.strip_prefix(':'), extension) {
            (Some(path), _) => dotted(extension, schema.attributes, path),
            (None, Some(extension)) if rest.is_empty() => Some(Named::Extension(extension)),
            (None, _) => None,
        };
    }
    let (first, _) = text.split_once('.').unwrap_or((text, ""));
    let is_common = COMMON.iter().any(|attribute| attribute.name.eq_ignore_ascii_case(first));
    dotted(None, if is_common { COMMON } else { kind.core().attributes }, text)
}

fn dotted(extension: Option<&'static Schema>, attributes: &'static [Attribute], path: &str) -> Option<Named> {
    let (name, sub) = match path.split_once('.') {
        Some((name, sub)) => (name, Some(sub)),
        None => (path, None),
    };
    let attribute = find(attributes.iter(), name)?;
    let sub = match sub {
        Some(sub) => Some(attribute.sub(sub)?),
        None => None,
    };
    Some(Named::Place(Place { extension: extension.map(|schema| schema.id), attribute, sub }))
}

/// By name, in any case (RFC 7643 §2.1).
pub(crate) fn find(attributes: impl IntoIterator<Item = &'static Attribute>, name: &str) -> Option<&'static Attribute> {
    attributes.into_iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

fn strip_prefix_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

impl Place {
    /// What stands here, of a resource in canonical form; of a list, all of it.
    pub(crate) fn value<'r>(&self, resource: &'r Map<String, Value>) -> Option<&'r Value> {
        let within = match self.extension {
            Some(urn) => resource.get(urn)?.as_object()?,
            None => resource,
        };
        within.get(self.attribute.name)
    }
}
