//! What a provider says about a person, and how rules read it.

use std::fmt;

use serde_json::{Map, Value};

/// The members of a verified token, or a SAML assertion's attributes as such.
pub type Claims = Map<String, Value>;

/// Where in the claims a rule looks: a claim's name, taken literally, or a JSON pointer (RFC 6901) into a nested one.
///
/// A name may hold dots and slashes, as in `https://acme.example/roles`; only what begins with `/` is a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(String);

/// Why a text is no place in claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimPathError {
    /// Nothing, or too much.
    #[error(
        "write a claim's name such as `groups`, or a pointer such as `/realm_access/roles`, of at most 256 characters"
    )]
    Length,
    /// A `~` that is no escape.
    #[error("in a pointer, `~` is written `~0` and `/` within a name `~1`")]
    Escape,
}

/// What a claim must be, or one of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimMatch {
    /// Where to look.
    pub claim: ClaimPath,
    /// The value, compared exactly; `true` and `false` also stand for JSON's own.
    pub value: String,
}

impl ClaimPath {
    /// Accepts a name or a pointer.
    ///
    /// # Errors
    /// [`ClaimPathError`].
    pub fn parse(text: &str) -> Result<Self, ClaimPathError> {
        if !(1..=256).contains(&text.len()) || text == "/" {
            return Err(ClaimPathError::Length);
        }
        let is_escape = |rest: &str| rest.starts_with('0') || rest.starts_with('1');
        if text.starts_with('/') && text.split('~').skip(1).any(|rest| !is_escape(rest)) {
            return Err(ClaimPathError::Escape);
        }
        Ok(Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands there.
    pub fn find<'c>(&self, claims: &'c Claims) -> Option<&'c Value> {
        let Some(pointer) = self.0.strip_prefix('/') else { return claims.get(&self.0) };
        let mut steps = pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
        let mut found = claims.get(&steps.next()?)?;
        for step in steps {
            // Into objects alone: a place in a list says nothing about a person.
            found = found.as_object()?.get(&step)?;
        }
        Some(found)
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ClaimMatch {
    /// Whether the claims say it: the claim is this text, or a list in which this text is.
    pub fn holds(&self, claims: &Claims) -> bool {
        match self.claim.find(claims) {
            Some(Value::Array(values)) => values.iter().any(|value| self.is(value)),
            Some(value) => self.is(value),
            None => false,
        }
    }

    fn is(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => *text == self.value,
            Value::Bool(true) => self.value == "true",
            Value::Bool(false) => self.value == "false",
            // A number has several spellings, and `null`, lists in lists and objects have no text.
            Value::Number(_) | Value::Null | Value::Array(_) | Value::Object(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        value.as_object().cloned().unwrap()
    }

    fn holds(claim: &str, value: &str, of: &Claims) -> bool {
        ClaimMatch { claim: ClaimPath::parse(claim).unwrap(), value: value.to_owned() }.holds(of)
    }

    #[test]
    fn a_claim_is_a_text_or_a_list_that_has_it() {
        let claims = claims(json!({
            "groups": ["warehouse", "Office"],
            "department": "warehouse",
            "email_verified": true,
            "level": 3,
            "nested": [["warehouse"]],
            "https://acme.example/roles": ["a"],
            "realm_access": { "roles": ["clerk"], "a/b": { "c~d": "e" } },
            "/odd": "x",
        }));
        assert!(holds("groups", "warehouse", &claims));
        assert!(holds("department", "warehouse", &claims));
        assert!(holds("email_verified", "true", &claims));
        assert!(holds("https://acme.example/roles", "a", &claims));
        assert!(holds("/realm_access/roles", "clerk", &claims));
        assert!(holds("/realm_access/a~1b/c~0d", "e", &claims));
        assert!(holds("/~1odd", "x", &claims));
        for (claim, value) in [
            ("groups", "office"),
            ("groups", "ware"),
            ("groups", "[\"warehouse\"]"),
            ("level", "3"),
            ("nested", "warehouse"),
            ("missing", "null"),
            ("realm_access", "clerk"),
            ("realm_access.roles", "clerk"),
            ("/groups/0", "warehouse"),
            ("/realm_access/roles/0", "clerk"),
            ("/odd", "x"),
        ] {
            assert!(!holds(claim, value, &claims), "{claim} = {value}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["", "/", "/a~", "/a~2b", &"a".repeat(257)] {
            assert!(ClaimPath::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_name_can_be_reached_by_a_pointer(outer in "\\PC{1,8}", inner in "\\PC{1,8}") {
            let escape = |text: &str| text.replace('~', "~0").replace('/', "~1");
            let claims = claims(json!({ outer.as_str(): { inner.as_str(): "x" } }));
            let pointer = format!("/{}/{}", escape(&outer), escape(&inner));
            prop_assert!(holds(&pointer, "x", &claims));
        }
    }
}
