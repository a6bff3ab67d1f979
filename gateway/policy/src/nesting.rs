//! How deep and how long an expression may be: looked at before Cedar reads a text, because Cedar recurses into it.
//!
//! Two hundred brackets around `true` overflow the stack of the thread that parses them, and the process ends. Of an
//! expression that is only somewhat too deep, Cedar's validator says nothing at all: it gives up where the stack runs
//! short, and reports no error. So both are bounded here, far below where either begins.

use std::sync::Arc;

use crate::{Place, Problems};

/// The most brackets, and branches of `if`, inside each other. People lose track at a tenth of it.
pub(crate) const NESTING_MAX: usize = 24;
/// The most operators, attributes and calls of one policy or condition. Each may stand deeper than the one before it.
pub(crate) const LINKS_MAX: usize = 256;

/// What a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// Policies, or an expression.
    Policy,
    /// A schema, where `<` is a bracket.
    Schema,
}

/// Checks a text before it is parsed. What is malformed in another way is the parser's to say.
///
/// # Errors
/// The first place that is too deep, or the first policy that is too long.
pub(crate) fn check(file: &Arc<str>, text: &str, language: Language) -> Result<(), Problems> {
    let refuse = |offset: usize, message: String| {
        let mut problems = Problems::none();
        problems.add(Place::at(file, text, offset), message);
        Err(problems)
    };
    let mut scan = Scan { language, open: Vec::new(), inside: 0, links: 0 };
    for (offset, token) in Tokens::of(text) {
        scan.take(token);
        if scan.inside > NESTING_MAX {
            return refuse(offset, format!("more than {NESTING_MAX} brackets or branches inside each other"));
        }
        if scan.links > LINKS_MAX && language == Language::Policy {
            let message = format!("more than {LINKS_MAX} operators, attributes and calls; write several policies");
            return refuse(offset, message);
        }
    }
    Ok(())
}

struct Scan {
    language: Language,
    /// How deep each open bracket stands.
    open: Vec<usize>,
    /// How deep the next token stands.
    inside: usize,
    links: usize,
}

impl Scan {
    fn take(&mut self, token: Token<'_>) {
        match token {
            Token::Word("if") => {
                // Its branches reach to the end of the bracket that it stands in.
                self.inside += 1;
                self.links += 1;
            }
            Token::Word("in" | "has" | "like" | "is") => self.links += 1,
            Token::Mark(b'(' | b'[' | b'{') => {
                self.open();
                self.links += 1;
            }
            Token::Mark(b'<') if self.language == Language::Schema => self.open(),
            Token::Mark(b'>') if self.language == Language::Schema => self.close(),
            Token::Mark(b')' | b']' | b'}') => self.close(),
            Token::Mark(b';') if self.open.is_empty() => (self.inside, self.links) = (0, 0),
            // `==` and `&&` count twice, which is only stricter.
            Token::Mark(b'.' | b'=' | b'&' | b'|' | b'+' | b'-' | b'*' | b'!' | b'<' | b'>') => self.links += 1,
            Token::Word(_) | Token::Mark(_) => {}
        }
    }

    fn open(&mut self) {
        self.open.push(self.inside);
        self.inside += 1;
    }

    fn close(&mut self) {
        self.inside = self.open.pop().unwrap_or_default();
    }
}

#[derive(Clone, Copy)]
enum Token<'t> {
    Word(&'t str),
    Mark(u8),
}

/// A text's words and marks; strings and comments are passed over, as Cedar passes over them.
struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    fn of(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Moves behind a string that has just begun.
    fn pass_string(&mut self) {
        let mut escaped = false;
        let end = self.rest().bytes().position(|b| {
            let ends = b == b'"' && !escaped;
            escaped = b == b'\\' && !escaped;
            ends
        });
        self.at = end.map_or(self.text.len(), |end| self.at + end + 1);
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = (usize, Token<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest();
            let start = self.at;
            let first = rest.chars().next()?;
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if is_word(first) {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                self.at += end;
                return Some((start, Token::Word(rest.get(..end).unwrap_or_default())));
            }
            self.at += first.len_utf8();
            match first {
                '"' => self.pass_string(),
                '/' if rest.starts_with("//") => self.at = rest.find('\n').map_or(self.text.len(), |end| start + end),
                // Nothing but ASCII has a meaning outside strings and comments.
                mark => {
                    if let Ok(mark) = u8::try_from(mark)
                        && mark.is_ascii_punctuation()
                    {
                        return Some((start, Token::Mark(mark)));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, language: Language) -> String {
        check(&"p.cedar".into(), text, language).err().map(|problems| problems.to_string()).unwrap_or_default()
    }

    fn nested(depth: usize, open: &str, close: &str) -> String {
        format!("permit (principal, action, resource) when {{ {}true{} }};", open.repeat(depth), close.repeat(depth))
    }

    #[test]
    fn what_is_inside_itself_too_often_is_refused() {
        for (open, close) in [("(", ")"), ("[", "]"), ("{a: ", "}"), ("if true then true else ", ""), ("f(", ")")] {
            // The clause's own brace is one.
            assert_eq!(said(&nested(NESTING_MAX - 1, open, close), Language::Policy), "", "{open}");
            let problems = said(&nested(NESTING_MAX, open, close), Language::Policy);
            assert!(problems.starts_with("p.cedar:1:"), "{open}: {problems}");
            assert!(problems.ends_with(": more than 24 brackets or branches inside each other"), "{open}: {problems}");
        }
        let schema = |depth| format!("type T = {}Long{};", "Set<".repeat(depth), ">".repeat(depth));
        assert_eq!(said(&schema(NESTING_MAX), Language::Schema), "");
        assert_ne!(said(&schema(NESTING_MAX + 1), Language::Schema), "");
    }

    #[test]
    fn a_policy_that_is_too_long_is_refused_and_many_are_not() {
        let long = |links| format!("forbid (principal, action, resource) when {{ context{} }};\n", ".a".repeat(links));
        assert_eq!(said(&long(LINKS_MAX - 2).repeat(20), Language::Policy), "");
        let problems = said(&(long(3) + &long(LINKS_MAX)), Language::Policy);
        assert!(problems.starts_with("p.cedar:2:"), "{problems}");
    }

    #[test]
    fn what_stands_in_a_string_or_a_comment_is_nothing() {
        let text =
            format!("// {0}\npermit (principal, action, resource) when {{ \"{0}\\\"{0}\" == \"\" }};", "(".repeat(99));
        assert_eq!(said(&text, Language::Policy), "");
        assert_ne!(said(&format!("\"\\\\\"{}", "(".repeat(99)), Language::Policy), "");
    }

    #[test]
    fn siblings_are_not_inside_each_other() {
        let siblings = vec!["(if true then true else false)"; 40].join(" && ");
        let text = format!("permit (principal, action, resource) when {{ {siblings} }};");
        assert_eq!(said(&text, Language::Policy), "");
    }
}
