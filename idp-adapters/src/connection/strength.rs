//! How strongly somebody signed in at a provider, as far as we believe it.

use std::collections::BTreeSet;

use cedargate_model::{AuthnMethod, AuthnStrength};
use serde_json::Value;

use super::Claims;

/// What a provider says of a sign-in, and what is believed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrengthRule {
    /// What it says.
    pub sign: StrengthSign,
    /// What that is worth.
    pub strength: Strength,
}

/// What a provider says about how somebody signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StrengthSign {
    /// The authentication context class: `acr`, or SAML's AuthnContextClassRef. It can be asked for.
    Acr(String),
    /// One of the methods: an entry of `amr`.
    Amr(String),
}

/// What a sign-in is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strength {
    /// The authentication assurance level: 1 to 3.
    pub level: u8,
    /// The methods beyond single sign-on itself.
    pub methods: Vec<AuthnMethod>,
}

/// The strength of a sign-in by what its claims say. Without a rule that holds it is level 1: a provider's own word for its
/// strength means nothing until somebody wrote down what it is worth. Of several rules the strongest counts, and no methods of a
/// weaker one are added to it.
pub(crate) fn strength_of(claims: &Claims, rules: &[StrengthRule]) -> AuthnStrength {
    let strongest = rules.iter().filter(|rule| rule.sign.is_in(claims)).max_by_key(|rule| rule.strength.level);
    let mut methods: BTreeSet<_> = [AuthnMethod::Fed].into();
    let level = strongest.map_or(1, |rule| {
        methods.extend(&rule.strength.methods);
        rule.strength.level.clamp(1, 3)
    });
    AuthnStrength { level, methods: methods.into_iter().collect() }
}

/// What to ask a provider for where a level is needed: the classes that would reach it, weakest first.
pub(crate) fn classes_for(level: u8, rules: &[StrengthRule]) -> Vec<&str> {
    let mut classes: Vec<_> = rules
        .iter()
        .filter(|rule| rule.strength.level >= level)
        .filter_map(|rule| match &rule.sign {
            StrengthSign::Acr(class) => Some((rule.strength.level, class.as_str())),
            StrengthSign::Amr(_) => None,
        })
        .collect();
    classes.sort_by_key(|(level, _)| *level);
    classes.into_iter().map(|(_, class)| class).collect()
}

impl StrengthSign {
    fn is_in(&self, claims: &Claims) -> bool {
        match self {
            Self::Acr(class) => claims.get("acr").and_then(Value::as_str) == Some(class),
            Self::Amr(method) => {
                let methods = claims.get("amr").and_then(Value::as_array);
                methods.is_some_and(|methods| methods.iter().any(|said| said.as_str() == Some(method)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules() -> Vec<StrengthRule> {
        let rule = |sign, level, methods: &[AuthnMethod]| StrengthRule {
            sign,
            strength: Strength { level, methods: methods.to_vec() },
        };
        vec![
            rule(StrengthSign::Acr("phr".into()), 3, &[AuthnMethod::Hwk]),
            rule(StrengthSign::Acr("mfa".into()), 2, &[AuthnMethod::Otp]),
            rule(StrengthSign::Amr("otp".into()), 2, &[AuthnMethod::Otp]),
        ]
    }

    fn strength(claims: Value) -> (u8, Vec<AuthnMethod>) {
        let strength = strength_of(claims.as_object().unwrap(), &rules());
        (strength.level, strength.methods)
    }

    #[test]
    fn nothing_is_believed_that_no_rule_says() {
        for claims in [
            json!({}),
            json!({ "acr": "urn:strongest", "amr": ["mfa", "hwk"] }),
            json!({ "acr": ["mfa"] }),
            json!({ "acr": "MFA" }),
            json!({ "amr": "otp" }),
            json!({ "acr": 3, "level": 3 }),
        ] {
            assert_eq!(strength(claims.clone()), (1, vec![AuthnMethod::Fed]), "{claims}");
        }
    }

    #[test]
    fn the_strongest_rule_counts() {
        let otp = vec![AuthnMethod::Otp, AuthnMethod::Fed];
        assert_eq!(strength(json!({ "amr": ["pwd", "otp"] })), (2, otp));
        let hwk = vec![AuthnMethod::Hwk, AuthnMethod::Fed];
        assert_eq!(strength(json!({ "acr": "phr", "amr": ["otp"] })), (3, hwk));
    }

    #[test]
    fn what_is_asked_for_would_suffice() {
        assert_eq!(classes_for(1, &rules()), ["mfa", "phr"]);
        assert_eq!(classes_for(2, &rules()), ["mfa", "phr"]);
        assert_eq!(classes_for(3, &rules()), ["phr"]);
    }
}
