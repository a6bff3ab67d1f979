//! Entity tags and preconditions: nobody overwrites what they have not seen (RFC 9110 §8.8.3, §13; RFC 6585 §3).

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::{Problem, ProblemKind};

/// The client has seen another state than the present one.
pub const PRECONDITION_FAILED: ProblemKind = ProblemKind::new(
    StatusCode::PRECONDITION_FAILED,
    "precondition_failed",
    "It was changed meanwhile. Read it again, then decide.",
);

/// The change wants to know which state the client has seen.
pub const PRECONDITION_REQUIRED: ProblemKind = ProblemKind::new(
    StatusCode::PRECONDITION_REQUIRED,
    "precondition_required",
    "Send the `ETag` of what you have seen as `If-Match`.",
);

/// A precondition that cannot be read.
pub const PRECONDITION_MALFORMED: ProblemKind =
    ProblemKind::new(StatusCode::BAD_REQUEST, "precondition_malformed", "A precondition is not accepted.");

/// How long the lines of one precondition may be together, in bytes.
const LINES_BYTES_MAX: usize = 1_024;

/// A row's version: 1 when it is made, and one more with every change of anything that its representation shows.
///
/// That is what makes its tag a strong validator: two answers with one tag are equal octet for octet, as long as one
/// release of the service writes both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = i64, minimum = 1)]
pub struct Version(pub i64);

impl Version {
    /// A new row's.
    pub const FIRST: Self = Self(1);

    /// The entity tag, quotes included.
    pub fn etag(self) -> String {
        format!("\"{}\"", self.0)
    }
}

/// Proof that a precondition was held against this version. A statement that changes the row names it
/// (`AND version = $3`): what another request changed since it was read is then not overwritten either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matched(Version);

impl Matched {
    /// The version that the row must still have.
    pub fn version(self) -> i64 {
        self.0.0
    }
}

/// The states that the client is ready to change. Where a change requires it, take `IfMatch`: without one it is refused
/// with 428. Where it does not, take `Option<IfMatch>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMatch(Tags);

impl IfMatch {
    /// Holds the precondition against the present version, by strong comparison.
    ///
    /// # Errors
    /// `precondition_failed`.
    pub fn admits(&self, present: Version) -> Result<Matched, Problem> {
        let is_admitted = match &self.0 {
            Tags::Any => true,
            Tags::Listed(tags) => tags.iter().any(|tag| !tag.is_weak && tag.opaque == present.etag()),
        };
        if is_admitted { Ok(Matched(present)) } else { Err(PRECONDITION_FAILED.into()) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        tags(&parts.headers, header::IF_MATCH)?.map(Self).ok_or_else(|| PRECONDITION_REQUIRED.into())
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Ok(tags(&parts.headers, header::IF_MATCH)?.map(Self))
    }
}

/// The states that the client has already, if it said so: [`Reply::unless`](crate::Reply::unless) answers 304 then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfNoneMatch(Option<Tags>);

impl IfNoneMatch {
    /// Whether the client has this version already, by weak comparison.
    pub fn has(&self, present: Version) -> bool {
        match &self.0 {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::Listed(tags)) => tags.iter().any(|tag| tag.opaque == present.etag()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        tags(&parts.headers, header::IF_NONE_MATCH).map(Self)
    }
}

/// What `If-Match` and `If-None-Match` hold.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    /// `*`.
    Any,
    /// `"3", W/"4"`.
    Listed(Vec<Tag>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    is_weak: bool,
    /// With its quotes.
    opaque: String,
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tags>, Problem> {
    let mut text = String::new();
    for line in headers.get_all(&name) {
        let line = line.to_str().ok().filter(|line| text.len() + line.len() < LINES_BYTES_MAX);
        let Some(line) = line else { return Err(malformed(&name)) };
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(line);
    }
    if !headers.contains_key(&name) {
        return Ok(None);
    }
    parse(&text).map(Some).ok_or_else(|| malformed(&name))
}

fn malformed(name: &HeaderName) -> Problem {
    Problem::new(PRECONDITION_MALFORMED).field(name.as_str(), "use `*` or entity tags as this service writes them")
}

/// `*`, or tags between commas. A tag may hold a comma, so this reads from the left.
fn parse(text: &str) -> Option<Tags> {
    if text.trim() == "*" {
        return Some(Tags::Any);
    }
    let mut tags = Vec::new();
    let mut rest = text.trim();
    loop {
        let (is_weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let (inner, after) = quoted.strip_prefix('"')?.split_once('"')?;
        if !inner.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x7e)) {
            return None;
        }
        tags.push(Tag { is_weak, opaque: format!("\"{inner}\"") });
        let after = after.trim_start();
        if after.is_empty() {
            return Some(Tags::Listed(tags));
        }
        rest = after.strip_prefix(',')?.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn if_match(lines: &[&str]) -> Result<Option<IfMatch>, Problem> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, HeaderValue::from_str(line).unwrap());
        }
        Ok(tags(&headers, header::IF_MATCH)?.map(IfMatch))
    }

    #[test]
    fn what_is_no_entity_tag_is_refused_by_name() {
        let long = format!("\"{}\"", "a".repeat(2_000));
        for bad in ["", "3", "\"3", "3\"", "\"3\" \"4\"", "\"3\",", ",\"3\"", "w/\"3\"", "\"3\", *", "\"a b\"", &long] {
            let problem = if_match(&[bad]).unwrap_err();
            assert_eq!(problem.kind(), PRECONDITION_MALFORMED, "{bad}");
            assert_eq!(problem.errors()[0].field, "if-match", "{bad}");
        }
        assert_eq!(if_match(&[]).unwrap(), None);
    }

    #[test]
    fn only_the_present_state_is_admitted() {
        let admits = |lines: &[&str]| if_match(lines).unwrap().unwrap().admits(Version(3)).is_ok();
        assert!(admits(&["\"3\""]) && admits(&["*"]) && admits(&["\"2\" , \"3\""]) && admits(&["\"a,b\"", "\"3\""]));
        assert!(!admits(&["\"2\""]) && !admits(&["\"33\""]) && !admits(&["\"03\""]));
        assert!(!admits(&["W/\"3\""]), "a weak tag promises too little for a change");
    }

    #[test]
    fn a_weak_tag_suffices_not_to_be_sent_again() {
        let has = |text: &str| IfNoneMatch(parse(text)).has(Version(3));
        assert!(has("\"3\"") && has("W/\"3\"") && has("*") && !has("\"2\""));
        assert!(!IfNoneMatch(None).has(Version(3)));
    }

    proptest! {
        #[test]
        fn any_text_is_tags_or_is_refused(text in "[ -~]{0,40}") {
            let _ = parse(&text);
        }

        /// What we write, we read; and no other version reads as it.
        #[test]
        fn a_tag_admits_its_own_version_only(written in 1_i64.., present in 1_i64..) {
            let condition = if_match(&[&Version(written).etag()]).unwrap().unwrap();
            prop_assert_eq!(condition.admits(Version(present)).is_ok(), written == present);
        }
    }
}
