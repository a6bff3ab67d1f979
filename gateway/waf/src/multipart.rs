//! Multipart forms (RFC 7578), read strictly: what two parsers could read differently is malformed.

/// A part of a multipart form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'b> {
    /// The field's name.
    pub(crate) name: &'b [u8],
    /// The name of the file, where it is one.
    pub(crate) file_name: Option<&'b [u8]>,
    /// Its content, or as much of it as is there.
    pub(crate) content: &'b [u8],
}

/// The form is not one that every parser reads alike.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The octets that a part's head may have: a browser's has about 150.
const PART_HEAD_BYTES_MAX: usize = 4096;

/// Calls `visit` for every part until it answers false.
///
/// # Errors
/// On anything unusual. Parts before the place were visited by then. The end of an incomplete body is nothing unusual.
pub(crate) fn walk<'b>(
    body: &'b [u8],
    boundary: &[u8],
    complete: bool,
    mut visit: impl FnMut(Part<'b>) -> bool,
) -> Result<(), Malformed> {
    let delimiter: Vec<u8> = [b"\r\n--", boundary].concat();
    let dashes = delimiter.get(2..).unwrap_or_default();
    let cut_short = if complete { Err(Malformed) } else { Ok(()) };

    let opened = body.strip_prefix(dashes).or_else(|| body.strip_prefix(&*delimiter));
    let Some(mut rest) = opened else {
        let begun = delimiter.starts_with(body) || dashes.starts_with(body);
        return if begun { cut_short } else { Err(Malformed) };
    };
    loop {
        if let Some(epilogue) = rest.strip_prefix(b"--") {
            let ended = matches!(epilogue, b"" | b"\r\n") || (!complete && epilogue == b"\r");
            return if ended { Ok(()) } else { Err(Malformed) };
        }
        let Some(part) = rest.strip_prefix(b"\r\n") else {
            return if rest.len() < 2 { cut_short } else { Err(Malformed) };
        };
        let Some(head_len) = find(part, b"\r\n\r\n") else {
            return if part.len() <= PART_HEAD_BYTES_MAX { cut_short } else { Err(Malformed) };
        };
        if head_len > PART_HEAD_BYTES_MAX {
            return Err(Malformed);
        }
        let (head, content) = part.split_at_checked(head_len).ok_or(Malformed)?;
        let content = content.get(4..).ok_or(Malformed)?;
        let (name, file_name) = read_head(head)?;
        let end = find(content, &delimiter);
        let (content, after) = content.split_at_checked(end.unwrap_or(content.len())).ok_or(Malformed)?;
        // A boundary that stands behind a bare line feed, or nothing at all, is one to lenient parsers.
        let ambiguous = find(content, dashes).is_some();
        if !visit(Part { name, file_name, content }) {
            return Ok(());
        }
        if ambiguous {
            return Err(Malformed);
        }
        match after.get(delimiter.len()..) {
            Some(next) if end.is_some() => rest = next,
            _ => return cut_short,
        }
    }
}

/// The boundary of this `Content-Type` value's parameters, if there is exactly one well-formed one.
pub(crate) fn boundary(parameters: &str) -> Option<&str> {
    let mut boundaries = parameters.split(';').filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim())
    });
    let value = boundaries.next()?;
    if boundaries.next().is_some() {
        return None;
    }
    let value = value.strip_prefix('"').map_or(Some(value), |quoted| quoted.strip_suffix('"'))?;
    // RFC 2046 §5.1.1, without the space and the marks that would need another parser to split parameters.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    ((1..=70).contains(&value.len()) && value.bytes().all(plain)).then_some(value)
}

/// The field's name and the file's, of a part's head.
fn read_head(head: &[u8]) -> Result<(&[u8], Option<&[u8]>), Malformed> {
    let mut disposition = None;
    for line in split_lines(head) {
        let (name, value) = crate::head::split_once(line, b':').ok_or(Malformed)?;
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        if name.is_empty() || !name.iter().all(token) || value.iter().any(|&byte| byte < b' ' && byte != b'\t') {
            return Err(Malformed);
        }
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case(b"content-disposition") {
            if disposition.replace(read_disposition(value)?).is_some() {
                return Err(Malformed);
            }
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            // RFC 7578 §4.7 deprecates it, and what one parser decodes another does not.
            let plain = [b"7bit".as_slice(), b"8bit", b"binary"].iter().any(|known| value.eq_ignore_ascii_case(known));
            if !plain {
                return Err(Malformed);
            }
        }
    }
    disposition.ok_or(Malformed)
}

fn split_lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    // A bare CR or LF stays in its line, where it is refused as a control character.
    let mut rest = Some(head);
    std::iter::from_fn(move || {
        let lines = rest?;
        match find(lines, b"\r\n") {
            Some(len) => {
                rest = lines.get(len + 2..);
                lines.get(..len)
            }
            None => rest.take(),
        }
    })
}

fn read_disposition(value: &[u8]) -> Result<(&[u8], Option<&[u8]>), Malformed> {
    let (kind, mut rest) = value.split_at_checked(9).ok_or(Malformed)?;
    if !kind.eq_ignore_ascii_case(b"form-data") {
        return Err(Malformed);
    }
    let (mut name, mut file_name) = (None, None);
    loop {
        rest = rest.trim_ascii_start();
        let Some(parameter) = rest.strip_prefix(b";") else {
            return if rest.is_empty() { Ok((name.ok_or(Malformed)?, file_name)) } else { Err(Malformed) };
        };
        let (key, value) = crate::head::split_once(parameter, b'=').ok_or(Malformed)?;
        // Quoted and without backslash before the quote: browsers write `%22` for a quote in a name.
        let value = value.strip_prefix(b"\"").ok_or(Malformed)?;
        let (value, after) = crate::head::split_once(value, b'"').ok_or(Malformed)?;
        if value.ends_with(b"\\") {
            return Err(Malformed);
        }
        let slot = match key.trim_ascii() {
            key if key.eq_ignore_ascii_case(b"name") => &mut name,
            key if key.eq_ignore_ascii_case(b"filename") => &mut file_name,
            _ => return Err(Malformed),
        };
        if slot.replace(value).is_some() {
            return Err(Malformed);
        }
        rest = after;
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = concat!(
        "--b1\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nO'Brien\r\n",
        "--b1\r\ncontent-disposition: form-data; name=\"f\"; filename=\"C:\\a.txt\"\r\nContent-Type: text/plain\r\n\r\n",
        "line\r\n--no\r\n",
        "--b1--\r\n",
    );

    fn parts(body: &str, complete: bool) -> (Vec<Part<'_>>, Result<(), Malformed>) {
        let mut parts = Vec::new();
        let end = walk(body.as_bytes(), b"b1", complete, |part| {
            parts.push(part);
            true
        });
        (parts, end)
    }

    #[test]
    fn what_a_browser_sends_is_read() {
        let (parts, end) = parts(GOOD, true);
        assert_eq!(end, Ok(()));
        assert_eq!(
            parts,
            [
                Part { name: b"title", file_name: None, content: b"O'Brien" },
                Part { name: b"f", file_name: Some(b"C:\\a.txt"), content: b"line\r\n--no" },
            ]
        );
    }

    #[test]
    fn what_parsers_read_differently_is_malformed() {
        for (from, to) in [
            ("--b1--\r\n", ""),
            ("--b1--\r\n", "--b1--\r\nmore"),
            ("--b1\r\nC", "preamble\r\n--b1\r\nC"),
            ("O'Brien\r\n", "O'Brien\n--b1\r\n"),
            ("name=\"title\"", "name=title"),
            ("name=\"title\"", "name=\"title\"; name=\"other\""),
            ("name=\"title\"", "name=\"ti\\\"tle\""),
            ("name=\"title\"", "filename=\"title\""),
            ("filename=", "filename*=UTF-8''x; filename="),
            ("Content-Type: text/plain", "Content-Transfer-Encoding: base64"),
            ("Content-Type: text/plain", "Content-Disposition: form-data; name=\"x\""),
            ("Content-Type: text/plain", "Content-Type: text/plain\r\n folded"),
            ("Content-Type: text/plain", "Content-Type : text/plain"),
            ("Content-Type: text/plain\r\n", "Content-Type: text/plain\n"),
            ("form-data", "attachment"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let broken = GOOD.replacen(from, to, 1);
            assert_eq!(parts(&broken, true).1, Err(Malformed), "{from} -> {to}");
        }
    }

    #[test]
    fn a_cut_form_is_read_as_far_as_it_goes() {
        for len in 0..GOOD.len() {
            assert_eq!(parts(&GOOD[..len], false).1, Ok(()), "{len}");
        }
        assert_eq!(parts(&GOOD[..GOOD.find("rien").unwrap()], false).0[0].content, b"O'B");
    }

    #[test]
    fn boundaries_are_taken_from_one_well_formed_parameter() {
        assert_eq!(boundary("boundary=----WebKitFormBoundaryA1"), Some("----WebKitFormBoundaryA1"));
        assert_eq!(boundary(" charset=utf-8; Boundary=\"x y\""), None);
        assert_eq!(boundary("boundary=\"b1\""), Some("b1"));
        assert_eq!(boundary("boundary=a; boundary=b"), None);
        assert_eq!(boundary("boundary="), None);
    }

    proptest! {
        #[test]
        fn no_octets_panic(body: Vec<u8>, complete: bool) {
            let _ = walk(&body, b"b", complete, |_| true);
            let _ = walk(&[b"--b\r\n", &*body].concat(), b"b", complete, |_| true);
        }
    }
}
