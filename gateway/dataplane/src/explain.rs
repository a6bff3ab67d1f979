//! Why a request would be allowed or refused: the stages' own functions, asked about a request that nobody sent.

use std::net::IpAddr;

use cedargate_model::{
    Caller, Canonical, Challenge, DecisionId, Micros, Refusal, RefusalCode, RequestId, Scheme, Stage,
};
use cedargate_policy::{Context, Decisions, InspectionMode, Query, Verdict, WafFindings};
use cedargate_waf::{Body, Engine};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use serde::Serialize;
use uuid::Uuid;

use crate::arrival::Peer;
use crate::gateway::Settings;
use crate::site::Sites;
use crate::stage::guard::{self, Passage};
use crate::stage::inspect::RuleSets;
use crate::stage::route::{self, Found};
use crate::stage::{hygiene, inspect};

/// What an explanation is made from: the same parts that serve.
pub struct Parts<'a> {
    /// Who answers where.
    pub sites: &'a Sites,
    /// The decision point.
    pub decisions: &'a Decisions,
    /// Inspection by the built-in rules.
    pub engine: &'a Engine,
    /// Inspection by rule sets.
    pub rule_sets: &'a RuleSets,
    /// Bounds.
    pub settings: &'a Settings,
}

/// A request that somebody might send.
pub struct Question {
    /// Who asks, as a session or token would have told.
    pub caller: Caller,
    /// The method.
    pub method: Method,
    /// The request target as it would stand in the request line.
    pub target: String,
    /// The value of `Host`.
    pub host: String,
    /// Further headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body, if there is one.
    pub body: Option<Vec<u8>>,
    /// From where.
    pub client: IpAddr,
    /// With or without TLS.
    pub scheme: Scheme,
}

/// What every stage would say, up to the one that ends the walk.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The stages in order.
    pub stages: Vec<Explained>,
    /// The policies that determined the decision, if one was made.
    pub policies: Vec<ExplainedPolicy>,
    /// The refusal's code, or none if the request would be forwarded.
    pub refused_with: Option<RefusalCode>,
}

/// What one stage says.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The stage.
    pub stage: Stage,
    /// What it does with the request.
    pub outcome: StageOutcome,
    /// In words, for the operator.
    pub detail: String,
}

/// What a stage does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageOutcome {
    /// Lets it on.
    Passes,
    /// Ends it.
    Refuses,
    /// Depends on what was sent before, which an explanation does not touch.
    NotAsked,
}

/// A policy that determined a decision.
#[derive(Debug, Serialize)]
pub struct ExplainedPolicy {
    /// Its id.
    pub id: String,
    /// What it is for, if it says so.
    pub description: Option<String>,
    /// Its text.
    pub text: Option<String>,
}

/// Walks a request that nobody sent, with nothing recorded, limited or forwarded.
pub fn explain(parts: &Parts<'_>, question: &Question, now: Micros) -> Explanation {
    let mut explanation = Explanation { stages: Vec::new(), policies: Vec::new(), refused_with: None };
    if let Err((stage, refusal)) = stages(parts, question, now, &mut explanation) {
        explanation.refused_with = Some(refusal.code);
        let detail = describe(&refusal);
        explanation.stages.push(Explained { stage, outcome: StageOutcome::Refuses, detail });
    }
    explanation
}

fn stages(parts: &Parts<'_>, question: &Question, now: Micros, told: &mut Explanation) -> Result<(), (Stage, Refusal)> {
    let ended = |refusal: Refusal| (refusal.code.stage(), refusal);
    let headers = headers(question);
    let canonical = canonicalise(parts, question, &headers).map_err(ended)?;
    told.passes(Stage::Hygiene, format!("{} {}{}", canonical.method, canonical.host, canonical.target()));

    let found =
        route::route(parts.sites, &canonical, guard::asked_method(&canonical.method, &headers)).map_err(ended)?;
    let route = found.routed.route();
    route::allow_upgrade(&headers, route).map_err(ended)?;
    // Nobody asks over HTTP/1 what becomes of gRPC.
    route::check_grpc(Version::HTTP_2, &headers, route).map_err(ended)?;
    told.passes(
        Stage::Route,
        format!("tenant {}, route {}: {} on {}", found.site.name, route.id, route.action, found.routed.resource()),
    );
    told.not_asked(Stage::Limit, "depends on what the address sent before");
    told.passes(Stage::Authenticate, describe_caller(&question.caller));
    told.not_asked(Stage::Quota, "depends on what the principal and the tenant sent before");

    match guard::guard(&canonical, &headers, route, &question.caller, false).map_err(ended)? {
        Passage::Preflight(_) => {
            told.passes(Stage::Guard, "a CORS preflight, answered by the gateway".to_owned());
            return Ok(());
        }
        Passage::Go(_) => told.passes(Stage::Guard, "not a cross-origin trick".to_owned()),
    }

    let waf = judge(parts, question, &canonical, &found, &headers, told).map_err(ended)?;
    decide(parts, question, &canonical, &found, waf, now, told).map_err(ended)?;
    told.not_asked(Stage::Record, "the decision would be on disk before the answer");
    told.passes(Stage::Forward, format!("to service {}, as audience {}", route.service, route.service));
    Ok(())
}

impl Explanation {
    fn passes(&mut self, stage: Stage, detail: String) {
        self.stages.push(Explained { stage, outcome: StageOutcome::Passes, detail });
    }

    fn not_asked(&mut self, stage: Stage, detail: &str) {
        self.stages.push(Explained { stage, outcome: StageOutcome::NotAsked, detail: detail.to_owned() });
    }
}

fn headers(question: &Question) -> HeaderMap {
    let mut headers: HeaderMap = question.headers.iter().cloned().collect();
    if let Ok(host) = HeaderValue::from_str(&question.host) {
        headers.insert(header::HOST, host);
    }
    if let Some(body) = &question.body {
        headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    headers
}

/// Hygiene as a live request meets it: the raw head first, then the parsed one.
fn canonicalise(parts: &Parts<'_>, question: &Question, headers: &HeaderMap) -> Result<Canonical, Refusal> {
    let mut head = format!("{} {} HTTP/1.1\r\n", question.method, question.target).into_bytes();
    for (name, value) in headers {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    hygiene::screen(&head, &parts.settings.head)?;
    let peer = Peer { address: question.client, scheme: question.scheme };
    let (target, trusted) = (question.target.as_bytes(), &parts.settings.trusted_proxies);
    hygiene::canonicalise(&question.method, target, headers, &peer, trusted, RequestId(Uuid::nil()))
}

fn judge(
    parts: &Parts<'_>,
    question: &Question,
    canonical: &Canonical,
    found: &Found,
    headers: &HeaderMap,
    told: &mut Explanation,
) -> Result<WafFindings, Refusal> {
    let route = found.routed.route();
    if route.inspection.mode == InspectionMode::Off {
        told.passes(Stage::Inspect, "the route is not inspected".to_owned());
        return Ok(WafFindings::default());
    }
    let threshold = parts.settings.inspection_threshold;
    if let Some(plan) = parts.settings.rules.plan(parts.rule_sets, route, &found.site.name, threshold.score())? {
        let head = inspect::Head::of(canonical, question.target.as_bytes(), Version::HTTP_11, headers);
        let found = inspect::explain(&plan, &head, question.body.as_deref());
        if let Some(refusal) = found.refusal() {
            return Err(refusal);
        }
        let waf = found.findings();
        told.passes(Stage::Inspect, format!("score {} {}", waf.score, waf.rules.join(" ")).trim_end().to_owned());
        return Ok(waf);
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let body = question.body.as_deref().map(|bytes| Body { content_type, bytes, complete: true });
    let scope = inspect::scope(route);
    let inspected = inspect::inspect(parts.engine, canonical, question.target.as_bytes(), headers, body, &scope);
    inspect::refuse_attack(&inspected, threshold)?;
    let rules: Vec<_> = inspected.rules().iter().map(ToString::to_string).collect();
    told.passes(Stage::Inspect, format!("score {} {}", inspected.score(), rules.join(" ")).trim_end().to_owned());
    Ok(inspect::findings(&inspected, route))
}

fn decide(
    parts: &Parts<'_>,
    question: &Question,
    canonical: &Canonical,
    found: &Found,
    waf: WafFindings,
    now: Micros,
    told: &mut Explanation,
) -> Result<(), Refusal> {
    let context = Context { now, client: canonical.client, certificate: None, waf };
    let query = Query { caller: &question.caller, routed: &found.routed, context: &context };
    let verdict = parts.decisions.decide(&found.snapshot, &query, DecisionId(Uuid::nil()));
    let basis = verdict.basis();
    told.policies = basis
        .determined_by()
        .iter()
        .map(|id| ExplainedPolicy {
            id: id.to_string(),
            description: found.snapshot.policy_description(id).map(str::to_owned),
            text: found.snapshot.policy_text(id).map(str::to_owned),
        })
        .collect();
    let because = match &*told.policies {
        [] => "no policy permits it".to_owned(),
        policies => policies.iter().map(|policy| policy.id.as_str()).collect::<Vec<_>>().join(", "),
    };
    let snapshot = basis.snapshot().as_str().get(..12).unwrap_or_default();
    let detail = format!("{because} (snapshot {snapshot})");
    let refuse = |code| Err(Refusal::new(code, detail.clone()));
    match verdict {
        Verdict::Allow(_) => {
            told.passes(Stage::Authorize, detail);
            Ok(())
        }
        Verdict::SignIn(_) => refuse(RefusalCode::SigninRequired),
        Verdict::Deny(_) => refuse(RefusalCode::Forbidden),
        Verdict::StepUp(needed) => refuse(RefusalCode::StepUpRequired).map_err(|refusal| {
            refusal.with(Challenge::StepUp { level: needed.level(), max_age_seconds: needed.max_age_seconds() })
        }),
        Verdict::Failed(failed) => Err(Refusal::new(RefusalCode::DecisionFailed, failed.errors().join("; "))),
    }
}

fn describe(refusal: &Refusal) -> String {
    let mut text = format!("{} ({})", refusal.code, refusal.code.status());
    if !refusal.detail.is_empty() {
        text = format!("{text}: {}", refusal.detail);
    }
    match &refusal.challenge {
        Challenge::StepUp { level, max_age_seconds: None } => format!("{text}; a sign-in of level {level} would do"),
        Challenge::StepUp { level, max_age_seconds: Some(age) } => {
            format!("{text}; a sign-in of level {level} that is at most {age} s old would do")
        }
        Challenge::Allow(methods) => {
            let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
            format!("{text}; it accepts {}", methods.join(", "))
        }
        Challenge::None
        | Challenge::RetryAfter(_)
        | Challenge::SignIn
        | Challenge::Decision(_)
        | Challenge::InsufficientScope(_) => text,
    }
}

fn describe_caller(caller: &Caller) -> String {
    match caller {
        Caller::Anonymous => "anonymous".to_owned(),
        Caller::Principal(principal) => {
            let roles: Vec<_> = principal.roles.iter().map(|role| role.as_str()).collect();
            let level = principal.strength.level;
            format!("{} with roles {}, sign-in level {level}", principal.display, roles.join(", "))
        }
    }
}
