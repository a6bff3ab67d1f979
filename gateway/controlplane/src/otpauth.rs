//! The key of an authenticator app as apps take it: an address, and that as a picture.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use qrcodegen::{QrCode, QrCodeEcc};
use zeroize::Zeroizing;

/// The address of a key. `issuer` is the host that the codes are for, so that two tenants' codes can be told apart.
pub(crate) fn uri(issuer: &str, account: &str, key: &str) -> Zeroizing<String> {
    const TEXT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');
    let (issuer, account) = (utf8_percent_encode(issuer, TEXT), utf8_percent_encode(account, TEXT));
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{account}?secret={key}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
    ))
}

/// A QR code as a drawing: dark squares as the path of an SVG, one unit a module.
pub(crate) struct Drawing {
    /// How many units wide and high, the quiet border included.
    pub(crate) size: i32,
    pub(crate) path: Zeroizing<String>,
}

/// The quiet border that ISO/IEC 18004 asks for.
const BORDER: i32 = 4;

/// Draws a text; none where it is too long for a QR code, which no address of ours is.
pub(crate) fn draw(text: &str) -> Option<Drawing> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    // A run takes about 12 characters, and there are fewer than half as many runs as modules.
    let modules = usize::try_from(code.size() * code.size()).ok()?;
    let mut path = Zeroizing::new(String::with_capacity(modules * 7));
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let from = x;
            while x < code.size() && code.get_module(x, y) {
                x += 1;
            }
            let run = x - from;
            if run > 0 {
                // Writing to memory does not fail.
                let _written = write!(path, "M{} {}h{run}v1h-{run}z", from + BORDER, y + BORDER);
            }
            x += 1;
        }
    }
    Some(Drawing { size: code.size() + 2 * BORDER, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_what_apps_need_and_nothing_breaks_out_of_it() {
        let uri = uri("acme.localhost", "ada+x@example.com?&#", "ABC");
        assert_eq!(
            *uri,
            "otpauth://totp/acme.localhost:ada%2Bx@example.com%3F%26%23?secret=ABC&issuer=acme.localhost&algorithm=SHA1\
             &digits=6&period=30"
        );
    }

    /// The drawing read back is the code, module by module.
    #[test]
    fn a_drawing_is_the_code() {
        let text = uri("acme.localhost", "ada@example.com", &"A".repeat(32));
        let drawing = draw(&text).unwrap();
        let code = QrCode::encode_text(&text, QrCodeEcc::Medium).unwrap();
        let mut dark = std::collections::BTreeSet::new();
        for run in drawing.path.split_terminator('z') {
            let (place, run) = run.trim_start_matches('M').split_once('h').unwrap();
            let (x, y) = place.split_once(' ').unwrap();
            let length: i32 = run.split_once('v').unwrap().0.parse().unwrap();
            let (x, y): (i32, i32) = (x.parse().unwrap(), y.parse().unwrap());
            dark.extend((x..x + length).map(|x| (x - BORDER, y - BORDER)));
        }
        let expected = (0..code.size()).flat_map(|x| (0..code.size()).map(move |y| (x, y)));
        assert_eq!(dark, expected.filter(|(x, y)| code.get_module(*x, *y)).collect());
        assert_eq!(drawing.size, code.size() + 8);
        assert!(draw(&"x".repeat(10_000)).is_none());
    }
}
