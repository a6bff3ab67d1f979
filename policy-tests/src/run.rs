//! Running cases against policies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cedargate_model::{
    AuthnStrength, Caller, DecisionId, Micros, NormalizedPath, PolicyId, Principal, PrincipalId, RoleName, SessionId,
    TenantId, TenantName,
};
use cedargate_policy::{
    Context, Decisions, Place, Problems, Query, Routed, Routing, Snapshot, Sources, TenantScope, Verdict, WafFindings,
};
use http::Method;
use uuid::Uuid;

use crate::case_file::{Asking, Case, CaseFile, ContextText, PersonText, Table, TableRow, Target};
use crate::coverage::Coverage;
use crate::expectation::Expectation;
use crate::openapi;
use crate::report::{Report, below};

/// The octets of the decisions that are cached in a run.
const CACHE_BYTES: u64 = 8 << 20;
/// The role that everybody who signed in has.
const MEMBER: &str = "member";

/// Runs every case of a directory (`*.toml`, also in folders) against a directory of policies.
///
/// Each question is put to the engine that serves twice, so that a cached answer is compared as well. Beside the
/// decisions, what they cover is checked: every role with every action, every policy, every tenant that has policies of
/// its own, and every operation of a service's OpenAPI document.
pub fn run(policies: impl AsRef<Path>, cases: impl AsRef<Path>) -> Report {
    let (policies, cases) = (policies.as_ref(), cases.as_ref());
    let mut report = Report::default();
    let (policies_shown, cases_shown) = (policies.display().to_string(), cases.display().to_string());
    let mut problems = Problems::none();
    let files = read_cases(cases, &mut problems);
    report.find_all(&cases_shown, &problems);
    let sources = match Sources::read(policies) {
        Ok(sources) => sources,
        Err(problems) => {
            report.find_all(&policies_shown, &problems);
            return finished(report);
        }
    };

    let mut coverage = Coverage::default();
    let mut all_built = true;
    let mut seen = BTreeSet::new();
    for file in &files {
        let scope = scope(file);
        coverage.tenant(&scope);
        let known = sources.modules();
        let unknown: Vec<&str> = scope.modules.difference(&known).map(|module| &**module).collect();
        if !unknown.is_empty() {
            report.find(below(&cases_shown, &file.place), format!("there is no module {}", unknown.join(", ")));
            continue;
        }
        match Snapshot::build(&sources, &scope) {
            Ok(snapshot) => {
                let run = Run { snapshot: &snapshot, decisions: Decisions::new(CACHE_BYTES), cases: &cases_shown };
                run.file(file, &mut report, &mut coverage);
                coverage.snapshot(&snapshot);
                openapi::check_snapshot(policies, &snapshot, &mut seen, &mut report);
            }
            Err(problems) => {
                all_built = false;
                report.find_all(&policies_shown, &problems);
            }
        }
    }
    if files.is_empty() {
        report.find(below(&cases_shown, &Place::start_of(".")), "there are no cases");
    }
    // Policies that could not be tried would all be said to decide nothing.
    if all_built {
        coverage.report(&sources, &policies_shown, &mut report);
    }
    finished(report)
}

fn finished(mut report: Report) -> Report {
    report.findings.sort();
    report.findings.dedup();
    report
}

fn read_cases(directory: &Path, problems: &mut Problems) -> Vec<CaseFile> {
    let mut texts = BTreeMap::new();
    collect(directory, "", &mut texts, problems);
    texts.iter().filter_map(|(file, text)| problems.absorb(CaseFile::parse(file, text))).collect()
}

fn collect(directory: &Path, prefix: &str, texts: &mut BTreeMap<Arc<str>, String>, problems: &mut Problems) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            return problems
                .add(Place::start_of(format!("{prefix}.")), format!("the directory cannot be read: {error}"));
        }
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if name.starts_with('.') || name.ends_with(".md") {
            continue;
        }
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{path}/"), texts, problems);
        } else if name.ends_with(".toml") {
            match fs::read_to_string(entry.path()) {
                Ok(text) => drop(texts.insert(path.into(), text)),
                Err(error) => problems.add(Place::start_of(path), format!("cannot be read: {error}")),
            }
        } else {
            problems.add(Place::start_of(path), "not a case file; cases stand in `*.toml`");
        }
    }
}

/// A case file's tenant. Its id is made from its name, so that two files mean the same tenant.
fn scope(file: &CaseFile) -> TenantScope {
    TenantScope::new(tenant_id(&file.tenant), file.tenant.clone(), file.modules.iter().map(String::as_str))
}

fn tenant_id(name: &TenantName) -> TenantId {
    let id = name.as_str().bytes().fold(1_u128, |id, byte| id.wrapping_mul(257).wrapping_add(u128::from(byte)));
    TenantId(Uuid::from_u128(id))
}

struct Run<'a> {
    snapshot: &'a Snapshot,
    decisions: Decisions,
    cases: &'a str,
}

impl Run<'_> {
    fn file(&self, file: &CaseFile, report: &mut Report, coverage: &mut Coverage) {
        for table in &file.tables {
            self.table(table, report, coverage);
        }
        for case in &file.cases {
            self.case(case, report, coverage);
        }
    }

    fn table(&self, table: &Table, report: &mut Report, coverage: &mut Coverage) {
        if !self.snapshot.tenant().modules.contains(table.module.as_str()) {
            let message = format!("the tenant has no module `{}`", table.module);
            return report.find(below(self.cases, &table.place), message);
        }
        for row in &table.rows {
            let routed = match self.sample(&table.module, &row.action) {
                Some(routed) => routed,
                None => {
                    let message = format!("there is no action `{}` in module `{}`", row.action, table.module);
                    report.find(below(self.cases, &row.place), message);
                    continue;
                }
            };
            self.row(table, row, &routed, report, coverage);
        }
    }

    fn row(&self, table: &Table, row: &TableRow, routed: &Routed, report: &mut Report, coverage: &mut Coverage) {
        for (role, (place, expected)) in table.roles.iter().zip(&row.cells) {
            coverage.cell(&table.module, role, &row.action);
            let person = PersonText { roles: vec![role.clone()], ..table.person.clone() };
            let asking = if role.as_str() == RoleName::ANONYMOUS { Asking::Anonymous } else { Asking::Person(person) };
            let verdict = self.decide(&asking, routed, &ContextText::default(), report);
            let decided = Expectation::of(&verdict);
            let by = verdict.basis().determined_by();
            let place = below(self.cases, place);
            if decided != *expected {
                let message =
                    format!("`{role}` gets {decided} for `{}`, expected {expected}; {}", row.action, shown(by));
                report.find(place, message);
            } else if decided == Expectation::Allow {
                let is_cell = |id: &PolicyId, role: &str| {
                    let cell = format!("{}/matrix/{role}/{}", table.module, row.action);
                    id.as_str() == cell || id.as_str().ends_with(&format!("/{cell}"))
                };
                // Everybody who signed in is a member, whatever else they are.
                match by.iter().find(|id| !is_cell(id, role.as_str()) && !is_cell(id, MEMBER)) {
                    None => by.iter().for_each(|id| coverage.decided(id)),
                    Some(_) => {
                        let message = format!(
                            "`{role}` is allowed `{}` by more than cells, {}; write a case",
                            row.action,
                            shown(by)
                        );
                        report.find(place, message);
                    }
                }
            }
        }
    }

    fn case(&self, case: &Case, report: &mut Report, coverage: &mut Coverage) {
        let place = below(self.cases, &case.place);
        let routed = match self.route(&case.target) {
            Ok(routed) => routed,
            Err(message) => return report.find(place, format!("{}: {message}", case.name)),
        };
        let verdict = self.decide(&case.principal, &routed, &case.context, report);
        let decided = Expectation::of(&verdict);
        let by = verdict.basis().determined_by();
        let expected_by: BTreeSet<&str> = case.determined_by.iter().map(String::as_str).collect();
        let found_by: BTreeSet<&str> = by.iter().map(PolicyId::as_str).collect();
        if decided != case.decision {
            report.find(place, format!("{}: decided {decided}, expected {}; {}", case.name, case.decision, shown(by)));
        } else if expected_by != found_by {
            let expected: Vec<PolicyId> = expected_by.into_iter().map(PolicyId::from).collect();
            let message = format!("{}: {decided} as expected, but {}, not {}", case.name, shown(by), shown(&expected));
            report.find(place, message);
        } else {
            by.iter().for_each(|id| coverage.decided(id));
        }
    }

    /// Puts the question fresh, and twice to the cache.
    fn decide(&self, asking: &Asking, routed: &Routed, context: &ContextText, report: &mut Report) -> Verdict {
        report.decisions += 1;
        let now = Micros(context.now.saturating_mul(1_000_000));
        let caller = caller(asking, self.snapshot.tenant(), now);
        let shown = Context {
            now,
            client: context.client,
            certificate: context.certificate.clone(),
            waf: WafFindings {
                score: context.waf_score,
                rules: context.waf_rules.clone().into(),
                tags: context.waf_tags.clone().into(),
            },
        };
        let query = Query { caller: &caller, routed, context: &shown };
        let decision = DecisionId(Uuid::nil());
        let fresh = self.snapshot.decide(&query, decision);
        for _ in 0..2 {
            let cached = self.decisions.decide(self.snapshot, &query, decision);
            if Expectation::of(&cached) != Expectation::of(&fresh) || cached.basis() != fresh.basis() {
                let place = Place::start_of(self.cases);
                report.find(place, format!("the cache changes a decision about {}", routed.route().id));
            }
        }
        fresh
    }

    fn route(&self, target: &Target) -> Result<Routed, String> {
        match target {
            Target::Request(request) => {
                let (method, path) = request.get_ref().split_once(' ').ok_or("write `<METHOD> <path>`")?;
                let method: Method = method.parse().map_err(|_| format!("`{method}` is not a method"))?;
                let path = NormalizedPath::parse(path).map_err(|error| error.to_string())?;
                match self.snapshot.routes().find(&method, &path) {
                    Routing::Found(routed) => Ok(routed),
                    Routing::MethodNotAllowed(_) => Err(format!("no route has `{method}` on this path")),
                    Routing::Unknown => Err("no route has this path".into()),
                }
            }
            Target::Direct { action, resource } => {
                let routed = self.snapshot.routes().address(action.get_ref(), resource);
                routed.ok_or_else(|| format!("no route leads to {} on {resource}", action.get_ref()))
            }
        }
    }

    /// A request for an action, with `sample` for every parameter of its path.
    fn sample(&self, module: &str, action: &str) -> Option<Routed> {
        let id = format!("{module}.{action}");
        let route = self.snapshot.routes().all().iter().find(|route| route.id.as_str() == id)?;
        let is_parameter = |segment: &&str| segment.starts_with('{');
        let path: Vec<&str> =
            route.path.split('/').map(|segment| if is_parameter(&segment) { "sample" } else { segment }).collect();
        let path = NormalizedPath::parse(&path.join("/")).ok()?;
        match self.snapshot.routes().find(&route.method, &path) {
            Routing::Found(routed) => Some(routed),
            Routing::MethodNotAllowed(_) | Routing::Unknown => None,
        }
    }
}

fn caller(asking: &Asking, tenant: &TenantScope, now: Micros) -> Caller {
    let Asking::Person(person) = asking else { return Caller::Anonymous };
    let name = person.tenant.as_ref().unwrap_or(&tenant.name);
    let (mut roles, mut methods) = (person.roles.clone(), person.methods.clone());
    roles.sort();
    roles.dedup();
    methods.sort();
    methods.dedup();
    Caller::Principal(Arc::new(Principal {
        id: PrincipalId(Uuid::from_u128(1)),
        tenant: if *name == tenant.name { tenant.id } else { tenant_id(name) },
        tenant_name: name.clone(),
        display: "somebody@example.com".into(),
        roles,
        session: SessionId(Uuid::from_u128(1)),
        credential: person.credential,
        strength: AuthnStrength { level: person.level, methods },
        authenticated_at: Micros(now.0.saturating_sub(i64::from(person.age_seconds).saturating_mul(1_000_000))),
        version: 1,
    }))
}

/// The policies that determined a decision, for a message.
fn shown(ids: &[PolicyId]) -> String {
    if ids.is_empty() {
        return "determined by no policy".to_owned();
    }
    let ids: Vec<&str> = ids.iter().map(PolicyId::as_str).collect();
    format!("determined by {}", ids.join(", "))
}
