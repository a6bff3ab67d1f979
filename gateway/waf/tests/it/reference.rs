//! `docs/reference/seclang.md`: its tables are the engine's own.

use std::fmt::Write as _;

use cedargate_waf::seclang::{RuleSet, Table};

/// Writes the page anew instead of comparing it.
const UPDATE: &str = "CEDARGATE_UPDATE_DOCS";
const HEAD: &str = include_str!("seclang_head.txt");

#[test]
fn the_reference_lists_what_the_engine_has() {
    let mut page = HEAD.to_owned();
    for (title, table) in
        [("Variables", Table::Variables), ("Transformations", Table::Transformations), ("Operators", Table::Operators)]
    {
        write!(page, "\n## {title}\n\n| name | what it is |\n|---|---|\n").unwrap();
        for (name, about) in RuleSet::table(table) {
            writeln!(page, "| `{name}` | {about} |").unwrap();
        }
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/seclang.md");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(file, &page).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap_or_default();
    assert!(found == page, "docs/reference/seclang.md is out of date: run `{UPDATE}=1 cargo test -p cedargate-waf`");
}
