//! A file's directives as words.

use crate::seclang::error::Reason;

/// The directives of a text: the line each begins on, and its words.
pub(super) struct Lines<'t> {
    lines: std::iter::Enumerate<std::str::Lines<'t>>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { lines: text.lines().enumerate() }
    }
}

impl Iterator for Lines<'_> {
    type Item = (u32, Result<Vec<String>, Reason>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (number, line) = self.lines.next()?;
            let mut whole = line.trim().to_owned();
            if whole.is_empty() || whole.starts_with('#') {
                continue;
            }
            // A line that ends in a backslash goes on in the next, whose indentation does not count.
            while whole.ends_with('\\') {
                whole.pop();
                let Some((_, next)) = self.lines.next() else { break };
                whole.push_str(next.trim());
            }
            let number = u32::try_from(number + 1).unwrap_or(u32::MAX);
            return Some((number, words(&whole)));
        }
    }
}

/// Words, in double quotes or not. In quotes, `\"` is a quote; every other backslash is itself.
fn words(line: &str) -> Result<Vec<String>, Reason> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let mut word = String::new();
        if first == '"' {
            let mut escaped = false;
            let mut end = None;
            for (at, letter) in rest.char_indices().skip(1) {
                if escaped {
                    if letter != '"' {
                        word.push('\\');
                    }
                    word.push(letter);
                    escaped = false;
                } else if letter == '\\' {
                    escaped = true;
                } else if letter == '"' {
                    end = Some(at + 1);
                    break;
                } else {
                    word.push(letter);
                }
            }
            rest = end.and_then(|end| rest.get(end..)).ok_or(Reason::Unclosed)?;
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (before, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            word.push_str(before);
            rest = after;
        }
        words.push(word);
        rest = rest.trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_on_and_words_are_quoted() {
        let text = "# no\n\nSecRule A \"@rx \\\"\\d\\\\\" \\\n    \"id:1,\\\n  deny\"\nSecMarker X";
        let lines: Vec<_> = Lines::new(text).map(|(line, words)| (line, words.unwrap())).collect();
        assert_eq!(lines[0], (3, vec!["SecRule".into(), "A".into(), "@rx \"\\d\\\\".into(), "id:1,deny".into()]));
        assert_eq!(lines[1].0, 6);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_refused() {
        assert!(matches!(words("SecMarker \"a"), Err(Reason::Unclosed)));
    }
}
