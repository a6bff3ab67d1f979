//! What a decision is made from, input by input: whether the questions asked could tell a cache that leaves one out.

use std::collections::HashMap;

use cedargate_model::{Caller, SnapshotId};

use crate::Context;
use crate::judge::Outcome;

/// A question's inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Snapshot,
    Action,
    Resource,
    Who,
    Tenant,
    Roles,
    Level,
    Methods,
    Age,
    Now,
    Client,
    Score,
    Credential,
}

const ALL: [Input; 13] = [
    Input::Snapshot,
    Input::Action,
    Input::Resource,
    Input::Who,
    Input::Tenant,
    Input::Roles,
    Input::Level,
    Input::Methods,
    Input::Age,
    Input::Now,
    Input::Client,
    Input::Score,
    Input::Credential,
];

/// A question as it was asked.
pub(super) struct Asked<'a> {
    pub(super) snapshot: &'a SnapshotId,
    pub(super) address: usize,
    pub(super) caller: &'a Caller,
    pub(super) context: &'a Context,
}

impl Asked<'_> {
    fn input(&self, input: Input) -> String {
        let (action, resource) = super::toy::ADDRESSES[self.address];
        let principal = self.caller.principal();
        match input {
            Input::Snapshot => self.snapshot.to_string(),
            Input::Action => action.to_owned(),
            Input::Resource => resource.to_owned(),
            Input::Who => format!("{:?}", principal.map(|p| p.id)),
            Input::Tenant => format!("{:?}", principal.map(|p| p.tenant)),
            Input::Roles => format!("{:?}", principal.map(|p| &p.roles)),
            Input::Level => format!("{:?}", principal.map(|p| p.strength.level)),
            Input::Methods => format!("{:?}", principal.map(|p| &p.strength.methods)),
            Input::Age => format!("{:?}", principal.map(|p| self.context.now.since(p.authenticated_at).as_secs())),
            Input::Now => self.context.now.epoch_seconds().to_string(),
            Input::Client => self.context.client.to_canonical().to_string(),
            Input::Score => format!("{:?}", self.context.waf),
            Input::Credential => format!("{:?}", principal.map(|p| p.credential)),
        }
    }
}

/// One cache for each input that does not look at it.
#[derive(Default)]
pub(super) struct Blindfolds {
    answers: HashMap<(u8, Vec<String>), Outcome>,
    wrong: HashMap<u8, u32>,
    questions: u32,
}

impl Blindfolds {
    /// Notes a question with its true answer, and which caches would have given another.
    pub(super) fn see(&mut self, asked: &Asked<'_>, answer: &Outcome) {
        self.questions += 1;
        for left_out in ALL {
            let key = ALL.iter().filter(|input| **input != left_out).map(|input| asked.input(*input)).collect();
            let kept = self.answers.entry((left_out as u8, key)).or_insert_with(|| answer.clone());
            if kept != answer {
                *self.wrong.entry(left_out as u8).or_default() += 1;
                kept.clone_from(answer);
            }
        }
    }

    /// Begins anew with other snapshots.
    pub(super) fn forget(&mut self) {
        self.answers.clear();
    }

    pub(super) fn questions(&self) -> u32 {
        self.questions
    }

    /// The inputs that made no difference by themselves.
    pub(super) fn never_mattered(&self) -> impl Iterator<Item = Input> {
        ALL.into_iter().filter(|input| !self.wrong.contains_key(&(*input as u8)))
    }

    /// How often each input by itself made the difference.
    pub(super) fn shown(&self) -> String {
        let count = |input: &Input| self.wrong.get(&(*input as u8)).copied().unwrap_or_default();
        ALL.iter().map(|input| format!("{input:?} {}", count(input))).collect::<Vec<_>>().join(", ")
    }
}
