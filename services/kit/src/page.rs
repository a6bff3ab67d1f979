//! Lists, a page at a time.

use axum::extract::{FromRequestParts, Query};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::problem::{Problem, QUERY_INVALID};

/// How many things a page holds where the client does not say.
pub const LIMIT_DEFAULT: u32 = 50;

/// How many things a page holds at most.
pub const LIMIT_MAX: u32 = 200;

/// Which page is asked for. Pages are in the order of ids, so that what is added meanwhile appears at the end and
/// nothing is seen twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    limit: u32,
    after: Uuid,
}

/// The query parameters of every list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// How many to return, 1 to 200; 50 where it is missing.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// The `next` of the page before. Its form is nobody's business but ours.
    cursor: Option<String>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The things, in the order of their ids.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(required = true)]
    pub next: Option<String>,
}

impl PageRequest {
    /// How many rows to read: one more than the page holds, which tells whether there is a next one.
    pub fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The id after which the page begins; nil for the first page.
    pub fn after(&self) -> Uuid {
        self.after
    }

    /// The page of the rows that were read.
    pub fn page<R, T>(&self, mut rows: Vec<R>, id: impl Fn(&R) -> Uuid, thing: impl FnMut(R) -> T) -> Page<T> {
        let limit = self.limit as usize;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| has_more).map(|last| encode(id(last)));
        Page { items: rows.into_iter().map(thing).collect(), next }
    }

    fn read(params: &PageParams) -> Result<Self, Problem> {
        let limit = params.limit.as_deref().map_or(Some(LIMIT_DEFAULT), |text| text.parse().ok());
        let limit = limit.filter(|limit| (1..=LIMIT_MAX).contains(limit));
        let after = params.cursor.as_deref().map_or(Some(Uuid::nil()), decode);
        match (limit, after) {
            (Some(limit), Some(after)) => Ok(Self { limit, after }),
            (limit, after) => {
                let mut problem = Problem::new(QUERY_INVALID);
                if limit.is_none() {
                    problem = problem.field("limit", "use a whole number from 1 to 200");
                }
                if after.is_none() {
                    problem = problem.field("cursor", "use the `next` of the page before, unchanged");
                }
                Err(problem)
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PageRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(params) = Query::<PageParams>::from_request_parts(parts, state).await.map_err(|rejection| {
            Problem::new(QUERY_INVALID)
                .field("query", "use `limit` and `cursor`, each at most once")
                .caused_by(rejection)
        })?;
        Self::read(&params)
    }
}

/// The first byte of a cursor tells its form, so that it can change.
const CURSOR_VERSION: u8 = 1;

fn encode(id: Uuid) -> String {
    let mut bytes = vec![CURSOR_VERSION];
    bytes.extend_from_slice(id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(cursor: &str) -> Option<Uuid> {
    // Longer ones are not even decoded: 17 bytes are 23 characters.
    let bytes = (cursor.len() <= 23).then(|| URL_SAFE_NO_PAD.decode(cursor).ok())??;
    match bytes.split_first() {
        Some((&CURSOR_VERSION, id)) => Uuid::from_slice(id).ok(),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(limit: &str, cursor: Option<String>) -> Result<PageRequest, Problem> {
        PageRequest::read(&PageParams { limit: Some(limit.into()), cursor })
    }

    #[test]
    fn a_limit_out_of_bounds_is_refused_by_name() {
        for limit in ["0", "201", "-1", "", "1e2", "99999999999999999999"] {
            assert_eq!(request(limit, None).unwrap_err().errors()[0].field, "limit", "{limit}");
        }
    }

    #[test]
    fn a_cursor_that_is_not_ours_is_refused_by_name() {
        let wrong_version = URL_SAFE_NO_PAD.encode([2; 17]);
        for cursor in ["", "x", "AQ", &wrong_version, &"A".repeat(4_000)] {
            assert_eq!(request("1", Some(cursor.into())).unwrap_err().errors()[0].field, "cursor", "{cursor}");
        }
    }

    proptest! {
        /// However a list is cut into pages, walking them sees everything once and in order.
        #[test]
        fn pages_walk_the_whole_list(count in 0_u128..60, limit in 1_u32..20) {
            let all: Vec<Uuid> = (1..=count).map(Uuid::from_u128).collect();
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let request = request(&limit.to_string(), cursor).unwrap();
                let rows = all.iter().filter(|id| **id > request.after()).take(request.rows() as usize);
                let page = request.page(rows.copied().collect(), |id| *id, |id| id);
                prop_assert!(page.items.len() <= limit as usize);
                seen.extend(page.items);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            prop_assert_eq!(seen, all);
        }

        #[test]
        fn any_text_is_a_cursor_or_is_refused(text in ".*") {
            let _ = decode(&text);
        }
    }
}
