//! The last word of a rule: what it does.

use super::directives::{engine_mode, ids, on_or_off};
use super::targets;
use crate::seclang::ast::{Action, Allowance, Control, Disruption, Processor, Selection, Severity};
use crate::seclang::error::Reason;
use crate::seclang::transform;

/// Reads actions, which commas stand between; a value may stand in single quotes, in which `\'` is a quote.
pub(super) fn read(text: &str) -> Result<Vec<Action>, Reason> {
    split(text)?.iter().map(|(name, value)| read_one(name, value.as_deref())).collect()
}

/// The id among a rule's actions, for the message about what else is wrong with them.
pub(super) fn id_in(text: &str) -> Option<u64> {
    let actions = split(text).ok()?;
    actions.iter().find(|(name, _)| name == "id").and_then(|(_, value)| value.as_deref()?.parse().ok())
}

fn split(text: &str) -> Result<Vec<(String, Option<String>)>, Reason> {
    let mut actions = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|letter| letter.is_whitespace() || *letter == ',').is_some() {}
        if letters.peek().is_none() {
            return Ok(actions);
        }
        let mut name = String::new();
        while let Some(letter) = letters.next_if(|letter| !matches!(letter, ':' | ',')) {
            name.push(letter);
        }
        let mut value = None;
        if letters.next_if_eq(&':').is_some() {
            let text = value.insert(String::new());
            let mut quoted = letters.next_if_eq(&'\'').is_some();
            let was_quoted = quoted;
            while let Some(letter) = letters.next_if(|letter| quoted || *letter != ',') {
                match letter {
                    '\\' if was_quoted && letters.next_if_eq(&'\'').is_some() => text.push('\''),
                    '\'' if quoted => quoted = false,
                    _ => text.push(letter),
                }
            }
            if quoted {
                return Err(Reason::Unclosed);
            }
        }
        actions.push((
            name.trim().to_ascii_lowercase(),
            value.map(|value| if value.is_empty() { value } else { value.trim().to_owned() }),
        ));
    }
}

fn read_one(name: &str, value: Option<&str>) -> Result<Action, Reason> {
    let wrong = || Reason::Value { of: name.to_owned(), value: value.unwrap_or_default().to_owned() };
    let text = || value.map(str::to_owned).ok_or_else(wrong);
    let number = || value.and_then(|value| value.parse::<u64>().ok()).ok_or_else(wrong);
    let unsupported = |why| Err(Reason::UnsupportedAction(name.to_owned(), why));
    Ok(match name {
        "id" => Action::Id(number()?),
        "phase" => Action::Phase(match value.map(str::to_ascii_lowercase).as_deref() {
            Some("1") => 1,
            Some("2" | "request") => 2,
            Some("3") => 3,
            Some("4" | "response") => 4,
            Some("5" | "logging") => 5,
            _ => return Err(wrong()),
        }),
        "msg" => Action::Message(text()?),
        "logdata" => Action::LogData(text()?),
        "severity" => Action::Severity(value.and_then(Severity::parse).ok_or_else(wrong)?),
        "tag" => Action::Tag(text()?),
        "ver" | "rev" | "maturity" | "accuracy" => Action::Description,
        "t" => {
            let called = value.ok_or_else(wrong)?;
            if called.eq_ignore_ascii_case("none") {
                Action::NoTransforms
            } else {
                Action::Transform(
                    transform::find(called).ok_or_else(|| Reason::UnknownTransformation(called.to_owned()))?,
                )
            }
        }
        "capture" => Action::Capture,
        "multimatch" => Action::MultiMatch,
        "chain" => Action::Chain,
        "skip" => Action::Skip(usize::try_from(number()?).map_err(|_| wrong())?),
        "skipafter" => Action::SkipAfter(text()?),
        "setvar" => Action::SetVar(text()?),
        "initcol" => {
            let (collection, key) = value.and_then(|value| value.split_once('=')).ok_or_else(wrong)?;
            Action::Initialize { collection: collection.to_owned(), key: key.to_owned() }
        }
        "setsid" | "setuid" | "setrsc" => Action::WithoutEffect(name.to_owned()),
        // Collections end with their transaction, so nothing in them lives long enough to expire.
        "expirevar" | "deprecatevar" => Action::WithoutEffect(name.to_owned()),
        "ctl" => control(value.ok_or_else(wrong)?)?,
        "log" => Action::Log(true),
        "nolog" => Action::Log(false),
        "auditlog" => Action::AuditLog(true),
        "noauditlog" => Action::AuditLog(false),
        "block" => Action::Disrupt(Disruption::Block),
        // A connection may carry others' requests: it is refused, not cut.
        "deny" | "drop" => Action::Disrupt(Disruption::Deny),
        "pass" => Action::Disrupt(Disruption::Pass),
        "allow" => Action::Disrupt(Disruption::Allow(match value.map(str::to_ascii_lowercase).as_deref() {
            None | Some("") => Allowance::All,
            Some("phase") => Allowance::Phase,
            Some("request") => Allowance::Request,
            _ => return Err(wrong()),
        })),
        "status" => {
            Action::Status(u16::try_from(number()?).ok().filter(|code| (100..600).contains(code)).ok_or_else(wrong)?)
        }
        // Values are never logged, so there is nothing to hide in a log.
        "sanitisearg"
        | "sanitisematched"
        | "sanitisematchedbytes"
        | "sanitiserequestheader"
        | "sanitiseresponseheader"
        | "logparts" => Action::WithoutEffect(name.to_owned()),
        "exec" => return unsupported("nothing here runs programs"),
        "redirect" | "proxy" | "append" | "prepend" => return unsupported("an exchange is refused, not changed"),
        "pause" => return unsupported("a request is refused at once, so that holding it costs nothing"),
        "setenv" | "xmlns" => return unsupported("nothing would read it"),
        _ => return Err(Reason::UnknownAction(name.to_owned())),
    })
}

fn control(value: &str) -> Result<Action, Reason> {
    let wrong = || Reason::Value { of: "ctl".to_owned(), value: value.to_owned() };
    let (name, argument) = value.split_once('=').ok_or_else(wrong)?;
    let switch = || on_or_off(argument).ok_or_else(wrong);
    let selected = || argument.split_once(';').ok_or_else(wrong);
    Ok(Action::Control(match name.to_ascii_lowercase().as_str() {
        "ruleengine" => Control::Engine(engine_mode(argument).ok_or_else(wrong)?),
        "ruleremovebyid" => Control::RemoveRules(Selection::Ids(ids(argument).ok_or_else(wrong)?)),
        "ruleremovebytag" => Control::RemoveRules(Selection::Tag(argument.to_owned())),
        "ruleremovebymsg" => Control::RemoveRules(Selection::Message(argument.to_owned())),
        "ruleremovetargetbyid" => {
            let (which, target) = selected()?;
            Control::RemoveTargets(Selection::Ids(ids(which).ok_or_else(wrong)?), targets::read_one(target)?)
        }
        "ruleremovetargetbytag" => {
            let (which, target) = selected()?;
            Control::RemoveTargets(Selection::Tag(which.to_owned()), targets::read_one(target)?)
        }
        "ruleremovetargetbymsg" => {
            let (which, target) = selected()?;
            Control::RemoveTargets(Selection::Message(which.to_owned()), targets::read_one(target)?)
        }
        "requestbodyprocessor" => Control::BodyProcessor(processor(argument).ok_or_else(wrong)?),
        "forcerequestbodyvariable" => Control::ForceBodyVariable(switch()?),
        "requestbodyaccess" => Control::RequestBodyAccess(switch()?),
        "responsebodyaccess" => Control::ResponseBodyAccess(switch()?),
        "auditengine" | "auditlogparts" | "debugloglevel" => return Ok(Action::WithoutEffect(name.to_owned())),
        _ => return Err(Reason::UnsupportedAction(format!("ctl:{name}"), "there is no such switch here")),
    }))
}

fn processor(name: &str) -> Option<Processor> {
    [Processor::UrlEncoded, Processor::Multipart, Processor::Json, Processor::Xml]
        .into_iter()
        .find(|processor| processor.name().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_be_quoted() {
        let actions = read(r"id:5, phase:2,deny,msg:'it\'s, well: x',t:none,t:urlDecodeUni,setvar:tx.a=+1").unwrap();
        assert_eq!(actions[0], Action::Id(5));
        assert_eq!(actions[3], Action::Message("it's, well: x".to_owned()));
        assert_eq!(actions[6], Action::SetVar("tx.a=+1".to_owned()));
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        for text in
            ["exec:/bin/sh", "proxy:x", "frobnicate", "id:x", "phase:6", "t:rot13", "msg:'x", "ctl:x=y", "status:99"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn controls_name_rules_and_targets() {
        let [Action::Control(Control::RemoveTargets(Selection::Ids(ids), target))] =
            &read("ctl:ruleRemoveTargetById=941100-941200;ARGS:pass").unwrap()[..]
        else {
            panic!("a control was read as something else")
        };
        assert_eq!(ids, &[(941_100, 941_200)]);
        assert_eq!(*target, targets::read_one("ARGS:pass").unwrap());
    }
}
