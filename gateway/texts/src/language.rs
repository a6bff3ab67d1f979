//! The languages, and which one somebody reads.

use cedargate_model::Scheme;
use http::{HeaderMap, header};

/// A language that the pages speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Whoever asks for none of them gets it.
    #[default]
    English,
    /// አማርኛ
    Amharic,
    /// فارسی
    Persian,
}

/// Where a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// As English.
    LeftToRight,
    /// As Persian.
    RightToLeft,
}

impl Direction {
    /// As HTML's `dir` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeftToRight => "ltr",
            Self::RightToLeft => "rtl",
        }
    }
}

/// How much of `Accept-Language` is read, in octets. Browsers send about 50.
pub const ACCEPT_LANGUAGE_BYTES_MAX: usize = 512;

/// The cookie that says which language somebody chose. Not a secret, and believed in nothing else.
pub fn language_cookie_name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Https => "__Host-cedargate-language",
        Scheme::Http => "cedargate-language",
    }
}

impl Language {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::English, Self::Amharic, Self::Persian];

    /// Its tag (RFC 5646), as HTML's `lang` and `Content-Language` say it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Amharic => "am",
            Self::Persian => "fa",
        }
    }

    /// Its name, as those who speak it write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Amharic => "አማርኛ",
            Self::Persian => "فارسی",
        }
    }

    /// How it is written.
    pub fn direction(self) -> Direction {
        match self {
            Self::English | Self::Amharic => Direction::LeftToRight,
            Self::Persian => Direction::RightToLeft,
        }
    }

    /// The language with exactly this tag.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The language that a request wants: the one that the person chose, or else the best of what their browser asks for.
    pub fn asked(headers: &HeaderMap, scheme: Scheme) -> Self {
        chosen(headers, scheme).or_else(|| accepted(headers)).unwrap_or_default()
    }
}

/// What the cookie says. Two of them say nothing.
fn chosen(headers: &HeaderMap, scheme: Scheme) -> Option<Language> {
    let name = language_cookie_name(scheme);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut values = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(this, _)| *this == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Language::of_tag(value),
        _ => None,
    }
}

/// The best of what is accepted (RFC 9110 §12.5.4): by weight, then by place. A range means its language whatever region it adds (RFC 4647
/// §3.4), and `*` whatever is not named.
fn accepted(headers: &HeaderMap) -> Option<Language> {
    let mut left = ACCEPT_LANGUAGE_BYTES_MAX;
    let (mut best, mut named, mut anything): (Option<(u16, Language)>, Vec<Language>, u16) = (None, Vec::new(), 0);
    for line in headers.get_all(header::ACCEPT_LANGUAGE) {
        let Ok(line) = line.to_str() else { continue };
        let line = line.get(..left.min(line.len())).unwrap_or_default();
        left -= line.len();
        for range in line.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let weight = parts.find_map(quality).unwrap_or(1000);
            if tag == "*" {
                anything = weight;
                continue;
            }
            let primary = tag.split('-').next().unwrap_or_default();
            let Some(language) = Language::ALL.into_iter().find(|known| primary.eq_ignore_ascii_case(known.tag()))
            else {
                continue;
            };
            if !named.contains(&language) {
                named.push(language);
            }
            if weight > best.map_or(0, |(weight, _)| weight) {
                best = Some((weight, language));
            }
        }
    }
    let unnamed = Language::ALL.into_iter().find(|language| !named.contains(language));
    match (best, unnamed) {
        (Some((weight, _)), Some(other)) if anything > weight => Some(other),
        (Some((_, language)), _) => Some(language),
        (None, Some(other)) if anything > 0 => Some(other),
        (None, _) => None,
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

    fn asked(accept: &[&str], cookies: &[&str]) -> Language {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT_LANGUAGE, HeaderValue::from_str(value).unwrap());
        }
        for value in cookies {
            headers.append(header::COOKIE, HeaderValue::from_str(value).unwrap());
        }
        Language::asked(&headers, Scheme::Http)
    }

    #[test]
    fn whoever_asks_for_no_language_of_ours_gets_english() {
        for accept in ["", "de", "de-DE,fr;q=0.9", "fas", "fa;q=0", "fa;q=x, am;q=NaN", ";q=1", "*;q=0", "-fa"] {
            assert_eq!(asked(&[accept], &[]), Language::English, "{accept}");
        }
        assert_eq!(asked(&[], &[]), Language::English);
    }

    #[test]
    fn weight_counts_before_place_and_place_before_nothing() {
        use Language::{Amharic, English, Persian};
        for (accept, language) in [
            ("fa", Persian),
            ("FA-ir", Persian),
            ("am-ET,am;q=0.9,en;q=0.8", Amharic),
            ("en;q=0.5, fa;q=0.6", Persian),
            ("en;q=0.6, fa;q=0.6", English),
            ("de, fa;q=0.1", Persian),
            ("en;q=0, *", Amharic),
            ("fa;q=0.3, *;q=0.5", English),
            ("fa;q=0.5, *;q=0.3", Persian),
            ("en;q=0, am;q=0, fa;q=0, *", English),
        ] {
            assert_eq!(asked(&[accept], &[]), language, "{accept}");
        }
        assert_eq!(asked(&["de", "fa"], &[]), Persian);
    }

    #[test]
    fn what_somebody_chose_counts_before_what_their_browser_asks_for() {
        assert_eq!(asked(&["am"], &["a=b; cedargate-language=fa"]), Language::Persian);
        // Two choices are none, another scheme's is another's, and no other word is a choice.
        for cookies in [
            &["cedargate-language=fa; cedargate-language=fa"][..],
            &["cedargate-language=fa", "cedargate-language=en"],
            &["__Host-cedargate-language=fa"],
            &["cedargate-language=FA"],
            &["cedargate-language=fa-IR"],
        ] {
            assert_eq!(asked(&["am"], cookies), Language::Amharic, "{cookies:?}");
        }
    }

    #[test]
    fn only_so_much_is_read() {
        assert_eq!(asked(&[&("de,".repeat(200) + "fa")], &[]), Language::English);
    }

    proptest! {
        #[test]
        fn arbitrary_values_never_panic(accept in prop::collection::vec("[ -~]{0,600}", 0..4), cookie in "[ -~]{0,80}") {
            let _ = asked(&accept.iter().map(String::as_str).collect::<Vec<_>>(), &[&cookie]);
        }
    }
}
