//! Lists: what is asked for, and how it is answered (RFC 7644 §3.4.2).

use serde_json::{Map, Value, json};

use crate::error::{ScimError, ScimType};
use crate::filter::Filter;
use crate::schema::ResourceKind;
use crate::select::Selection;

/// The most resources of one answer.
pub const RESULTS_MAX: usize = 200;

/// How many are answered where nobody says how many.
const RESULTS: usize = 100;

/// The longest query, in octets.
const QUERY_BYTES_MAX: usize = 16 * 1024;

/// What a list is asked for.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// Which.
    pub filter: Option<Filter>,
    /// From which on, counted from 1.
    pub start_index: usize,
    /// How many at most.
    pub count: usize,
    /// What of each.
    pub selection: Selection,
}

impl ListRequest {
    /// Reads a query. What is not known is passed over, `sortBy` among it: nothing is sorted here.
    ///
    /// # Errors
    /// `invalidFilter`, `invalidValue`.
    pub fn read(kind: ResourceKind, query: Option<&str>) -> Result<Self, ScimError> {
        let query = query.unwrap_or_default();
        let selection = Selection::read(kind, Some(query))?;
        let mut read = Self { filter: None, start_index: 1, count: RESULTS, selection };
        for (name, value) in parameters(query)? {
            match &*name {
                "filter" if read.filter.is_some() => {
                    return Err(ScimError::bad(ScimType::InvalidFilter, "there are two filters"));
                }
                "filter" => read.filter = Some(Filter::parse(kind, &value)?),
                // What is less than the least is the least.
                "startIndex" => read.start_index = usize::try_from(number("startIndex", &value)?.max(1)).unwrap_or(1),
                "count" => {
                    let count = usize::try_from(number("count", &value)?.max(0)).unwrap_or(0);
                    read.count = count.min(RESULTS_MAX);
                }
                _ => {}
            }
        }
        Ok(read)
    }
}

fn number(name: &str, text: &str) -> Result<i64, ScimError> {
    // More than anybody has, and nothing overflows.
    let number = text.trim().parse::<i64>().ok().map(|number| number.clamp(-1, 1 << 40));
    number.ok_or_else(|| ScimError::bad(ScimType::InvalidValue, format!("`{name}` is a whole number")))
}

pub(crate) fn parameters(query: &str) -> Result<impl Iterator<Item = (String, String)>, ScimError> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(ScimError::bad(
            ScimType::InvalidSyntax,
            format!("the query has more than {QUERY_BYTES_MAX} octets"),
        ));
    }
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    Ok(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())))
}

/// A list as it is answered.
pub fn list_response(total: usize, start_index: usize, resources: Vec<Map<String, Value>>) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded_whatever_is_asked_for() {
        let read = |query: &str| {
            let read = ListRequest::read(ResourceKind::User, Some(query)).unwrap();
            (read.start_index, read.count)
        };
        assert_eq!(read(""), (1, 100));
        assert_eq!(read("startIndex=0&count=-5"), (1, 0));
        assert_eq!(read("startIndex=7&count=100000"), (7, 200));
        assert_eq!(read("count=9223372036854775807&sortBy=userName&x=y"), (1, 200));
        for query in ["count=many", "startIndex=1.5", "count=99999999999999999999"] {
            let refused = ListRequest::read(ResourceKind::User, Some(query)).unwrap_err();
            assert_eq!(refused.kind, Some(ScimType::InvalidValue), "{query}");
        }
        let two = ListRequest::read(ResourceKind::User, Some("filter=active+pr&filter=active+pr")).unwrap_err();
        assert_eq!(two.kind, Some(ScimType::InvalidFilter));
        let long = format!("x={}", "a".repeat(QUERY_BYTES_MAX));
        assert!(ListRequest::read(ResourceKind::User, Some(&long)).is_err());
    }
}
