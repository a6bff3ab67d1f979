//! A list that is asked for: which rows, in which order, from where.

use axum::extract::{FromRef, FromRequestParts, Query};
use cedargate_migrations::{Query as Statement, StoreError, TenantTx};
use http::request::Parts;
use uuid::Uuid;

use super::params::Asked;
use super::{Bound, Listed, Page, Place};
use crate::problem::{Problem, QUERY_INVALID, STORE_FAILED};
use crate::{Caller, Kit};

/// The list that a client asks for, read from the query. Put it behind `Tenant` among a handler's arguments.
pub struct ListRequest<R: Listed> {
    kit: Kit,
    asked: Asked<R>,
    place: Option<Vec<Place>>,
    list: ListName,
}

/// What tells a list from all others: whose it is, where it is, its statement and its filters. A cursor holds for one.
struct ListName {
    tenant: Uuid,
    path: String,
    statement: &'static str,
    filters: String,
}

impl ListName {
    fn parts(&self) -> [&[u8]; 4] {
        [self.tenant.as_bytes(), self.path.as_bytes(), self.statement.as_bytes(), self.filters.as_bytes()]
    }
}

impl<R: Listed> ListRequest<R> {
    /// The rows of the page, and one more if there is a next one. `scope` is what the list is of, bound behind the
    /// tenant: the item whose lots are listed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rows(&self, tx: &mut TenantTx, scope: &[Uuid]) -> Result<Vec<R>, StoreError> {
        let sort = self.asked.sort;
        let mut query = tx.query(if self.place.is_some() { sort.after } else { sort.first });
        for id in scope {
            query = query.bind(*id);
        }
        for value in &self.asked.filters {
            query = bind(query, value.clone());
        }
        // One more than the page holds tells whether there is a next one.
        query = query.bind(i64::from(self.asked.limit) + 1);
        for part in self.place.iter().flatten() {
            query = match part {
                Place::Number(number) => query.bind(*number),
                Place::Text(text) => query.bind(text.clone()),
                Place::Id(id) => query.bind(*id),
            };
        }
        query.fetch_all().await
    }

    /// The page of the rows that were read.
    ///
    /// # Errors
    /// `store_unavailable` where the cursors' secret cannot be read.
    pub async fn page<T>(&self, mut rows: Vec<R>, thing: impl FnMut(R) -> T) -> Result<Page<T>, Problem> {
        let limit = self.asked.limit as usize;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = match rows.last().filter(|_| has_more) {
            None => None,
            Some(last) => {
                let seal = self.kit.cursor_secret().seal(self.kit.pool()).await?;
                let place = (self.asked.sort.place)(last);
                // A list with more behind it must not look like its end.
                Some(seal.close(&self.list.parts(), &place).ok_or(STORE_FAILED)?)
            }
        };
        Ok(Page { items: rows.into_iter().map(thing).collect(), next })
    }
}

fn bind(query: Statement<'_>, value: Bound) -> Statement<'_> {
    match value {
        Bound::Number(number) => query.bind(number),
        Bound::Text(text) => query.bind(text),
        Bound::Id(id) => query.bind(id),
    }
}

impl<S: Send + Sync, R: Listed> FromRequestParts<S> for ListRequest<R>
where
    Kit: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let kit = Kit::from_ref(state);
        let Caller(identity) = Caller::from_request_parts(parts, state).await?;
        let Query(parameters) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::new(QUERY_INVALID).field("query", "use `name=value`").caused_by(rejection))?;
        let asked = Asked::<R>::read(parameters)?;
        let list = ListName {
            tenant: identity.tenant.id.0,
            path: parts.uri.path().to_owned(),
            statement: asked.sort.after,
            filters: format!("{:?}", asked.filters),
        };
        let place = match &asked.cursor {
            None => None,
            Some(cursor) => {
                let seal = kit.cursor_secret().seal(kit.pool()).await?;
                let place = seal.open(&list.parts(), cursor);
                let hint = "use the `next` of the page before, unchanged, with the same filters and order";
                Some(place.ok_or_else(|| Problem::new(QUERY_INVALID).field("cursor", hint))?)
            }
        };
        Ok(Self { kit, asked, place, list })
    }
}
