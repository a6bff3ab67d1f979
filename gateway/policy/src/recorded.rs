//! A decision as the audit log has it, read so that it can be made again.
//!
//! Hundreds of thousands of them are read in one go, so this borrows what it can from the line and skips what it does not
//! need; the record's own reader knows every kind of event and takes several times as long.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, ClientCertificate, Credential, DecisionId, Facts, Micros, NormalizedPath,
    Principal, PrincipalId, RefusalCode, RoleName, SessionId, TenantId, TenantName,
};
use http::Method;
use serde::Deserialize;

use crate::routes::InspectionMode;
use crate::{Context, Query, Routed, Routing, Snapshot, WafFindings};

/// The most principals that are kept between two decisions of theirs.
const CALLERS_MAX: usize = 100_000;

/// Why an event cannot be decided again.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// It is no event that is known.
    #[error("it cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It was recorded by a gateway that did not keep what policies were shown.
    #[error("it does not say what policies were shown: an older gateway recorded it")]
    WithoutFacts,
    /// It was recorded by a newer gateway.
    #[error("its facts are of version {0}, and this program knows {known}", known = Facts::VERSION)]
    VersionUnknown(u8),
    /// A value in it is not of the form that it was recorded in.
    #[error("its {0} is not one that is recorded")]
    Value(&'static str),
}

/// What became of a request, as far as policies go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decided {
    /// Permitted.
    Allow,
    /// A stronger or fresher sign-in was asked for.
    StepUp,
    /// A sign-in was asked for.
    SignIn,
    /// Denied.
    Deny,
    /// A policy erred, which refuses.
    Failed,
    /// No route leads there.
    NoRoute,
}

impl Decided {
    /// A short name, as [`crate::Verdict::as_str`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::StepUp => "step_up",
            Self::SignIn => "sign_in",
            Self::Deny => "deny",
            Self::Failed => "failed",
            Self::NoRoute => "no_route",
        }
    }
}

/// A decision that policies made, from the audit log.
#[derive(Debug)]
pub struct Recorded<'a> {
    line: Line<'a>,
    facts: FactsText<'a>,
    tenant: Text<'a>,
}

/// A question that was asked once, as it stands before another snapshot.
#[derive(Clone, Debug)]
pub struct AskedAgain {
    /// Who asked.
    pub caller: Caller,
    /// What for, by the routes of the snapshot that it is put to.
    pub routed: Routed,
    /// As things stood.
    pub context: Context,
}

impl AskedAgain {
    /// The question.
    pub fn query(&self) -> Query<'_> {
        Query { caller: &self.caller, routed: &self.routed, context: &self.context }
    }
}

impl<'a> Recorded<'a> {
    /// Reads an event's octets, as the audit log's search gives them. None where it is not a decision that policies made.
    ///
    /// # Errors
    /// [`RecordedError`], of an event that is one and cannot be decided again.
    pub fn read(event: &'a [u8]) -> Result<Option<Self>, RecordedError> {
        let mut line: Line<'a> = serde_json::from_slice(event)?;
        if line.kind.0 != "decision" || line.snapshot.is_none() || line.verdict.is_none() {
            return Ok(None);
        }
        let facts = line.facts.take().ok_or(RecordedError::WithoutFacts)?;
        if facts.v != Facts::VERSION {
            return Err(RecordedError::VersionUnknown(facts.v));
        }
        let tenant = line.tenant.take().ok_or(RecordedError::Value("tenant"))?;
        Ok(Some(Self { line, facts, tenant }))
    }

    /// The decision's id.
    pub fn decision(&self) -> DecisionId {
        self.line.decision.unwrap_or(DecisionId(uuid::Uuid::nil()))
    }

    /// When it was recorded.
    pub fn at(&self) -> Micros {
        self.line.at
    }

    /// The tenant's name.
    pub fn tenant(&self) -> &str {
        &self.tenant.0
    }

    /// The tenant's id.
    pub fn tenant_id(&self) -> TenantId {
        self.facts.tenant
    }

    /// The snapshot that decided.
    pub fn snapshot(&self) -> &str {
        self.line.snapshot.as_ref().map_or("", |snapshot| &snapshot.0)
    }

    /// The principal; none for anonymous callers.
    pub fn principal(&self) -> Option<PrincipalId> {
        self.line.subject.as_ref().map(|subject| subject.principal)
    }

    /// The roles that it had.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.facts.roles.iter().map(|role| &*role.0)
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.line.method.0
    }

    /// The path.
    pub fn path(&self) -> &str {
        &self.line.path.0
    }

    /// The route that it took.
    pub fn route(&self) -> &str {
        self.line.route.as_ref().map_or("", |route| &route.0)
    }

    /// What policies decided. A refusal of a later stage does not change that they permitted.
    pub fn decided(&self) -> Decided {
        match self.line.code {
            None => Decided::Allow,
            Some(RefusalCode::SigninRequired) => Decided::SignIn,
            Some(RefusalCode::StepUpRequired) => Decided::StepUp,
            Some(RefusalCode::Forbidden) => Decided::Deny,
            Some(RefusalCode::DecisionFailed) => Decided::Failed,
            Some(_) => Decided::Allow,
        }
    }

    /// The same question before a snapshot of the same tenant; none where no route of it leads there.
    ///
    /// # Errors
    /// [`RecordedError::Value`].
    pub fn ask_again(&self, snapshot: &Snapshot, callers: &mut Callers) -> Result<Option<AskedAgain>, RecordedError> {
        let method = Method::from_bytes(self.method().as_bytes()).map_err(|_| RecordedError::Value("method"))?;
        let path = NormalizedPath::parse(self.path()).map_err(|_| RecordedError::Value("path"))?;
        let Routing::Found(routed) = snapshot.routes().find(&method, &path) else { return Ok(None) };
        let context = Context {
            now: self.facts.now,
            client: self.line.client,
            certificate: self.line.client_certificate.clone().map(Arc::new),
            waf: self.findings(routed.route().inspection.mode),
        };
        Ok(Some(AskedAgain { caller: callers.caller(self)?, routed, context }))
    }

    /// What policies are told of the inspection, in a route's mode.
    fn findings(&self, mode: InspectionMode) -> WafFindings {
        let shown = !matches!(mode, InspectionMode::Detect | InspectionMode::Off);
        let Some(found) = self.line.inspection.as_ref().filter(|_| shown) else { return WafFindings::default() };
        let texts = |texts: &[Text<'_>]| texts.iter().map(|text| Arc::from(&*text.0)).collect();
        WafFindings { score: found.score, rules: texts(&found.rules), tags: texts(&found.tags) }
    }
}

/// Principals of earlier decisions, so that one who asks a thousand times is made once.
#[derive(Debug, Default)]
pub struct Callers {
    known: HashMap<PrincipalId, Vec<Arc<Principal>>>,
    count: usize,
}

impl Callers {
    fn caller(&mut self, recorded: &Recorded<'_>) -> Result<Caller, RecordedError> {
        let Some(subject) = &recorded.line.subject else { return Ok(Caller::Anonymous) };
        if self.count >= CALLERS_MAX {
            *self = Self::default();
        }
        let same = self.known.entry(subject.principal).or_default();
        if let Some(known) = same.iter().find(|known| is_same(known, subject, &recorded.facts)) {
            return Ok(Caller::Principal(Arc::clone(known)));
        }
        let principal = Arc::new(principal(recorded, subject)?);
        same.push(Arc::clone(&principal));
        self.count += 1;
        Ok(Caller::Principal(principal))
    }
}

fn is_same(known: &Principal, subject: &SubjectText, facts: &FactsText<'_>) -> bool {
    known.strength.level == subject.level
        && known.credential == subject.credential
        && Some(known.authenticated_at) == facts.authenticated_at
        && known.tenant == facts.tenant
        && known.strength.methods == facts.methods
        && known.roles.len() == facts.roles.len()
        && known.roles.iter().zip(&facts.roles).all(|(known, role)| known.as_str() == role.0)
}

fn principal(recorded: &Recorded<'_>, subject: &SubjectText) -> Result<Principal, RecordedError> {
    let facts = &recorded.facts;
    let roles = facts.roles.iter().map(|role| RoleName::parse(&role.0)).collect::<Result<_, _>>();
    Ok(Principal {
        id: subject.principal,
        tenant: facts.tenant,
        tenant_name: TenantName::parse(recorded.tenant()).map_err(|_| RecordedError::Value("tenant"))?,
        display: String::new(),
        roles: roles.map_err(|_| RecordedError::Value("role"))?,
        session: subject.session,
        credential: subject.credential,
        strength: AuthnStrength { level: subject.level, methods: facts.methods.clone() },
        authenticated_at: facts.authenticated_at.ok_or(RecordedError::Value("sign-in's time"))?,
        version: 1,
    })
}

/// A text that is borrowed unless it was escaped.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Debug, Deserialize)]
struct Line<'a> {
    at: Micros,
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    tenant: Option<Text<'a>>,
    #[serde(default)]
    decision: Option<DecisionId>,
    #[serde(borrow, default)]
    verdict: Option<Text<'a>>,
    #[serde(default)]
    code: Option<RefusalCode>,
    #[serde(default = "nowhere")]
    client: IpAddr,
    #[serde(default)]
    client_certificate: Option<ClientCertificate>,
    #[serde(borrow, default = "empty")]
    method: Text<'a>,
    #[serde(borrow, default = "empty")]
    path: Text<'a>,
    #[serde(borrow, default)]
    route: Option<Text<'a>>,
    #[serde(default)]
    subject: Option<SubjectText>,
    #[serde(borrow, default)]
    inspection: Option<InspectionText<'a>>,
    #[serde(borrow, default)]
    snapshot: Option<Text<'a>>,
    #[serde(borrow, default)]
    facts: Option<FactsText<'a>>,
}

fn nowhere() -> IpAddr {
    IpAddr::from([0, 0, 0, 0])
}

fn empty<'a>() -> Text<'a> {
    Text(Cow::Borrowed(""))
}

#[derive(Debug, Deserialize)]
struct SubjectText {
    principal: PrincipalId,
    session: SessionId,
    level: u8,
    #[serde(default)]
    credential: Credential,
}

#[derive(Debug, Deserialize)]
struct InspectionText<'a> {
    score: u32,
    #[serde(borrow, default)]
    rules: Vec<Text<'a>>,
    #[serde(borrow, default)]
    tags: Vec<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct FactsText<'a> {
    v: u8,
    tenant: TenantId,
    now: Micros,
    #[serde(borrow, default)]
    roles: Vec<Text<'a>>,
    #[serde(default)]
    methods: Vec<AuthnMethod>,
    #[serde(default)]
    authenticated_at: Option<Micros>,
}
