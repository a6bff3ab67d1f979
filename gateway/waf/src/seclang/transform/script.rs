//! Escapes of JavaScript, CSS and C.

use super::url::wide_octet;
use crate::seclang::bytes::{hex_digit, hex_pair};

pub(crate) fn js_decode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return,
            [b'\\', b'u', a, b, c, d, after @ ..] if wide_octet([*a, *b, *c, *d]).is_some() => {
                out.extend(wide_octet([*a, *b, *c, *d]));
                after
            }
            [b'\\', b'x', a, b, after @ ..] if hex_pair(*a, *b).is_some() => {
                out.extend(hex_pair(*a, *b));
                after
            }
            [b'\\', after @ ..] if after.first().is_some_and(|byte| (b'0'..=b'7').contains(byte)) => octal(after, out),
            [b'\\', byte, after @ ..] => {
                out.push(control(*byte).unwrap_or(*byte));
                after
            }
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        }
    }
}

/// Up to three octal digits as one octet; returns what stands behind them.
fn octal<'t>(text: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
    let mut value = 0_u8;
    let mut len = 0;
    for byte in text.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(*byte)) {
        // A third digit only where the number is still an octet.
        if len == 2 && value > 0o37 {
            break;
        }
        value = value.wrapping_mul(8).wrapping_add(byte - b'0');
        len += 1;
    }
    out.push(value);
    text.get(len..).unwrap_or_default()
}

/// The control character of a letter behind a backslash.
fn control(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0B,
        _ => return None,
    })
}

pub(super) fn escape_seq_decode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return,
            [b'\\', b'x' | b'X', a, b, after @ ..] if hex_pair(*a, *b).is_some() => {
                out.extend(hex_pair(*a, *b));
                after
            }
            [b'\\', after @ ..] if after.first().is_some_and(|byte| (b'0'..=b'7').contains(byte)) => octal(after, out),
            [b'\\', byte @ (b'\\' | b'?' | b'\'' | b'"'), after @ ..] => {
                out.push(*byte);
                after
            }
            [b'\\', byte, after @ ..] if control(*byte).is_some() => {
                out.extend(control(*byte));
                after
            }
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        }
    }
}

pub(super) fn css_decode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'\\' {
            out.push(byte);
            rest = after;
            continue;
        }
        let len = after.iter().take(6).take_while(|byte| hex_digit(**byte).is_some()).count();
        let (digits, behind) = after.split_at_checked(len).unwrap_or_default();
        match digits {
            [] => {
                rest = match after {
                    [b'\n', after @ ..] => after,
                    [byte, after @ ..] => {
                        out.push(*byte);
                        after
                    }
                    [] => after,
                };
                continue;
            }
            [digit] => out.extend(hex_digit(*digit)),
            [.., a, b, c, d] if full_width(digits) => out.extend(wide_octet([*a, *b, *c, *d])),
            [.., a, b] => out.extend(hex_pair(*a, *b)),
        }
        // One white space ends the digits and belongs to them.
        rest = match behind {
            [byte, after @ ..] if byte.is_ascii_whitespace() || *byte == 0x0B => after,
            _ => behind,
        };
    }
}

/// Whether the digits are those of a full-width form: `ffHH`, with zeros before it or not.
fn full_width(digits: &[u8]) -> bool {
    let Some((zeros, last)) = digits.len().checked_sub(4).and_then(|at| digits.split_at_checked(at)) else {
        return false;
    };
    zeros.iter().all(|byte| *byte == b'0') && last.get(..2).is_some_and(|high| high.eq_ignore_ascii_case(b"ff"))
}
