//! What people read on the gateway's pages, in each of its languages.
//!
//! The texts stand in `languages/`, one file for each language, as Project Fluent writes them: a translator needs no Rust. The build makes
//! one method of [`Texts`] of each message. Three things are always true of it:
//! - a language that lacks a message, or has it with other arguments or elements, does not build;
//! - what somebody else chose, a name or an address, cannot turn the text around it to the other direction, and cannot be markup;
//! - no request makes it read more than [`ACCEPT_LANGUAGE_BYTES_MAX`] octets to know a language.
//!
//! ```
//! use cedargate_model::Scheme;
//! use cedargate_texts::{Direction, Language, Texts};
//! use http::{HeaderMap, HeaderValue};
//!
//! let mut headers = HeaderMap::new();
//! headers.insert("accept-language", HeaderValue::from_static("de, fa-IR;q=0.9, en;q=0.5"));
//! let language = Language::asked(&headers, Scheme::Https);
//! assert_eq!((language, language.direction()), (Language::Persian, Direction::RightToLeft));
//! assert_eq!(Texts::of(Language::English).minutes_ago(1_u64), "1 minute ago");
//! assert_eq!(Texts::of(Language::English).signin_to("<acme>").to_string(), "to <strong><bdi>&lt;acme&gt;</bdi></strong>");
//! ```
//!
//! To add a text: a line in each file of `languages/`, and `{{ t.its_name() }}` in a template. `docs/guides/texts.md` says more, and
//! how to add a language.

mod language;
mod markup;
mod texts;

pub use language::{ACCEPT_LANGUAGE_BYTES_MAX, Direction, Language, language_cookie_name};
pub use markup::Markup;
pub use texts::{Count, REFUSALS, Texts};
