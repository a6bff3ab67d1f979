//! What holds for every tenant beside the guard-rails: the roles that there are, and the ladder of sign-in strengths.

use std::sync::Arc;

use cedargate_model::{AuthnMethod, RoleName};
use serde::Deserialize;
use toml::Spanned;

use crate::toml_text::TomlText;
use crate::{Place, Problems};

/// The guard-rails without which nothing is decided. A file of them that was lost, or is half-written while it is read,
/// is well-formed all the same.
pub(crate) const GUARD_RAILS_REQUIRED: [&str; 2] = ["platform/tenant-isolation", "platform/anonymous-only-public"];
/// The role that everybody who signed in has.
pub(crate) const MEMBER: &str = "member";
/// The most ages, and the most strengths, that a denied person's request is tried with.
const LADDER_MAX: usize = 8;
/// The most roles.
const ROLES_MAX: usize = 200;

/// A role of `roles.toml`.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// What it is for, in a sentence.
    pub description: String,
    /// Where it is named.
    pub place: Place,
}

/// The sign-ins that a denied person may be asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ladder {
    /// Ages in seconds, oldest first.
    pub(crate) fresh_seconds: Vec<u64>,
    /// Stronger sign-ins, weakest first.
    pub(crate) strengths: Vec<Strength>,
}

/// A stronger sign-in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Strength {
    pub(crate) level: u8,
    /// What it adds to the methods used.
    pub(crate) methods: Vec<AuthnMethod>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleText {
    name: Spanned<String>,
    description: Spanned<String>,
}

/// Reads `roles.toml`.
///
/// # Errors
/// Every mistake, with its place; `anonymous` and `member` must be there.
pub(crate) fn parse_roles(file: &Arc<str>, text: &str) -> Result<Vec<Role>, Problems> {
    let mut problems = Problems::none();
    let toml = TomlText { file, text };
    let Some(mut table) = toml.table(&mut problems) else { return Err(problems.sorted()) };
    let entries: Vec<(Place, RoleText)> = toml.entries(&mut table, "role", &mut problems);
    toml.finish(table, &["[[role]]"], &mut problems);

    let mut roles: Vec<Role> = Vec::new();
    for (_, entry) in entries {
        let place = toml.place(&entry.name);
        if entry.description.get_ref().trim().is_empty() {
            problems.add(toml.place(&entry.description), "say in a sentence what the role is for");
        }
        match RoleName::parse(entry.name.get_ref()) {
            Ok(name) if roles.iter().any(|role| role.name == name) => {
                problems.add(place, format!("role `{name}` is there already"));
            }
            Ok(name) => roles.push(Role { name, description: entry.description.into_inner(), place }),
            Err(error) => problems.add(place, error.to_string()),
        }
    }
    for given in [RoleName::ANONYMOUS, MEMBER] {
        if !roles.iter().any(|role| role.name.as_str() == given) {
            problems
                .add(Place::start_of(Arc::clone(file)), format!("role `{given}`, which the gateway gives, is missing"));
        }
    }
    if roles.len() > ROLES_MAX {
        problems.add(Place::start_of(Arc::clone(file)), format!("more than {ROLES_MAX} roles"));
    }
    problems.into_result(roles)
}

/// Reads `step-up.toml`.
///
/// # Errors
/// Every mistake, with its place; ages fall and levels rise.
pub(crate) fn parse_ladder(file: &Arc<str>, text: &str) -> Result<Ladder, Problems> {
    let mut problems = Problems::none();
    let toml = TomlText { file, text };
    let Some(mut table) = toml.table(&mut problems) else { return Err(problems.sorted()) };
    let ages: Vec<Spanned<u64>> = toml.value(&mut table, "fresh_seconds", &mut problems).unwrap_or_default();
    let entries: Vec<(Place, Strength)> = toml.entries(&mut table, "strength", &mut problems);
    toml.finish(table, &["fresh_seconds", "[[strength]]"], &mut problems);

    for pair in ages.windows(2) {
        if let [older, younger] = pair
            && older.get_ref() <= younger.get_ref()
        {
            problems.add(toml.place(younger), "ages stand oldest first, each once");
        }
    }
    let mut weaker = 1;
    for (place, strength) in &entries {
        // Of one level there may be several, by different methods.
        if !(2..=3).contains(&strength.level) || strength.level < weaker {
            problems.add(place.clone(), "levels are 2 and 3, weakest first");
        }
        weaker = strength.level;
    }
    if ages.len() > LADDER_MAX || entries.len() > LADDER_MAX {
        problems.add(Place::start_of(Arc::clone(file)), format!("more than {LADDER_MAX} ages or strengths"));
    }
    problems.into_result(Ladder {
        fresh_seconds: ages.into_iter().map(Spanned::into_inner).collect(),
        strengths: entries.into_iter().map(|(_, strength)| strength).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_roles_have_their_place() {
        let text = "[[role]]\nname = \"Boss\"\ndescription = \"x\"\n[[role]]\nname = \"member\"\ndescription = \"\"\n\
                    [[role]]\nname = \"member\"\ndescription = \"x\"\ncolour = 1\n";
        assert_eq!(
            parse_roles(&"r".into(), text).unwrap_err().to_string(),
            "r:1:1: role `anonymous`, which the gateway gives, is missing\n\
             r:2:8: `Boss` is not a role name: use 1 to 64 of a-z, 0-9, `-` and `_`, starting with a letter\n\
             r:6:15: say in a sentence what the role is for\n\
             r:10:1: unknown field `colour`, expected `name` or `description`"
        );
    }

    #[test]
    fn of_one_level_there_may_be_several_methods() {
        let text = "fresh_seconds = []\n[[strength]]\nlevel = 2\nmethods = [\"otp\"]\n[[strength]]\nlevel = 2\n\
                    methods = [\"pop\"]\n";
        let ladder = parse_ladder(&"l".into(), text).unwrap();
        assert_eq!(ladder.strengths.iter().map(|step| step.level).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn a_ladder_rises() {
        let text = "fresh_seconds = [60, 300]\n[[strength]]\nlevel = 3\nmethods = [\"hwk\"]\n[[strength]]\nlevel = 2\n\
                    methods = [\"otp\"]\n";
        assert_eq!(
            parse_ladder(&"l".into(), text).unwrap_err().to_string(),
            "l:1:22: ages stand oldest first, each once\nl:5:1: levels are 2 and 3, weakest first"
        );
    }
}
