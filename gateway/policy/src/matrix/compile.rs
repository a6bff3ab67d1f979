//! From cells to static Cedar policies, so that permissions can be indexed and analysed.

use std::fmt::Write as _;
use std::sync::Arc;

use cedargate_model::{PolicyId, RoleName};

use super::{Cell, Matrix};
use crate::Place;

/// What a matrix is about.
#[derive(Clone, Copy, Debug)]
pub struct MatrixTarget<'a> {
    /// The Cedar namespace of the actions, for example `Inventory`.
    pub namespace: &'a str,
    /// What policy ids begin with, for example `inventory/matrix`.
    pub id_prefix: &'a str,
}

/// One permission.
#[derive(Clone, Debug)]
pub struct CompiledCell {
    /// `inventory/matrix/<role>/<Action>`.
    pub id: PolicyId,
    /// The role.
    pub role: RoleName,
    /// The action's name.
    pub action: Arc<str>,
    /// The policy as Cedar text. None where the cell is `-`, which permits nothing.
    pub policy: Option<String>,
    /// Where the cell stands.
    pub place: Place,
}

impl Matrix {
    /// Every cell as a policy, row by row.
    pub fn compile(&self, target: MatrixTarget<'_>) -> Vec<CompiledCell> {
        let mut compiled = Vec::new();
        for row in &self.rows {
            for (role, cell) in self.roles.iter().zip(&row.cells) {
                let (role, action) = (&role.value, &row.action.value);
                let id: PolicyId = format!("{}/{role}/{action}", target.id_prefix).as_str().into();
                let policy = match &cell.value {
                    Cell::Nothing => None,
                    Cell::Allow => Some(self.permit(&id, target, role, action, &cell.place, None)),
                    Cell::When(name) => Some(self.permit(&id, target, role, action, &cell.place, Some(name))),
                };
                compiled.push(CompiledCell {
                    id,
                    role: role.clone(),
                    action: Arc::clone(action),
                    policy,
                    place: cell.place.clone(),
                });
            }
        }
        compiled
    }

    fn permit(
        &self,
        id: &PolicyId,
        target: MatrixTarget<'_>,
        role: &RoleName,
        action: &str,
        place: &Place,
        condition: Option<&Arc<str>>,
    ) -> String {
        // Role and action names have no character that Cedar would read as anything else.
        let mut text = format!(
            "@id(\"{id}\")\n@description(\"{}, line {}: `{role}` may `{action}`{}.\")\npermit (\n  principal in \
             Cedargate::Role::\"{role}\",\n  action == {}::Action::\"{action}\",\n  resource\n)",
            self.file,
            place.line,
            condition.map(|name| format!(" when `{name}`")).unwrap_or_default(),
            target.namespace,
        );
        if let Some(condition) = self.conditions.iter().find(|c| Some(&c.name.value) == condition) {
            // On lines of its own, so that a comment in it ends before the brace.
            let lines: Vec<String> = condition.lines.iter().map(|line| format!("  {line}\n")).collect();
            // Writing to a `String` cannot fail.
            let _ = write!(text, " when {{\n{}}}", lines.concat());
        }
        text.push(';');
        text
    }
}
