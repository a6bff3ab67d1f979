//! From an operator's name and argument to what runs.

use std::path::Path;
use std::sync::Arc;

use super::address::{self, Network};
use super::check::{SCHEMES, Scheme};
use super::phrases::{self, Phrases};
use super::{NumberTest, Operator, TextTest};
use crate::seclang::bytes::ByteSet;
use crate::seclang::error::Reason;
use crate::seclang::parse::Files;
use crate::seclang::pcre::Pattern;
use crate::seclang::template::Template;

/// What an operator is built from.
pub(crate) struct Call<'c> {
    pub(crate) name: &'c str,
    pub(crate) argument: &'c str,
    /// The rule's file, which data files stand beside.
    pub(crate) file: &'c Path,
    pub(crate) files: &'c dyn Files,
}

/// What is known of an operator.
pub(crate) struct Row {
    /// Its name as rules write it.
    pub(crate) name: &'static str,
    build: fn(&Call<'_>) -> Result<Operator, Reason>,
    /// When it holds, for the reference page.
    pub(crate) about: &'static str,
}

const fn row(name: &'static str, build: fn(&Call<'_>) -> Result<Operator, Reason>, about: &'static str) -> Row {
    Row { name, build, about }
}

/// Every operator. To add one: a row here, and what it builds.
pub(crate) static OPERATORS: &[Row] = &[
    row("beginsWith", |call| text(call, TextTest::BeginsWith), "the value begins with the argument"),
    row("contains", |call| text(call, TextTest::Contains), "the argument occurs in the value"),
    row("containsWord", |call| text(call, TextTest::ContainsWord), "the same, with no letter, digit or `_` beside it"),
    row("detectSQLi", |_| Ok(Operator::Sqli), "libinjection takes the value for SQL"),
    row("detectXSS", |_| Ok(Operator::Xss), "libinjection takes the value for markup that runs"),
    row("endsWith", |call| text(call, TextTest::EndsWith), "the value ends with the argument"),
    row("eq", |call| number(call, NumberTest::Equal), "the numbers are equal"),
    row("ge", |call| number(call, NumberTest::GreaterOrEqual), "the value is at least the argument"),
    row("geoLookup", |_| Ok(Operator::Fixed(false)), "never, with a warning: there is no location data"),
    row("gt", |call| number(call, NumberTest::Greater), "the value is more than the argument"),
    row("ipMatch", ip_match, "the value is an address in one of the networks"),
    row("ipMatchF", ip_match_file, "the same as `ipMatchFromFile`"),
    row("ipMatchFromFile", ip_match_file, "the same, of a file"),
    row("le", |call| number(call, NumberTest::LessOrEqual), "the value is at most the argument"),
    row("lt", |call| number(call, NumberTest::Less), "the value is less than the argument"),
    row("noMatch", |_| Ok(Operator::Fixed(false)), "never"),
    row("pm", pm, "one of the phrases occurs, in any case"),
    row("pmf", pm_file, "the same as `pmFromFile`"),
    row("pmFromFile", pm_file, "the same, of files"),
    row("rbl", |_| Ok(Operator::Fixed(false)), "never, with a warning: nothing here uses the network"),
    row("rx", rx, "the pattern matches; `.` matches line ends, `$` the very end alone"),
    row("streq", |call| text(call, TextTest::Equals), "the value is the argument"),
    row("strmatch", |call| text(call, TextTest::Contains), "the argument occurs in the value"),
    row("unconditionalMatch", |_| Ok(Operator::Fixed(true)), "always"),
    row("validateByteRange", byte_range, "the value has an octet outside of the ranges"),
    row("validateUrlEncoding", |_| Ok(Operator::BadUrlEncoding), "a `%` is not followed by two hexadecimal digits"),
    row("validateUtf8Encoding", |_| Ok(Operator::BadUtf8), "the value is no UTF-8"),
    row("verifyCC", |call| check(call, "cc"), "what the pattern finds is a card's number"),
    row("verifyCPF", |call| check(call, "cpf"), "what the pattern finds is a Brazilian taxpayer's number"),
    row("within", |call| text(call, TextTest::Within), "the value occurs in the argument"),
];

/// ModSecurity's operators that there are not, and why.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("fuzzyHash", "there is no such data here"),
    ("gsbLookup", "nothing here uses the network"),
    ("inspectFile", "nothing here runs programs"),
    ("rsub", "nothing here changes what is forwarded"),
    ("rxGlobal", "`@rx` with `capture` is what it is used for"),
    ("validateDTD", "XML is not validated"),
    ("validateHash", "links are not signed here"),
    ("validateSchema", "XML is not validated"),
    ("verifySSN", "its rules were withdrawn in 2011"),
    ("verifySVNR", "no rule set uses it"),
];

/// Builds an operator.
pub(crate) fn build(call: &Call<'_>) -> Result<Operator, Reason> {
    if let Some(row) = OPERATORS.iter().find(|row| row.name.eq_ignore_ascii_case(call.name)) {
        return (row.build)(call);
    }
    Err(match UNSUPPORTED.iter().find(|(name, _)| name.eq_ignore_ascii_case(call.name)) {
        Some((_, why)) => Reason::UnsupportedOperator(call.name.to_owned(), why),
        None => Reason::UnknownOperator(call.name.to_owned()),
    })
}

fn rx(call: &Call<'_>) -> Result<Operator, Reason> {
    // `%{` alone is no macro: patterns have it as text.
    let mut parts = call.argument.split("%{").skip(1).filter_map(|rest| rest.split_once('}'));
    if parts.any(|(name, _)| {
        name.contains('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    }) {
        return Template::parse(call.argument).map(|template| Operator::LateRx(Arc::default(), template));
    }
    Pattern::new(call.argument.as_bytes()).map(|pattern| Operator::Rx(Arc::new(pattern))).map_err(Reason::Pattern)
}

fn text(call: &Call<'_>, test: TextTest) -> Result<Operator, Reason> {
    Template::parse(call.argument).map(|template| Operator::Text(test, template))
}

fn number(call: &Call<'_>, test: NumberTest) -> Result<Operator, Reason> {
    Template::parse(call.argument).map(|template| Operator::Number(test, template))
}

fn pm(call: &Call<'_>) -> Result<Operator, Reason> {
    build_phrases(call, phrases::of_argument(call.argument))
}

fn pm_file(call: &Call<'_>) -> Result<Operator, Reason> {
    let mut all = Vec::new();
    for text in files(call)? {
        all.extend(phrases::of_file(&text));
    }
    build_phrases(call, all)
}

/// How many octets the phrases of one rule may have; CRS's longest list has 76,000.
const PHRASES_BYTES_MAX: usize = 1 << 20;

fn build_phrases(call: &Call<'_>, phrases: Vec<Vec<u8>>) -> Result<Operator, Reason> {
    if phrases.iter().map(Vec::len).sum::<usize>() > PHRASES_BYTES_MAX {
        return Err(Reason::TooMany("octets of phrases in one rule", PHRASES_BYTES_MAX));
    }
    Phrases::new(phrases).map(|phrases| Operator::Phrases(Arc::new(phrases))).ok_or_else(|| bad(call))
}

/// The files that the argument names, beside the rule's.
fn files(call: &Call<'_>) -> Result<Vec<String>, Reason> {
    let folder = call.file.parent().unwrap_or(Path::new(""));
    call.argument
        .split_whitespace()
        .map(|name| call.files.read(&folder.join(name)).map_err(Reason::Unreadable))
        .collect()
}

fn ip_match(call: &Call<'_>) -> Result<Operator, Reason> {
    networks(call, call.argument)
}

fn ip_match_file(call: &Call<'_>) -> Result<Operator, Reason> {
    let texts = files(call)?;
    let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#'));
    networks(call, &lines.collect::<Vec<_>>().join(","))
}

fn networks(call: &Call<'_>, text: &str) -> Result<Operator, Reason> {
    let parts = text.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty());
    let networks: Option<Vec<Network>> = parts.map(address::parse).collect();
    networks.filter(|all| !all.is_empty()).map(|all| Operator::Address(all.into())).ok_or_else(|| bad(call))
}

fn byte_range(call: &Call<'_>) -> Result<Operator, Reason> {
    let mut set = ByteSet::EMPTY;
    for part in call.argument.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.parse(), last.parse()) else { return Err(bad(call)) };
        set = set.union(ByteSet::range(first, last));
    }
    Ok(Operator::BytesOutside(set))
}

fn check(call: &Call<'_>, name: &str) -> Result<Operator, Reason> {
    let scheme: Option<Scheme> = SCHEMES.iter().find(|(known, _)| *known == name).map(|(_, scheme)| *scheme);
    let pattern = Pattern::new(call.argument.as_bytes()).map_err(Reason::Pattern)?;
    scheme.map(|scheme| Operator::CheckDigits(Arc::new(pattern), scheme)).ok_or_else(|| bad(call))
}

fn bad(call: &Call<'_>) -> Reason {
    Reason::Value { of: format!("@{}", call.name), value: call.argument.to_owned() }
}
