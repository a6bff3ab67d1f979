//! The only place that writes to the terminal.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use super::ending::Failure;

/// Where a command says its answer: text for people, or JSON for programs.
pub(crate) struct Output {
    json: bool,
    /// Why an answer did not arrive.
    lost: RefCell<Option<io::Error>>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, lost: RefCell::default() }
    }

    /// Says the answer: `text` for people, `value` as one line of JSON for programs.
    pub(crate) fn answer(&self, value: &impl Serialize, text: impl Display) {
        if self.json { self.value(value) } else { self.text(text) }
    }

    /// Says a value as one line of JSON.
    pub(crate) fn value(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.line(text),
            Err(error) => {
                beside(format_args!("error: the answer cannot be written as JSON: {error}"));
            }
        }
    }

    /// Says something for people that stands as it is, such as a file's text.
    pub(crate) fn text(&self, text: impl Display) {
        self.line(shown(text));
    }

    /// Says something beside the answer.
    pub(crate) fn note(&self, text: impl Display) {
        beside(format_args!("note: {text}"));
    }

    /// Whether everything said has arrived. A password that was drawn or a key that was exported is gone otherwise.
    pub(crate) fn arrived(&self) -> Result<(), Failure> {
        let lost = self.lost.take();
        lost.map_or(Ok(()), |error| Err(Failure::unavailable_because("the answer cannot be written", &error)))
    }

    fn line(&self, text: impl Display) {
        match line(io::stdout().lock(), text) {
            // A reader that has gone away (`cedargate audit show | head`) is no error of ours.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => drop(self.lost.replace(Some(error))),
            Ok(()) | Err(_) => {}
        }
    }

    /// Says why there is no answer: for people on standard error, for programs also as JSON.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.said {
            return;
        }
        if self.json {
            self.value(&json!({ "error": failure.message, "mistakes": failure.mistakes }));
        }
        beside(format_args!("error: {}", failure.message));
    }
}

/// A text as a terminal may show it. What clients sent stands in audit logs; it must not move the operator's cursor, change
/// what is on the screen, or turn the direction of what follows.
fn shown(text: impl Display) -> String {
    let mut shown = String::new();
    for c in text.to_string().chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
                shown.extend(c.escape_unicode())
            }
            c if c.is_control() => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// On standard error. Where even that cannot be written, the exit code is left.
fn beside(text: impl Display) {
    let _unheard = line(io::stderr().lock(), shown(text));
}

fn line(mut to: impl Write, text: impl Display) -> io::Result<()> {
    writeln!(to, "{}", text.to_string().trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_a_client_sent_does_nothing_to_a_terminal() {
        assert_eq!(shown("BR\u{1b}[2JEW\r\u{9b}2J\u{7f}"), "BR\\u{1b}[2JEW\\u{d}\\u{9b}2J\\u{7f}");
        assert_eq!(shown("a\u{202e}b\u{2066}c"), "a\\u{202e}b\\u{2066}c");
        assert_eq!(shown("zwei Zeilen\n\tfür „jeden“"), "zwei Zeilen\n\tfür „jeden“");
    }
}
