//! Texts and attribute values of an XML document, as far as the document goes.
//!
//! References in them are left to whoever judges the value, who undoes them like any other encoding. Declarations and
//! comments are no values; what is dangerous in a declaration is a rule of its own.

/// Calls `visit` for every attribute value, every run of text and every CDATA section until it answers false.
pub(crate) fn walk(document: &[u8], mut visit: impl FnMut(&[u8]) -> bool) {
    let mut rest = document;
    while !rest.is_empty() {
        let (text, markup) = until(rest, b"<");
        if !text.trim_ascii().is_empty() && !visit(text) {
            return;
        }
        rest = if let Some(cdata) = markup.strip_prefix(b"![CDATA[") {
            let (text, after) = until(cdata, b"]]>");
            if !visit(text) {
                return;
            }
            after
        } else if let Some(comment) = markup.strip_prefix(b"!--") {
            until(comment, b"-->").1
        } else {
            let Some(after) = walk_tag(markup, &mut visit) else { return };
            after
        };
    }
}

/// Visits the quoted values of a tag and returns what stands behind it; none where the visitor had enough.
fn walk_tag<'d>(mut tag: &'d [u8], visit: &mut impl FnMut(&[u8]) -> bool) -> Option<&'d [u8]> {
    while let Some((&byte, after)) = tag.split_first() {
        tag = after;
        match byte {
            b'>' => return Some(tag),
            b'"' | b'\'' => {
                let (value, after) = until(tag, &[byte]);
                if !value.is_empty() && !visit(value) {
                    return None;
                }
                tag = after;
            }
            _ => {}
        }
    }
    Some(tag)
}

/// What stands before the mark and what behind it; everything and nothing where there is none.
fn until<'d>(bytes: &'d [u8], mark: &[u8]) -> (&'d [u8], &'d [u8]) {
    let at = bytes.windows(mark.len()).position(|window| window == mark);
    let (before, after) = bytes.split_at_checked(at.unwrap_or(bytes.len())).unwrap_or_default();
    (before, after.get(mark.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(document: &str) -> Vec<String> {
        let mut values = Vec::new();
        walk(document.as_bytes(), |value| {
            values.push(String::from_utf8_lossy(value).into_owned());
            true
        });
        values
    }

    #[test]
    fn texts_and_attributes_are_values() {
        assert_eq!(
            values("<?xml version='1.0'?>\n<a b=\"c>d\" e='f'>text<!-- \" no --><g/>more <![CDATA[<raw>]]></a>"),
            ["1.0", "c>d", "f", "text", "more ", "<raw>"]
        );
    }

    #[test]
    fn broken_documents_are_read_as_far_as_they_go() {
        assert_eq!(values("just text"), ["just text"]);
        assert_eq!(values("<a b=\"cut"), ["cut"]);
        assert_eq!(values("<a>x<![CDATA[cut"), ["x", "cut"]);
        assert_eq!(values("<!-- cut"), [""; 0]);
    }

    proptest! {
        #[test]
        fn no_octets_panic(document: Vec<u8>) {
            walk(&document, |_| true);
        }
    }
}
