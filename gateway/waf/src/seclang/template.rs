//! Texts with macros: `%{tx.score}`.

use super::error::Reason;
use super::variable::{self, Variable};

/// A text, parts of which are known only when a rule runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) parts: Vec<Part>,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text(Vec<u8>),
    /// The first value of a variable, or of its member of this name.
    Value(Variable, Option<String>),
    /// The same of TX, whose members the linker numbers.
    Tx(usize),
    /// Something about the rule itself.
    Rule(Field),
}

/// What a text may say of the rule that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Id,
    Message,
    Severity,
}

impl Template {
    /// Reads a text. `%{` without an end, or around no name, is itself.
    pub(crate) fn parse(text: &str) -> Result<Self, Reason> {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("%{") {
            let Some((name, behind)) = after.split_once('}') else { break };
            if !before.is_empty() {
                parts.push(Part::Text(before.as_bytes().to_vec()));
            }
            parts.push(reference(name)?);
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.as_bytes().to_vec()));
        }
        Ok(Self { parts })
    }

    /// The text, if nothing in it depends on a request.
    pub(crate) fn fixed(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

fn reference(text: &str) -> Result<Part, Reason> {
    let (name, member) = match text.split_once(['.', ':']) {
        Some((name, member)) => (name, Some(member.to_owned())),
        None => (text, None),
    };
    if name.eq_ignore_ascii_case("rule") {
        let field = match member.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("id") => Field::Id,
            Some("msg") => Field::Message,
            Some("severity") => Field::Severity,
            _ => return Err(Reason::UnknownVariable(text.to_owned())),
        };
        return Ok(Part::Rule(field));
    }
    let variable = variable::find(name).ok_or_else(|| Reason::UnknownVariable(text.to_owned()))?;
    if member.is_some() && !variable.is_collection {
        return Err(Reason::Selector(text.to_owned()));
    }
    Ok(Part::Value(variable, member))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_macros() {
        let template = Template::parse("a%{tx.0}b%{rule.id}%{").unwrap();
        assert_eq!(template.parts.len(), 5);
        assert_eq!(template.parts[1], Part::Value(variable::find("TX").unwrap(), Some("0".to_owned())));
        assert_eq!(Template::parse("x").unwrap().fixed(), Some(b"x".as_slice()));
        assert!(Template::parse("%{nothing.here}").is_err());
    }
}
