//! Percent-encoding and its kin.

use crate::seclang::bytes::{hex_digit, hex_pair};

pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) {
    decode_with(text, out, false);
}

pub(super) fn decode_uni(text: &[u8], out: &mut Vec<u8>) {
    decode_with(text, out, true);
}

fn decode_with(text: &[u8], out: &mut Vec<u8>, wide: bool) {
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return,
            [b'%', b'u' | b'U', a, b, c, d, after @ ..] if wide => match wide_octet([*a, *b, *c, *d]) {
                Some(byte) => {
                    out.push(byte);
                    after
                }
                None => {
                    out.extend_from_slice(rest.get(..2).unwrap_or_default());
                    rest.get(2..).unwrap_or_default()
                }
            },
            [b'%', a, b, after @ ..] if hex_pair(*a, *b).is_some() => {
                out.extend(hex_pair(*a, *b));
                after
            }
            [b'+', after @ ..] => {
                out.push(b' ');
                after
            }
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        }
    }
}

/// The octet of four hexadecimal digits: the lower two, and full-width forms of ASCII as what they look like.
pub(super) fn wide_octet([a, b, c, d]: [u8; 4]) -> Option<u8> {
    let (high, low) = (hex_pair(a, b)?, hex_pair(c, d)?);
    Some(if high == 0xFF && (0x01..0x5F).contains(&low) { low + 0x20 } else { low })
}

pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'*' => out.push(byte),
            _ if byte.is_ascii_alphanumeric() => out.push(byte),
            _ => {
                out.push(b'%');
                out.extend_from_slice(&super::encode::hex(byte));
            }
        }
    }
}

pub(super) fn utf8_to_unicode(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            let point = u32::from(letter);
            if let Ok(ascii @ 0..=0x7F) = u8::try_from(point) {
                out.push(ascii);
                continue;
            }
            out.extend_from_slice(b"%u");
            let digits = if point > 0xF_FFFF {
                6
            } else if point > 0xFFFF {
                5
            } else {
                4
            };
            for place in (0..digits).rev() {
                let digit = point >> (4 * place) & 0xF;
                out.extend(char::from_digit(digit, 16).and_then(|digit| u8::try_from(digit).ok()));
            }
        }
        out.extend_from_slice(chunk.invalid());
    }
}

/// Whether a `%` is not followed by two hexadecimal digits.
pub(crate) fn is_malformed(text: &[u8]) -> bool {
    text.iter().enumerate().any(|(at, byte)| {
        *byte == b'%'
            && !text.get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(|byte| hex_digit(*byte).is_some()))
    })
}
