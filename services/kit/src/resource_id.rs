//! Ids in paths.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use uuid::Uuid;

use crate::problem::{NOT_FOUND, Problem};

/// The id in a path with one parameter, `/inventory/items/{id}`.
///
/// Only the one spelling that we write ourselves is an id: lower case with hyphens. The gateway decides about
/// `Inventory::Item::"<the text in the path>"`; if `{0190…}` or `0190ABCD…` reached the same row, a policy about that
/// row would not see the request. Any other text names nothing: 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceId(pub Uuid);

impl ResourceId {
    /// Reads the canonical spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text).ok()?;
        let canonical = id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text;
        canonical.then_some(Self(id))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ResourceId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::new(NOT_FOUND).caused_by(rejection))?;
        Self::parse(&text).ok_or_else(|| NOT_FOUND.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_is_an_id() {
        let canonical = "01900a1b-2c3d-7e4f-8a5b-6c7d8e9f0a1b";
        assert_eq!(ResourceId::parse(canonical).unwrap().0.to_string(), canonical);
        for other in [
            canonical.to_uppercase(),
            canonical.replace('-', ""),
            format!("{{{canonical}}}"),
            format!("urn:uuid:{canonical}"),
            format!("{canonical} "),
            String::new(),
        ] {
            assert_eq!(ResourceId::parse(&other), None, "{other}");
        }
    }
}
