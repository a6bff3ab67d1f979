//! Bodies, read as the service would read them.

use std::borrow::Cow;

use crate::decode::Coding;
use crate::rules::{self, Surfaces};
use crate::run::Run;
use crate::{Body, Name, Place, Scope, head, json, multipart, xml};

/// What a body is, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind<'a> {
    Json,
    JsonLines,
    Form,
    Multipart(Option<&'a str>),
    Xml,
    Text,
    Opaque,
}

/// Judges a body, or the part of it that is there.
pub(crate) fn judge(run: &mut Run<'_>, body: &Body<'_>, scope: &Scope) {
    if body.bytes.is_empty() {
        return;
    }
    let kind = match body.content_type {
        Some(content_type) => kind(run, content_type),
        None => Kind::Text,
    };
    match kind {
        Kind::Json => judge_json(run, body, scope, true),
        Kind::JsonLines => judge_json(run, body, scope, false),
        Kind::Form => {
            judge_form(run, body.bytes, scope, true);
            // What command-line clients send as a form unless told otherwise.
            if looks_like_json(body) {
                judge_json(run, body, scope, false);
            }
        }
        Kind::Multipart(boundary) => judge_multipart(run, body, scope, boundary),
        Kind::Xml => {
            run.judge(Surfaces::XML, body.bytes, Coding::Plain, || Place::Body);
            xml::walk(body.bytes, |value| {
                run.judge(Surfaces::FIELD, value, Coding::Plain, || Place::Body);
                !run.ended()
            });
        }
        Kind::Text => judge_text(run, body, scope),
        Kind::Opaque => {
            run.judge(Surfaces::OPAQUE, body.bytes, Coding::Plain, || Place::Body);
            if looks_like_json(body) {
                judge_json(run, body, scope, false);
            }
        }
    }
}

fn kind<'a>(run: &mut Run<'_>, content_type: &'a str) -> Kind<'a> {
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let essence = essence.trim().to_ascii_lowercase();
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-*".contains(&byte))
    };
    let Some((main, sub)) = essence.split_once('/').filter(|(main, sub)| token(main) && token(sub)) else {
        run.raise(&rules::BODY_CONTENT_TYPE, Place::Body);
        return Kind::Text;
    };
    if charset(parameters).is_some_and(|charset| !is_ascii_superset(charset)) {
        run.raise(&rules::BODY_CHARSET, Place::Body);
    }
    match (main, sub) {
        ("application", "x-ndjson" | "jsonl" | "json-seq" | "jsonlines") => Kind::JsonLines,
        (_, "json") => Kind::Json,
        (_, sub) if sub.ends_with("+json") => Kind::Json,
        ("application", "x-www-form-urlencoded") => Kind::Form,
        ("multipart", "form-data") => Kind::Multipart(multipart::boundary(parameters)),
        ("application" | "text", "xml") => Kind::Xml,
        (_, sub) if sub.ends_with("+xml") => Kind::Xml,
        ("text", _) | ("application", "graphql" | "javascript" | "sql" | "yaml" | "x-yaml" | "toml") => Kind::Text,
        _ => Kind::Opaque,
    }
}

fn charset(parameters: &str) -> Option<&str> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

/// Whether ASCII text in this charset has ASCII's octets: in UTF-7, UTF-16 or EBCDIC nothing would be found.
fn is_ascii_superset(charset: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "latin1", "windows-1252"]
        .iter()
        .any(|known| charset.eq_ignore_ascii_case(known))
}

fn looks_like_json(body: &Body<'_>) -> bool {
    matches!(body.bytes.trim_ascii_start().first(), Some(b'{' | b'[')) && (!body.complete || is_well_formed(body.bytes))
}

fn is_well_formed(text: &[u8]) -> bool {
    // Skipping values, serde_json would skip octets that are no UTF-8 too.
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

/// Judges every string of a JSON text, names too. Where it must be well-formed and is not, it is judged as a text as well.
fn judge_json(run: &mut Run<'_>, body: &Body<'_>, scope: &Scope, strict: bool) {
    let malformed = strict && body.complete && !is_well_formed(body.bytes);
    if malformed {
        run.raise(&rules::BODY_JSON, Place::Body);
    }
    // In a malformed text a name may be anything: no place is named by it.
    let place = |text: &json::Text<'_>| match (malformed, text.is_name) {
        (true, _) => Place::Body,
        (false, true) => Place::JsonName(Name::of(&text.pointer())),
        (false, false) => Place::Json(Name::of(&text.pointer())),
    };
    let mut exempt = Vec::new();
    let walked = json::walk(body.bytes, run.limits().json_depth_max, |text| {
        if is_exempt(text, scope) {
            exempt.push((text.at, text.raw.len()));
            return true;
        }
        let value = text.unescaped();
        let surface = if text.is_name { Surfaces::JSON_NAME } else { Surfaces::JSON };
        run.judge(surface, &value, Coding::Plain, || place(text));
        if text.is_name && head::is_prototype(&value) {
            run.raise(&rules::PROTOTYPE_NAME, place(text));
        }
        !run.ended()
    });
    if walked == Err(json::Ended::TooDeep) {
        run.end(&rules::LIMIT_DEPTH);
    }
    if malformed {
        run.judge(Surfaces::FIELD, &masked(body.bytes, &exempt), Coding::Plain, || Place::Body);
    }
}

fn is_exempt(text: &json::Text<'_>, scope: &Scope) -> bool {
    if text.is_name || !text.is_first || !scope.has_exempt_fields() {
        return false;
    }
    let pointer = || String::from_utf8_lossy(&text.pointer()).into_owned();
    match text.member() {
        Some((key, top_level)) => scope.exempts_member(top_level, &key, pointer),
        None => scope.exempts_member(false, b"", pointer),
    }
}

/// Judges names and values of a form. Where it may be no form at all, places are not named by what may be no names.
fn judge_form(run: &mut Run<'_>, form: &[u8], scope: &Scope, is_form: bool) -> Vec<(usize, usize)> {
    let mut exempt = Vec::new();
    let mut at = 0;
    for field in form.split(|&byte| byte == b'&') {
        let start = at;
        at += field.len() + 1;
        if run.ended() {
            break;
        }
        let (name, value) = head::split_once(field, b'=').unwrap_or((field, b""));
        let decoded = Coding::Form.decode(name);
        if scope.exempts_field(&decoded) {
            exempt.push((start + name.len() + 1, value.len()));
            continue;
        }
        let named = |place: Place| if is_form { place } else { Place::Body };
        head::judge_name(run, name, Coding::Form, &|| named(Place::FieldName));
        if !value.is_empty() {
            run.judge(Surfaces::FIELD, value, Coding::Form, || named(Place::Field(Name::of(&decoded))));
        }
    }
    exempt
}

fn judge_multipart(run: &mut Run<'_>, body: &Body<'_>, scope: &Scope, boundary: Option<&str>) {
    let Some(boundary) = boundary else {
        return run.raise(&rules::BODY_MULTIPART, Place::Body);
    };
    let walked = multipart::walk(body.bytes, boundary.as_bytes(), body.complete, |part| {
        head::judge_name(run, part.name, Coding::Plain, &|| Place::FieldName);
        match part.file_name {
            Some(file_name) => {
                run.judge(Surfaces::FILE_NAME, file_name, Coding::Plain, || Place::FileName(Name::of(part.name)));
                run.judge(Surfaces::OPAQUE, part.content, Coding::Plain, || Place::File(Name::of(part.name)));
            }
            None if scope.exempts_field(part.name) => {}
            None => run.judge(Surfaces::FIELD, part.content, Coding::Plain, || Place::Field(Name::of(part.name))),
        }
        !run.ended()
    });
    if walked == Err(multipart::Malformed) {
        run.raise(&rules::BODY_MULTIPART, Place::Body);
    }
}

/// Judges a body that says it is text, or does not say what it is: as JSON where it is that, else as a form and a text.
fn judge_text(run: &mut Run<'_>, body: &Body<'_>, scope: &Scope) {
    if looks_like_json(body) {
        return judge_json(run, body, scope, false);
    }
    let exempt = if body.bytes.contains(&b'=') { judge_form(run, body.bytes, scope, false) } else { Vec::new() };
    run.judge(Surfaces::FIELD, &masked(body.bytes, &exempt), Coding::Plain, || Place::Body);
}

/// The text with these ranges (start and length) blotted out.
fn masked<'b>(text: &'b [u8], ranges: &[(usize, usize)]) -> Cow<'b, [u8]> {
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = text.to_vec();
    for &(start, len) in ranges {
        if let Some(range) = masked.get_mut(start..start.saturating_add(len)) {
            range.fill(b'_');
        }
    }
    Cow::Owned(masked)
}
