//! Base64, hexadecimal, and seven bits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::seclang::bytes::{hex_digit, hex_pair};

pub(super) fn base64_decode(text: &[u8], out: &mut Vec<u8>) {
    decode(text.iter().map_while(|byte| sextet(*byte)), out);
}

pub(super) fn base64_decode_lenient(text: &[u8], out: &mut Vec<u8>) {
    decode(text.iter().filter_map(|byte| sextet(*byte)), out);
}

fn decode(sextets: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0_u32, 0);
    for sextet in sextets {
        bits = bits << 6 | u32::from(sextet);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [octet, ..] = (bits >> count).to_le_bytes();
            out.push(octet);
        }
    }
}

fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

pub(super) fn base64_encode(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(STANDARD.encode(text).as_bytes());
}

pub(super) fn hex(byte: u8) -> [u8; 2] {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
    [digit(byte >> 4), digit(byte & 0xF)]
}

pub(super) fn hex_encode(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().flat_map(|byte| hex(*byte)));
}

/// Pairs that are no digits count as zero.
pub(super) fn hex_decode(text: &[u8], out: &mut Vec<u8>) {
    for pair in text.chunks_exact(2) {
        if let [high, low] = pair {
            out.push(hex_digit(*high).unwrap_or(0) << 4 | hex_digit(*low).unwrap_or(0));
        }
    }
}

pub(super) fn sql_hex_decode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if let [b'0', b'x' | b'X', a, b, ..] = rest
            && hex_pair(*a, *b).is_some()
        {
            rest = rest.get(2..).unwrap_or_default();
            while let [a, b, after @ ..] = rest {
                let Some(octet) = hex_pair(*a, *b) else { break };
                out.push(octet);
                rest = after;
            }
            continue;
        }
        out.push(byte);
        rest = after;
    }
}

pub(super) fn parity_zero(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().map(|byte| byte & 0x7F));
}
