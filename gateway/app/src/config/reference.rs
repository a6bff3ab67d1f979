//! The reference page, made from the keys that the loader reads by.

use std::fmt::Write as _;

use super::TABLES;
use super::connections::FILE_TABLES;
use super::environment::VARIABLES;
use super::key::{Fallback, Key, Table};
use super::workloads;

/// `docs/reference/configuration.md`.
pub(crate) fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    tables(&mut page, TABLES);
    page.push_str(
        "\n## Environment\n\nA variable that is set and empty counts as not set.\n\n| variable | |\n|---|---|\n",
    );
    for (name, about) in VARIABLES {
        let _infallible = writeln!(page, "| `{name}` | {} |", cell(about));
    }
    page
}

/// `docs/reference/connections.md`.
pub(crate) fn connections_reference() -> String {
    let mut page = String::from(CONNECTIONS);
    tables(&mut page, FILE_TABLES);
    page
}

/// `docs/reference/workloads.md`.
pub(crate) fn workloads_reference() -> String {
    let mut page = String::from(WORKLOADS);
    tables(&mut page, workloads::FILE_TABLES);
    page
}

fn tables(page: &mut String, tables: &[Table]) {
    for table in tables {
        let _infallible = write!(page, "\n## `{}`\n\n{}\n", table.header, table.about);
        page.push_str("\n| key | value | default | |\n|---|---|---|---|\n");
        for key in table.keys {
            page.push_str(&row(key));
        }
    }
}

const CONNECTIONS: &str = "\
# Connections to identity providers

<!-- Made by `cedargate idp reference`. Change the keys in `gateway/app/src/config/connections.rs` instead. -->

One file for each tenant, `TENANT.toml`, in the directory that `connections.dir` of the [configuration](configuration.md) names. Relative
paths in it are taken from the file's own directory. Secrets do not stand in it. `cedargate idp check` reports every mistake of every
file with its place, and with `--online` asks the providers; `cedargate idp preview` shows what a sample token comes to. How to set a provider
up stands in the [guides](../guides/sso/README.md).
";

const WORKLOADS: &str = "\
# Issuers that vouch for programs

<!-- Made by `cedargate config reference --workloads`. Change the keys in `gateway/app/src/config/workloads.rs` instead. -->

One file for each tenant, `TENANT.toml`, in the directory that `workloads.dir` of the [configuration](configuration.md) names. Relative
paths in it are taken from the file's own directory. `cedargate config check` reports every mistake of every file with its place. How
programs use it stands in the [guide](../guides/programs.md#programs-that-another-issuer-vouches-for).
";

const INTRODUCTION: &str = "\
# Configuration

<!-- Made by `cedargate config reference`. Change the keys in `gateway/app/src/config/` instead. -->

One TOML file: `--config PATH`, else the environment variable `CEDARGATE_CONFIG`, else `cedargate.toml` in the working
directory. Relative paths in it are taken from the file's own directory. Every key but those marked *required* may be
left out; a key that is not known is a mistake. `cedargate config check` reports all mistakes at once, each with its
place, and does what a start does up to opening listeners.

Secrets do not stand in the file: it names files, or the environment has them.
";

fn row(key: &Key) -> String {
    let default = match key.fallback {
        Fallback::Required => "*required*".to_owned(),
        Fallback::Value(literal) => format!("`{literal}`"),
        Fallback::Words(words) => words.to_owned(),
    };
    let environment = key.environment.map_or_else(String::new, |name| format!(" `{name}` overrides it."));
    format!(
        "| `{}` | {} | {} | {}{environment} |\n",
        key.name,
        cell(&key.shape.describe()),
        cell(&default),
        cell(key.about)
    )
}

/// A table's cell ends at a bar.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
