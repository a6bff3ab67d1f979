//! A tenant's start page: who you are, and where you can go.

use std::time::Duration;

use askama::Template;
use axum::response::Response;
use cedargate_assertion::TenantScope;
use cedargate_identity::MEMBER;
use cedargate_model::{RefusalCode, RoleName};

use super::directory::initial;
use super::render;
use crate::ServiceLink;
use crate::problem::Problem;
use crate::router::ControlPlane;
use crate::visit::{SignedIn, Visit};

#[derive(Template)]
#[template(path = "portal.html")]
struct Portal<'p> {
    tenant: &'p str,
    email: String,
    initial: char,
    roles: Vec<&'p RoleName>,
    strength: String,
    since: String,
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
    Ok(render(&Portal {
        tenant: tenant.name.as_str(),
        initial: initial(&email),
        email,
        // Everybody here is a member: that is no news.
        roles: visit.identity.roles.iter().filter(|role| role.as_str() != MEMBER).collect(),
        strength: strength(visit.identity.methods.iter().map(String::as_str), visit.identity.level),
        since: ago(visit.now.since(signed_in.authenticated_at)),
        services: &control_plane.services,
    }))
}

pub(crate) fn strength<'m>(methods: impl IntoIterator<Item = &'m str>, level: u8) -> String {
    let word = |method: &'m str| match method {
        "pwd" => "password".to_owned(),
        "otp" => "one-time code".to_owned(),
        "hwk" => "passkey or security key".to_owned(),
        "swk" => "passkey".to_owned(),
        "fed" => "single sign-on".to_owned(),
        other => other.to_owned(),
    };
    let words: Vec<_> = methods.into_iter().map(word).collect();
    format!("{} (level {level} of 3)", words.join(" and "))
}

pub(crate) fn ago(passed: Duration) -> String {
    let (count, unit) = match passed.as_secs() {
        0..60 => return "just now".to_owned(),
        seconds @ 60..3_600 => (seconds / 60, "minute"),
        seconds @ 3_600..86_400 => (seconds / 3_600, "hour"),
        seconds => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_tell_them() {
        let told = |seconds| ago(Duration::from_secs(seconds));
        assert_eq!([told(0), told(59), told(60), told(119)], ["just now", "just now", "1 minute ago", "1 minute ago"]);
        assert_eq!([told(7_199), told(7_200), told(172_800)], ["1 hour ago", "2 hours ago", "2 days ago"]);
    }
}
