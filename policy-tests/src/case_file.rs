//! Reading a case file.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use cedargate_model::{AuthnMethod, ClientCertificate, Credential, RoleName, TenantName};
use cedargate_policy::{Place, Problems, TomlText};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use toml::Spanned;

use crate::expectation::Expectation;

/// The cases of one tenant.
#[derive(Debug)]
pub(crate) struct CaseFile {
    pub(crate) tenant: TenantName,
    pub(crate) modules: Vec<String>,
    /// Where the tenant and its modules are named.
    pub(crate) place: Place,
    pub(crate) tables: Vec<Table>,
    pub(crate) cases: Vec<Case>,
}

/// One question and its answer.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) principal: Asking,
    pub(crate) target: Target,
    pub(crate) context: ContextText,
    pub(crate) decision: Expectation,
    pub(crate) determined_by: Vec<String>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Asking {
    Anonymous,
    Person(PersonText),
}

/// Somebody who signed in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonText {
    pub(crate) roles: Vec<RoleName>,
    /// Another tenant's, to show that it is kept out.
    pub(crate) tenant: Option<TenantName>,
    #[serde(default = "PersonText::level")]
    pub(crate) level: u8,
    #[serde(default = "PersonText::methods")]
    pub(crate) methods: Vec<AuthnMethod>,
    /// How long ago the sign-in was.
    #[serde(default)]
    pub(crate) age_seconds: u32,
    /// By what it is known: `api_key` for a service account.
    #[serde(default)]
    pub(crate) credential: Credential,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Target {
    /// `GET /inventory/items`.
    Request(Spanned<String>),
    /// An action and a resource as Cedar writes them.
    Direct { action: Spanned<String>, resource: String },
}

/// What policies see in `context`, where it matters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ContextText {
    /// Epoch seconds.
    pub(crate) now: i64,
    pub(crate) client: IpAddr,
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
    pub(crate) waf_score: u32,
    pub(crate) waf_rules: Vec<Arc<str>>,
    pub(crate) waf_tags: Vec<Arc<str>>,
}

/// Role x action: what somebody with one role gets for each action of a module.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) place: Place,
    pub(crate) module: String,
    pub(crate) person: PersonText,
    pub(crate) roles: Vec<RoleName>,
    pub(crate) rows: Vec<TableRow>,
}

/// What each role gets for one action.
#[derive(Debug)]
pub(crate) struct TableRow {
    pub(crate) action: String,
    pub(crate) place: Place,
    pub(crate) cells: Vec<(Place, Expectation)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseText {
    name: Spanned<String>,
    principal: PrincipalText,
    request: Option<Spanned<String>>,
    action: Option<Spanned<String>>,
    resource: Option<String>,
    #[serde(default)]
    context: ContextText,
    decision: Spanned<String>,
    determined_by: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableText {
    module: String,
    #[serde(default = "PersonText::level")]
    level: u8,
    #[serde(default = "PersonText::methods")]
    methods: Vec<AuthnMethod>,
    #[serde(default)]
    age_seconds: u32,
    expect: Spanned<String>,
}

/// `"anonymous"` or a person.
struct PrincipalText(Asking);

impl PersonText {
    fn level() -> u8 {
        1
    }

    fn methods() -> Vec<AuthnMethod> {
        vec![AuthnMethod::Pwd]
    }
}

impl Default for ContextText {
    fn default() -> Self {
        let (waf_rules, waf_tags) = (Vec::new(), Vec::new());
        let client = IpAddr::from([192, 0, 2, 1]);
        Self { now: 1_800_000_000, client, certificate: None, waf_score: 0, waf_rules, waf_tags }
    }
}

impl<'de> Deserialize<'de> for PrincipalText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = PrincipalText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"anonymous\" or { roles = [..] }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PrincipalText, E> {
                match text {
                    RoleName::ANONYMOUS => Ok(PrincipalText(Asking::Anonymous)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PrincipalText, A::Error> {
                PersonText::deserialize(MapAccessDeserializer::new(map))
                    .map(|person| PrincipalText(Asking::Person(person)))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl CaseFile {
    /// Reads a case file.
    ///
    /// # Errors
    /// Every mistake, with its place.
    pub(crate) fn parse(file: &Arc<str>, text: &str) -> Result<Self, Problems> {
        let mut problems = Problems::none();
        let toml = TomlText { file, text };
        let Some(mut table) = toml.table(&mut problems) else { return Err(problems.sorted()) };
        let tenant: Option<Spanned<TenantName>> = toml.value(&mut table, "tenant", &mut problems);
        let modules: Option<Vec<String>> = toml.value(&mut table, "modules", &mut problems);
        let tables: Vec<(Place, TableText)> = toml.entries(&mut table, "table", &mut problems);
        let cases: Vec<(Place, CaseText)> = toml.entries(&mut table, "case", &mut problems);
        toml.finish(table, &["tenant", "modules", "[[table]]", "[[case]]"], &mut problems);
        let tables = tables.into_iter().map(|(place, table)| read_table(&toml, place, table, &mut problems)).collect();
        let cases = cases.into_iter().filter_map(|(_, case)| read_case(&toml, case, &mut problems)).collect();
        match (tenant, modules) {
            (Some(tenant), Some(modules)) => {
                let place = toml.place(&tenant);
                problems.into_result(Self { tenant: tenant.into_inner(), modules, place, tables, cases })
            }
            _ => Err(problems.sorted()),
        }
    }
}

fn read_case(toml: &TomlText<'_>, case: CaseText, problems: &mut Problems) -> Option<Case> {
    let place = toml.place(&case.name);
    let decision = expectation(case.decision.get_ref(), toml.place(&case.decision), problems);
    let target = match (case.request, case.action, case.resource) {
        (Some(request), None, None) => Some(Target::Request(request)),
        (None, Some(action), Some(resource)) => Some(Target::Direct { action, resource }),
        _ => {
            problems.add(place.clone(), "give either `request`, or `action` and `resource`");
            None
        }
    };
    let name = case.name.into_inner();
    if name.trim().is_empty() {
        problems.add(place.clone(), "say in `name` which rule the case shows");
    }
    let PrincipalText(principal) = case.principal;
    let (context, determined_by) = (case.context, case.determined_by);
    Some(Case { place, name, principal, target: target?, context, decision: decision?, determined_by })
}

fn expectation(text: &str, place: Place, problems: &mut Problems) -> Option<Expectation> {
    let read = Expectation::parse(text);
    if read.is_none() {
        let message = format!(
            "`{text}` is not a decision: write `allow`, `deny`, `sign_in`, `step_up(<level>)` or `step_up(<level>,<seconds>)`"
        );
        problems.add(place, message);
    }
    read
}

fn read_table(toml: &TomlText<'_>, place: Place, table: TableText, problems: &mut Problems) -> Table {
    let person = PersonText {
        roles: Vec::new(),
        tenant: None,
        level: table.level,
        methods: table.methods,
        age_seconds: table.age_seconds,
        credential: Credential::Session,
    };
    let mut read = Table { place, module: table.module, person, roles: Vec::new(), rows: Vec::new() };
    let mut columns = 0;
    for line in table_lines(toml, &table.expect) {
        let Some(((first_place, first), rest)) = line.split_first() else { continue };
        if *first == "action" && columns == 0 {
            columns = rest.len();
            for (place, word) in rest {
                match RoleName::parse(word) {
                    Ok(role) => read.roles.push(role),
                    Err(error) => problems.add(place.clone(), error.to_string()),
                }
            }
            continue;
        }
        if rest.len() != columns {
            let message = format!("action `{first}` has {} cells, the header {columns} roles", rest.len());
            problems.add(first_place.clone(), message);
            continue;
        }
        let cells =
            rest.iter().filter_map(|(place, word)| Some((place.clone(), expectation(word, place.clone(), problems)?)));
        read.rows.push(TableRow { action: (*first).to_owned(), place: first_place.clone(), cells: cells.collect() });
    }
    if columns == 0 {
        problems.add(toml.place(&table.expect), "the first line is `action` and the roles");
    }
    read
}

/// The words of a multi-line string, each with its place. The string's text stands in the file as it is, unless it has
/// escapes, and then places are those of its beginning.
fn table_lines<'t>(toml: &TomlText<'_>, text: &'t Spanned<String>) -> Vec<Vec<(Place, &'t str)>> {
    let span = text.span();
    let start = toml.text.get(span.clone()).and_then(|raw| raw.find(text.get_ref().as_str())).map(|at| span.start + at);
    let base = text.get_ref().as_ptr() as usize;
    let place = |word: &str| match start {
        Some(start) => Place::at(toml.file, toml.text, start + (word.as_ptr() as usize - base)),
        None => toml.place(text),
    };
    let words = |line: &'t str| line.split_whitespace().map(|word| (place(word), word)).collect::<Vec<_>>();
    text.get_ref().lines().map(words).filter(|line| !line.is_empty()).collect()
}
