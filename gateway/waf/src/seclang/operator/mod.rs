//! Operators: what a rule asks of a value.

mod address;
mod check;
mod injection;
mod late;
mod phrases;
mod table;

use std::sync::Arc;

use self::address::Network;
pub(crate) use self::injection::{may_be_sqli, may_be_xss};
use self::late::LatePatterns;
use self::phrases::Phrases;
pub(crate) use self::table::{Call, OPERATORS, build};
use super::bytes::{ByteSet, integer};
use super::pcre::{Pattern, Steps, StepsExceeded};
use super::template::Template;

/// An operator, ready to run.
#[derive(Clone, Debug)]
pub(crate) enum Operator {
    /// A pattern matches.
    Rx(Arc<Pattern>),
    /// The same, of a pattern with macros.
    LateRx(Arc<LatePatterns>, Template),
    /// One of many phrases occurs, in any case.
    Phrases(Arc<Phrases>),
    /// A comparison with a text.
    Text(TextTest, Template),
    /// A comparison with a number.
    Number(NumberTest, Template),
    /// An octet outside of a set occurs.
    BytesOutside(ByteSet),
    /// A percent sign is not followed by two digits.
    BadUrlEncoding,
    /// The text is no UTF-8.
    BadUtf8,
    /// libinjection takes it for SQL.
    Sqli,
    /// libinjection takes it for markup that runs.
    Xss,
    /// It is an address in one of these networks.
    Address(Arc<[Network]>),
    /// A number that a pattern finds has the right check digits.
    CheckDigits(Arc<Pattern>, check::Scheme),
    /// Always, or never.
    Fixed(bool),
}

/// How a text is compared with the argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextTest {
    Equals,
    BeginsWith,
    EndsWith,
    Contains,
    ContainsWord,
    /// The argument has the text in it.
    Within,
}

/// How a number is compared with the argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberTest {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// What matched, for the captures `TX:0` to `TX:9`.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    /// Where in the value; none for a group that took no part.
    pub(crate) groups: Vec<Option<(usize, usize)>>,
    /// A text that stands nowhere in the value, in place of the first group.
    pub(crate) text: Option<Vec<u8>>,
}

impl Operator {
    /// Whether the operator, without its negation, holds for a value. `argument` is the template's text, where it has one;
    /// `captured` is empty.
    pub(crate) fn test(
        &self,
        value: &[u8],
        argument: &[u8],
        captured: Option<&mut Captured>,
        steps: &Steps,
    ) -> Result<bool, StepsExceeded> {
        Ok(match self {
            Self::Rx(pattern) => rx(pattern, value, captured, steps)?,
            Self::LateRx(patterns, _) => match patterns.get(argument) {
                Some(pattern) => rx(&pattern, value, captured, steps)?,
                None => false,
            },
            Self::Phrases(phrases) => match phrases.find(value) {
                Some(span) => {
                    keep(captured, span);
                    true
                }
                None => false,
            },
            Self::Text(test, _) => {
                let holds = test.holds(value, argument);
                if holds {
                    keep(captured, (0, value.len()));
                }
                holds
            }
            Self::Number(test, _) => test.holds(integer(value), integer(argument)),
            Self::BytesOutside(set) => value.iter().any(|byte| !set.contains(*byte)),
            Self::BadUrlEncoding => super::transform::is_bad_url_encoding(value),
            Self::BadUtf8 => std::str::from_utf8(value).is_err(),
            Self::Sqli => match injection::sqli(value) {
                Some(fingerprint) => {
                    if let Some(captured) = captured {
                        captured.text = Some(fingerprint.into_bytes());
                    }
                    true
                }
                None => false,
            },
            Self::Xss => {
                let holds = injection::is_xss(value);
                if holds {
                    keep(captured, (0, value.len()));
                }
                holds
            }
            Self::Address(networks) => address::is_in(value, networks),
            Self::CheckDigits(pattern, scheme) => {
                let mut groups = Vec::new();
                pattern.groups(value, &mut groups, steps)?;
                match groups.first().copied().flatten() {
                    Some((start, end)) => {
                        let holds = value.get(start..end).is_some_and(|digits| scheme.holds(digits));
                        if holds {
                            keep(captured, (start, end));
                        }
                        holds
                    }
                    None => false,
                }
            }
            Self::Fixed(holds) => *holds,
        })
    }

    /// How much memory its automaton takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Rx(pattern) | Self::CheckDigits(pattern, _) => pattern.bytes(),
            Self::Phrases(phrases) => phrases.bytes(),
            _ => 0,
        }
    }

    /// The text that it compares with, where it has one.
    pub(crate) fn argument(&self) -> Option<&Template> {
        match self {
            Self::Text(_, template) | Self::Number(_, template) | Self::LateRx(_, template) => Some(template),
            _ => None,
        }
    }

    pub(crate) fn argument_mut(&mut self) -> Option<&mut Template> {
        match self {
            Self::Text(_, template) | Self::Number(_, template) | Self::LateRx(_, template) => Some(template),
            _ => None,
        }
    }
}

fn rx(pattern: &Pattern, value: &[u8], captured: Option<&mut Captured>, steps: &Steps) -> Result<bool, StepsExceeded> {
    let Some(captured) = captured else { return pattern.is_match(value, steps) };
    pattern.groups(value, &mut captured.groups, steps)
}

fn keep(captured: Option<&mut Captured>, span: (usize, usize)) {
    if let Some(captured) = captured {
        captured.groups.push(Some(span));
    }
}

impl TextTest {
    pub(crate) fn holds(self, value: &[u8], argument: &[u8]) -> bool {
        match self {
            Self::Equals => value == argument,
            Self::BeginsWith => value.starts_with(argument),
            Self::EndsWith => value.ends_with(argument),
            Self::Contains => memchr::memmem::find(value, argument).is_some(),
            Self::ContainsWord => contains_word(value, argument),
            Self::Within => memchr::memmem::find(argument, value).is_some(),
        }
    }
}

fn contains_word(value: &[u8], word: &[u8]) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    memchr::memmem::find_iter(value, word).any(|at| {
        let before = at.checked_sub(1).and_then(|at| value.get(at));
        !is_word(before) && !is_word(value.get(at + word.len()))
    })
}

impl NumberTest {
    pub(crate) const fn holds(self, value: i64, argument: i64) -> bool {
        match self {
            Self::Equal => value == argument,
            Self::Greater => value > argument,
            Self::GreaterOrEqual => value >= argument,
            Self::Less => value < argument,
            Self::LessOrEqual => value <= argument,
        }
    }
}

#[cfg(test)]
mod tests;
