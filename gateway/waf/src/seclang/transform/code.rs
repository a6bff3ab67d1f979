//! Comments, case and command lines.

use memchr::memmem;

pub(super) fn lowercase(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().map(u8::to_ascii_lowercase));
}

pub(super) fn uppercase(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().map(u8::to_ascii_uppercase));
}

/// Takes away `\`, `"`, `'` and `^`, spaces before `/` and `(`, and makes runs of space, comma and semicolon one space.
pub(super) fn cmd_line(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'\\' | b'"' | b'\'' | b'^' => {}
            b' ' | b',' | b';' | b'\t' | b'\r' | b'\n' => {
                if out.last() != Some(&b' ') {
                    out.push(b' ');
                }
            }
            b'/' | b'(' => {
                if out.last() == Some(&b' ') {
                    out.pop();
                }
                out.push(byte);
            }
            _ => out.push(byte.to_ascii_lowercase()),
        }
    }
}

/// Each comment becomes a space; so does the rest behind one that has no end.
pub(super) fn replace_comments(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(begin) = memmem::find(rest, b"/*") {
        out.extend_from_slice(rest.get(..begin).unwrap_or_default());
        out.push(b' ');
        let comment = rest.get(begin + 2..).unwrap_or_default();
        rest = match memmem::find(comment, b"*/") {
            Some(end) => comment.get(end + 2..).unwrap_or_default(),
            None => return,
        };
    }
    out.extend_from_slice(rest);
}

pub(super) fn remove_comments(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let end = match rest {
            [b'/', b'*', ..] => Some(b"*/".as_slice()),
            [b'<', b'!', b'-', b'-', ..] => Some(b"-->".as_slice()),
            [b'-', b'-', ..] | [b'#', ..] => None,
            _ => {
                out.push(byte);
                rest = after;
                continue;
            }
        };
        // What only a line's end would end takes the rest, as ModSecurity has it.
        let Some(end) = end else { return };
        rest = match memmem::find(after, end) {
            Some(at) => after.get(at + end.len()..).unwrap_or_default(),
            None => return,
        };
    }
}

pub(super) fn remove_comments_char(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return,
            [b'<', b'!', b'-', b'-', after @ ..]
            | [b'-', b'-', b'>', after @ ..]
            | [b'/', b'*', after @ ..]
            | [b'*', b'/', after @ ..]
            | [b'-', b'-', after @ ..]
            | [b'#', after @ ..] => after,
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        }
    }
}
