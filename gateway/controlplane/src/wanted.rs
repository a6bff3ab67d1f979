//! Whether a person or a program asks.

use http::{HeaderMap, header};

/// The form in which an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A page: a browser asks.
    Page,
    /// JSON: a program asks.
    Json,
}

impl Wanted {
    /// A browser always says that it accepts `text/html`; `*/*` alone is a program. Who sends JSON reads JSON.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let sends_json =
            headers.get(header::CONTENT_TYPE).is_some_and(|kind| is_media_type(kind.as_bytes(), b"application/json"));
        let accepts_html = headers
            .get_all(header::ACCEPT)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
            .any(|range| is_media_type(range, b"text/html") && !is_refused(range));
        if accepts_html && !sends_json { Self::Page } else { Self::Json }
    }
}

fn is_media_type(value: &[u8], expected: &[u8]) -> bool {
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(expected)
}

/// `q=0` says "not this" (RFC 9110 §12.4.2).
fn is_refused(range: &[u8]) -> bool {
    range.split(|byte| *byte == b';').skip(1).any(|parameter| {
        let parameter = parameter.trim_ascii().to_ascii_lowercase();
        parameter.strip_prefix(b"q=").is_some_and(|weight| weight.iter().all(|byte| matches!(byte, b'0' | b'.')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &str, content_type: &str) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        Wanted::of(&headers)
    }

    #[test]
    fn browsers_get_pages_and_programs_json() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(wanted("text/html,application/xhtml+xml,*/*;q=0.8", form), Wanted::Page);
        assert_eq!(wanted("application/json, TEXT/HTML ;q=0.5", form), Wanted::Page);
        assert_eq!(wanted("*/*", form), Wanted::Json);
        assert_eq!(wanted("application/json, text/html;q=0", form), Wanted::Json);
        assert_eq!(wanted("application/json, text/html; Q=0.0", form), Wanted::Json);
        assert_eq!(wanted("text/html", "application/json; charset=utf-8"), Wanted::Json);
        assert_eq!(Wanted::of(&HeaderMap::new()), Wanted::Json);
    }
}
