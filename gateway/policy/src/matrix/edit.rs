//! Changing one cell.

use std::sync::Arc;

use super::{Cell, Matrix};

/// Why a cell cannot be what it is wanted to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    /// No such column.
    #[error("the matrix has no column for the role `{0}`")]
    Role(String),
    /// No such row.
    #[error("the matrix has no row for the action `{0}`")]
    Action(String),
    /// No such condition.
    #[error("`{0}` is not `allow`, `-` or a condition of this matrix; write its `when {0}:` into the file first")]
    Condition(String),
}

impl Cell {
    /// Reads a cell as it stands in a matrix. `deny` is another word for `-`.
    pub fn of(word: &str) -> Self {
        match word {
            "-" | "deny" => Self::Nothing,
            "allow" => Self::Allow,
            name => Self::When(name.into()),
        }
    }
}

impl Matrix {
    /// The same matrix but for one cell, and the conditions that no cell uses any more, which are gone.
    ///
    /// # Errors
    /// There is no such cell, or no such condition.
    pub fn with_cell(&self, role: &str, action: &str, cell: Cell) -> Result<(Self, Vec<Arc<str>>), CellError> {
        if let Cell::When(name) = &cell
            && !self.conditions.iter().any(|condition| condition.name.value == *name)
        {
            return Err(CellError::Condition(name.to_string()));
        }
        let column = self.roles.iter().position(|other| other.value.as_str() == role);
        let column = column.ok_or_else(|| CellError::Role(role.to_owned()))?;
        let mut changed = self.clone();
        let row = changed.rows.iter_mut().find(|row| *row.action.value == *action);
        let placed = row.and_then(|row| row.cells.get_mut(column));
        placed.ok_or_else(|| CellError::Action(action.to_owned()))?.value = cell;
        let cells = || changed.rows.iter().flat_map(|row| &row.cells).map(|cell| &cell.value);
        let unused: Vec<Arc<str>> = changed
            .conditions
            .iter()
            .map(|condition| Arc::clone(&condition.name.value))
            .filter(|name| !cells().any(|cell| *cell == Cell::When(Arc::clone(name))))
            .collect();
        changed.conditions.retain(|condition| !unused.contains(&condition.name.value));
        Ok((changed, unused))
    }

    /// The conditions: their names and expressions.
    pub fn conditions(&self) -> impl Iterator<Item = (&Arc<str>, String)> {
        self.conditions.iter().map(|condition| (&condition.name.value, condition.lines.join("\n")))
    }
}
