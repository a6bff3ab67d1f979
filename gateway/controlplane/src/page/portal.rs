//! A tenant's start page: who you are, and where you can go.

use std::borrow::Cow;
use std::time::Duration;

use askama::Template;
use axum::response::Response;
use cedargate_assertion::TenantScope;
use cedargate_identity::MEMBER;
use cedargate_model::{RefusalCode, RoleName};
use cedargate_texts::Texts;

use super::directory::initial;
use super::render;
use crate::ServiceLink;
use crate::problem::Problem;
use crate::router::ControlPlane;
use crate::view::View;
use crate::visit::{SignedIn, Visit};

#[derive(Template)]
#[template(path = "portal.html")]
struct Portal<'p> {
    t: &'p View,
    tenant: &'p str,
    email: String,
    initial: char,
    roles: Vec<&'p RoleName>,
    strength: Cow<'static, str>,
    since: Cow<'static, str>,
    services: &'p [ServiceLink],
}

/// Shows the portal to somebody who is signed in.
pub(crate) async fn show(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    signed_in: SignedIn,
) -> Result<Response, Problem> {
    let unavailable = |error| Problem::new(RefusalCode::SessionStoreUnavailable).because(error).retry_after(5);
    let account = control_plane.accounts.find(tenant.id, signed_in.principal).await.map_err(unavailable)?;
    // Gone since the assertion was signed, minutes ago at most: the id is all that is left to show.
    let email = account.map_or_else(|| signed_in.principal.to_string(), |account| account.shown().to_owned());
    let t = &visit.view;
    let shown = Portal {
        t,
        tenant: tenant.name.as_str(),
        initial: initial(&email),
        email,
        // Everybody here is a member: that is no news.
        roles: visit.identity.roles.iter().filter(|role| role.as_str() != MEMBER).collect(),
        strength: strength(t.texts(), visit.identity.methods.iter().map(String::as_str), visit.identity.level),
        since: ago(t.texts(), visit.now.since(signed_in.authenticated_at)),
        services: &control_plane.services,
    };
    Ok(render(t, &shown))
}

/// What a sign-in was done with, in words.
pub(crate) fn strength<'m>(texts: Texts, methods: impl IntoIterator<Item = &'m str>, level: u8) -> Cow<'static, str> {
    let word = |method: &'m str| match method {
        "pwd" => texts.method_password(),
        "otp" => texts.method_code(),
        "hwk" | "pop" => texts.method_key(),
        "swk" => texts.method_passkey(),
        "fed" => texts.method_federated(),
        other => Cow::Owned(other.to_owned()),
    };
    let words = methods.into_iter().map(word).reduce(|first, second| texts.both(&first, &second));
    texts.strength(&words.unwrap_or_default(), level)
}

/// How long ago it was, as people tell it.
pub(crate) fn ago(texts: Texts, passed: Duration) -> Cow<'static, str> {
    match passed.as_secs() {
        0..60 => texts.just_now(),
        seconds @ 60..3_600 => texts.minutes_ago(seconds / 60),
        seconds @ 3_600..86_400 => texts.hours_ago(seconds / 3_600),
        seconds => texts.days_ago(seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_tell_them() {
        let told = |seconds| ago(Texts::default(), Duration::from_secs(seconds));
        assert_eq!([told(0), told(59), told(60), told(119)], ["just now", "just now", "1 minute ago", "1 minute ago"]);
        assert_eq!([told(7_199), told(7_200), told(172_800)], ["1 hour ago", "2 hours ago", "2 days ago"]);
    }
}
