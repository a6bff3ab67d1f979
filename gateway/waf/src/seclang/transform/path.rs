//! Paths, written one way.

pub(super) fn normalize_path(text: &[u8], out: &mut Vec<u8>) {
    normalize(text, out, false);
}

pub(super) fn normalize_path_win(text: &[u8], out: &mut Vec<u8>) {
    normalize(text, out, true);
}

fn normalize(text: &[u8], out: &mut Vec<u8>, windows: bool) {
    let is_slash = |byte: u8| byte == b'/' || (windows && byte == b'\\');
    let absolute = text.first().is_some_and(|byte| is_slash(*byte));
    let ends_in_folder = text.last().is_some_and(|byte| is_slash(*byte));
    if absolute {
        out.push(b'/');
    }
    // How many segments could still be taken back; `..` beyond them stays in a relative path.
    let mut open = 0_usize;
    let base = out.len();
    let mut last_was_dots = false;
    for segment in text.split(|byte| is_slash(*byte)) {
        last_was_dots = matches!(segment, b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." if open > 0 => {
                open -= 1;
                let end = out.get(base..).and_then(|rest| rest.iter().rposition(|byte| *byte == b'/'));
                out.truncate(end.map_or(base, |end| base + end));
            }
            b".." if absolute => {}
            _ => {
                open += usize::from(segment != b"..");
                if out.len() > base {
                    out.push(b'/');
                }
                out.extend_from_slice(segment);
            }
        }
    }
    let is_folder = ends_in_folder || (last_was_dots && !out.ends_with(b".."));
    if is_folder && out.len() > base {
        out.push(b'/');
    }
}
