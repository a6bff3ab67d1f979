//! A chunked body: its verdict does not depend on the pieces that it comes in, and Pingora reads the payload that went by.

use cedargate_dataplane::fuzzing;

use crate::pingora_reads;

/// The first octet says how large the pieces are.
pub fn chunks(data: &[u8]) {
    let Some((size, body)) = data.split_first() else { return };
    let whole = fuzzing::chunked([body]);
    let in_pieces = fuzzing::chunked(body.chunks(usize::from(*size).max(1)));
    assert_eq!(whole, in_pieces, "the verdict depends on the pieces");
    assert_eq!(whole, fuzzing::chunked(body.chunks(1)), "the verdict depends on the pieces");

    let Ok(Some(consumed)) = whole else { return };
    assert!(consumed <= body.len());
    // What follows the body belongs to the next request: the verdict must not have looked at it.
    assert_eq!(fuzzing::chunked([&body[..consumed]]), Ok(Some(consumed)));
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let read = pingora_reads::read(head, &body[..consumed]);
    let read = read.unwrap_or_else(|error| panic!("Pingora refuses what the screen let pass: {error}"));
    assert_eq!(read.body, payload(&body[..consumed]), "Pingora reads another payload");
}

/// The payload of a well-formed body, by the plainest reading.
fn payload(mut body: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    loop {
        let digits = body.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&body[..digits]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.expect("a chunk has a size");
        if size == 0 {
            return payload;
        }
        let line = body.iter().position(|octet| *octet == b'\n').expect("a size's line ends") + 1;
        payload.extend(&body[line..][..size]);
        body = &body[line + size + 2..];
    }
}
