//! HTML's character references.

use crate::seclang::bytes::hex_digit;

pub(super) fn entity_decode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let decoded = if byte == b'&' { reference(after) } else { None };
        match decoded {
            Some((octet, len)) => {
                out.push(octet);
                rest = after.get(len..).unwrap_or_default();
                rest = rest.strip_prefix(b";").unwrap_or(rest);
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
}

/// The octet of a reference that stands behind `&`, and how long it is without its semicolon.
fn reference(text: &[u8]) -> Option<(u8, usize)> {
    if let [b'#', b'x' | b'X', digits @ ..] = text {
        return number(digits, 16).map(|(octet, len)| (octet, len + 2));
    }
    if let [b'#', digits @ ..] = text {
        return number(digits, 10).map(|(octet, len)| (octet, len + 1));
    }
    let len = text.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let name = text.get(..len)?;
    let named = [(b"quot".as_slice(), b'"'), (b"amp", b'&'), (b"lt", b'<'), (b"gt", b'>'), (b"nbsp", 0xA0)];
    named.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, octet)| (*octet, len))
}

/// A number's lowest octet.
fn number(digits: &[u8], radix: u8) -> Option<(u8, usize)> {
    let mut value = 0_u32;
    let mut len = 0;
    for digit in digits.iter().map_while(|byte| hex_digit(*byte).filter(|digit| *digit < radix)) {
        value = value.saturating_mul(radix.into()).saturating_add(digit.into());
        len += 1;
    }
    let [octet, ..] = value.to_le_bytes();
    (len > 0).then_some((octet, len))
}
