//! Inspection by rules in SecLang: which of them, how strictly, and what comes of what they find.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use cedargate_model::{Canonical, Inspection, InspectionPlace, Refusal, RefusalCode, RequestId, TenantName};
use cedargate_policy::{InspectionMode, Route, WafFindings};
use cedargate_waf::Headers;
use cedargate_waf::seclang::{
    Budget, EngineMode, Interruption, LimitReached, Matched, Report, RequestHead, RuleMatch, RuleSet, RuleSeverity,
    Scratch, Setup, Told, Transaction, Way,
};
use http::{HeaderMap, Version, header};

/// The rule sets that are there, by name. Replaced whole: an exchange is inspected by one version from beginning to end.
#[derive(Debug, Default)]
pub struct RuleSets {
    by_name: BTreeMap<Arc<str>, Arc<RuleSet>>,
}

impl RuleSets {
    /// These rule sets.
    pub fn new(sets: impl IntoIterator<Item = (Arc<str>, Arc<RuleSet>)>) -> Self {
        Self { by_name: sets.into_iter().collect() }
    }

    /// The rule set of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<RuleSet>> {
        self.by_name.get(name)
    }

    /// Every rule set and its name, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<RuleSet>)> {
        self.by_name.iter()
    }
}

/// What is chosen where a route does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleChoice {
    /// The rule set; none for the built-in rules.
    pub rules: Option<Arc<str>>,
    /// The rules' paranoia level, 1 to 4.
    pub paranoia: Option<u8>,
    /// The score from which mode `block` refuses.
    pub threshold: Option<u32>,
}

/// Which rules inspect whose requests.
#[derive(Clone, Debug, Default)]
pub struct RuleSettings {
    /// Where neither route nor tenant says.
    pub gateway: RuleChoice,
    /// What a tenant has of its own.
    pub tenants: BTreeMap<TenantName, RuleChoice>,
    /// A rule set that is run beside the live one, and what share of requests it sees.
    pub shadow: Option<Shadow>,
}

/// A rule set that only watches.
#[derive(Clone, Debug)]
pub struct Shadow {
    /// Its name.
    pub rules: Arc<str>,
    /// Of a hundred requests, so many are shown to it.
    pub percent: u8,
}

/// Rules as strict as CRS is as it comes.
const PARANOIA: u8 = 1;

impl RuleSettings {
    /// The rule set that inspects a route's requests; none for the built-in rules.
    ///
    /// # Errors
    /// 503 where there is no rule set of that name: what nobody inspects does not pass.
    pub(crate) fn plan(
        &self,
        sets: &RuleSets,
        route: &Arc<Route>,
        tenant: &TenantName,
        threshold: u32,
    ) -> Result<Option<Plan>, Refusal> {
        let of_tenant = self.tenants.get(tenant);
        let own = &route.inspection;
        let named = own.rules.as_ref().or(of_tenant.and_then(|choice| choice.rules.as_ref()));
        let Some(name) = named.or(self.gateway.rules.as_ref()) else { return Ok(None) };
        let Some(rules) = sets.get(name) else {
            return Err(Refusal::new(RefusalCode::InspectionUnavailable, format!("there is no rule set `{name}`")));
        };
        let paranoia = own.paranoia.or(of_tenant.and_then(|choice| choice.paranoia)).or(self.gateway.paranoia);
        let own_threshold = own.threshold.or(of_tenant.and_then(|choice| choice.threshold));
        Ok(Some(Plan {
            rules: Arc::clone(rules),
            route: Arc::clone(route),
            tenant: tenant.clone(),
            paranoia: paranoia.unwrap_or(PARANOIA),
            threshold: own_threshold.unwrap_or(threshold),
        }))
    }
}

/// How one request is inspected by rules.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    rules: Arc<RuleSet>,
    route: Arc<Route>,
    tenant: TenantName,
    paranoia: u8,
    threshold: u32,
}

/// A request's head, as rules see it: the request line as it came, and the header fields.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    client: IpAddr,
    method: &'a str,
    target: &'a [u8],
    version: Version,
    headers: &'a HeaderMap,
    host: &'a str,
    id: RequestId,
}

/// The same, kept for as long as it takes.
#[derive(Clone, Debug)]
pub(crate) struct OwnHead {
    client: IpAddr,
    method: String,
    target: Vec<u8>,
    version: Version,
    headers: HeaderMap,
    host: String,
    id: RequestId,
}

/// What there is of a body.
#[derive(Clone, Copy)]
pub(crate) enum Piece<'a> {
    /// Nothing, or nothing yet.
    None,
    /// All of it.
    Whole(&'a [u8]),
    /// Its beginning; the rest is not inspected.
    Beginning(&'a [u8]),
}

impl<'a> Head<'a> {
    pub(crate) fn of(canonical: &'a Canonical, target: &'a [u8], version: Version, headers: &'a HeaderMap) -> Self {
        let (client, id, host) = (canonical.client, canonical.request, canonical.host.as_str());
        Self { client, method: canonical.method.as_str(), target, version, headers, host, id }
    }

    pub(crate) fn id(&self) -> RequestId {
        self.id
    }

    /// How many octets there are to look at.
    pub(crate) fn len(&self) -> usize {
        let fields = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        self.target.len() + fields.sum::<usize>()
    }

    pub(crate) fn to_own(self) -> OwnHead {
        let Self { client, method, target, version, headers, host, id } = self;
        let (method, target, headers, host) = (method.to_owned(), target.to_owned(), headers.clone(), host.to_owned());
        OwnHead { client, method, target, version, headers, host, id }
    }
}

impl OwnHead {
    pub(crate) fn as_head(&self) -> Head<'_> {
        let Self { client, method, target, version, headers, host, id } = self;
        Head { client: *client, method, target, version: *version, headers, host, id: *id }
    }
}

/// Header fields with a host among them: HTTP/2 tells it elsewhere.
struct WithHost<'a>(&'a Head<'a>);

impl Headers for WithHost<'_> {
    fn each(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        if !self.0.headers.contains_key(header::HOST) {
            visit("host", self.0.host.as_bytes());
        }
        self.0.headers.each(visit);
    }
}

/// The gateway's own cookies are random and secret: nobody needs to look at them.
const OWN_COOKIES: &[&str] = &["__Host-cedargate", "cedargate"];

impl Plan {
    /// The same for other rules.
    pub(crate) fn with(&self, rules: &Arc<RuleSet>) -> Self {
        Self { rules: Arc::clone(rules), ..self.clone() }
    }

    /// Runs the rules. This takes tens of microseconds for a head, and about a tenth of one for each octet of a body: see
    /// [`INLINE_BYTES_MAX`](super::INLINE_BYTES_MAX).
    pub(crate) fn run(&self, head: &Head<'_>, body: Piece<'_>) -> Found {
        let report = with_scratch(|scratch| self.transact(scratch, Budget::Whole, head, body));
        self.found(report)
    }

    /// The same with a budget of a fraction of a millisecond; none where that was not enough.
    pub(crate) fn run_briefly(&self, head: &Head<'_>, body: Piece<'_>) -> Option<Found> {
        let report = with_scratch(|scratch| self.transact(scratch, Budget::Brief, head, body));
        (!report.is_cut_short).then(|| self.found(report))
    }

    fn found(&self, report: Report) -> Found {
        Found { report, mode: self.route.inspection.mode, threshold: i64::from(self.threshold) }
    }

    /// Whether what rules find in an answer keeps it from leaving.
    pub(crate) fn withholds(&self) -> bool {
        self.route.inspection.mode == InspectionMode::Block
    }

    /// Runs the rules for answers; of those for requests, the first phase, which sets what the others count with.
    pub(crate) fn run_response(&self, head: &Head<'_>, status: u16, headers: &HeaderMap, body: &[u8]) -> Found {
        self.found(self.answer(Budget::Whole, head, status, headers, body))
    }

    /// The same for an answer's head, with a budget of a fraction of a millisecond; none where that was not enough.
    pub(crate) fn run_response_briefly(&self, head: &Head<'_>, status: u16, headers: &HeaderMap) -> Option<Found> {
        let report = self.answer(Budget::Brief, head, status, headers, b"");
        (!report.is_cut_short).then(|| self.found(report))
    }

    fn answer(&self, budget: Budget, head: &Head<'_>, status: u16, headers: &HeaderMap, body: &[u8]) -> Report {
        with_scratch(|scratch| {
            self.begin(scratch, budget, head, |transaction| {
                transaction.response_head(status, b"HTTP/1.1", headers);
                transaction.response_body(body);
            })
        })
    }

    fn transact(&self, scratch: &mut Scratch, budget: Budget, head: &Head<'_>, body: Piece<'_>) -> Report {
        self.begin(scratch, budget, head, |transaction| match body {
            Piece::None => transaction.request_body(b""),
            Piece::Whole(octets) => transaction.request_body(octets),
            Piece::Beginning(octets) => transaction.request_body_beginning(octets),
        })
    }

    /// Gives the rules a request's head, and then what `more` has.
    fn begin(
        &self,
        scratch: &mut Scratch,
        budget: Budget,
        head: &Head<'_>,
        more: impl FnOnce(&mut Transaction<'_>),
    ) -> Report {
        let own = &self.route.inspection;
        let mode = match own.mode {
            InspectionMode::Block => EngineMode::On,
            InspectionMode::Score | InspectionMode::Detect => EngineMode::DetectionOnly,
            InspectionMode::Off => EngineMode::Off,
        };
        let (mut paranoia, mut threshold) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (paranoia, threshold) = (paranoia.format(self.paranoia), threshold.format(self.threshold));
        let told = Told {
            paranoia,
            threshold,
            // The router has seen to it that the route has this method.
            method: head.method,
            route: self.route.id.as_str(),
            tenant: self.tenant.as_str(),
            content_types: own.content_types.as_deref(),
        };
        let members = told.members();
        let tx = told.of(&members);
        let (exempt_fields, own_cookies) = (&own.exempt_fields[..], OWN_COOKIES);
        let setup = Setup { mode, tx, exempt_fields, own_cookies, reads_texts: true, budget };
        let mut id = uuid::Uuid::encode_buffer();
        let mut transaction = self.rules.begin(scratch, Way::Compiled).set_up(setup);
        transaction.request_head(&RequestHead {
            client: (head.client, 0),
            server: (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            method: head.method.as_bytes(),
            target: head.target,
            protocol: protocol(head.version),
            headers: &WithHost(head),
            id: head.id.0.hyphenated().encode_lower(&mut id),
        });
        more(&mut transaction);
        transaction.finish()
    }
}

fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_2 => b"HTTP/2.0",
        _ => b"HTTP/1.1",
    }
}

thread_local! {
    /// Each thread's memory for transactions: none is shared, none is made for a request once a thread has one.
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

fn with_scratch<T>(run: impl FnOnce(&mut Scratch) -> T) -> T {
    let mut scratch = SCRATCH.take().unwrap_or_default();
    let result = run(&mut scratch);
    SCRATCH.set(Some(scratch));
    result
}

/// What rules found in a request.
#[derive(Debug)]
pub(crate) struct Found {
    report: Report,
    mode: InspectionMode,
    threshold: i64,
}

/// The most rules that policies are told of.
const RULES_MAX: usize = 64;

impl Found {
    /// Why the request goes no further, if it does not.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        if self.mode == InspectionMode::Detect {
            return None;
        }
        if let Some(limit) = self.report.limit {
            return Some(Refusal::new(refused_by(limit), limit.code()));
        }
        self.is_attack().then(|| Refusal::new(RefusalCode::AttackDetected, self.rules().join(" ")))
    }

    /// Why an answer does not leave, if it does not: in mode `block` alone, there is nobody to decide otherwise any more.
    pub(crate) fn withheld(&self) -> Option<Refusal> {
        let by_rule = matches!(self.report.interruption, Some(Interruption::Rule { .. }));
        let is_over = by_rule || self.report.limit.is_some();
        let is_withheld = self.mode == InspectionMode::Block && is_over;
        is_withheld.then(|| Refusal::new(RefusalCode::ResponseWithheld, self.rules().join(" ")))
    }

    /// Whether rules end the exchange: by their own evaluation of the score, or by a score that is over the threshold where they
    /// have none.
    pub(crate) fn is_attack(&self) -> bool {
        let by_rule = matches!(self.report.interruption, Some(Interruption::Rule { .. }));
        self.mode == InspectionMode::Block && (by_rule || self.report.inbound_score >= self.threshold)
    }

    /// Whether both say the same of the request, and if not, which is the stricter.
    pub(crate) fn compare(&self, live: &Self) -> &'static str {
        let of = |found: &Self| (found.report.limit.is_some(), found.is_attack(), found.report.inbound_score);
        match of(self).cmp(&of(live)) {
            std::cmp::Ordering::Less => "looser",
            std::cmp::Ordering::Greater => "stricter",
            std::cmp::Ordering::Equal => "same",
        }
    }

    /// What the audit event carries; none where nothing was found.
    pub(crate) fn inspection(&self) -> Option<Inspection> {
        self.inspection_with(self.report.inbound_score)
    }

    /// The same of an answer, by the score that rules for answers keep.
    pub(crate) fn inspection_of_answer(&self) -> Option<Inspection> {
        self.inspection_with(self.report.outbound_score)
    }

    fn inspection_with(&self, score: i64) -> Option<Inspection> {
        let Report { matches, limit, .. } = &self.report;
        if matches.is_empty() && limit.is_none() {
            return None;
        }
        let places = matches.iter().flat_map(|matched| matched.variables.iter().map(move |at| place(matched, at)));
        Some(Inspection {
            score: u32::try_from(score.max(0)).unwrap_or(u32::MAX),
            rules: self.rules().into_iter().map(Arc::from).collect(),
            tags: self.tags(),
            places: places.take(Inspection::PLACES_MAX).collect(),
            limit: limit.map(|limit| Arc::from(limit.code())),
        })
    }

    /// What policies are told.
    pub(crate) fn findings(&self) -> WafFindings {
        if self.mode == InspectionMode::Detect || self.report.matches.is_empty() {
            return WafFindings::default();
        }
        let rules = self.gravest().iter().map(|id| Arc::from(id.to_string())).collect();
        WafFindings { score: self.score(), rules, tags: self.tags().into() }
    }

    fn score(&self) -> u32 {
        u32::try_from(self.report.inbound_score.max(0)).unwrap_or(u32::MAX)
    }

    /// The ids of the rules that matched, in order and without repeats.
    fn rules(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.report.ids().collect();
        ids.sort_unstable();
        ids.dedup();
        ids.iter().map(u64::to_string).collect()
    }

    /// The ids of the rules that policies are told of, in order: where there are too many, of the gravest, so that what is found
    /// beside an attack does not hide it.
    fn gravest(&self) -> Vec<u64> {
        let grave = |matched: &RuleMatch| matched.severity.unwrap_or(RuleSeverity::Debug);
        let mut rules: Vec<_> = self.report.matches.iter().map(|matched| (grave(matched), matched.rule)).collect();
        rules.sort_unstable();
        rules.dedup_by_key(|(_, rule)| *rule);
        rules.truncate(RULES_MAX);
        let mut ids: Vec<_> = rules.into_iter().map(|(_, rule)| rule).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The kinds of attack: of CRS's tags, those that say so.
    fn tags(&self) -> Vec<Arc<str>> {
        let tags = self.report.matches.iter().flat_map(|matched| matched.tags.iter());
        let mut tags: Vec<_> = tags.filter(|tag| tag.starts_with("attack-")).cloned().collect();
        tags.sort_unstable();
        tags.dedup();
        tags.truncate(Inspection::TAGS_MAX);
        tags
    }
}

fn place(rule: &RuleMatch, at: &Matched) -> InspectionPlace {
    InspectionPlace {
        rule: rule.rule.to_string().into(),
        variable: variable(&at.variable),
        offset: at.offset.and_then(|offset| u32::try_from(offset).ok()),
    }
}

/// How long a member's name may be to be recorded, and how long the path of one in a document.
const NAME_BYTES_MAX: usize = 40;
const PATH_BYTES_MAX: usize = 90;

/// A variable as the record has it. A name that may be a value is left out, which `...` says: one that is what matched, and one that
/// is longer or otherwise spelt than names are, for a document that is sent as a form is one name.
fn variable(variable: &str) -> String {
    let Some((collection, name)) = variable.split_once(':') else { return variable.to_owned() };
    let max = if name.starts_with("json.") { PATH_BYTES_MAX } else { NAME_BYTES_MAX };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]~/".contains(&byte);
    let is_name = !collection.ends_with("_NAMES") && name.len() <= max && name.bytes().all(is_plain);
    if is_name { variable.to_owned() } else { format!("{collection}:...") }
}

const fn refused_by(limit: LimitReached) -> RefusalCode {
    match limit {
        LimitReached::Malformed => RefusalCode::BodyMalformed,
        LimitReached::Body => RefusalCode::BodyTooLarge,
        LimitReached::Values | LimitReached::Steps | LimitReached::Depth | LimitReached::Work => {
            RefusalCode::InspectionLimit
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_names_variables_and_no_values() {
        for (matched, recorded) in [
            ("ARGS:json.lines.note", "ARGS:json.lines.note"),
            ("ARGS:a[0]", "ARGS:a[0]"),
            ("ARGS:", "ARGS:"),
            ("REQUEST_URI", "REQUEST_URI"),
            ("ARGS_NAMES:hunter2", "ARGS_NAMES:..."),
            ("ARGS:{\"password\":\"hunter2\"}", "ARGS:..."),
            ("REQUEST_COOKIES:eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0", "REQUEST_COOKIES:..."),
        ] {
            assert_eq!(variable(matched), recorded);
        }
    }

    #[test]
    fn policies_are_told_of_the_gravest_rules() {
        let matched = |rule, severity| RuleMatch {
            rule,
            severity: Some(severity),
            message: String::new(),
            tags: Arc::new([]),
            variables: Vec::new(),
        };
        let mut matches: Vec<_> = (0..100).map(|rule| matched(rule, RuleSeverity::Notice)).collect();
        matches.push(matched(942_100, RuleSeverity::Critical));
        let report = Report { matches, ..Report::default() };
        let found = Found { report, mode: InspectionMode::Score, threshold: 5 };
        let rules = found.findings().rules;
        assert_eq!((rules.len(), rules.last().map(|rule| &**rule)), (RULES_MAX, Some("942100")));
    }
}
