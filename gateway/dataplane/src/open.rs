//! Exchanges that may stay open for long: websockets, server-sent events, gRPC streams, long bodies. Each goes on while what let it
//! through would still let it through: the session, key or token it came with, and a policy that permits it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use cedargate_identity::{HeldCredential, HeldKey};
use cedargate_model::{
    Caller, Canonical, ClientCertificate, DecisionId, Micros, Principal, Refusal, RefusalCode, TenantId, TokenReason,
};
use cedargate_policy::{Context, InspectionMode, Query, Snapshot, Verdict, WafFindings};
use http::{HeaderMap, Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};

use crate::cut::Cut;
use crate::exchange::Admitted;
use crate::gateway::Gateway;
use crate::lifeline::{Lifeline, Severed};
use crate::site::Sites;
use crate::stage::authenticate::Backing;
use crate::stage::{authenticate, route};
use crate::trail::Trail;
use crate::walk::Pass;

/// How often they are looked at. What ends a session is heard of within half a second: together less than one.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// An exchange that has lasted this long is looked after, whatever it is.
const LONG: Duration = Duration::from_secs(1);

/// A longer body may be on its way for longer than that, to a client that reads slowly.
const SHORT_BODY_BYTES_MAX: u64 = 256 * 1024;

/// For how long they go on while the store cannot say whose sessions they are: as long as a restart of it takes.
const UNKNOWN_MAX: Duration = Duration::from_secs(30);

/// How many sessions the store is asked for at once, and for how long at a time: looking must not take longer where it is slow.
const ASKED_MAX: usize = 8;
const ASKING_MAX: Duration = Duration::from_secs(1);

/// All of a process.
#[derive(Default)]
pub(crate) struct OpenExchanges {
    all: Mutex<Vec<OpenExchange>>,
}

/// One of them: how to cut it, and what its decision was made of.
struct OpenExchange {
    severing: oneshot::Sender<Severed>,
    /// The exchange's own: where that has ended, so has this.
    lifeline: Weak<Lifeline>,
    cut: Cut,
    status: Option<u16>,
    decision: DecisionId,
    tenant: TenantId,
    held: Held,
    caller: Caller,
    canonical: Canonical,
    /// What policies see of the connection's certificate, and from when on they do not.
    certificate: Option<(Arc<ClientCertificate>, Micros)>,
    waf: WafFindings,
    /// When it was decided. A sign-in that was fresh enough then is not asked to be fresh for as long as the answer takes.
    decided_at: Micros,
    snapshot: Arc<Snapshot>,
    unknown_since: Option<Instant>,
}

/// By what an exchange was let through.
enum Held {
    /// Nobody is known.
    Nobody,
    By {
        credential: HeldCredential,
        /// What its answers are told by.
        key: HeldKey,
        /// What it rests on beside the store: with that it ends.
        backing: Backing,
    },
    /// Somebody is known by what does not count any more, or cannot be told.
    Gone,
}

/// Whether an answer may take long, by its head. Of a gRPC call nobody can say whether it is a stream, nor of a body that says no
/// length: one that pauses would never be looked at again.
pub(crate) fn may_take_long(pass: &Pass, response: &ResponseHeader) -> bool {
    if response.status == StatusCode::SWITCHING_PROTOCOLS || pass.route.grpc {
        return true;
    }
    if pass.canonical.method == Method::HEAD
        || matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    {
        return false;
    }
    let length = response.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.is_none_or(|length: u64| length > SHORT_BODY_BYTES_MAX)
}

impl OpenExchanges {
    /// Looks after an exchange from now on, unless it does already.
    pub(crate) fn hold(&self, gateway: &Gateway, session: &Session, admitted: &Admitted) {
        if admitted.lifeline.is_held() {
            return;
        }
        let (trail, pass) = (&admitted.trail, &admitted.pass);
        // A walk without a snapshot ends before this.
        let Some(snapshot) = pass.site.snapshot.clone() else { return };
        let octets = u64::try_from(session.body_bytes_sent()).unwrap_or(u64::MAX);
        let exchange = OpenExchange {
            severing: admitted.lifeline.hold(octets),
            lifeline: Arc::downgrade(&admitted.lifeline),
            cut: Cut::of(trail, pass),
            status: admitted.status,
            decision: trail.decision(),
            tenant: pass.site.tenant,
            held: held(gateway, &session.req_header().headers, admitted),
            caller: trail.caller.clone(),
            canonical: pass.canonical.clone(),
            certificate: trail.event.client_certificate.clone().zip(pass.certificate_until),
            waf: findings(trail, pass),
            decided_at: trail.at(),
            snapshot,
            unknown_since: None,
        };
        self.all().push(exchange);
    }

    /// The same for one that turns out to take its time.
    pub(crate) fn hold_if_long(&self, gateway: &Gateway, session: &Session, admitted: &Admitted) {
        if !admitted.lifeline.is_held() && admitted.trail.elapsed() > LONG {
            self.hold(gateway, session, admitted);
        }
    }

    /// Looks for ever, whatever happens. What a look that broke off had in its hands is cut: nobody would know when to.
    pub(crate) async fn look_after_always(self: Arc<Self>, gateway: Arc<Gateway>) {
        loop {
            let looking = Arc::clone(&self).look_after(Arc::clone(&gateway));
            match tokio::spawn(looking).await {
                Err(broken) if broken.is_panic() => {
                    tracing::error!(error = &broken as &dyn std::error::Error, "open exchanges were lost sight of");
                }
                Ok(()) | Err(_) => return,
            }
        }
    }

    async fn look_after(self: Arc<Self>, gateway: Arc<Gateway>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look(&gateway).await;
        }
    }

    async fn look(&self, gateway: &Gateway) {
        // Whatever is held meanwhile is looked at the next time.
        let mut all = std::mem::take(&mut *self.all());
        all.retain(|exchange| !exchange.severing.is_closed());
        if all.is_empty() {
            return;
        }
        let (sites, now) = (gateway.sites.load_full(), gateway.clock.now());
        let answers = known(gateway, &all, now).await;
        let mut kept = Vec::with_capacity(all.len());
        for mut exchange in all {
            match exchange.judge(gateway, &sites, &answers, now) {
                Ok(()) => kept.push(exchange),
                Err(refusal) => exchange.sever(refusal),
            }
        }
        // Whoever was not answered is asked for first the next time.
        kept.sort_by_key(|exchange| exchange.unknown_since.is_none());
        self.all().append(&mut kept);
    }

    fn all(&self) -> MutexGuard<'_, Vec<OpenExchange>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose each credential is now.
type Answers = HashMap<HeldKey, Option<Arc<Principal>>>;

/// Who is known by them now, as far as it is known: from memory where that is fresh, and of the others as many as the store says in
/// time, each once. A credential that is missing here is unknown, one without a principal is over.
async fn known(gateway: &Gateway, all: &[OpenExchange], now: Micros) -> Answers {
    let mut answers = HashMap::new();
    let mut wanted = Vec::new();
    let mut asked = HashSet::new();
    for exchange in all {
        let Held::By { credential: held, key, backing: _ } = &exchange.held else { continue };
        // A client that says something uses its session, one that only listens does not.
        let is_used = exchange.lifeline.upgrade().is_some_and(|lifeline| lifeline.take_heard());
        match gateway.sessions.known(exchange.tenant, held, now) {
            Some(found) => {
                if is_used && found.is_some() {
                    gateway.sessions.use_known(exchange.tenant, held, now);
                }
                answers.insert(*key, found);
            }
            None if asked.insert(*key) => wanted.push((*key, exchange.tenant, held.clone())),
            None => {}
        }
    }
    let asking = async {
        let (mut wanted, mut under_way) = (wanted.into_iter(), JoinSet::new());
        loop {
            while under_way.len() < ASKED_MAX
                && let Some((key, tenant, held)) = wanted.next()
            {
                let sessions = gateway.sessions.clone();
                under_way.spawn(async move { (key, sessions.peek(tenant, &held, now).await) });
            }
            match under_way.join_next().await {
                Some(Ok((key, Ok(found)))) => drop(answers.insert(key, found)),
                // The store is away: nobody else is asked for this time.
                Some(Ok((_, Err(_))) | Err(_)) | None => return,
            }
        }
    };
    // What is not answered by then is given up, and asked for again.
    let _ = timeout(ASKING_MAX, asking).await;
    answers
}

impl OpenExchange {
    /// Whether it may go on.
    fn judge(&mut self, gateway: &Gateway, sites: &Sites, answers: &Answers, now: Micros) -> Result<(), Refusal> {
        self.check_backing(gateway)?;
        let caller = self.caller_now(answers)?;
        let has_expired = self.forget_expired(now);
        let version = |caller: &Caller| caller.principal().map(|principal| principal.version);
        let snapshot = sites.at(&self.canonical.host).and_then(|site| site.snapshot.as_ref());
        let is_as_before = snapshot.is_some_and(|snapshot| Arc::ptr_eq(snapshot, &self.snapshot));
        if is_as_before && !has_expired && version(&caller) == version(&self.caller) {
            return Ok(());
        }
        let found = route::route(sites, &self.canonical, &self.canonical.method)?;
        if has_expired && found.routed.route().client_certificate {
            return Err(Refusal::new(
                RefusalCode::ClientCertificateRequired,
                "the certificate of the connection has expired",
            ));
        }
        let context = Context {
            now: self.decided_at,
            client: self.canonical.client,
            certificate: self.certificate.as_ref().map(|(certificate, _)| Arc::clone(certificate)),
            waf: self.waf.clone(),
        };
        let query = Query { caller: &caller, routed: &found.routed, context: &context };
        let refused = |code: RefusalCode| Err(Refusal::new(code, "what is asked for was permitted when it began"));
        match gateway.decisions.decide(&found.snapshot, &query, self.decision) {
            Verdict::Allow(_) => {
                (self.snapshot, self.caller) = (found.snapshot, caller);
                Ok(())
            }
            Verdict::SignIn(_) => refused(RefusalCode::SigninRequired),
            Verdict::StepUp(_) => refused(RefusalCode::StepUpRequired),
            Verdict::Deny(_) => refused(RefusalCode::Forbidden),
            Verdict::Failed(failed) => Err(Refusal::new(RefusalCode::DecisionFailed, failed.errors().join("; "))),
        }
    }

    /// What a key of ours signed is believed for as long as the key is: whoever has a copy of one writes himself tokens of others. And an
    /// issuer's word counts for as long as the tenant says so.
    fn check_backing(&self, gateway: &Gateway) -> Result<(), Refusal> {
        let refused = |detail: String| Refusal::new(RefusalCode::CredentialsInvalid, detail);
        match &self.held {
            Held::By { backing: Backing::Key(signed), .. } => {
                gateway.tokens.load().check_signed(*signed).map_err(|why| refused(format!("token_{why}")))
            }
            Held::By { backing: Backing::Rule(tenant, rule), .. } if !gateway.issuers.have(tenant, rule) => {
                Err(refused(TokenReason::AssertionIssuer.as_str().to_owned()))
            }
            Held::By { .. } | Held::Nobody | Held::Gone => Ok(()),
        }
    }

    /// Forgets the connection's certificate once its time is over, and says so when it does.
    fn forget_expired(&mut self, now: Micros) -> bool {
        let has_expired = self.certificate.as_ref().is_some_and(|(_, not_after)| now >= *not_after);
        if has_expired {
            self.certificate = None;
        }
        has_expired
    }

    /// Who it is now: the last that was known of them, for a while, where nobody can say.
    fn caller_now(&mut self, answers: &Answers) -> Result<Caller, Refusal> {
        let over = || Refusal::new(RefusalCode::SigninRequired, "the session, key or token it came with has ended");
        let key = match &self.held {
            Held::By { key, .. } => key,
            Held::Gone => return Err(over()),
            Held::Nobody => return Ok(self.caller.clone()),
        };
        match answers.get(key) {
            Some(Some(principal)) => {
                self.unknown_since = None;
                Ok(Caller::Principal(principal.clone()))
            }
            Some(None) => Err(over()),
            None if self.unknown_since.get_or_insert_with(Instant::now).elapsed() < UNKNOWN_MAX => {
                Ok(self.caller.clone())
            }
            None => Err(Refusal::new(
                RefusalCode::SessionStoreUnavailable,
                "for too long nobody could say whose session it is",
            )),
        }
    }

    fn sever(self, refusal: Refusal) {
        // It may have ended by itself in this instant.
        let _ = self.severing.send(Severed { refusal, cut: self.cut, status: self.status });
    }
}

/// What its decision was told of the inspection: where that only detects, nothing.
fn findings(trail: &Trail, pass: &Pass) -> WafFindings {
    let inspection = trail.event.inspection.as_ref().filter(|_| pass.route.inspection.mode != InspectionMode::Detect);
    let Some(inspection) = inspection else { return WafFindings::default() };
    let (rules, tags) = (inspection.rules.as_slice().into(), inspection.tags.as_slice().into());
    WafFindings { score: inspection.score, rules, tags }
}

/// What the request came with, where somebody was known by it.
fn held(gateway: &Gateway, headers: &HeaderMap, admitted: &Admitted) -> Held {
    let (trail, pass) = (&admitted.trail, &admitted.pass);
    let Some(principal) = trail.caller.principal() else { return Held::Nobody };
    let connection = authenticate::Shown { scheme: pass.canonical.scheme, machine: trail.machine.as_ref() };
    match authenticate::held(gateway, &pass.site, principal.credential, connection, headers, trail.at()) {
        Some((credential, backing)) => Held::By { key: credential.held_key(pass.site.tenant), credential, backing },
        None => Held::Gone,
    }
}
