//! One's own account: factors, recovery codes, sessions.

use std::borrow::Cow;

use askama::Template;
use axum::response::Response;
use cedargate_identity::{Agent, Factor, OwnSession};
use cedargate_model::{Micros, ProofKind};
use cedargate_texts::Texts;

use super::portal::{ago, strength};
use super::render;
use crate::account::Overview;
use crate::own::Own;
use crate::view::View;

#[derive(Template)]
#[template(path = "account.html")]
struct Account<'p> {
    t: &'p View,
    tenant: &'p str,
    email: &'p str,
    factors: Vec<FactorLine>,
    codes_left: usize,
    sessions: Vec<SessionLine>,
}

struct FactorLine {
    id: String,
    name: String,
    kind: Cow<'static, str>,
    added: Cow<'static, str>,
    used: Option<Cow<'static, str>>,
}

struct SessionLine {
    id: String,
    current: bool,
    agent: Cow<'static, str>,
    address: Option<String>,
    began: Cow<'static, str>,
    used: Cow<'static, str>,
    strength: Cow<'static, str>,
}

/// Shows it.
pub(crate) fn show(own: &Own, overview: &Overview) -> Response {
    let (now, t) = (own.visit.now, &own.visit.view);
    let since = |at: Micros| ago(t.texts(), now.since(at));
    let factor = |factor: &Factor| FactorLine {
        id: factor.id.to_string(),
        name: factor.name.to_string(),
        kind: kind(t.texts(), factor.kind),
        added: since(factor.added_at),
        used: factor.last_used_at.map(since),
    };
    let session = |session: &OwnSession| SessionLine {
        id: session.id.to_string(),
        current: session.id == own.signed_in.session,
        agent: session.device.agent.as_ref().map_or(t.account_agent_unknown(), |agent| program(t.texts(), agent)),
        address: session.device.address.map(|address| address.to_string()),
        began: since(session.began_at),
        // The one that asks is in use, whatever was written down last.
        used: if session.id == own.signed_in.session { t.just_now() } else { since(session.last_seen_at) },
        strength: strength(
            t.texts(),
            session.strength.methods.iter().map(|method| method.as_str()),
            session.strength.level,
        ),
    };
    render(
        t,
        &Account {
            t,
            tenant: own.tenant.name.as_str(),
            email: &overview.email,
            factors: overview.factors.iter().map(factor).collect(),
            codes_left: overview.codes_left,
            sessions: overview.sessions.iter().map(session).collect(),
        },
    )
}

/// A kind of factor in words.
pub(super) fn kind(texts: Texts, kind: ProofKind) -> Cow<'static, str> {
    match kind {
        ProofKind::Password => texts.kind_password(),
        ProofKind::Totp => texts.kind_totp(),
        ProofKind::RecoveryCode => texts.kind_recovery_code(),
        ProofKind::Passkey => texts.kind_passkey(),
        ProofKind::SecurityKey => texts.kind_security_key(),
    }
}

/// How many characters of an unknown program's claim are shown.
const CLAIM_CHARS_MAX: usize = 60;

/// A program as people call it. A browser claims to be its ancestors, too: the first match is the one that it is.
fn program(texts: Texts, agent: &Agent) -> Cow<'static, str> {
    const BROWSERS: [(&str, &str); 5] =
        [("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrom", "Chrome"), ("Safari/", "Safari")];
    const SYSTEMS: [(&str, &str); 6] = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let claim = agent.as_str();
    let find = |known: &[(&'static str, &'static str)]| {
        known.iter().find(|(mark, _)| claim.contains(mark)).map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => texts.account_agent(browser, system),
        (Some(browser), None) => Cow::Borrowed(browser),
        (None, _) => Cow::Owned(claim.chars().take(CLAIM_CHARS_MAX).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_called_what_people_call_them() {
        for (claim, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Safari/604.1",
                "Safari on iPhone",
            ),
            ("Mozilla/5.0 (Android 15; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0", "Firefox on Android"),
            ("curl/8.5.0", "curl/8.5.0"),
        ] {
            assert_eq!(program(Texts::default(), &Agent::of(claim).unwrap()), name);
        }
        assert_eq!(program(Texts::default(), &Agent::of(&"x".repeat(150)).unwrap()).len(), CLAIM_CHARS_MAX);
    }
}
