//! What the audit log records. One typed, versioned schema; field names are part of the log's format.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    AccountEvent, AdmissionEvent, ClientCertificate, ConnectionName, Credential, DecisionId, EventId, FactorId, Facts,
    KeyEvent, Micros, PolicyChangeEvent, PolicyId, PrincipalId, ProofKind, ProvisioningEvent, RefusalCode, RequestId,
    RouteId, SessionId, Shadowed, SigninReason, SnapshotId, Stage, TenantName, TokenEvent,
};

/// The version that every entry carries. A reader refuses what it does not know.
pub const EVENT_VERSION: u16 = 1;

/// One thing that happened. Never holds a secret, a query string, a body or a matched value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The event's own id.
    pub id: EventId,
    /// When it happened.
    pub at: Micros,
    /// Whose it is; none where the request reached no tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
}

/// The kinds of event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventBody {
    /// A request was allowed or refused. Shared with the exchange, which goes on after its decision was recorded.
    Decision(Arc<Decision>),
    /// A request was refused or cut after forwarding began.
    Amendment(Amendment),
    /// What became of an allowed request. Best effort: missing after a crash, it reads "unknown".
    Outcome(Outcome),
    /// Many alike refusals before authentication, exactly counted.
    Folded(Folded),
    /// Somebody signed in, failed to, or signed out.
    Signin(Signin),
    /// Somebody proved a second factor, or changed what an account signs in with or where it is signed in.
    Account(Box<AccountEvent>),
    /// Somebody asked for a link to be mailed, was invited, or used what was mailed. Boxed like an account's.
    Admission(Box<AdmissionEvent>),
    /// A program's token was issued, refused or revoked. Boxed like a decision: it is as large.
    Token(Box<TokenEvent>),
    /// An identity provider said something of its people by SCIM, or its token was made or revoked.
    Provisioning(Box<ProvisioningEvent>),
    /// A gateway signs with another key from now on.
    Key(KeyEvent),
    /// Something became of a change of a tenant's policies.
    PolicyChange(Box<PolicyChangeEvent>),
    /// A service says what it did under a decision. Boxed like a decision: it is as large.
    ServiceEvent(Box<ServiceEvent>),
}

/// A decision of the walk, by whichever stage ended it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The decision's id, which the client and the service are told.
    pub decision: DecisionId,
    /// The exchange's id.
    pub request: RequestId,
    /// Allowed, or refused and by which stage.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The client's address.
    pub client: IpAddr,
    /// The certificate that the client's connection was made with, where its host asks for one and it showed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<Arc<ClientCertificate>>,
    /// The method as sent, cut to 32 characters.
    pub method: String,
    /// The host; as sent and cut to 260 characters where it is not canonical.
    pub host: String,
    /// The path without query; as sent, escaped and cut to 512 characters where it is not canonical.
    pub path: String,
    /// The route, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteId>,
    /// The service that the route leads to, once known: the only one that may say what it did under this decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Arc<str>>,
    /// The Cedar action, once known: `Inventory::Action::"ListItems"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Arc<str>>,
    /// The Cedar resource, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Who asked; none for anonymous callers and before authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// What the inspection found, once it ran and found something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspection: Option<Inspection>,
    /// The snapshot that decided, once one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotId>,
    /// The policies that determined the decision, sorted.
    #[serde(default, skip_serializing_if = "<[PolicyId]>::is_empty")]
    pub determined_by: Arc<[PolicyId]>,
    /// What else the policies were shown, once they decided: with it the decision can be made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Arc<Facts>>,
    /// What a policy set in the shadow decided, where that is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Arc<Shadowed>>,
}

/// Allowed or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Permitted by every stage.
    Allow,
    /// Answered by the gateway itself without an act: a CORS preflight.
    Preflight,
    /// Ended by a stage.
    Refuse {
        /// The stage.
        stage: Stage,
        /// The refusal's code.
        code: RefusalCode,
        /// The operator's detail.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The principal.
    pub principal: PrincipalId,
    /// The session it acted in.
    pub session: SessionId,
    /// The authentication assurance level of that session.
    pub level: u8,
    /// By what it was known, where that was not a session's cookie. `session` is then what was shown: a key.
    #[serde(default, skip_serializing_if = "Credential::is_session")]
    pub credential: Credential,
}

/// What the inspection found, by rule and never by value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// The summed score.
    pub score: u32,
    /// The rules that matched, sorted.
    pub rules: Vec<Arc<str>>,
    /// The kinds of attack that those rules are for, sorted. At most [`Inspection::TAGS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Arc<str>>,
    /// Where they matched, in order. At most [`Inspection::PLACES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<InspectionPlace>,
    /// The limit that was reached, so that the rest was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Arc<str>>,
}

impl Inspection {
    /// Adds what was found later in the same exchange: the higher score, and everything else beside what is there.
    pub fn add(&mut self, later: Self) {
        self.score = self.score.max(later.score);
        self.rules.extend(later.rules);
        self.rules.sort_unstable();
        self.rules.dedup();
        self.tags.extend(later.tags);
        self.tags.sort_unstable();
        self.tags.dedup();
        self.tags.truncate(Self::TAGS_MAX);
        self.places.extend(later.places);
        self.places.truncate(Self::PLACES_MAX);
        self.limit = self.limit.take().or(later.limit);
    }

    /// The most tags that are kept.
    pub const TAGS_MAX: usize = 32;
    /// The most places that are kept.
    pub const PLACES_MAX: usize = 32;
}

/// Where a rule matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectionPlace {
    /// The rule.
    pub rule: Arc<str>,
    /// The variable, such as `ARGS:q`: cut, and escaped, for the name in it is the client's.
    pub variable: String,
    /// Where in the value, as the rule saw it, the match begins; none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
}

/// A request refused or cut after forwarding began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amendment {
    /// The decision that it amends.
    pub decision: DecisionId,
    /// The stage that ended it.
    pub stage: Stage,
    /// Why.
    pub code: RefusalCode,
    /// The operator's detail.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What became of an allowed request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The decision that it belongs to.
    pub decision: DecisionId,
    /// The status that the client was sent; none where it got no head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Octets of body sent to the client.
    pub response_bytes: u64,
    /// From the head's arrival to the end of the answer, in microseconds.
    pub duration_micros: u64,
    /// How it ended.
    pub end: OutcomeEnd,
    /// What the inspection found after the decision, in a body that was held back or in the answer; none where it found nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspection: Option<Box<Inspection>>,
}

impl Outcome {
    /// Whether a person who looks for trouble would want to see it: broken off, or answered with 5xx.
    pub fn is_bad(&self) -> bool {
        self.end != OutcomeEnd::Complete || self.status.is_none_or(|status| status >= 500)
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeEnd {
    /// The whole answer was sent.
    Complete,
    /// The client went away first.
    ClientGone,
    /// The upstream broke off after its head had been passed on.
    UpstreamBroke,
    /// The gateway cut it: its session had ended, or a policy no longer permits it. An amendment says which.
    Cut,
}

/// Alike refusals before authentication from one address prefix within one commit, exactly counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folded {
    /// The address prefix: an IPv4 address, or an IPv6 /64 written with its length.
    pub prefix: String,
    /// The stage that refused.
    pub stage: Stage,
    /// The refusal's code.
    pub code: RefusalCode,
    /// How many decisions this entry stands for.
    pub count: u32,
    /// The first one's time.
    pub first_at: Micros,
    /// The last one's time.
    pub last_at: Micros,
}

/// A sign-in, a failed one, or a sign-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signin {
    /// The decision that let the sign-in request through.
    pub decision: DecisionId,
    /// What came of it.
    pub result: SigninResult,
    /// Who; none where it failed, so that the log does not tell which accounts exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
    /// The session begun or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The client's address.
    pub client: IpAddr,
    /// The connection to an identity provider by which it was tried; none where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionName>,
    /// Why it failed, where more than one thing can be wrong. Nobody but the record's readers learns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<SigninReason>,
    /// How the person proved it to us, where they did: a password, a passkey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<ProofKind>,
    /// By which factor, where it was one of theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<FactorId>,
    /// The sessions that ended because this one begins: the one that the browser had, and the oldest of too many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<SessionId>,
}

/// What came of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigninResult {
    /// A session began.
    Succeeded,
    /// The credentials were wrong, or there is no such account.
    Failed,
    /// Too many failures: not even tried.
    Delayed,
    /// The session was ended by its person.
    SignedOut,
    /// The session was ended by the identity provider that it came from.
    EndedByProvider,
    /// A provider's word that sessions should end was not believed.
    EndingRefused,
}

/// What a service says that it did. The gateway has checked that the decision stands in its record, that it allowed, and
/// that it is this tenant's and this service's; what was done is the service's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// The decision under which it was done.
    pub decision: DecisionId,
    /// The service, by its credential.
    pub service: Arc<str>,
    /// The service's own id for the event. A service says an event of one id once.
    pub event: EventId,
    /// Who asked, by the decision; none where nobody was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
    /// What was done, by the name of the Cedar action: `UpdateItem`.
    pub action: String,
    /// What it was done to: `Inventory::Item::"0190…"`.
    pub resource: String,
    /// When, by the service's clock.
    pub done_at: Micros,
    /// Facts about it.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub detail: serde_json::Map<String, serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let refused = Event {
            id: EventId(uuid::Uuid::from_u128(1)),
            at: Micros(1_700_000_000_000_000),
            tenant: Some(TenantName::parse("acme").unwrap()),
            body: EventBody::Decision(Arc::new(Decision {
                decision: DecisionId(uuid::Uuid::from_u128(2)),
                request: RequestId(uuid::Uuid::from_u128(3)),
                verdict: Verdict::Refuse {
                    stage: Stage::Hygiene,
                    code: RefusalCode::PathInvalid,
                    detail: String::new(),
                },
                client: IpAddr::from([127, 0, 0, 1]),
                client_certificate: None,
                method: "GET".into(),
                host: "acme.localhost".into(),
                path: "/a/../b".into(),
                route: None,
                service: None,
                action: None,
                resource: None,
                subject: None,
                inspection: None,
                snapshot: None,
                determined_by: Arc::new([]),
                facts: None,
                shadow: None,
            })),
        };
        let text = serde_json::to_string(&refused).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"id":"00000000-0000-0000-0000-000000000001","at":1700000000000000,"tenant":"acme","kind":"decision","#,
                r#""decision":"00000000-0000-0000-0000-000000000002","request":"00000000-0000-0000-0000-000000000003","#,
                r#""verdict":"refuse","stage":"hygiene","code":"path_invalid","client":"127.0.0.1","method":"GET","#,
                r#""host":"acme.localhost","path":"/a/../b"}"#
            )
        );
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), refused);
    }
    #[test]
    fn a_service_event_reads_back_as_it_was_written() {
        let id = |number| uuid::Uuid::from_u128(number);
        let detail = serde_json::json!({ "quantity": -3, "unit": "kg" }).as_object().cloned().unwrap();
        let said = Event {
            id: EventId(id(1)),
            at: Micros(1_700_000_000_000_000),
            tenant: Some(TenantName::parse("acme").unwrap()),
            body: EventBody::ServiceEvent(Box::new(ServiceEvent {
                decision: DecisionId(id(2)),
                service: "inventory".into(),
                event: EventId(id(3)),
                principal: Some(PrincipalId(id(4))),
                action: "CreateMovement".into(),
                resource: "Inventory::Item::\"7\"".into(),
                done_at: Micros(1_700_000_000_000_001),
                detail,
            })),
        };
        let text = serde_json::to_string(&said).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"id":"00000000-0000-0000-0000-000000000001","at":1700000000000000,"tenant":"acme","#,
                r#""kind":"service_event","decision":"00000000-0000-0000-0000-000000000002","service":"inventory","#,
                r#""event":"00000000-0000-0000-0000-000000000003","principal":"00000000-0000-0000-0000-000000000004","#,
                r#""action":"CreateMovement","resource":"Inventory::Item::\"7\"","done_at":1700000000000001,"#,
                r#""detail":{"quantity":-3,"unit":"kg"}}"#
            )
        );
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), said);
    }
}
