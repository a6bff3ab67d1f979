//! The head: target, path, query and the headers that services read.

use crate::class::Classes;
use crate::decode::Coding;
use crate::rules::{self, Surfaces};
use crate::run::Run;
use crate::{Name, Place, Subject};

/// Judges everything in a request's head.
pub(crate) fn judge(run: &mut Run<'_>, subject: &Subject<'_>, own_cookies: &[String]) {
    judge_path(run, subject);
    if let Some(query) = subject.query {
        judge_arguments(run, query.as_bytes(), Surfaces::QUERY, &|name| Place::Query(Name::of(name)), &|| {
            Place::QueryName
        });
    }
    subject.headers.each(&mut |name, value| judge_header(run, name, value, own_cookies));
}

fn judge_path(run: &mut Run<'_>, subject: &Subject<'_>) {
    run.judge(Surfaces::PATH, subject.path.as_bytes(), Coding::Percent, || Place::Path);
    for segment in subject.path.split('/').filter(|segment| !segment.is_empty()) {
        run.judge(Surfaces::SEGMENT, segment.as_bytes(), Coding::Percent, || Place::Path);
    }
    // Normalising may have taken away what was tried: the raw path is judged where it is another.
    let raw = subject.target.split('?').next().unwrap_or_default();
    if raw != subject.path {
        run.judge(Surfaces::TARGET, raw.as_bytes(), Coding::Percent, || Place::Target);
    }
}

/// Judges names and values of `a=b&c=d`.
pub(crate) fn judge_arguments(
    run: &mut Run<'_>,
    arguments: &[u8],
    surface: Surfaces,
    place: &dyn Fn(&[u8]) -> Place,
    name_place: &dyn Fn() -> Place,
) {
    for argument in arguments.split(|&byte| byte == b'&') {
        if run.ended() {
            return;
        }
        let (name, value) = split_once(argument, b'=').unwrap_or((argument, b""));
        judge_name(run, name, Coding::Form, name_place);
        if !value.is_empty() {
            run.judge(surface, value, Coding::Form, || place(&Coding::Form.decode(name)));
        }
    }
}

/// Judges the name of a query argument, form field or cookie.
pub(crate) fn judge_name(run: &mut Run<'_>, name: &[u8], coding: Coding, place: &dyn Fn() -> Place) {
    if name.is_empty() {
        return;
    }
    run.judge(Surfaces::NAME, name, coding, place);
    if is_prototype(&coding.decode(name)) {
        run.raise(&rules::PROTOTYPE_NAME, place());
    }
}

/// Whether a name is, or begins with, what sets the prototype of every JavaScript object.
pub(crate) fn is_prototype(name: &[u8]) -> bool {
    name.strip_prefix(b"__proto__").is_some_and(|rest| matches!(rest.first(), None | Some(b'[' | b'.')))
}

fn judge_header(run: &mut Run<'_>, name: &str, value: &[u8], own_cookies: &[String]) {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    let place = || Place::Header(Name::of(name.as_bytes()));
    if is("cookie") {
        judge_cookies(run, value, own_cookies);
    } else if is("user-agent") {
        run.judge(Surfaces::AGENT, value, Coding::Plain, place);
        run.judge_agent(value, place);
    } else if is("referer") {
        judge_referer(run, value, place);
    } else if is("content-encoding") {
        if !value.is_empty() && !value.eq_ignore_ascii_case(b"identity") {
            run.raise(&rules::BODY_ENCODED, place());
        }
    } else if Classes::of(value).any(Classes::EXPAND.or(Classes::LESS)) {
        // What is tried in any header at all, because it is meant for a log or an environment variable.
        run.judge(Surfaces::HEADER, value, Coding::Plain, place);
    }
}

fn judge_cookies(run: &mut Run<'_>, header: &[u8], own_cookies: &[String]) {
    for pair in header.split(|&byte| byte == b';') {
        let (name, value) = split_once(pair, b'=').unwrap_or((pair, b""));
        let name = name.trim_ascii();
        if own_cookies.iter().any(|own| own.as_bytes() == name) {
            continue;
        }
        judge_name(run, name, Coding::Plain, &|| Place::CookieName);
        let value = value.trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        if !value.is_empty() {
            run.judge(Surfaces::COOKIE, value, Coding::Plain, || Place::Cookie(Name::of(name)));
        }
    }
}

fn judge_referer(run: &mut Run<'_>, value: &[u8], place: impl Fn() -> Place) {
    let (page, query) = split_once(value, b'?').unwrap_or((value, b""));
    run.judge(Surfaces::REFERER, page, Coding::Percent, &place);
    if !query.is_empty() {
        judge_arguments(run, query, Surfaces::REFERER, &|_| place(), &place);
    }
}

/// The octets before and behind the first `separator`.
pub(crate) fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == separator)?;
    let (before, rest) = bytes.split_at_checked(at)?;
    Some((before, rest.get(1..)?))
}
