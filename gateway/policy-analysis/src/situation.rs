//! A request that the decision point can be asked about, made from what the solver found, and made as plain as it can be.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::{EntityUid, EvalResult, Policy};
use cedar_policy_symcc::Env;
use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, ClientCertificate, Credential, DecisionId, Micros, Principal, PrincipalId,
    RoleName, SessionId, TenantId, TenantName,
};
use cedargate_policy::{Context, Model, Query, Verdict, WafFindings};
use uuid::Uuid;

/// 2030-01-01T00:00:00Z: a moment like any other.
const PLAIN_NOW: i64 = 1_893_456_000;
/// How old a sign-in is where its age does not matter.
const PLAIN_AGE: i64 = 60;
/// An address that nobody has (RFC 5737).
const PLAIN_CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// The resource where it does not matter which.
const PLAIN_RESOURCE: &str = "example";
/// Somebody.
const PLAIN_PRINCIPAL: Uuid = Uuid::from_u128(1);
const METHODS: [AuthnMethod; 6] =
    [AuthnMethod::Pwd, AuthnMethod::Otp, AuthnMethod::Hwk, AuthnMethod::Fed, AuthnMethod::Swk, AuthnMethod::Pop];

/// Who asks for one action on one resource, with all that policies can see of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Situation {
    pub(crate) who: Who,
    pub(crate) roles: BTreeSet<RoleName>,
    /// Whether they belong to the tenant whose resource it is.
    pub(crate) own_tenant: bool,
    pub(crate) principal: Uuid,
    pub(crate) resource: String,
    pub(crate) level: u8,
    pub(crate) methods: BTreeSet<AuthnMethod>,
    pub(crate) age_seconds: i64,
    pub(crate) client: IpAddr,
    pub(crate) certificate: Option<ClientCertificate>,
    pub(crate) waf: (u32, BTreeSet<String>, BTreeSet<String>),
    pub(crate) now: i64,
}

/// What kind of principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Anonymous,
    /// A person, by a session or by a token that it was exchanged for.
    Person {
        session: bool,
    },
    ServiceAccount,
    ScimToken,
}

impl Situation {
    /// What the solver found. None where it is no request that could arrive.
    pub(crate) fn of(env: &Env, model: &Model) -> Option<Self> {
        let principal = env.request.principal()?;
        let tenant = model.snapshot().tenant().id.to_string();
        let all: BTreeSet<RoleName> =
            ancestors(env, principal).filter_map(|name| RoleName::parse(&name).ok()).collect();
        let who = match principal.type_name().basename() {
            "Anonymous" => Who::Anonymous,
            "User" => Who::Person { session: all.iter().any(|role| role.as_str() == "member") },
            "ServiceAccount" => Who::ServiceAccount,
            "ScimToken" => Who::ScimToken,
            _ => return None,
        };
        let known = model.snapshot().roles();
        let is_given = |role: &RoleName| matches!(role.as_str(), "anonymous" | "member");
        let roles = all.into_iter().filter(|r| !is_given(r) && known.iter().any(|role| role.name == *r)).collect();
        let own = match env.entities.get(principal)?.attr("tenant")?.ok()? {
            EvalResult::EntityUid(uid) => uid.id().unescaped() == tenant,
            _ => return None,
        };
        let context = env.request.context()?;
        let EvalResult::Record(authn) = context.get("authn")? else { return None };
        let EvalResult::Record(waf) = context.get("waf")? else { return None };
        let methods = texts(authn.get("methods")?)?;
        let now = context.get("now").and_then(|now| moment(&now)).unwrap_or(PLAIN_NOW);
        Some(Self {
            who,
            roles,
            own_tenant: own,
            principal: principal.id().unescaped().parse().unwrap_or(PLAIN_PRINCIPAL),
            resource: env.request.resource()?.id().unescaped().to_owned(),
            level: u8::try_from(long(authn.get("level")?)?).ok()?,
            methods: METHODS.into_iter().filter(|method| methods.contains(method.as_str())).collect(),
            age_seconds: long(authn.get("age_seconds")?)?,
            client: context.get("client").and_then(|client| address(&client)).unwrap_or(PLAIN_CLIENT),
            certificate: context.get("certificate").and_then(|shown| certificate(&shown)),
            waf: (u32::try_from(long(waf.get("score")?)?).ok()?, texts(waf.get("rules")?)?, texts(waf.get("tags")?)?),
            now,
        })
    }

    /// What the decision point makes of it. None where nothing leads to this action and resource.
    pub(crate) fn ask(&self, model: &Model, action: &EntityUid, kind: &str) -> Option<Verdict> {
        self.with_query(model, action, kind, |query| model.snapshot().decide(query, DecisionId(Uuid::nil())))
    }

    /// Whether it satisfies a policy.
    pub(crate) fn satisfies(&self, model: &Model, action: &EntityUid, kind: &str, policy: &Policy) -> bool {
        self.with_query(model, action, kind, |query| model.satisfies(query, policy)).flatten().unwrap_or(false)
    }

    fn with_query<T>(
        &self,
        model: &Model,
        action: &EntityUid,
        kind: &str,
        ask: impl FnOnce(&Query<'_>) -> T,
    ) -> Option<T> {
        let resource = format!("{kind}::\"{}\"", self.resource.escape_debug());
        let routed = model.snapshot().routes().address(&action.to_string(), &resource)?;
        let now = Micros(self.now.saturating_mul(1_000_000));
        let caller = self.caller(model, now)?;
        let (score, rules, tags) = &self.waf;
        let shared = |texts: &BTreeSet<String>| texts.iter().map(|text| Arc::from(text.as_str())).collect();
        let context = Context {
            now,
            client: self.client,
            certificate: self.certificate.clone().map(Arc::new),
            waf: WafFindings { score: *score, rules: shared(rules), tags: shared(tags) },
        };
        Some(ask(&Query { caller: &caller, routed: &routed, context: &context }))
    }

    fn caller(&self, model: &Model, now: Micros) -> Option<Caller> {
        let credential = match self.who {
            Who::Anonymous => return Some(Caller::Anonymous),
            Who::Person { session: true } => Credential::Session,
            Who::Person { session: false } => Credential::SessionToken,
            Who::ServiceAccount => Credential::ApiKey,
            Who::ScimToken => Credential::ScimToken,
        };
        let scope = model.snapshot().tenant();
        // Any other tenant will do.
        let other =
            || TenantName::parse("another").ok().map(|name| (TenantId(Uuid::from_u128(!scope.id.0.as_u128())), name));
        let (tenant, tenant_name) = if self.own_tenant { (scope.id, scope.name.clone()) } else { other()? };
        let age = self.age_seconds.saturating_mul(1_000_000);
        Some(Caller::Principal(Arc::new(Principal {
            id: PrincipalId(self.principal),
            tenant,
            tenant_name,
            display: "somebody@example.com".into(),
            roles: self.roles.iter().cloned().collect(),
            session: SessionId(PLAIN_PRINCIPAL),
            credential,
            strength: AuthnStrength { level: self.level, methods: self.methods.iter().copied().collect() },
            authenticated_at: Micros(now.0.saturating_sub(age)),
            version: 1,
        })))
    }

    /// The plainest request about which the same is true: what the solver made up, and does not matter, is gone.
    pub(crate) fn plainest(self, same: &dyn Fn(&Self) -> bool) -> Self {
        let mut found = self;
        loop {
            let plainer = found.plainer().into_iter().find(|other| *other != found && same(other));
            match plainer {
                Some(plainer) => found = plainer,
                None => return found,
            }
        }
    }

    /// The same with one thing as it usually is.
    fn plainer(&self) -> Vec<Self> {
        let with = |change: &dyn Fn(&mut Self)| {
            let mut other = self.clone();
            change(&mut other);
            other
        };
        let mut all: Vec<Self> =
            self.roles.iter().map(|role| with(&|s| s.roles.retain(|other| other != role))).collect();
        all.push(with(&|s| s.own_tenant = true));
        all.push(with(&|s| s.principal = PLAIN_PRINCIPAL));
        all.push(with(&|s| s.resource = PLAIN_RESOURCE.to_owned()));
        all.push(with(&|s| s.client = PLAIN_CLIENT));
        all.push(with(&|s| s.certificate = None));
        all.push(with(&|s| s.waf = (0, BTreeSet::new(), BTreeSet::new())));
        all.push(with(&|s| s.now = PLAIN_NOW));
        if self.who != Who::Anonymous {
            let plain_methods = match self.who {
                Who::Person { .. } => BTreeSet::from([AuthnMethod::Pwd]),
                _ => BTreeSet::new(),
            };
            all.push(with(&|s| {
                s.level = 1;
                s.methods.clone_from(&plain_methods);
            }));
            all.push(with(&|s| s.methods.clone_from(&plain_methods)));
            // As people prove it: a second factor is a code, a third level a key.
            all.push(with(&|s| {
                s.methods.clone_from(&plain_methods);
                s.methods.extend((s.level >= 2).then_some(AuthnMethod::Otp));
            }));
            all.push(with(&|s| s.level = s.level.saturating_sub(1).max(1)));
            all.push(with(&|s| s.age_seconds = PLAIN_AGE));
        }
        if matches!(self.who, Who::Person { session: false }) {
            all.push(with(&|s| s.who = Who::Person { session: true }));
        }
        // Each step goes one way, towards the plain one, so that this ends.
        all.retain(|other| other.strangeness() < self.strangeness());
        all
    }

    fn strangeness(&self) -> usize {
        let plain_methods = match self.who {
            Who::Person { .. } if self.level >= 2 => BTreeSet::from([AuthnMethod::Pwd, AuthnMethod::Otp]),
            Who::Person { .. } => BTreeSet::from([AuthnMethod::Pwd]),
            _ => BTreeSet::new(),
        };
        let strange = [
            !self.own_tenant,
            self.principal != PLAIN_PRINCIPAL,
            self.resource != PLAIN_RESOURCE,
            self.client != PLAIN_CLIENT,
            self.certificate.is_some(),
            self.waf != (0, BTreeSet::new(), BTreeSet::new()),
            self.now != PLAIN_NOW,
            self.methods != plain_methods,
            self.age_seconds != PLAIN_AGE,
            self.who == Who::Person { session: false },
        ];
        // A level counts for more than the methods that would go with it.
        self.roles.len() + usize::from(self.level) * 2 + strange.into_iter().filter(|strange| *strange).count()
    }

    /// What of it matters, in words: with another value the same would not be true of it, or it is none that is usual.
    pub(crate) fn facts(&self, same: &dyn Fn(&Self) -> bool) -> Vec<String> {
        let matters = |changes: &[&dyn Fn(&mut Self)]| {
            changes.iter().any(|change| {
                let mut other = self.clone();
                change(&mut other);
                other != *self && !same(&other)
            })
        };
        let mut facts = Vec::new();
        let is_known = self.who != Who::Anonymous;
        if !self.own_tenant {
            facts.push("they belong to another tenant".to_owned());
        }
        if self.who == (Who::Person { session: false }) {
            facts.push("they use an access token, not a session".to_owned());
        }
        let levels: [&dyn Fn(&mut Self); 3] = [&|s| s.level = 1, &|s| s.level = 2, &|s| s.level = 3];
        if is_known && matters(&levels) {
            facts.push(format!("they signed in at assurance level {}", self.level));
        }
        let all: BTreeSet<AuthnMethod> = METHODS.into_iter().collect();
        if is_known && matters(&[&|s| s.methods.clear(), &|s| s.methods.clone_from(&all)]) {
            let methods: Vec<&str> = self.methods.iter().map(|method| method.as_str()).collect();
            facts.push(match methods.as_slice() {
                [] => "they proved who they are by no method at all".to_owned(),
                some => format!("they proved who they are by {}", some.join(", ")),
            });
        }
        if is_known && matters(&[&|s| s.age_seconds = 0, &|s| s.age_seconds = 1 << 31]) {
            facts.push(format!("they proved who they are {} ago", span(self.age_seconds)));
        }
        if matters(&[&|s| s.principal = Uuid::from_u128(2)]) {
            facts.push(format!("they are the account {}", self.principal));
        }
        let elsewhere = IpAddr::from([198, 51, 100, 1]);
        let here = IpAddr::from([127, 0, 0, 1]);
        if self.client != PLAIN_CLIENT || matters(&[&|s| s.client = elsewhere, &|s| s.client = here]) {
            facts.push(format!("from the address {}", self.client));
        }
        match &self.certificate {
            Some(shown) => facts.push(format!("with the client certificate of `{}`", shown.subject)),
            None => {
                let some = ClientCertificate {
                    fingerprint: "00".to_owned(),
                    subject: "CN=somebody".to_owned(),
                    names: Vec::new(),
                };
                if matters(&[&|s| s.certificate = Some(some.clone())]) {
                    facts.push("without a client certificate".to_owned());
                }
            }
        }
        let (score, rules, tags) = &self.waf;
        if *score != 0 || matters(&[&|s| s.waf.0 = 100]) {
            facts.push(format!("the inspection's score is {score}"));
        }
        if !rules.is_empty() || !tags.is_empty() {
            let names: Vec<&str> = rules.iter().chain(tags).map(String::as_str).collect();
            facts.push(format!("the inspection found {}", names.join(", ")));
        }
        if self.now != PLAIN_NOW || matters(&[&|s| s.now = 0, &|s| s.now = 4_102_444_800]) {
            facts.push(format!("at {} seconds since 1970", self.now));
        }
        facts
    }

    /// Who it is, in words.
    pub(crate) fn person(&self) -> String {
        let roles: Vec<String> = self.roles.iter().map(|role| format!("`{role}`")).collect();
        let roles = match roles.as_slice() {
            [] => "no role of their own".to_owned(),
            [one] => format!("the role {one}"),
            several => format!("the roles {}", several.join(", ")),
        };
        match self.who {
            Who::Anonymous => "somebody who has not signed in".to_owned(),
            Who::Person { .. } => format!("a person with {roles}"),
            Who::ServiceAccount => format!("a service account with {roles}"),
            Who::ScimToken => "an identity provider, by its token for SCIM".to_owned(),
        }
    }
}

fn span(seconds: i64) -> String {
    match seconds {
        1 => "1 second".to_owned(),
        0..=7_200 => format!("{seconds} seconds"),
        7_201..=172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn ancestors(env: &Env, uid: &EntityUid) -> impl Iterator<Item = String> {
    let all = env.entities.ancestors(uid).into_iter().flatten();
    all.filter(|uid| uid.type_name().basename() == "Role").map(|uid| uid.id().unescaped().to_owned())
}

fn long(value: &EvalResult) -> Option<i64> {
    if let EvalResult::Long(value) = value { Some(*value) } else { None }
}

fn texts(value: &EvalResult) -> Option<BTreeSet<String>> {
    let EvalResult::Set(set) = value else { return None };
    set.iter().map(|text| if let EvalResult::String(text) = text { Some(text.clone()) } else { None }).collect()
}

fn certificate(value: &EvalResult) -> Option<ClientCertificate> {
    let EvalResult::Record(record) = value else { return None };
    let text = |name: &str| match record.get(name) {
        Some(EvalResult::String(text)) => Some(text.clone()),
        _ => None,
    };
    Some(ClientCertificate {
        fingerprint: text("fingerprint")?,
        subject: text("subject")?,
        names: texts(record.get("names")?)?.into_iter().collect(),
    })
}

/// `ip("10.0.0.0/8")`: a range stands for its first address. The decision point says whether that will do.
fn address(value: &EvalResult) -> Option<IpAddr> {
    let EvalResult::ExtensionValue(text) = value else { return None };
    let quoted = text.split('"').nth(1)?;
    quoted.split('/').next()?.parse().ok()
}

/// `(datetime("1970-01-01")).offset(duration("5000ms"))`, as Cedar writes moments, in whole seconds.
fn moment(value: &EvalResult) -> Option<i64> {
    let EvalResult::ExtensionValue(text) = value else { return None };
    let millis = text.split('"').find_map(|part| part.strip_suffix("ms"))?;
    millis.parse::<i64>().ok().map(|millis| millis.div_euclid(1000))
}
