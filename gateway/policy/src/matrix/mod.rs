//! The permission matrix: role x action as text under review, which compiles to static Cedar policies.
//!
//! ```text
//! # What is written above a line belongs to it.
//! action      anonymous  clerk  manager
//! UpdateItem  -          allow  allow
//! RecallLot   -          -      strong-signin
//!
//! when strong-signin:
//!     context.authn.level >= 2
//! ```

mod compile;
mod edit;
mod parse;
mod text;

use std::sync::Arc;

use cedargate_model::RoleName;

use crate::{Place, Problems};

pub use compile::{CompiledCell, MatrixTarget};
pub use edit::CellError;
pub(crate) use parse::is_action_name;

/// A permission matrix. Displays as canonical text, which parses to the same matrix.
#[derive(Clone, Debug)]
pub struct Matrix {
    pub(super) file: Arc<str>,
    pub(super) header_notes: Vec<String>,
    pub(super) roles: Vec<Placed<RoleName>>,
    pub(super) rows: Vec<Row>,
    pub(super) conditions: Vec<Condition>,
    pub(super) closing_notes: Vec<String>,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// What each role may do about one action.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) notes: Vec<String>,
    pub(super) action: Placed<Arc<str>>,
    pub(super) cells: Vec<Placed<Cell>>,
}

/// What one role may do about one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `-`: nothing here permits it.
    Nothing,
    /// `allow`: permitted.
    Allow,
    /// A condition's name: permitted when it holds.
    When(Arc<str>),
}

/// A named Cedar expression.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) notes: Vec<String>,
    pub(super) name: Placed<Arc<str>>,
    /// The expression's lines without their common indentation.
    pub(super) lines: Vec<String>,
}

impl Matrix {
    /// Reads a matrix. `file` names it in problems.
    ///
    /// # Errors
    /// Every mistake, with its place: an unknown line, a row of another length than the header, a repeated role,
    /// action or condition, a condition that is missing, unused or no Cedar expression.
    pub fn parse(text: &str, file: &str) -> Result<Self, Problems> {
        parse::parse(text, file)
    }

    /// The file that it was read from.
    pub(crate) fn file(&self) -> Arc<str> {
        Arc::clone(&self.file)
    }

    /// The roles and where each is named.
    pub(crate) fn placed_roles(&self) -> impl Iterator<Item = (&RoleName, &Place)> {
        self.roles.iter().map(|role| (&role.value, &role.place))
    }

    /// The actions and where each row begins.
    pub(crate) fn placed_actions(&self) -> impl Iterator<Item = (&Arc<str>, &Place)> {
        self.rows.iter().map(|row| (&row.action.value, &row.action.place))
    }

    /// The roles, in the order of the columns.
    pub fn roles(&self) -> impl Iterator<Item = &RoleName> {
        self.roles.iter().map(|role| &role.value)
    }

    /// The actions, in the order of the rows.
    pub fn actions(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rows.iter().map(|row| &row.action.value)
    }

    /// What a role may do about an action; none where the matrix has no such row or column.
    pub fn cell(&self, role: &str, action: &str) -> Option<&Cell> {
        let column = self.roles.iter().position(|r| r.value.as_str() == role)?;
        let row = self.rows.iter().find(|row| *row.action.value == *action)?;
        row.cells.get(column).map(|cell| &cell.value)
    }
}

#[cfg(test)]
mod tests;
