//! What each directive takes.

use super::{actions, targets};
use crate::seclang::ast::{EngineMode, Kind, OperatorCall, Selection, Setting};
use crate::seclang::error::Reason;

/// Reads one directive.
pub(super) fn read(name: &str, arguments: &[String]) -> Result<Kind, Reason> {
    let takes = |takes| Reason::Arguments { directive: name.to_owned(), takes };
    let one = || match arguments {
        [one] => Ok(one.as_str()),
        _ => Err(takes("one argument")),
    };
    let value = |value: &str| Reason::Value { of: name.to_owned(), value: value.to_owned() };
    let number = || one().and_then(|text| text.parse::<usize>().map_err(|_| value(text)));
    let switch = || one().and_then(|text| on_or_off(text).ok_or_else(|| value(text)));
    Ok(match name.to_ascii_lowercase().as_str() {
        "secrule" => {
            let (variables, operator, actions) = match arguments {
                [variables, operator] => (variables, operator, ""),
                [variables, operator, actions] => (variables, operator, actions.as_str()),
                _ => return Err(takes("variables, an operator and actions")),
            };
            Kind::Rule {
                targets: targets::read(variables)?,
                operator: operator_call(operator),
                actions: actions::read(actions)?,
            }
        }
        "secaction" => {
            let operator =
                OperatorCall { negated: false, name: "unconditionalMatch".to_owned(), argument: String::new() };
            Kind::Rule { targets: Vec::new(), operator, actions: actions::read(one()?)? }
        }
        "secdefaultaction" => Kind::Defaults(actions::read(one()?)?),
        "secmarker" => Kind::Marker(one()?.to_owned()),
        "secruleremovebyid" => {
            Kind::Remove(Selection::Ids(ids(&arguments.join(" ")).ok_or_else(|| takes("rule ids"))?))
        }
        "secruleremovebytag" => Kind::Remove(Selection::Tag(one()?.to_owned())),
        "secruleremovebymsg" => Kind::Remove(Selection::Message(one()?.to_owned())),
        "secruleupdatetargetbyid" | "secruleupdatetargetbytag" | "secruleupdatetargetbymsg" => {
            let [which, what] = arguments else { return Err(takes("which rules, and targets")) };
            let selection = match name.to_ascii_lowercase().as_str() {
                "secruleupdatetargetbytag" => Selection::Tag(which.clone()),
                "secruleupdatetargetbymsg" => Selection::Message(which.clone()),
                _ => Selection::Ids(ids(which).ok_or_else(|| value(which))?),
            };
            Kind::UpdateTargets(selection, targets::read(&what.replace(',', "|"))?)
        }
        "secruleupdateactionbyid" => {
            let [which, what] = arguments else { return Err(takes("a rule's id, and actions")) };
            Kind::UpdateActions(Selection::Ids(ids(which).ok_or_else(|| value(which))?), actions::read(what)?)
        }
        "secruleengine" => {
            Kind::Setting(Setting::Engine(engine_mode(one()?).ok_or_else(|| value(&arguments.join(" ")))?))
        }
        "secrequestbodyaccess" => Kind::Setting(Setting::RequestBodyAccess(switch()?)),
        "secresponsebodyaccess" => Kind::Setting(Setting::ResponseBodyAccess(switch()?)),
        "secresponsebodymimetype" => Kind::Setting(Setting::ResponseBodyTypes(
            arguments.iter().flat_map(|types| types.split_whitespace()).map(str::to_ascii_lowercase).collect(),
        )),
        "secrequestbodylimit" => Kind::Setting(Setting::RequestBodyLimit(number()?)),
        "secresponsebodylimit" => Kind::Setting(Setting::ResponseBodyLimit(number()?)),
        "secresponsebodylimitaction" => {
            Kind::Setting(Setting::ResponseBodyPartial(is_partial(one()?).ok_or_else(|| value(&arguments.join(" ")))?))
        }
        // A request that is inspected in part is forwarded in part, and nothing here does that.
        "secrequestbodylimitaction" => match is_partial(one()?) {
            Some(false) => Kind::WithoutEffect(name.to_owned()),
            Some(true) => {
                let why = "a request over its limit is refused: use `Reject`";
                return Err(Reason::UnsupportedDirective(name.to_owned(), why));
            }
            None => return Err(value(one()?)),
        },
        "secargumentslimit" => Kind::Setting(Setting::ArgumentsLimit(number()?)),
        "secrequestbodyjsondepthlimit" => Kind::Setting(Setting::JsonDepthLimit(number()?)),
        "secargumentseparator" => match one()?.as_bytes() {
            [separator] => Kind::Setting(Setting::ArgumentSeparator(*separator)),
            _ => return Err(value(one()?)),
        },
        "seccomponentsignature" => Kind::Setting(Setting::Component(one()?.to_owned())),
        // What belongs to logs, files and processes that are not the engine's.
        "secauditengine"
        | "secauditlog"
        | "secauditlog2"
        | "secauditlogdirmode"
        | "secauditlogfilemode"
        | "secauditlogformat"
        | "secauditlogparts"
        | "secauditlogrelevantstatus"
        | "secauditlogstoragedir"
        | "secauditlogtype"
        | "secdebuglog"
        | "secdebugloglevel"
        | "secdatadir"
        | "sectmpdir"
        | "secuploaddir"
        | "secuploadfilelimit"
        | "secuploadfilemode"
        | "secuploadkeepfiles"
        | "secpcrematchlimit"
        | "secpcrematchlimitrecursion"
        | "secstatusengine"
        | "secunicodemapfile"
        | "seccookieformat"
        | "seccollectiontimeout"
        | "secrequestbodyinmemorylimit"
        | "secrequestbodynofileslimit"
        | "secresponsebodymimetypesclear"
        | "sectmpsaveuploadedfiles"
        | "secserversignature"
        | "secwebappid"
        | "secsensorid"
        | "secconnengine"
        | "secinterceptonerror"
        | "secrulepertime"
        | "secruleperftime" => Kind::WithoutEffect(name.to_owned()),
        "secrulescript" | "secremoterules" | "secremoterulesfailaction" | "secguardianlog" | "secchrootdir" => {
            return Err(Reason::UnsupportedDirective(
                name.to_owned(),
                "nothing here runs programs or uses the network",
            ));
        }
        "secgeolookupdb" | "secgsblookupdb" | "sechttpblkey" => {
            return Err(Reason::UnsupportedDirective(name.to_owned(), "there is no such data here"));
        }
        "secstreaminbodyinspection"
        | "secstreamoutbodyinspection"
        | "seccontentinjection"
        | "sechashengine"
        | "sechashkey"
        | "sechashmethodpm"
        | "sechashmethodrx"
        | "sechashparam"
        | "secdisablebackendcompression" => {
            return Err(Reason::UnsupportedDirective(name.to_owned(), "nothing here changes what is forwarded"));
        }
        _ => return Err(Reason::UnknownDirective(name.to_owned())),
    })
}

/// `@name argument`, `!@name argument`, or a pattern without a name.
fn operator_call(text: &str) -> OperatorCall {
    let text = text.trim_start();
    let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest.trim_start()));
    let (name, argument) = match text.strip_prefix('@') {
        Some(call) => call.split_once(char::is_whitespace).unwrap_or((call, "")),
        None => ("rx", text),
    };
    // A pattern's trailing space is part of it; `@within` and others trim for themselves.
    OperatorCall { negated, name: name.to_owned(), argument: argument.to_owned() }
}

/// Ids and ranges of ids, behind spaces or commas.
pub(super) fn ids(text: &str) -> Option<Vec<(u64, u64)>> {
    let ids: Option<Vec<_>> = text
        .split(|letter: char| letter.is_whitespace() || letter == ',')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some((first.parse().ok()?, last.parse().ok()?))
        })
        .collect();
    ids.filter(|ids| !ids.is_empty())
}

pub(super) fn on_or_off(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn is_partial(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "reject" => Some(false),
        "processpartial" => Some(true),
        _ => None,
    }
}

pub(super) fn engine_mode(text: &str) -> Option<EngineMode> {
    match text.to_ascii_lowercase().as_str() {
        "on" => Some(EngineMode::On),
        "off" => Some(EngineMode::Off),
        "detectiononly" => Some(EngineMode::DetectionOnly),
        _ => None,
    }
}
