//! axe-core, by npm: judges a page for those who cannot see or use it as others do (WCAG 2.2, A and AA, and best practices).

use std::{fs, io};

use serde_json::Value;

use crate::browser::Browser;
use crate::npm;

/// What it is made of.
const FILES: [(&str, &str); 2] = [
    ("package.json", include_str!("../axe/package.json")),
    ("package-lock.json", include_str!("../axe/package-lock.json")),
];

/// The judge's script.
pub struct Axe(String);

impl Axe {
    /// Installs it; none where there is no `npm`.
    ///
    /// # Errors
    /// It cannot be installed.
    pub fn install() -> io::Result<Option<Self>> {
        let Some(place) = npm::install("axe", &FILES)? else { return Ok(None) };
        fs::read_to_string(place.join("node_modules/axe-core/axe.min.js")).map(|script| Some(Self(script)))
    }

    /// What is wrong with the page, one line each: rule, and the first place.
    ///
    /// # Errors
    /// The browser runs no scripts, or does not answer.
    pub fn violations(&self, browser: &Browser) -> io::Result<Vec<String>> {
        // Given by the driver and not by the page, so that the page's policy, which lets no other script in, says nothing to it.
        let script = format!(
            "{}; const done = arguments[arguments.length - 1];
             axe.run().then((found) => done(found.violations.map((rule) =>
               `${{rule.id}}: ${{rule.nodes.length}} times, at ${{rule.nodes[0].html}}; ${{rule.nodes[0].failureSummary}}`)),
               (error) => done([String(error)]));",
            self.0
        );
        let found = browser.evaluate_async(&script)?;
        let lines = found.as_array().map(|lines| lines.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        lines.ok_or_else(|| io::Error::other(format!("no list of violations: {found}")))
    }
}
