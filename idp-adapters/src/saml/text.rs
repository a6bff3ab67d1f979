//! Text within XML that is written here, escaped as canonical XML has it and no further.

/// Escapes the value of an attribute.
pub(crate) fn attribute(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Escapes text between elements.
pub(crate) fn content(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
