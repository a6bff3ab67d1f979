//! Which part of a request a value comes from, as far as rules care.

/// A set of parts of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Surfaces(u16);

impl Surfaces {
    pub(crate) const NONE: Self = Self(0);
    /// The request target as sent.
    pub(crate) const TARGET: Self = Self(1 << 0);
    /// The decoded path as a whole.
    pub(crate) const PATH: Self = Self(1 << 1);
    /// One segment of the path.
    pub(crate) const SEGMENT: Self = Self(1 << 2);
    /// A query argument's value.
    pub(crate) const QUERY: Self = Self(1 << 3);
    /// The name of a query argument, form field or cookie.
    pub(crate) const NAME: Self = Self(1 << 4);
    /// A cookie's value.
    pub(crate) const COOKIE: Self = Self(1 << 5);
    /// The `User-Agent` header.
    pub(crate) const AGENT: Self = Self(1 << 6);
    /// The `Referer` header, and the arguments in it.
    pub(crate) const REFERER: Self = Self(1 << 7);
    /// Any other header.
    pub(crate) const HEADER: Self = Self(1 << 8);
    /// A form field's value, and text bodies.
    pub(crate) const FIELD: Self = Self(1 << 9);
    /// A string in a JSON body.
    pub(crate) const JSON: Self = Self(1 << 10);
    /// A member name in a JSON body.
    pub(crate) const JSON_NAME: Self = Self(1 << 11);
    /// An uploaded file's name.
    pub(crate) const FILE_NAME: Self = Self(1 << 12);
    /// An XML body.
    pub(crate) const XML: Self = Self(1 << 13);
    /// Files and bodies of no kind that we can read.
    pub(crate) const OPAQUE: Self = Self(1 << 14);

    /// Everything that a service reads as a value or a name.
    pub(crate) const VALUES: Self = Self::QUERY
        .or(Self::NAME)
        .or(Self::COOKIE)
        .or(Self::AGENT)
        .or(Self::REFERER)
        .or(Self::FIELD)
        .or(Self::JSON)
        .or(Self::JSON_NAME)
        .or(Self::FILE_NAME)
        .or(Self::XML)
        .or(Self::PATH);

    /// Where libinjection looks for SQL. Not file names, where apostrophes and dashes are everyday, nor XML.
    pub(crate) const SQL: Self = Self::SEGMENT
        .or(Self::QUERY)
        .or(Self::NAME)
        .or(Self::COOKIE)
        .or(Self::AGENT)
        .or(Self::REFERER)
        .or(Self::FIELD)
        .or(Self::JSON)
        .or(Self::JSON_NAME);

    /// Where libinjection looks for markup that runs. Not in XML, which is markup.
    pub(crate) const MARKUP: Self = Self::SQL.or(Self::FILE_NAME);

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }
}
