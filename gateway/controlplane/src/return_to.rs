//! Back to where somebody was going, and nowhere else.

use cedargate_model::NormalizedPath;

use crate::consent::CONSENT;

/// A path and query of this same origin, safe as a `Location` and as a link.
///
/// INVARIANT (same origin): starts with one `/`, and no reader of URLs can take what follows for a host. The path is
/// normalised and has no empty segment, so never `//`; there is no backslash, no control, no space, no fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReturnTo(String);

/// Longer ones are dropped; a `Location` of this size passes every proxy.
const BYTES_MAX: usize = 2048;

impl ReturnTo {
    /// The start page.
    pub(crate) fn home() -> Self {
        Self("/".to_owned())
    }

    /// Accepts a path and query of this origin. Anything else, and the sign-in itself, becomes the start page: whoever
    /// made the link learns nothing, whoever follows it arrives somewhere sensible.
    pub(crate) fn parse(text: &str) -> Self {
        Self::checked(text).unwrap_or_else(Self::home)
    }

    /// Accepts any page of this origin, the sign-in too: for those who only come back to where they were.
    pub(crate) fn page(text: &str) -> Self {
        Self::of_origin(text).unwrap_or_else(Self::home)
    }

    /// What is to be agreed to, and from there to another place.
    pub(crate) fn consent(onward: &Self) -> Self {
        Self(format!("{CONSENT}?return_to={}", onward.as_query_value()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, as the value of a query's parameter: what would end or extend it is escaped. The text is visible ASCII already.
    pub(crate) fn as_query_value(&self) -> String {
        let mut escaped = String::with_capacity(self.0.len());
        for character in self.0.chars() {
            match character {
                '&' => escaped.push_str("%26"),
                '+' => escaped.push_str("%2B"),
                '%' => escaped.push_str("%25"),
                '=' => escaped.push_str("%3D"),
                plain => escaped.push(plain),
            }
        }
        escaped
    }

    pub(crate) fn is_home(&self) -> bool {
        self.0 == "/"
    }

    fn checked(text: &str) -> Option<Self> {
        let found = Self::of_origin(text)?;
        // Signing in again, or signing out, is not where anybody was going. One's own account may be.
        let path = found.0.split('?').next().unwrap_or_default();
        let is_within = |folder: &str| path.strip_prefix(folder).is_some_and(|r| r.is_empty() || r.starts_with('/'));
        (!is_within("/auth") || is_within("/auth/account")).then_some(found)
    }

    fn of_origin(text: &str) -> Option<Self> {
        if text.len() > BYTES_MAX {
            return None;
        }
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        // The same parser as the walk's: what it accepts is what a request for it may look like.
        let path = NormalizedPath::parse(path).ok()?;
        match query {
            None => Some(Self(path.as_str().to_owned())),
            Some(query) if query.bytes().all(is_plain) => Some(Self(format!("{}?{query}", path.as_str()))),
            Some(_) => None,
        }
    }
}

/// Visible ASCII, except what ends a query, what some readers take for a slash, and what would break out of markup.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\' | b'"' | b'<' | b'>')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_spelling_leads_elsewhere() {
        for text in [
            "",
            " ",
            "evil.example",
            "//evil.example",
            "///evil.example",
            "////evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            " //evil.example",
            "/ /evil.example",
            "/%09/evil.example",
            "/%0a/evil.example",
            "/%0d%0aSet-Cookie:%20x=y",
            "/\r\nSet-Cookie: x=y",
            "/%00",
            "/%2fevil.example",
            "/%2Fevil.example",
            "/%5cevil.example",
            "/%5Cevil.example",
            "%2f%2fevil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/%2e//evil.example",
            "/%2e%2e/%2e%2e",
            "/;//evil.example",
            "/a//evil.example",
            "/a/../..//evil.example",
            "https://evil.example",
            "https:evil.example",
            "https:/evil.example",
            "HTTPS://evil.example",
            "http:\\\\evil.example",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "@evil.example",
            "/@evil.example:80//x",
            "?return_to=//evil.example",
            "#//evil.example",
            "/#//evil.example",
            "/x#y",
            "/x?a=b#c",
            "/x?a=\\",
            "/x?a=b c",
            "/x?\"><script>",
            "/x?a=\u{2028}",
            "/\u{2215}evil.example",
            "/\u{ff0f}evil.example",
            "/\u{3002}evil.example",
            "/\u{feff}/evil.example",
            "/auth/login",
            "/auth/logout",
            "/auth",
            "/%61uth/logout",
            "/auth/login?return_to=/",
            "/auth/accounting",
            "/auth/account/../logout",
            "*",
        ] {
            let arrived = ReturnTo::parse(text);
            assert!(arrived.is_home(), "{text:?} became {arrived:?}");
        }
        assert!(ReturnTo::parse(&format!("/{}", "a".repeat(BYTES_MAX))).is_home());
    }

    #[test]
    fn where_somebody_was_going_is_kept() {
        for text in [
            "/",
            "/inventory/items",
            "/inventory/items/?after=abc&limit=20",
            "/search?q=100%&next=//evil.example&u=https://evil.example/",
            "/caf%C3%A9",
            "/authors",
            "/auth/account",
            "/auth/account/totp",
            "/a?b?c",
            "/a?",
        ] {
            assert_eq!(ReturnTo::parse(text).as_str(), text);
        }
        assert_eq!(ReturnTo::parse("/%7euser").as_str(), "/~user");
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_stays_on_this_origin(text in "\\PC{0,40}|[/\\\\.%25cCfF:@;?#a-z \t\r\n]{1,24}") {
            let arrived = ReturnTo::parse(&text);
            let url = arrived.as_str();
            prop_assert!(url.starts_with('/') && !url.starts_with("//"));
            prop_assert!(url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#'));
            prop_assert_eq!(ReturnTo::parse(url), arrived.clone());
            let page = ReturnTo::page(&text);
            prop_assert!(page.0.starts_with('/') && !page.0.starts_with("//"));
            prop_assert!(page.0.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#'));
        }
    }
}
