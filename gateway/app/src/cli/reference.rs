//! `docs/reference/cli.md`, made from what `--help` says, and the test that it is not out of date.

use std::fmt::Write as _;

use clap::CommandFactory as _;

use super::Cli;

/// Writes the page anew instead of comparing it.
const UPDATE: &str = "CEDARGATE_UPDATE_DOCS";

#[test]
fn the_cli_reference_is_what_help_says() {
    let mut page = String::from(
        "# Command line\n\n<!-- Made from `cedargate --help`; `CEDARGATE_UPDATE_DOCS=1 cargo test -p cedargate` writes it anew. -->\n",
    );
    let mut root = Cli::command().term_width(100);
    root.build();
    document(&mut page, &mut root, "cedargate");
    committed("docs/reference/cli.md", &page);
}

#[test]
fn the_configuration_reference_is_what_the_loader_reads() {
    committed("docs/reference/configuration.md", &crate::config::reference());
}

#[test]
fn the_reference_of_connections_is_what_the_loader_reads() {
    committed("docs/reference/connections.md", &crate::config::connections_reference());
}

#[test]
fn the_reference_of_workloads_is_what_the_loader_reads() {
    committed("docs/reference/workloads.md", &crate::config::workloads_reference());
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

fn committed(path: &str, page: &str) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../").to_owned() + path;
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&file, page).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == page, "{path} is out of date: run `{UPDATE}=1 cargo test -p cedargate`");
}

fn document(page: &mut String, command: &mut clap::Command, path: &str) {
    let help = command.render_long_help().to_string();
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    write!(page, "\n## `{path}`\n\n```text\n{}\n```\n", help.join("\n").trim_end()).unwrap();
    for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        document(page, sub, &path);
    }
}
