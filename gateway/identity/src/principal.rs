//! From rows to who somebody is.

use cedargate_model::{AuthnMethod, RoleName};

/// The role that everybody who is signed in has.
pub const MEMBER: &str = "member";

/// The roles that an account cannot be given: they follow from being signed in or not.
pub(crate) fn is_reserved(role: &RoleName) -> bool {
    matches!(role.as_str(), MEMBER | RoleName::ANONYMOUS)
}

/// An account's roles and [`MEMBER`], sorted and without repeats. `None` where a text is no role.
pub(crate) fn roles_of_principal<'r>(stored: impl Iterator<Item = &'r str>) -> Option<Vec<RoleName>> {
    let mut roles = stored.chain([MEMBER]).map(RoleName::parse).collect::<Result<Vec<_>, _>>().ok()?;
    roles.sort();
    roles.dedup();
    Some(roles)
}

/// Sign-in methods as a column holds them: `amr` values with one space between.
pub(crate) fn methods_to_text(methods: &[AuthnMethod]) -> String {
    let mut methods = methods.to_vec();
    methods.sort();
    methods.dedup();
    methods.into_iter().map(AuthnMethod::as_str).collect::<Vec<_>>().join(" ")
}

/// The reverse. `None` where a word is no method of ours.
pub(crate) fn methods_from_text(text: &str) -> Option<Vec<AuthnMethod>> {
    const ALL: [AuthnMethod; 6] =
        [AuthnMethod::Pwd, AuthnMethod::Otp, AuthnMethod::Hwk, AuthnMethod::Fed, AuthnMethod::Swk, AuthnMethod::Pop];
    text.split(' ').map(|word| ALL.into_iter().find(|method| method.as_str() == word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_survive_the_store_sorted_and_once() {
        let text = methods_to_text(&[AuthnMethod::Otp, AuthnMethod::Pwd, AuthnMethod::Otp]);
        assert_eq!(text, "pwd otp");
        assert_eq!(methods_from_text(&text), Some(vec![AuthnMethod::Pwd, AuthnMethod::Otp]));
        assert_eq!(methods_from_text("pwd  otp"), None);
        assert_eq!(methods_from_text("sms"), None);
    }

    #[test]
    fn whoever_is_signed_in_is_a_member() {
        let names = |stored: &[&str]| {
            roles_of_principal(stored.iter().copied())
                .map(|roles| roles.iter().map(RoleName::to_string).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap(), ["member"]);
        assert_eq!(names(&["viewer", "clerk", "clerk"]).unwrap(), ["clerk", "member", "viewer"]);
        assert_eq!(names(&["No Role"]), None);
    }
}
