//! Messages, formatted.

use std::borrow::Cow;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use intl_memoizer::concurrent::IntlLangMemoizer;
use unic_langid::LanguageIdentifier;

use crate::language::{Direction, Language};
use crate::markup::{Markup, escape};

/// What a page says, in one language: a method for each message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    language: Language,
}

impl Texts {
    /// The texts of a language.
    pub fn of(language: Language) -> Self {
        Self { language }
    }

    /// The language.
    pub fn language(self) -> Language {
        self.language
    }

    /// The sentence of a refusal, by its stable code. None where there is none: the code's own English does then.
    pub fn refusal(self, code: &str) -> Option<Cow<'static, str>> {
        let id = format!("refusal-{}", code.replace('_', "-"));
        self.bundle().has_message(&id).then(|| self.format(&id, None))
    }

    fn plain(self, id: &str, arguments: &[(&'static str, Argument<'_>)]) -> Cow<'static, str> {
        let mut given = FluentArgs::with_capacity(arguments.len());
        for (name, argument) in arguments {
            match argument {
                Argument::Text(text) => given.set(*name, self.isolated(text)),
                Argument::Address(address) => given.set(*name, *address),
                Argument::Number(number) => given.set(*name, *number),
            }
        }
        self.format(id, Some(&given))
    }

    fn markup(self, id: &str, arguments: &[(&'static str, Argument<'_>)]) -> Markup {
        let mut given = FluentArgs::with_capacity(arguments.len());
        for (name, argument) in arguments {
            match argument {
                Argument::Text(text) => given.set(*name, format!("<bdi>{}</bdi>", escape(text))),
                Argument::Address(address) => given.set(*name, escape(address)),
                Argument::Number(number) => given.set(*name, *number),
            }
        }
        Markup::trusted(self.format(id, Some(&given)).into_owned())
    }

    fn format(self, id: &str, arguments: Option<&FluentArgs<'_>>) -> Cow<'static, str> {
        let bundle = self.bundle();
        match bundle.get_message(id).and_then(|message| message.value()) {
            // Errors are arguments that are not there, and the build knows of none.
            Some(pattern) => Cow::Owned(bundle.format_pattern(pattern, arguments, &mut Vec::new()).into_owned()),
            // The build has seen every message in every language.
            None => Cow::Owned(id.to_owned()),
        }
    }

    /// Keeps a text from turning what stands around it: an address of another script would move the words beside it. In a line from left
    /// to right, only what has letters of the other direction does.
    fn isolated<'t>(self, text: &'t str) -> Cow<'t, str> {
        let turns = self.language.direction() == Direction::RightToLeft || text.chars().any(may_turn);
        if turns { Cow::Owned(format!("{FIRST_STRONG_ISOLATE}{text}{POP_ISOLATE}")) } else { Cow::Borrowed(text) }
    }

    fn bundle(self) -> &'static FluentBundle<FluentResource> {
        match self.language {
            Language::English => &ENGLISH,
            Language::Amharic => &AMHARIC,
            Language::Persian => &PERSIAN,
        }
    }
}

/// A number, as templates and handlers have it at hand.
pub trait Count {
    /// The number.
    fn count(&self) -> u64;
}

impl Count for u64 {
    fn count(&self) -> u64 {
        *self
    }
}

impl Count for u8 {
    fn count(&self) -> u64 {
        u64::from(*self)
    }
}

impl Count for usize {
    fn count(&self) -> u64 {
        u64::try_from(*self).unwrap_or(u64::MAX)
    }
}

impl<T: Count> Count for &T {
    fn count(&self) -> u64 {
        (*self).count()
    }
}

/// Unicode UAX #9 §2.5.
const FIRST_STRONG_ISOLATE: char = '\u{2068}';
const POP_ISOLATE: char = '\u{2069}';

/// Scripts from right to left, and the characters that say a direction. Whatever is written that way stands in these blocks.
fn may_turn(character: char) -> bool {
    matches!(character,
        '\u{0590}'..='\u{08ff}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// What a message is given.
enum Argument<'a> {
    /// What people wrote, or other texts.
    Text(&'a str),
    /// Where a link leads.
    Address(&'a str),
    Number(u64),
}

static ENGLISH: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle(Language::English, include_str!("../languages/en.ftl")));
static AMHARIC: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle(Language::Amharic, include_str!("../languages/am.ftl")));
static PERSIAN: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle(Language::Persian, include_str!("../languages/fa.ftl")));

fn bundle(language: Language, text: &str) -> FluentBundle<FluentResource> {
    let id: LanguageIdentifier = language.tag().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![id]);
    // The build has parsed this very text.
    let resource = FluentResource::try_new(text.to_owned()).unwrap_or_else(|(resource, _)| resource);
    bundle.add_resource_overriding(resource);
    // We isolate by ourselves: in markup by elements, and in a line from left to right only where it is needed.
    bundle.set_use_isolating(false);
    if language == Language::Persian {
        bundle.set_formatter(Some(persian_number));
    }
    bundle
}

/// Numbers are written with the digits of the language. The other two use these.
fn persian_number(value: &FluentValue<'_>, _: &IntlLangMemoizer) -> Option<String> {
    let FluentValue::Number(number) = value else { return None };
    let persian = |digit: char| match digit.to_digit(10) {
        Some(digit) => char::from_u32(u32::from('۰') + digit).unwrap_or('۰'),
        None => digit,
    };
    Some(number.as_string().chars().map(persian).collect())
}

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: Texts = Texts { language: Language::English };
    const AMHARIC: Texts = Texts { language: Language::Amharic };
    const PERSIAN: Texts = Texts { language: Language::Persian };

    #[test]
    fn counts_follow_the_rules_of_the_language() {
        assert_eq!([ENGLISH.days_ago(0_u64), ENGLISH.days_ago(1_u64)], ["0 days ago", "1 day ago"]);
        // In Amharic none counts as one (CLDR).
        assert_eq!([AMHARIC.days_ago(0_u64), AMHARIC.days_ago(2_u64)], ["ከ0 ቀን በፊት", "ከ2 ቀናት በፊት"]);
        assert_eq!(PERSIAN.days_ago(120_u64), "۱۲۰ روز پیش");
    }

    #[test]
    fn what_somebody_chose_is_no_markup() {
        let evil = "\"'><script>&";
        let shown = PERSIAN.signin_to(evil).to_string();
        assert_eq!(shown, "به <strong><bdi>&quot;&#39;&gt;&lt;script&gt;&amp;</bdi></strong>");
        assert!(!ENGLISH.totp_by_hand("\"><script>").to_string().contains("<script>"));
    }

    #[test]
    fn what_somebody_chose_turns_nothing_around_it() {
        assert_eq!(ENGLISH.signin_title("acme"), "Sign in to acme");
        assert_eq!(ENGLISH.signin_title("\u{202e}acme"), "Sign in to \u{2068}\u{202e}acme\u{2069}");
        assert_eq!(ENGLISH.signin_title("فارسی"), "Sign in to \u{2068}فارسی\u{2069}");
        assert_eq!(PERSIAN.signin_title("acme"), "ورود به \u{2068}acme\u{2069}");
    }

    #[test]
    fn a_refusals_sentence_is_found_by_its_code() {
        assert_eq!(ENGLISH.refusal("forbidden").as_deref(), Some("You are not permitted to do this."));
        assert_eq!(PERSIAN.refusal("forbidden").as_deref(), Some("شما اجازهٔ این کار را ندارید."));
        assert_eq!(ENGLISH.refusal("no_such_code"), None);
    }
}
