//! From directives to a program: ids, markers, removals and updates are resolved, patterns compiled.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::ast::{self, Action, Directive, Disruption, Kind, OperatorCall, Position, Selection, Selector, Setting};
use super::error::{LoadError, Reason};
use super::operator;
use super::parse::Files;
use super::pcre::{Pattern, Steps};
use super::program::{Control, Link, Outcome, Program, Rule, Select, Set, SetName, SetTo, Settings, Target};
use super::template::{Part, Template};
use super::variable::{self, Counted, List};

/// What a rule that blocks without a status answers with.
const STATUS: u16 = 403;

/// How much memory the patterns and phrases of a rule set may take: ten times CRS's.
const AUTOMATA_BYTES_MAX: usize = 128 << 20;

/// What linking gives: the program, and what is worth knowing though it is no mistake.
pub(crate) struct Linked {
    pub(crate) program: Program,
    pub(crate) warnings: Vec<Warning>,
}

/// Something in the rules that has less effect than it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where it stands.
    pub position: Position,
    /// What it is.
    pub what: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.position, self.what)
    }
}

/// A rule before it is linked.
struct Draft {
    id: u64,
    phase: u8,
    position: Position,
    links: Vec<(Vec<ast::Target>, OperatorCall, Vec<Action>, Position)>,
    /// Where it stands among directives: markers are behind it or not.
    order: usize,
}

impl Draft {
    fn actions(&self) -> impl Iterator<Item = &Action> {
        self.links.first().into_iter().flat_map(|(_, _, actions, _)| actions)
    }

    fn is_selected(&self, selection: &Selected) -> bool {
        match selection {
            Selected::Ids(ids) => ids.iter().any(|(first, last)| (*first..=*last).contains(&self.id)),
            Selected::Tag(pattern) => {
                self.actions().any(|action| matches!(action, Action::Tag(tag) if matches(pattern, tag)))
            }
            Selected::Message(pattern) => {
                self.actions().any(|action| matches!(action, Action::Message(text) if matches(pattern, text)))
            }
        }
    }
}

enum Selected {
    Ids(Vec<(u64, u64)>),
    Tag(Pattern),
    Message(Pattern),
}

fn matches(pattern: &Pattern, text: &str) -> bool {
    pattern.is_match(text.as_bytes(), &Steps::default()).unwrap_or(false)
}

fn select(selection: &Selection) -> Result<Selected, Reason> {
    let pattern = |text: &str| Pattern::new(text.as_bytes()).map_err(Reason::Pattern);
    Ok(match selection {
        Selection::Ids(ids) => Selected::Ids(ids.clone()),
        Selection::Tag(text) => Selected::Tag(pattern(text)?),
        Selection::Message(text) => Selected::Message(pattern(text)?),
    })
}

/// Links directives. `errors` are those of parsing, to which more are added.
pub(crate) fn link(
    directives: Vec<Directive>,
    files: &dyn Files,
    mut errors: Vec<LoadError>,
) -> Result<Linked, Vec<LoadError>> {
    let mut linker = Linker {
        files,
        tx: (0..10).map(|n| n.to_string().into()).collect(),
        warnings: Vec::new(),
        operators: HashMap::new(),
        automata_bytes: 0,
    };
    let mut collected = collect(directives, &mut errors, &mut linker.warnings);
    update(&mut collected, &mut errors);
    let mut defaults: [Vec<Action>; 5] = Default::default();
    for (phase, actions) in collected.defaults {
        if let Some(place) = defaults.get_mut(usize::from(phase).wrapping_sub(1)) {
            *place = actions;
        }
    }
    let mut drafts = collected.drafts;
    drafts.sort_by_key(|draft| (draft.phase, draft.order));
    let mut phases = [(0, 0); 5];
    for (number, span) in (1..).zip(phases.iter_mut()) {
        *span = (
            drafts.partition_point(|draft| draft.phase < number),
            drafts.partition_point(|draft| draft.phase <= number),
        );
    }
    let mut rules = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        let phase = usize::from(draft.phase).wrapping_sub(1);
        let end = phases.get(phase).map_or(index, |(_, end)| *end);
        let defaults = defaults.get(phase).map_or(&[] as &[Action], Vec::as_slice);
        match linker.rule(draft, index, end, defaults, &drafts, &collected.markers) {
            Ok(rule) => rules.push(rule),
            Err((position, reason)) => errors.push(LoadError { position, rule: Some(draft.id), reason }),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let places =
        linker.tx.iter().enumerate().map(|(place, name)| (name.to_ascii_lowercase().into_bytes().into(), place));
    let tx_places = places.collect();
    let program = Program { rules, phases, tx: linker.tx, tx_places, settings: collected.settings };
    Ok(Linked { program, warnings: linker.warnings })
}

#[derive(Default)]
struct Collected {
    drafts: Vec<Draft>,
    defaults: Vec<(u8, Vec<Action>)>,
    markers: Vec<(String, usize)>,
    updates: Vec<(Position, Kind)>,
    settings: Settings,
}

fn collect(directives: Vec<Directive>, errors: &mut Vec<LoadError>, warnings: &mut Vec<Warning>) -> Collected {
    let mut collected = Collected::default();
    let mut seen: BTreeMap<u64, Position> = BTreeMap::new();
    let mut open: Option<Draft> = None;
    for (order, Directive { position, kind }) in directives.into_iter().enumerate() {
        if !matches!(kind, Kind::Rule { .. })
            && let Some(draft) = open.take()
        {
            errors.push(LoadError { position: draft.position, rule: Some(draft.id), reason: Reason::ChainWithoutEnd });
        }
        match kind {
            Kind::Rule { targets, operator, actions } => {
                let goes_on = actions.contains(&Action::Chain);
                let mut draft = match open.take() {
                    Some(mut draft) => {
                        if let Some(name) = actions.iter().find_map(only_first) {
                            errors.push(LoadError {
                                position: position.clone(),
                                rule: Some(draft.id),
                                reason: Reason::InChain(name),
                            });
                        }
                        draft.links.push((targets, operator, actions, position));
                        draft
                    }
                    None => {
                        let id = actions
                            .iter()
                            .find_map(|action| if let Action::Id(id) = action { Some(*id) } else { None });
                        let Some(id) = id else {
                            errors.push(LoadError { position, rule: None, reason: Reason::NoId });
                            continue;
                        };
                        if let Some(first) = seen.insert(id, position.clone()) {
                            errors.push(LoadError {
                                position: position.clone(),
                                rule: Some(id),
                                reason: Reason::SameId(first),
                            });
                        }
                        let phase = actions
                            .iter()
                            .rev()
                            .find_map(|action| if let Action::Phase(phase) = action { Some(*phase) } else { None });
                        let links = vec![(targets, operator, actions, position.clone())];
                        Draft { id, phase: phase.unwrap_or(2), position, links, order }
                    }
                };
                draft.order = order;
                if goes_on { open = Some(draft) } else { collected.drafts.push(draft) }
            }
            Kind::Defaults(actions) => {
                let phase = actions
                    .iter()
                    .find_map(|action| if let Action::Phase(phase) = action { Some(*phase) } else { None });
                collected.defaults.push((phase.unwrap_or(2), actions));
            }
            Kind::Marker(name) => collected.markers.push((name, order)),
            Kind::Setting(setting) => set(&mut collected.settings, setting),
            Kind::WithoutEffect(name) => {
                warnings.push(Warning { position, what: format!("`{name}` has no effect here") })
            }
            Kind::Remove(_) | Kind::UpdateTargets(..) | Kind::UpdateActions(..) => {
                collected.updates.push((position, kind))
            }
        }
    }
    if let Some(draft) = open {
        errors.push(LoadError { position: draft.position, rule: Some(draft.id), reason: Reason::ChainWithoutEnd });
    }
    collected
}

fn only_first(action: &Action) -> Option<&'static str> {
    Some(match action {
        Action::Id(_) => "id",
        Action::Phase(_) => "phase",
        Action::Disrupt(_) => "a disruptive action",
        Action::SkipAfter(_) => "skipAfter",
        Action::Skip(_) => "skip",
        _ => return None,
    })
}

fn set(settings: &mut Settings, setting: Setting) {
    match setting {
        Setting::Engine(mode) => settings.mode = mode,
        Setting::RequestBodyAccess(on) => settings.request_body = on,
        Setting::ResponseBodyAccess(on) => settings.response_body = on,
        Setting::ResponseBodyTypes(types) => settings.response_types = types,
        Setting::RequestBodyLimit(bytes) => settings.request_body_bytes_max = bytes,
        Setting::ResponseBodyLimit(bytes) => settings.response_body_bytes_max = bytes,
        Setting::ResponseBodyPartial(on) => settings.response_body_partial = on,
        Setting::ArgumentsLimit(count) => settings.arguments_max = count,
        Setting::JsonDepthLimit(depth) => settings.json_depth_max = depth,
        Setting::ArgumentSeparator(separator) => settings.argument_separator = separator,
        Setting::Component(_) => {}
    }
}

/// Removes and updates rules, wherever the directive that says so stands.
fn update(collected: &mut Collected, errors: &mut Vec<LoadError>) {
    for (position, kind) in std::mem::take(&mut collected.updates) {
        let (Kind::Remove(selection) | Kind::UpdateTargets(selection, _) | Kind::UpdateActions(selection, _)) = &kind
        else {
            continue;
        };
        let selected = match select(selection) {
            Ok(selected) => selected,
            Err(reason) => {
                errors.push(LoadError { position, rule: None, reason });
                continue;
            }
        };
        match kind {
            Kind::Remove(_) => collected.drafts.retain(|draft| !draft.is_selected(&selected)),
            Kind::UpdateTargets(_, targets) => {
                for draft in collected.drafts.iter_mut().filter(|draft| draft.is_selected(&selected)) {
                    for (index, link) in draft.links.iter_mut().enumerate() {
                        // What is left out is left out of the whole chain; what is added is its first rule's.
                        link.0.extend(
                            targets.iter().filter(|target| index == 0 || target.mode == Counted::Except).cloned(),
                        );
                    }
                }
            }
            Kind::UpdateActions(_, actions) => {
                for draft in collected.drafts.iter_mut().filter(|draft| draft.is_selected(&selected)) {
                    if let Some((_, _, own, _)) = draft.links.first_mut() {
                        own.extend(actions.iter().cloned());
                    }
                }
            }
            _ => {}
        }
    }
}

struct Linker<'f> {
    files: &'f dyn Files,
    tx: Vec<Box<str>>,
    warnings: Vec<Warning>,
    /// Rules repeat each other's patterns and phrase files, which take long to compile.
    operators: HashMap<(String, String), operator::Operator>,
    /// How much memory all of them take.
    automata_bytes: usize,
}

type Located = (Position, Reason);

impl Linker<'_> {
    fn rule(
        &mut self,
        draft: &Draft,
        index: usize,
        end: usize,
        defaults: &[Action],
        drafts: &[Draft],
        markers: &[(String, usize)],
    ) -> Result<Rule, Located> {
        let at = |reason| (draft.position.clone(), reason);
        let mut links = Vec::with_capacity(draft.links.len());
        for (targets, operator, actions, position) in &draft.links {
            let defaults = if links.is_empty() { defaults } else { &[] };
            let link = self.link(targets, operator, defaults, actions, position, drafts);
            links.push(link.map_err(|reason| (position.clone(), reason))?);
        }
        let mut rule = Rule {
            id: draft.id,
            links,
            message: None,
            log_data: None,
            severity: None,
            tags: Arc::new([]),
            logs: true,
            outcome: Outcome::Pass,
            next: None,
        };
        let mut disruption = Disruption::Pass;
        let mut status = STATUS;
        let mut blocks = Disruption::Deny;
        let mut tags: Vec<Arc<str>> = Vec::new();
        for (is_default, action) in
            defaults.iter().map(|action| (true, action)).chain(draft.actions().map(|action| (false, action)))
        {
            match action {
                Action::Message(text) => rule.message = Some(self.template(text).map_err(at)?),
                Action::LogData(text) => rule.log_data = Some(self.template(text).map_err(at)?),
                Action::Severity(severity) => rule.severity = Some(*severity),
                Action::Tag(tag) => tags.push(tag.as_str().into()),
                Action::Log(logs) => rule.logs = *logs,
                Action::Status(code) => status = *code,
                Action::Disrupt(Disruption::Block) => disruption = blocks,
                Action::Disrupt(how) => {
                    disruption = *how;
                    if is_default {
                        blocks = *how;
                    }
                }
                Action::Skip(count) => rule.next = Some((index + 1).saturating_add(*count).min(end)),
                Action::SkipAfter(marker) => {
                    rule.next = Some(
                        after(marker, draft, drafts, markers)
                            .ok_or_else(|| at(Reason::UnknownMarker(marker.clone())))?,
                    )
                }
                _ => {}
            }
        }
        rule.tags = tags.into();
        rule.outcome = match disruption {
            Disruption::Pass => Outcome::Pass,
            Disruption::Deny | Disruption::Block => Outcome::Deny { status },
            Disruption::Allow(how) => Outcome::Allow(how),
        };
        Ok(rule)
    }

    fn link(
        &mut self,
        targets: &[ast::Target],
        call: &OperatorCall,
        defaults: &[Action],
        actions: &[Action],
        position: &Position,
        drafts: &[Draft],
    ) -> Result<Link, Reason> {
        let mut link = Link {
            targets: Vec::new(),
            exceptions: Vec::new(),
            operator: self.operator(call, position)?,
            negated: call.negated,
            transforms: Vec::new(),
            multi_match: false,
            capture: false,
            sets: Vec::new(),
            controls: Vec::new(),
        };
        for target in targets {
            let linked = self.target(target)?;
            if target.mode == Counted::Except { link.exceptions.push(linked) } else { link.targets.push(linked) }
        }
        for action in defaults.iter().chain(actions) {
            match action {
                Action::Transform(transform) => link.transforms.push(*transform),
                Action::NoTransforms => link.transforms.clear(),
                Action::MultiMatch => link.multi_match = true,
                Action::Capture => link.capture = true,
                Action::SetVar(text) => link.sets.push(self.set(text)?),
                Action::Control(control) => link.controls.push(self.control(control, drafts)?),
                Action::Initialize { collection, key } => {
                    self.template(key)?;
                    if List::writable(collection).is_none() {
                        return Err(Reason::Value { of: "initcol".to_owned(), value: collection.clone() });
                    }
                    let what = format!("the collection `{collection}` is empty when each transaction begins");
                    self.warnings.push(Warning { position: position.clone(), what });
                }
                Action::WithoutEffect(name) => {
                    self.warnings
                        .push(Warning { position: position.clone(), what: format!("`{name}` has no effect here") });
                }
                _ => {}
            }
        }
        Ok(link)
    }

    fn operator(&mut self, call: &OperatorCall, position: &Position) -> Result<operator::Operator, Reason> {
        if matches!(call.name.to_ascii_lowercase().as_str(), "geolookup" | "rbl") {
            let what = format!("`@{}` never matches here", call.name);
            self.warnings.push(Warning { position: position.clone(), what });
        }
        let folder = Path::new(&*position.file).parent().map(|path| path.display().to_string()).unwrap_or_default();
        let key = (format!("{folder} {}", call.name.to_ascii_lowercase()), call.argument.clone());
        if let Some(operator) = self.operators.get(&key) {
            return Ok(operator.clone());
        }
        let mut operator = operator::build(&operator::Call {
            name: &call.name,
            argument: &call.argument,
            file: Path::new(&*position.file),
            files: self.files,
        })?;
        if let Some(template) = operator.argument_mut() {
            self.number(template);
        }
        self.automata_bytes += operator.bytes();
        if self.automata_bytes > AUTOMATA_BYTES_MAX {
            return Err(Reason::TooMany("octets of patterns and phrases", AUTOMATA_BYTES_MAX));
        }
        self.operators.insert(key, operator.clone());
        Ok(operator)
    }

    fn target(&mut self, target: &ast::Target) -> Result<Target, Reason> {
        let variable = target.variable;
        let select = match &target.selector {
            Selector::All if !variable.is_collection => Select::At(variable::row_of(variable)),
            Selector::All => Select::All,
            Selector::Name(name) if variable.name == "TX" => Select::At(self.tx(name)),
            Selector::Name(name) => Select::Name(name.as_bytes().into()),
            Selector::Pattern(pattern) => {
                Select::Pattern(Arc::new(Pattern::any_case(pattern.as_bytes()).map_err(Reason::Pattern)?))
            }
        };
        let count = target.mode == Counted::Count;
        Ok(Target { name: variable.name, lists: variable.lists, part: variable.part, select, count })
    }

    /// The number of a member of TX.
    fn tx(&mut self, name: &str) -> usize {
        let name = name.to_ascii_lowercase();
        self.tx.iter().position(|known| **known == name).unwrap_or_else(|| {
            self.tx.push(name.into());
            self.tx.len() - 1
        })
    }

    fn template(&mut self, text: &str) -> Result<Template, Reason> {
        let mut template = Template::parse(text)?;
        self.number(&mut template);
        Ok(template)
    }

    fn number(&mut self, template: &mut Template) {
        for part in &mut template.parts {
            if let Part::Value(variable, Some(name)) = part
                && variable.name == "TX"
            {
                *part = Part::Tx(self.tx(name));
            }
        }
    }

    /// `collection.name=value`, `=+value`, `=-value`, `!collection.name`; without a value it is 1.
    fn set(&mut self, text: &str) -> Result<Set, Reason> {
        let wrong = || Reason::Value { of: "setvar".to_owned(), value: text.to_owned() };
        let (unset, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let (left, value) = rest.split_once('=').map_or((rest, None), |(left, value)| (left, Some(value)));
        let (collection, name) = left.split_once(['.', ':']).ok_or_else(wrong)?;
        let list = List::writable(collection).ok_or_else(wrong)?;
        let template = self.template(name.trim())?;
        let name = match template.fixed() {
            Some(name) if list == List::Tx => SetName::At(self.tx(&String::from_utf8_lossy(name))),
            _ => SetName::Template(template),
        };
        let to = match value {
            _ if unset => SetTo::Nothing,
            None => SetTo::Text(self.template("1")?),
            Some(value) => match value.as_bytes().first() {
                Some(b'+') => SetTo::Add(self.template(value.get(1..).unwrap_or_default())?),
                Some(b'-') => SetTo::Subtract(self.template(value.get(1..).unwrap_or_default())?),
                _ => SetTo::Text(self.template(value)?),
            },
        };
        Ok(Set { list, name, to })
    }

    fn control(&mut self, control: &ast::Control, drafts: &[Draft]) -> Result<Control, Reason> {
        let places = |selection: &Selection| -> Result<Arc<[usize]>, Reason> {
            let selected = select(selection)?;
            Ok(drafts
                .iter()
                .enumerate()
                .filter(|(_, draft)| draft.is_selected(&selected))
                .map(|(index, _)| index)
                .collect())
        };
        Ok(match control {
            ast::Control::Engine(mode) => Control::Mode(*mode),
            ast::Control::RemoveRules(selection) => Control::RemoveRules(places(selection)?),
            ast::Control::RemoveTargets(selection, target) => {
                Control::RemoveTargets(places(selection)?, self.target(target)?)
            }
            ast::Control::BodyProcessor(processor) => Control::Processor(*processor),
            ast::Control::ForceBodyVariable(on) => Control::ForceBodyVariable(*on),
            ast::Control::RequestBodyAccess(on) => Control::RequestBody(*on),
            ast::Control::ResponseBodyAccess(on) => Control::ResponseBody(*on),
        })
    }
}

/// The first rule of the same phase behind a marker, which stands behind the rule; or behind the rule of that id.
fn after(marker: &str, draft: &Draft, drafts: &[Draft], markers: &[(String, usize)]) -> Option<usize> {
    let named = markers.iter().find(|(name, order)| name == marker && *order > draft.order).map(|(_, order)| *order);
    let by_id = || {
        let id = marker.parse::<u64>().ok()?;
        drafts.iter().find(|rule| rule.id == id && rule.order > draft.order).map(|rule| rule.order)
    };
    let order = named.or_else(by_id)?;
    Some(drafts.partition_point(|rule| (rule.phase, rule.order) <= (draft.phase, order)))
}
