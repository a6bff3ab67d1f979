//! The first word of a rule: which values it looks at.

use crate::seclang::ast::{Selector, Target};
use crate::seclang::error::Reason;
use crate::seclang::variable::{self, Counted, XML_ATTRIBUTES};

/// Reads targets, which `|` stands between.
pub(super) fn read(text: &str) -> Result<Vec<Target>, Reason> {
    let mut targets = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = end_of_target(rest);
        let (target, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        targets.push(read_one(target)?);
        rest = after.strip_prefix('|').unwrap_or(after);
    }
    if targets.is_empty() {
        return Err(Reason::UnknownVariable(text.to_owned()));
    }
    Ok(targets)
}

/// Reads one target.
pub(super) fn read_one(text: &str) -> Result<Target, Reason> {
    let text = text.trim();
    let (mode, text) = if let Some(rest) = text.strip_prefix('!') {
        (Counted::Except, rest)
    } else if let Some(rest) = text.strip_prefix('&') {
        (Counted::Count, rest)
    } else {
        (Counted::Each, text)
    };
    let (name, selector) = text.split_once(':').map_or((text, None), |(name, selector)| (name, Some(selector)));
    let variable = variable::find(name).ok_or_else(|| Reason::UnknownVariable(name.to_owned()))?;
    let Some(selector) = selector else {
        return Ok(Target { variable, selector: Selector::All, mode });
    };
    if variable.name == "XML" {
        return match selector {
            "/*" => Ok(Target { variable, selector: Selector::All, mode }),
            "//@*" => Ok(Target { variable: &XML_ATTRIBUTES, selector: Selector::All, mode }),
            _ => Err(Reason::Selector(text.to_owned())),
        };
    }
    if !variable.is_collection {
        return Err(Reason::Selector(text.to_owned()));
    }
    let selector = selector.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(selector);
    let pattern = selector.strip_prefix('/').and_then(|text| text.strip_suffix('/')).filter(|text| !text.is_empty());
    let selector = match pattern {
        Some(pattern) => Selector::Pattern(pattern.replace("\\/", "/")),
        None => Selector::Name(selector.to_owned()),
    };
    Ok(Target { variable, selector, mode })
}

/// Where a target ends: a `|` within a selector's pattern or quotes does not end it.
fn end_of_target(text: &str) -> usize {
    let plain = text.find('|').unwrap_or(text.len());
    let Some((name, selector)) = text.split_once(':').filter(|(name, _)| name.len() < plain) else { return plain };
    let delimiter = match selector.as_bytes() {
        // An XPath is no pattern.
        [b'/', ..] if !name.trim_start_matches(['!', '&']).eq_ignore_ascii_case("XML") => "/",
        [b'\'', ..] => "'",
        _ => return plain,
    };
    let mut at = name.len() + 2;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find(delimiter)) {
        at += found + 1;
        let escaped = text.get(..at - 1).is_some_and(|before| before.ends_with('\\'));
        if !escaped && text.get(at..).is_some_and(|rest| rest.is_empty() || rest.starts_with('|')) {
            return at;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_may_have_bars() {
        let targets = read("ARGS|!ARGS:/^(a|b)$/|&TX:'/x|y/'|XML:/*|XML://@*").unwrap();
        assert_eq!(targets.len(), 5);
        assert_eq!(targets[1].selector, Selector::Pattern("^(a|b)$".to_owned()));
        assert_eq!(targets[1].mode, Counted::Except);
        assert_eq!(targets[2].selector, Selector::Pattern("x|y".to_owned()));
        assert_eq!(targets[4].variable, &XML_ATTRIBUTES);
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        assert!(matches!(read("ARGZ"), Err(Reason::UnknownVariable(name)) if name == "ARGZ"));
        assert!(matches!(read("REQUEST_URI:x"), Err(Reason::Selector(_))));
        assert!(matches!(read("XML://title"), Err(Reason::Selector(_))));
        assert!(read("").is_err());
    }
}
