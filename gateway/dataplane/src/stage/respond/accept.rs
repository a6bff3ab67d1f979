//! Who reads pages, by `Accept` (RFC 9110 §12.5.1).

use http::{HeaderMap, header};

/// How much of `Accept` is read, in octets. Browsers send about 150.
const ACCEPT_BYTES_MAX: usize = 1024;

/// Whether the client would rather have HTML than JSON.
///
/// HTML must be asked for by name (`text/html`, `application/xhtml+xml` or `text/*`): whoever takes anything is a
/// program. Where JSON is named too it wins a tie, and a wildcard stands for JSON only where it weighs more.
pub(super) fn prefers_html(headers: &HeaderMap) -> bool {
    let (mut html, mut json, mut anything) = (Weight::default(), Weight::default(), 0);
    let mut left = ACCEPT_BYTES_MAX;
    for value in headers.get_all(header::ACCEPT) {
        let Ok(value) = value.to_str() else { continue };
        let value = value.get(..left.min(value.len())).unwrap_or_default();
        left -= value.len();
        for range in value.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(quality).unwrap_or(1000);
            match name.as_str() {
                "text/html" => html.named(weight),
                "application/xhtml+xml" | "text/*" => html.implied(weight),
                "application/json" | "application/problem+json" => json.named(weight),
                "application/*" => json.implied(weight),
                "*/*" => anything = weight,
                _ => {}
            }
        }
    }
    let html = html.value();
    html > 0 && html > json.value() && html >= anything
}

/// A weight in thousandths: what was said of the type itself counts more than what a range implies.
#[derive(Default)]
struct Weight {
    named: Option<u16>,
    implied: u16,
}

impl Weight {
    fn named(&mut self, weight: u16) {
        self.named = Some(self.named.unwrap_or_default().max(weight));
    }

    fn implied(&mut self, weight: u16) {
        self.implied = self.implied.max(weight);
    }

    fn value(&self) -> u16 {
        self.named.unwrap_or(self.implied)
    }
}

/// `q=0.8` as 800; a malformed weight as 0. `None` for another parameter.
fn quality(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let weight: f32 = value.trim().parse().unwrap_or_default();
    // From 0 to 1000, so the cast keeps it; what is no number becomes 0.
    Some((weight.clamp(0.0, 1.0) * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn prefers(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        prefers_html(&headers)
    }

    #[test]
    fn programs_do_not_get_pages() {
        for accept in [
            "*/*",
            "",
            "application/json",
            "application/json, text/plain, */*",
            "application/json, text/html",
            "text/html;q=0.5, application/json",
            "text/html;q=0, */*",
            "text/html;q=abc, */*;q=0.1",
            "text/html;q=NaN",
            "text/html;q=0.4, application/*;q=0.5",
            "text/html;q=0.1, */*;q=0.9",
            "text/plain",
            "image/avif,image/webp,*/*;q=0.8",
        ] {
            assert!(!prefers(&[accept]), "{accept}");
        }
        assert!(!prefers(&[]));
    }

    #[test]
    fn browsers_get_pages() {
        for accept in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
            "text/html",
            "TEXT/HTML; charset=utf-8; Q=0.9, */*;q=0.1",
            "text/html, */*",
            "text/*",
            "text/html, application/json;q=0.9",
        ] {
            assert!(prefers(&[accept]), "{accept}");
        }
        assert!(prefers(&["image/png", "text/html"]));
    }

    #[test]
    fn only_so_much_is_read() {
        let long = "a/b,".repeat(1000) + "text/html";
        assert!(!prefers(&[&long]));
    }

    proptest! {
        #[test]
        fn arbitrary_values_never_panic(values in prop::collection::vec("[ -~]{0,600}", 0..4)) {
            let _ = prefers(&values.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
