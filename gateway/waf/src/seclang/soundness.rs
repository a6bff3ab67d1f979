//! Whether rules can stand before anything: a file that was cut short, or a folder that is just being replaced, is well-formed, too.

use std::net::{IpAddr, Ipv4Addr};

use super::ast::EngineMode;
use super::program::{Outcome, SetName, SetTo};
use super::rule_set::{RuleSet, Way};
use super::told::Told;
use super::transaction::{RequestHead, Setup};

/// Why nothing should rely on rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// None of them refuses, and none makes a score.
    #[error(
        "no rule refuses anything or adds to a score: is a file empty or cut short? Include rules that `deny` or count"
    )]
    NothingEnds,
    /// Bodies are not looked at.
    #[error(
        "`SecRequestBodyAccess Off`: bodies would pass unread; leave it out, and use `ctl:requestBodyAccess=Off` where that is meant"
    )]
    BodiesUnread,
    /// The rules count as CRS's do, and nothing sums up.
    #[error(
        "rules count, and no attack reaches the threshold: is the file that sums up missing (`REQUEST-949-BLOCKING-EVALUATION.conf`)?"
    )]
    NothingSumsUp,
}

/// Attacks that no rule set which is about attacks lets pass.
const ATTACKS: [&str; 3] = [
    "/?q=1%27%20UNION%20SELECT%20password%20FROM%20users--%20-",
    "/?q=%3Cscript%3Ealert(document.cookie)%3C/script%3E",
    "/?q=../../../../etc/passwd",
];

/// The scores that the engine and rules that sum up agree on.
const SUMS: [&str; 2] = ["anomaly_score", "blocking_inbound_anomaly_score"];
/// Those that say of a rule set that it counts as CRS does.
const PARTS: [&str; 2] = ["anomaly_score_pl1", "inbound_anomaly_score_pl1"];

/// What speaks against a rule set, the gravest first.
pub(super) fn weaknesses(rules: &RuleSet) -> Vec<Weakness> {
    let program = rules.program();
    let mut found = Vec::new();
    let is_sum = |place: usize| program.tx.get(place).is_some_and(|name| SUMS.contains(&&**name));
    let ends = program.rules.iter().any(|rule| {
        let refuses = matches!(rule.outcome, Outcome::Deny { .. });
        let looks = rule.links.iter().any(|link| !link.targets.is_empty());
        let adds = rule
            .links
            .iter()
            .flat_map(|link| &link.sets)
            .any(|set| matches!((&set.name, &set.to), (SetName::At(place), SetTo::Add(_)) if is_sum(*place)));
        (refuses && looks) || adds
    });
    if !ends {
        found.push(Weakness::NothingEnds);
    }
    if !program.settings.request_body {
        found.push(Weakness::BodiesUnread);
    }
    let counts = program.tx.iter().any(|name| PARTS.contains(&&**name));
    if ends && counts && stopped(rules) == 0 {
        found.push(Weakness::NothingSumsUp);
    }
    found
}

/// How many of a few plain attacks the rules stop, as strict as CRS is as it comes.
pub(super) fn stopped(rules: &RuleSet) -> usize {
    let mut scratch = rules.scratch();
    let told = Told::STOCK;
    let members = told.members();
    let setup = Setup { tx: told.of(&members), ..Setup::of(EngineMode::On) };
    let headers = vec![("Host", "www.example.org"), ("User-Agent", "Mozilla/5.0"), ("Accept", "*/*")];
    let mut stops = |target: &str| {
        let mut transaction = rules.begin(&mut scratch, Way::Compiled).set_up(setup);
        transaction.request_head(&RequestHead {
            client: (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 0),
            server: (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            method: told.method.as_bytes(),
            target: target.as_bytes(),
            protocol: b"HTTP/1.1",
            headers: &headers,
            id: "",
        });
        transaction.request_body(b"");
        transaction.finish().interruption.is_some()
    };
    ATTACKS.into_iter().filter(|target| stops(target)).count()
}
