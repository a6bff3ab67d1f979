//! Lists: filtered and sorted as the resource allows, a page at a time.
//!
//! A resource says in one place what its lists can be asked for: [`Listed`]. Filters and orders are names that it
//! declares, each order with its own two SQL texts, which [`sorts!`](crate::sorts) joins from literals: nothing that a
//! client writes becomes part of a statement. A page ends with a cursor that holds the place where it ended, so that
//! what is added or removed meanwhile moves nothing: whoever walks sees each row once that was there all the while.

mod cursor;
mod params;
mod request;

use cedargate_migrations::Row;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub(crate) use cursor::CursorSecret;
pub use cursor::{CURSOR_SECRET, Place};
pub use params::ListParams;
pub use request::ListRequest;

/// How many things a page holds where the client does not say.
pub const LIMIT_DEFAULT: u32 = 50;

/// How many things a page holds at most.
pub const LIMIT_MAX: u32 = 200;

/// A row that is listed, and how.
pub trait Listed: Row + Send + Unpin + Sized + 'static {
    /// What can be asked for, each by its own query parameter. Their values are bound in this order, NULL where a
    /// filter is not used.
    const FILTERS: &'static [Filter];

    /// The orders. The first is taken where the client asks for none.
    const SORTS: &'static [Sort<Self>];
}

/// A condition that a list can be asked for: `state=placed`, `total.gte=1000`.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// The query parameter: the field, and behind a dot the operator where it is not equality.
    pub name: &'static str,
    /// What its values are.
    pub kind: FilterKind,
    /// What it does, for the OpenAPI document.
    pub about: &'static str,
}

/// What a filter's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterKind {
    /// One of these words. Bound as text.
    OneOf(&'static [&'static str]),
    /// Text of 1 to that many characters. Bound as text.
    Text(usize),
    /// An id in its one spelling. Bound as an id.
    Id,
    /// A whole number. Bound as an integer.
    Number,
}

/// An order that a list can be asked for. Made by [`sorts!`](crate::sorts).
#[derive(Debug)]
pub struct Sort<R> {
    /// How clients ask for it: `-created_at,total` is by falling time, and by total where times are equal.
    pub name: &'static str,
    /// The statement of the first page.
    pub first: &'static str,
    /// The statement of a page behind a place.
    pub after: &'static str,
    /// A row's place in this order, in the order of the placeholders of `after`: its last part tells rows apart that
    /// are otherwise equal.
    pub place: fn(&R) -> Vec<Place>,
}

/// The orders of a resource, as SQL that is joined from literals.
///
/// `select` ends in the `WHERE` clause. It binds the tenant as `$1`, then the list's own scope if it has one, then each
/// filter in the order of [`Listed::FILTERS`]; `limit` is the next placeholder. `after` compares with the parts of the
/// place, whose placeholders follow.
///
/// ```
/// use cedargate_kit::{Filter, FilterKind, Listed, Sort, sorts};
/// use cedargate_migrations::FromRow;
/// use uuid::Uuid;
///
/// #[derive(FromRow)]
/// struct NoteRow {
///     id: Uuid,
///     created_at: i64,
/// }
///
/// impl Listed for NoteRow {
///     const FILTERS: &'static [Filter] =
///         &[Filter { name: "board", kind: FilterKind::Id, about: "Only those on this board." }];
///     const SORTS: &'static [Sort<Self>] = sorts! {
///         "SELECT id, created_at
///         FROM notes
///         WHERE tenant_id = $1
///           AND ($2 IS NULL OR board_id = $2)",
///         limit "$3";
///         "created_at": "(created_at, id) > ($4, $5)" => "created_at, id",
///             |note| vec![note.created_at.into(), note.id.into()];
///         "-created_at": "(created_at, id) < ($4, $5)" => "created_at DESC, id DESC",
///             |note| vec![note.created_at.into(), note.id.into()];
///     };
/// }
/// assert!(NoteRow::SORTS[1].after.ends_with("ORDER BY created_at DESC, id DESC\nLIMIT $3"));
/// ```
#[macro_export]
macro_rules! sorts {
    ($select:literal, limit $limit:literal; $($name:literal: $after:literal => $order:literal, $place:expr;)+) => {
        &[$($crate::Sort {
            name: $name,
            first: concat!($select, "\nORDER BY ", $order, "\nLIMIT ", $limit),
            after: concat!($select, "\n  AND ", $after, "\nORDER BY ", $order, "\nLIMIT ", $limit),
            place: $place,
        }),+]
    };
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The things, in the order that was asked for.
    pub items: Vec<T>,
    /// The `cursor` of the next page, to be sent with the same filters and order; null on the last one.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// A value on its way into a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Number(Option<i64>),
    Text(Option<String>),
    Id(Option<Uuid>),
}

#[cfg(test)]
mod tests;
