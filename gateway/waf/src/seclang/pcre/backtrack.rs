//! A backtracking engine for the few patterns that look around or back. All searches of a transaction share a budget of
//! steps that is linear in what is inspected; one that would exceed it is refused rather than answered, as is every one
//! after it.

use std::cell::Cell;

use super::node::{Greed, Look, Node, WORD};
use super::{Groups, PatternError, StepsExceeded};
use crate::seclang::bytes::ByteSet;

/// The budget: so many steps, a few milliseconds, and so many more for every octet that is inspected. What rules look
/// around for takes a handful of steps an octet.
const STEPS_BASE: usize = 1_000_000;
const STEPS_PER_BYTE: usize = 100;
/// The budget of what is to be brief.
const STEPS_BRIEF: usize = 50_000;
/// How many instructions a pattern may come to, with all that look around in it; repetitions are written out.
const INSTRUCTIONS_MAX: usize = 200_000;
/// How many different lengths a text may have that is looked for behind.
const LENGTHS_MAX: usize = 64;

/// How many steps the searches of a transaction may still take.
#[derive(Debug)]
pub(crate) struct Steps {
    left: Cell<usize>,
    exceeded: Cell<bool>,
}

impl Default for Steps {
    fn default() -> Self {
        Self { left: Cell::new(STEPS_BASE), exceeded: Cell::new(false) }
    }
}

impl Steps {
    /// Allows for so many more octets that are inspected.
    pub(crate) fn allow(&self, bytes: usize) {
        self.left.set(self.left.get().saturating_add(bytes.saturating_mul(STEPS_PER_BYTE)));
    }

    /// Allows for no more than a fraction of a millisecond.
    pub(crate) fn be_brief(&self) {
        self.left.set(STEPS_BRIEF);
    }

    /// Whether a search was ended.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded.get()
    }
}

#[derive(Debug)]
enum Instruction {
    Byte(ByteSet),
    Look(Look),
    /// Tries the first place, then the second.
    Split(usize, usize),
    Jump(usize),
    Save(usize),
    Back {
        group: usize,
        any_case: bool,
    },
    Around {
        lengths: Vec<usize>,
        negative: bool,
        program: Box<Program>,
    },
    Atomic(Box<Program>),
    /// Notes where a round of a loop begins, and leaves the loop where a round took nothing.
    RoundBegins(usize),
    RoundEnds(usize),
    Match,
}

impl Instruction {
    fn inner_bytes(&self) -> usize {
        match self {
            Self::Around { program, .. } | Self::Atomic(program) => program.bytes(),
            _ => 0,
        }
    }
}

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Program {
    code: Vec<Instruction>,
    slots: usize,
    rounds: usize,
}

pub(super) fn compile(node: &Node) -> Result<Program, PatternError> {
    let emitted = Cell::new(0);
    let mut compiler = Compiler { code: Vec::new(), rounds: 0, emitted: &emitted };
    let group = Node::Group(0, Box::new(node.clone()));
    compiler.emit(&group)?;
    compiler.code.push(Instruction::Match);
    Ok(Program { code: compiler.code, slots: 2 * (last_group(node) + 1), rounds: compiler.rounds })
}

fn last_group(node: &Node) -> usize {
    match node {
        Node::Empty | Node::Byte(_) | Node::Look(_) | Node::Back { .. } => 0,
        Node::Group(index, node) => last_group(node).max(*index),
        Node::Concat(nodes) | Node::Alternate(nodes) => nodes.iter().map(last_group).max().unwrap_or(0),
        Node::Repeat { node, .. } | Node::Around { node, .. } | Node::Atomic(node) => last_group(node),
    }
}

struct Compiler<'e> {
    code: Vec<Instruction>,
    rounds: usize,
    /// How many nodes were written out, in all parts of the pattern: one that is empty takes its time, too.
    emitted: &'e Cell<usize>,
}

impl Compiler<'_> {
    fn emit(&mut self, node: &Node) -> Result<(), PatternError> {
        self.emitted.set(self.emitted.get() + 1);
        if self.emitted.get() > INSTRUCTIONS_MAX {
            return Err(PatternError::Syntax { at: 0, what: "it is too large" });
        }
        match node {
            Node::Empty => {}
            Node::Byte(set) => self.code.push(Instruction::Byte(*set)),
            Node::Look(look) => self.code.push(Instruction::Look(*look)),
            Node::Back { group, any_case } => {
                self.code.push(Instruction::Back { group: *group, any_case: *any_case });
            }
            Node::Group(index, node) => {
                self.code.push(Instruction::Save(2 * index));
                self.emit(node)?;
                self.code.push(Instruction::Save(2 * index + 1));
            }
            Node::Concat(nodes) => nodes.iter().try_for_each(|node| self.emit(node))?,
            Node::Alternate(nodes) => self.emit_alternatives(nodes)?,
            Node::Atomic(node) => self.code.push(Instruction::Atomic(Box::new(self.part(node)?))),
            Node::Around { behind, negative, node } => {
                let lengths = if *behind { lengths(node)? } else { vec![0] };
                let program = Box::new(self.part(node)?);
                self.code.push(Instruction::Around { lengths, negative: *negative, program });
            }
            Node::Repeat { min, max, greed: Greed::Possessive, node } => {
                let (min, max, node) = (*min, *max, node.clone());
                let greedy = Node::Repeat { min, max, greed: Greed::Greedy, node };
                self.emit(&Node::Atomic(Box::new(greedy)))?;
            }
            Node::Repeat { min, max, greed, node } => self.emit_repeat(*min, *max, *greed == Greed::Greedy, node)?,
        }
        Ok(())
    }

    fn emit_alternatives(&mut self, nodes: &[Node]) -> Result<(), PatternError> {
        let Some((first, rest)) = nodes.split_first() else { return Ok(()) };
        if rest.is_empty() {
            return self.emit(first);
        }
        let split = self.reserve();
        self.emit(first)?;
        let jump = self.reserve();
        self.patch(split, Instruction::Split(split + 1, self.code.len()));
        self.emit_alternatives(rest)?;
        self.patch(jump, Instruction::Jump(self.code.len()));
        Ok(())
    }

    fn emit_repeat(&mut self, min: u32, max: Option<u32>, greedy: bool, node: &Node) -> Result<(), PatternError> {
        let split =
            |enter, leave| if greedy { Instruction::Split(enter, leave) } else { Instruction::Split(leave, enter) };
        for _ in 0..min {
            self.emit(node)?;
        }
        let Some(max) = max else {
            let round = self.rounds;
            self.rounds += 1;
            let head = self.reserve();
            self.code.push(Instruction::RoundBegins(round));
            self.emit(node)?;
            self.code.push(Instruction::RoundEnds(round));
            self.code.push(Instruction::Jump(head));
            self.patch(head, split(head + 1, self.code.len()));
            return Ok(());
        };
        let mut heads = Vec::new();
        for _ in min..max {
            heads.push(self.reserve());
            self.emit(node)?;
        }
        for head in heads {
            self.patch(head, split(head + 1, self.code.len()));
        }
        Ok(())
    }

    /// A part that runs on its own; it keeps the whole pattern's groups.
    fn part(&self, node: &Node) -> Result<Program, PatternError> {
        let mut compiler = Compiler { code: Vec::new(), rounds: 0, emitted: self.emitted };
        compiler.emit(node)?;
        compiler.code.push(Instruction::Match);
        Ok(Program { code: compiler.code, slots: 0, rounds: compiler.rounds })
    }

    fn reserve(&mut self) -> usize {
        self.code.push(Instruction::Match);
        self.code.len() - 1
    }

    fn patch(&mut self, at: usize, instruction: Instruction) {
        if let Some(slot) = self.code.get_mut(at) {
            *slot = instruction;
        }
    }
}

/// The lengths that a text which is looked for behind may have.
fn lengths(node: &Node) -> Result<Vec<usize>, PatternError> {
    let lengths = match node {
        Node::Empty | Node::Look(_) | Node::Around { .. } => vec![0],
        Node::Byte(_) => vec![1],
        Node::Group(_, node) | Node::Atomic(node) => self::lengths(node)?,
        Node::Back { .. } => return Err(PatternError::LookBehind),
        Node::Concat(nodes) => nodes.iter().try_fold(vec![0_usize], |sums, node| {
            let more = self::lengths(node)?;
            distinct(sums.iter().flat_map(|sum| more.iter().map(move |len| sum.saturating_add(*len))).collect())
        })?,
        Node::Alternate(nodes) => {
            nodes.iter().map(self::lengths).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect()
        }
        Node::Repeat { min, max: Some(max), node, .. } if min == max => {
            let count = usize::try_from(*min).unwrap_or(usize::MAX);
            self::lengths(node)?.into_iter().map(|len| len.saturating_mul(count)).collect()
        }
        Node::Repeat { .. } => return Err(PatternError::LookBehind),
    };
    distinct(lengths)
}

fn distinct(mut lengths: Vec<usize>) -> Result<Vec<usize>, PatternError> {
    lengths.sort_unstable();
    lengths.dedup();
    if lengths.len() > LENGTHS_MAX {
        return Err(PatternError::LookBehind);
    }
    Ok(lengths)
}

/// What is undone or tried when a path fails.
enum Choice {
    Try { code: usize, at: usize },
    Slot { slot: usize, was: Option<usize> },
    Round { round: usize, was: usize },
}

struct Search<'t> {
    text: &'t [u8],
    slots: Vec<Option<usize>>,
    steps: usize,
}

impl Program {
    /// How much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let inner: usize = self.code.iter().map(Instruction::inner_bytes).sum();
        self.code.len() * size_of::<Instruction>() + inner
    }

    /// The first match's groups.
    pub(super) fn search(&self, text: &[u8], steps: &Steps) -> Result<Option<Groups>, StepsExceeded> {
        if steps.is_exceeded() {
            return Err(StepsExceeded);
        }
        let mut search = Search { text, slots: vec![None; self.slots], steps: steps.left.get() };
        let found = search.anywhere(self);
        steps.left.set(search.steps);
        steps.exceeded.set(found.is_err());
        Ok(found?.then(|| search.groups()))
    }
}

impl Search<'_> {
    fn anywhere(&mut self, program: &Program) -> Result<bool, StepsExceeded> {
        for at in 0..=self.text.len() {
            if self.run(program, at)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn groups(&self) -> Groups {
        let span = |pair: &[Option<usize>]| match pair {
            [Some(start), Some(end)] => Some((*start, *end)),
            _ => None,
        };
        self.slots.chunks_exact(2).map(span).collect()
    }

    /// Runs a program from a place; where it matched, the place behind the match.
    fn run(&mut self, program: &Program, at: usize) -> Result<Option<usize>, StepsExceeded> {
        let mut rounds = vec![usize::MAX; program.rounds];
        let mut choices = vec![Choice::Try { code: 0, at }];
        while let Some(choice) = choices.pop() {
            match choice {
                Choice::Slot { slot, was } => self.set_slot(slot, was),
                Choice::Round { round, was } => set(&mut rounds, round, was),
                Choice::Try { code, at } => {
                    if let Some(end) = self.follow(program, code, at, &mut rounds, &mut choices)? {
                        return Ok(Some(end));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Follows one path until it matches or fails; what else could be tried is pushed.
    fn follow(
        &mut self,
        program: &Program,
        mut code: usize,
        mut at: usize,
        rounds: &mut [usize],
        choices: &mut Vec<Choice>,
    ) -> Result<Option<usize>, StepsExceeded> {
        while let Some(instruction) = program.code.get(code) {
            self.steps = self.steps.checked_sub(1).ok_or(StepsExceeded)?;
            code += 1;
            match instruction {
                Instruction::Match => return Ok(Some(at)),
                Instruction::Byte(set) => match self.text.get(at) {
                    Some(byte) if set.contains(*byte) => at += 1,
                    _ => return Ok(None),
                },
                Instruction::Look(look) => {
                    if !self.holds(*look, at) {
                        return Ok(None);
                    }
                }
                Instruction::Split(first, second) => {
                    choices.push(Choice::Try { code: *second, at });
                    code = *first;
                }
                Instruction::Jump(to) => code = *to,
                Instruction::Save(slot) => {
                    choices.push(Choice::Slot { slot: *slot, was: self.slots.get(*slot).copied().flatten() });
                    self.set_slot(*slot, Some(at));
                }
                Instruction::RoundBegins(round) => {
                    let was = rounds.get(*round).copied().unwrap_or(usize::MAX);
                    choices.push(Choice::Round { round: *round, was });
                    set(rounds, *round, at);
                }
                Instruction::RoundEnds(round) => {
                    if rounds.get(*round) == Some(&at) {
                        code += 1; // Past the jump back: the round took nothing, and would never end.
                    }
                }
                Instruction::Back { group, any_case } => match self.back(*group, *any_case, at) {
                    Some(end) => at = end,
                    None => return Ok(None),
                },
                Instruction::Atomic(program) => match self.run(program, at)? {
                    Some(end) => at = end,
                    None => return Ok(None),
                },
                Instruction::Around { lengths, negative, program } => {
                    let mut found = false;
                    for from in lengths.iter().filter_map(|len| at.checked_sub(*len)) {
                        let end = self.run(program, from)?;
                        // Looking behind, what is found must end here.
                        found |= end.is_some_and(|end| end == at || lengths.as_slice() == [0]);
                    }
                    if found == *negative {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(None)
    }

    fn set_slot(&mut self, slot: usize, value: Option<usize>) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = value;
        }
    }

    fn back(&mut self, group: usize, any_case: bool, at: usize) -> Option<usize> {
        let start = (*self.slots.get(2 * group)?)?;
        let end = (*self.slots.get(2 * group + 1)?)?;
        let was = self.text.get(start..end)?;
        let here = self.text.get(at..at + was.len())?;
        self.steps = self.steps.saturating_sub(was.len());
        let same = if any_case { was.eq_ignore_ascii_case(here) } else { was == here };
        same.then_some(at + was.len())
    }

    fn holds(&self, look: Look, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|at| self.text.get(at));
        let after = self.text.get(at);
        let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| WORD.contains(*byte));
        match look {
            Look::Start => before.is_none(),
            Look::End => after.is_none(),
            Look::LineStart => before.is_none_or(|byte| *byte == b'\n'),
            Look::LineEnd => after.is_none_or(|byte| *byte == b'\n'),
            Look::WordBoundary => is_word(before) != is_word(after),
            Look::NoWordBoundary => is_word(before) == is_word(after),
        }
    }
}

fn set(places: &mut [usize], index: usize, value: usize) {
    if let Some(place) = places.get_mut(index) {
        *place = value;
    }
}
