//! `cedargate policy matrix`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use cedargate_policy::{Cell, Matrix, Model, Snapshot, Sources, Whose};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::super::output::Output;
use super::super::{Ending, Failure};
use super::tenants::{self, Tenants};

/// Show who may do what in a module, or change one cell of it
///
/// A cell is `allow`, `-` or the name of a condition, which stands below. Actions about which more than the matrix decides
/// say so. With `--set` nothing but that cell's policy changes, and nothing is written where the whole would have a mistake.
#[derive(Debug, Args)]
pub(crate) struct ShowMatrix {
    /// The policy directory
    #[arg(value_name = "DIR")]
    policies: PathBuf,
    /// The module
    module: String,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// As it is for this tenant, with the cells that it has of its own
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Write one cell: the role, the action, and `allow`, `deny` or the name of a condition of the file
    #[arg(long, num_args = 3, value_names = ["ROLE", "ACTION", "CELL"])]
    set: Vec<String>,
    /// Answer as JSON: {"module", "roles", "actions": [{"action", "cells": {ROLE: CELL}, "also"}], "conditions"}
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns for a terminal
    Text,
    /// Comma-separated values, as spreadsheets read them
    Csv,
    /// A table in Markdown
    Markdown,
}

#[derive(Serialize)]
struct Shown {
    module: String,
    roles: Vec<String>,
    actions: Vec<ShownAction>,
    conditions: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct ShownAction {
    action: String,
    cells: BTreeMap<String, String>,
    /// The policies beside the matrix and the guard-rails that can decide, too.
    also: Vec<String>,
}

impl ShowMatrix {
    pub(super) fn run(self, output: &Output) -> Result<Ending, Failure> {
        let sources = tenants::read(&self.policies)?;
        if !sources.modules().contains(self.module.as_str()) {
            return Err(Failure::mistake(format!("there is no module `{}`", self.module)));
        }
        if let [role, action, cell] = self.set.as_slice() {
            return self.set(output, role, action, Cell::of(cell));
        }
        let shown = self.shown(&sources)?;
        if self.json {
            output.value(&shown);
        } else {
            output.text(match self.format {
                Format::Text => shown.text(),
                Format::Csv => shown.csv(),
                Format::Markdown => shown.markdown(),
            });
        }
        Ok(Ending::Done)
    }

    fn own_file(&self) -> Option<PathBuf> {
        let tenant = self.tenant.as_ref()?;
        Some(self.policies.join("tenants").join(tenant).join(format!("{}.matrix.txt", self.module)))
    }

    fn shown(&self, sources: &Sources) -> Result<Shown, Failure> {
        let scope = Tenants::with_module(sources, self.tenant.as_deref(), &self.module)?;
        let model = tenants::built(&self.policies, Model::build(sources, &scope))?;
        let base = self.read(&self.policies.join(&self.module).join("matrix.txt"))?;
        let own = self.own_file().filter(|file| file.is_file()).map(|file| self.read(&file)).transpose()?;
        let cell = |role: &str, action: &str| {
            let own = own.as_ref().and_then(|own| own.cell(role, action));
            own.or_else(|| base.cell(role, action)).map(Cell::to_string).unwrap_or_default()
        };
        let roles: Vec<String> = base.roles().map(ToString::to_string).collect();
        let actions = base.actions().map(|action| {
            let found = model.actions().find(|a| *a.route().module == *self.module && a.name() == &**action);
            let policies = found.map(|found| found.policies()).unwrap_or_default();
            let also = model.policies().filter(|p| p.whose == Whose::Author && policies.contains_key(p.id.as_str()));
            ShownAction {
                action: action.to_string(),
                cells: roles.iter().map(|role| (role.clone(), cell(role, action))).collect(),
                also: also.map(|policy| policy.id.to_string()).collect(),
            }
        });
        let conditions = base.conditions().chain(own.iter().flat_map(Matrix::conditions));
        Ok(Shown {
            module: self.module.clone(),
            actions: actions.collect(),
            conditions: conditions.map(|(name, text)| (name.to_string(), text)).collect(),
            roles,
        })
    }

    fn read(&self, file: &Path) -> Result<Matrix, Failure> {
        let text = fs::read_to_string(file)
            .map_err(|error| Failure::unavailable_because(format!("`{}`", file.display()), &error))?;
        tenants::built(Path::new(""), Matrix::parse(&text, &file.display().to_string()))
    }

    fn set(&self, output: &Output, role: &str, action: &str, cell: Cell) -> Result<Ending, Failure> {
        let file = self.own_file().unwrap_or_else(|| self.policies.join(&self.module).join("matrix.txt"));
        let matrix = self.read(&file)?;
        let (changed, unused) = matrix.with_cell(role, action, cell).map_err(|error| Failure::mistaken(&error))?;
        let before = fs::read_to_string(&file)
            .map_err(|error| Failure::unavailable_because(format!("`{}`", file.display()), &error))?;
        let text = changed.to_string();
        replace(&file, &text)?;
        // The whole is checked as it would be before it is live; what does not fit is taken back.
        let scopes = Tenants::all();
        let checked = tenants::read(&self.policies).and_then(|sources| {
            let scopes = scopes.scopes(&sources)?;
            scopes
                .iter()
                .try_for_each(|scope| tenants::built(&self.policies, Snapshot::build(&sources, scope).map(drop)))
        });
        if let Err(failure) = checked {
            replace(&file, &before)?;
            return Err(failure);
        }
        for condition in unused {
            output.note(format!("no cell uses the condition `{condition}` any more, so it is gone"));
        }
        output.answer(&serde_json::json!({ "file": file, "changed": before != text }), file.display());
        Ok(Ending::Done)
    }
}

/// Puts a text in a file's place, whole or not at all.
fn replace(file: &Path, text: &str) -> Result<(), Failure> {
    let beside = file.with_extension("txt.new");
    let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, file));
    written.map_err(|error| Failure::unavailable_because(format!("`{}` cannot be written", file.display()), &error))
}

impl Shown {
    fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        let header = std::iter::once("action").chain(self.roles.iter().map(String::as_str)).collect();
        std::iter::once(header).chain(self.actions.iter().map(|action| {
            let cells = self.roles.iter().map(|role| action.cells.get(role).map_or("", String::as_str));
            std::iter::once(action.action.as_str()).chain(cells).collect()
        }))
    }

    fn text(&self) -> String {
        let widths: Vec<usize> = (0..=self.roles.len())
            .map(|n| self.rows().filter_map(|row| row.get(n).map(|cell| cell.len())).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        let also = std::iter::once([].as_slice()).chain(self.actions.iter().map(|action| action.also.as_slice()));
        for (row, also) in self.rows().zip(also) {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            let also = if also.is_empty() { String::new() } else { format!("  and {}", also.join(", ")) };
            let _ = writeln!(text, "{}", format!("{}{also}", cells.join("  ")).trim_end());
        }
        for (name, expression) in &self.conditions {
            let _ = writeln!(text, "\nwhen {name}:");
            for line in expression.lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
        text
    }

    fn csv(&self) -> String {
        // Names of roles, actions and conditions have neither commas nor quotes.
        self.rows().map(|row| row.join(",") + "\n").collect()
    }

    fn markdown(&self) -> String {
        let mut text = String::new();
        for (n, row) in self.rows().enumerate() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
            if n == 0 {
                let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
            }
        }
        for (name, expression) in &self.conditions {
            let _ = writeln!(text, "\n`{name}`: `{}`", expression.replace('\n', " "));
        }
        for action in self.actions.iter().filter(|action| !action.also.is_empty()) {
            let _ = writeln!(text, "\n`{}` is also decided by {}.", action.action, action.also.join(", "));
        }
        text
    }
}
