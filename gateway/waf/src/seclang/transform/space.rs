//! White space and NUL.

/// White space as ModSecurity sees it: ASCII's, and the no-break space of Latin-1.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0B || byte == 0xA0
}

pub(super) fn compress_whitespace(text: &[u8], out: &mut Vec<u8>) {
    let mut in_space = false;
    for &byte in text {
        let space = is_space(byte);
        if !space {
            out.push(byte);
        } else if !in_space {
            out.push(b' ');
        }
        in_space = space;
    }
}

pub(super) fn remove_whitespace(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().filter(|byte| !is_space(**byte)));
}

pub(super) fn remove_nulls(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().filter(|byte| **byte != 0));
}

pub(super) fn replace_nulls(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }));
}

/// White space as C's `isspace` has it.
fn is_c_space(byte: &u8) -> bool {
    byte.is_ascii_whitespace() || *byte == 0x0B
}

pub(super) fn trim(text: &[u8], out: &mut Vec<u8>) {
    let end = text.iter().rposition(|byte| !is_c_space(byte)).map_or(0, |at| at + 1);
    trim_left(text.get(..end).unwrap_or_default(), out);
}

pub(super) fn trim_left(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().skip_while(|byte| is_c_space(byte)));
}

pub(super) fn trim_right(text: &[u8], out: &mut Vec<u8>) {
    let end = text.iter().rposition(|byte| !is_c_space(byte)).map_or(0, |at| at + 1);
    out.extend_from_slice(text.get(..end).unwrap_or_default());
}
