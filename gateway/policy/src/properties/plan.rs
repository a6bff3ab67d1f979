//! What the snapshots of a history are built from.

use std::collections::BTreeSet;

use cedar_policy::{Policy, PolicyId};
use proptest::prelude::*;

use super::{generate, toy};
use crate::Snapshot;

/// What a snapshot is built from.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    /// Texts that pass every check: a matrix, the module's policies, and what tenant 1 has of its own.
    Checked { matrix: Cells, policies: Vec<String>, own_matrix: Option<Cells>, own_policies: Vec<String> },
    /// Policies that were never validated, so that some err.
    Unchecked(Vec<String>),
}

/// The cells of a matrix: `-`, `allow`, or one of two conditions.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    cells: Vec<u8>,
    conditions: [String; 2],
}

fn cells() -> impl Strategy<Value = Cells> {
    let cell = prop_oneof![4 => Just(0_u8), 2 => Just(1), 2 => Just(2), 1 => Just(3)];
    (prop::collection::vec(cell, 12), [generate::sound_condition(), generate::sound_condition()])
        .prop_map(|(cells, conditions)| Cells { cells, conditions })
}

pub(super) fn plan() -> impl Strategy<Value = Plan> {
    let own = (prop::option::of(cells()), generate::sound_policies());
    prop_oneof![
        2 => (cells(), generate::sound_policies(), own).prop_map(|(matrix, policies, (own_matrix, own_policies))| {
            Plan::Checked { matrix, policies, own_matrix, own_policies }
        }),
        1 => generate::policies().prop_map(Plan::Unchecked),
        // Where many policies apply, most of them read the moment, and little of what else they read can be told.
        3 => generate::plain_policies().prop_map(Plan::Unchecked),
    ]
}

impl Plan {
    /// A tenant's snapshot by this plan.
    pub(super) fn build(&self, tenant: u128) -> Snapshot {
        match self {
            Self::Checked { matrix, policies, own_matrix, own_policies } => {
                let mut texts = vec![("toy/matrix.txt".to_owned(), matrix.text())];
                texts.extend(files("toy", policies));
                if tenant == 1 {
                    texts.extend(own_matrix.iter().map(|own| ("tenants/acme/toy.matrix.txt".to_owned(), own.text())));
                    texts.extend(files("tenants/acme", own_policies));
                }
                build_what_is_sound(tenant, texts)
            }
            Self::Unchecked(policies) => {
                // Its policies stand in a comment too, because a snapshot is named by its texts.
                let named = format!("# {policies:?}\n{}", toy::EMPTY_MATRIX);
                let parse = |(n, text)| Policy::parse(Some(PolicyId::new(format!("p/{n}"))), text).unwrap();
                let policies: Vec<Policy> = policies.iter().enumerate().map(parse).collect();
                let base = toy::build(tenant, &[("toy/matrix.txt".to_owned(), named)]);
                base.unwrap_or_else(|problems| panic!("{problems}")).with_policies(&policies)
            }
        }
    }
}

/// Builds from what validation lets pass: what can never hold, say, is a mistake, and generated policies make some.
fn build_what_is_sound(tenant: u128, mut texts: Vec<(String, String)>) -> Snapshot {
    loop {
        let problems = match toy::build(tenant, &texts) {
            Ok(snapshot) => return snapshot,
            Err(problems) => problems,
        };
        let unsound: BTreeSet<&str> = problems.iter().map(|problem| &*problem.place.file).collect();
        let before = texts.len();
        texts.retain(|(file, _)| !unsound.contains(file.as_str()));
        assert!(texts.len() < before, "{problems}");
    }
}

/// Each policy in a file of its own.
fn files<'p>(folder: &'p str, policies: &'p [String]) -> impl Iterator<Item = (String, String)> + 'p {
    policies
        .iter()
        .enumerate()
        .map(move |(n, policy)| (format!("{folder}/p{n}.cedar"), format!("@id(\"{folder}/p{n}\")\n{policy}\n")))
}

impl Cells {
    fn text(&self) -> String {
        let mut text = "action anonymous member one two\n".to_owned();
        for (action, cells) in ["Read", "Look", "Write"].iter().zip(self.cells.chunks(4)) {
            let cells: Vec<&str> = cells.iter().map(|cell| ["-", "allow", "c0", "c1"][usize::from(*cell)]).collect();
            text.push_str(&format!("{action} {}\n", cells.join(" ")));
        }
        for (n, condition) in (0_u8..).zip(&self.conditions).filter(|(n, _)| self.cells.contains(&(n + 2))) {
            text.push_str(&format!("\nwhen c{n}:\n    {condition}\n"));
        }
        text
    }
}
