//! What can be refused by looking at the text alone, before anything builds a tree of it.

use cedargate_model::SigninReason;

/// The longest message, in octets: a person in a thousand groups is half of it.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;

/// How deep elements may be nested. An encrypted key's certificate is at ten.
const DEPTH_MAX: usize = 24;

/// The longest tag. The longest honest ones name a group by its distinguished name.
const TAG_BYTES_MAX: usize = 4 * 1024;

/// How many namespaces a message may declare, all elements together. A parser looks through those in scope for each that is declared, so
/// that their number counts thrice; honest messages have some dozens, or two for each value of an attribute.
const NAMESPACES_MAX: usize = 256;

/// Reads octets as the text of a message that has nothing in it but elements, attributes and text.
///
/// A byte order mark, a document type, comments, processing instructions and CDATA are what parsers have been made to disagree about;
/// no provider needs any of them. Depth and length of tags are bounded here, so that no parser's memory or time is the sender's to
/// choose.
///
/// # Errors
/// The reason for the record.
pub(super) fn check(octets: &[u8]) -> Result<&str, SigninReason> {
    if octets.len() > MESSAGE_BYTES_MAX {
        return Err(SigninReason::SamlBounds);
    }
    let text = std::str::from_utf8(octets).map_err(|_| SigninReason::SamlEncoding)?;
    if text.starts_with('\u{feff}') {
        return Err(SigninReason::SamlEncoding);
    }
    if text.matches("xmlns").count() > NAMESPACES_MAX {
        return Err(SigninReason::SamlBounds);
    }
    check_tags(text, check_declaration(text)?)?;
    Ok(text)
}

/// An XML declaration may stand at the very beginning, and says UTF-8 if it says anything. Returns where the elements begin.
fn check_declaration(text: &str) -> Result<&str, SigninReason> {
    const DECLARATION_BYTES_MAX: usize = 100;
    let Some(rest) = text.strip_prefix("<?xml") else { return Ok(text) };
    let (declaration, elements) = rest.split_once("?>").ok_or(SigninReason::SamlXml)?;
    if declaration.len() > DECLARATION_BYTES_MAX || !declaration.starts_with([' ', '\t', '\r', '\n']) {
        return Err(SigninReason::SamlMarkup);
    }
    let declared = declaration.to_ascii_lowercase().replace('\'', "\"");
    let is_utf8 = !declared.contains("encoding") || declared.contains("encoding=\"utf-8\"");
    if is_utf8 && declared.contains("version=\"1.0\"") { Ok(elements) } else { Err(SigninReason::SamlEncoding) }
}

fn check_tags(text: &str, elements: &str) -> Result<(), SigninReason> {
    let mut rest = elements.as_bytes();
    let mut depth = 0_usize;
    while let Some(at) = rest.iter().position(|octet| *octet == b'<') {
        let tag = rest.get(at..).unwrap_or_default();
        match tag.get(1) {
            Some(b'!') if is_doctype(tag) => return Err(SigninReason::SamlDoctype),
            Some(b'!' | b'?') => return Err(SigninReason::SamlMarkup),
            _ => {}
        }
        let length = tag_length(tag)?;
        let is_end = tag.get(1) == Some(&b'/');
        let is_empty = length >= 2 && tag.get(length - 2) == Some(&b'/');
        match (is_end, is_empty) {
            (true, _) => depth = depth.checked_sub(1).ok_or(SigninReason::SamlXml)?,
            (false, true) => {}
            (false, false) => depth += 1,
        }
        if depth > DEPTH_MAX {
            return Err(SigninReason::SamlBounds);
        }
        rest = tag.get(length..).unwrap_or_default();
    }
    // A parser would say the same of what is left open; it need not be asked.
    if depth == 0 && !text.is_empty() { Ok(()) } else { Err(SigninReason::SamlXml) }
}

fn is_doctype(tag: &[u8]) -> bool {
    ["<!doctype", "<!entity", "<!element", "<!attlist", "<!notation"]
        .iter()
        .any(|name| tag.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name.as_bytes())))
}

/// How long a tag is, up to its `>` outside of quotes.
fn tag_length(tag: &[u8]) -> Result<usize, SigninReason> {
    let mut quote = None;
    for (at, octet) in tag.iter().enumerate().skip(1).take(TAG_BYTES_MAX) {
        match (quote, octet) {
            (_, b'<') => return Err(SigninReason::SamlXml),
            (None, b'>') => return Ok(at + 1),
            (None, b'"' | b'\'') => quote = Some(octet),
            (Some(open), octet) if open == octet => quote = None,
            // Parsers do not agree whether a line's end in a value is one (XML §3.3.3), and a signature takes it for a space.
            (Some(_), b'\t' | b'\r' | b'\n') => return Err(SigninReason::SamlMarkup),
            (None | Some(_), _) => {}
        }
    }
    Err(if tag.len() > TAG_BYTES_MAX { SigninReason::SamlBounds } else { SigninReason::SamlXml })
}
