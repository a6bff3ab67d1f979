//! Text with elements in it.

use std::fmt;

/// A message with elements in it. Its words and elements are the catalogue's, and what it was given is escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markup(String);

impl Markup {
    /// What the catalogue made of escaped arguments.
    pub(crate) fn trusted(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Templates do not escape it again.
impl askama::filters::HtmlSafe for Markup {}

/// A text as the content of an element or the value of an attribute in quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}
