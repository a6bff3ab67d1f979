//! The rules: what each is called, how bad it is, where it looks and for what.
//!
//! To add one: a row in the table of its kind, a row in `docs/reference/inspection.md`, an attack and a harmless
//! neighbour in the tests. Literals are found in one pass over a value, in any ASCII case; an expression is only tried
//! where one of its literals stood.

mod access;
mod code;
mod execution;
mod markup;
mod surface;

pub(crate) use surface::Surfaces;

use crate::Severity;
use crate::class::Classes;

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its stable id.
    pub(crate) id: &'static str,
    /// What a match scores.
    pub(crate) severity: Severity,
    /// The kinds of attack.
    pub(crate) tags: &'static [&'static str],
    /// Which parts of a request its patterns are tried on.
    pub(crate) surfaces: Surfaces,
    /// What it looks for; empty where code raises it.
    pub(crate) patterns: &'static [Pattern],
}

/// One thing that a rule looks for.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// One of these must stand in the value.
    pub(crate) literals: &'static [&'static str],
    /// What the value must match then; nothing where the literal says it all.
    pub(crate) expression: Option<&'static str>,
    /// Classes of which the value must have one: for literals that are ordinary words.
    pub(crate) needs: Classes,
}

const fn literal(literals: &'static [&'static str]) -> Pattern {
    Pattern { literals, expression: None, needs: Classes::NONE }
}

const fn confirmed(literals: &'static [&'static str], expression: &'static str) -> Pattern {
    Pattern { literals, expression: Some(expression), needs: Classes::NONE }
}

const fn word(literals: &'static [&'static str], expression: &'static str, needs: Classes) -> Pattern {
    Pattern { literals, expression: Some(expression), needs }
}

/// All rules that have patterns.
pub(crate) fn patterned() -> impl Iterator<Item = &'static Rule> {
    access::RULES.iter().chain(code::RULES).chain(execution::RULES).chain(markup::RULES)
}

/// All rules.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = &'static Rule> {
    patterned().chain(RAISED)
}

macro_rules! raised {
    ($($name:ident = $id:literal, $severity:ident, $tags:expr;)*) => {
        $(pub(crate) static $name: Rule = Rule {
            id: $id,
            severity: Severity::$severity,
            tags: &$tags,
            surfaces: Surfaces::NONE,
            patterns: &[],
        };)*

        /// The rules that code raises.
        #[cfg(test)]
        static RAISED: [&Rule; [$($id),*].len()] = [$(&$name),*];
    };
}

raised! {
    SQLI_LIBINJECTION = "sqli/libinjection", Critical, ["sqli"];
    XSS_LIBINJECTION = "xss/libinjection", Critical, ["xss"];
    SCANNER = "scanner/user-agent", Critical, ["scanner"];
    PROTOTYPE_NAME = "code/prototype-name", Critical, ["code", "rce"];
    NULL_BYTE = "value/null-byte", Critical, ["protocol"];
    BODY_JSON = "body/malformed-json", Warning, ["protocol"];
    BODY_MULTIPART = "body/malformed-multipart", Critical, ["protocol"];
    BODY_CONTENT_TYPE = "body/content-type", Warning, ["protocol"];
    BODY_CHARSET = "body/charset", Critical, ["protocol"];
    BODY_ENCODED = "body/content-encoding", Critical, ["protocol"];
    LIMIT_VALUES = "limits/values", Critical, ["limits"];
    LIMIT_DEPTH = "limits/json-depth", Critical, ["limits"];
    LIMIT_WORK = "limits/work", Critical, ["limits"];
    LIMIT_DECODINGS = "limits/decodings", Critical, ["limits"];
    LIMIT_FINDINGS = "limits/findings", Critical, ["limits"];
}

/// What the user agents of attack tools call themselves.
pub(crate) const SCANNERS: &[&str] = &[
    "acunetix",
    "appscan",
    "arachni",
    "burpcollaborator",
    "commix",
    "dirbuster",
    "dirsearch",
    "feroxbuster",
    "ffuf",
    "fimap",
    "gobuster",
    "havij",
    "jaeles",
    "joomscan",
    "masscan",
    "metasploit",
    "nessus",
    "netsparker",
    "nikto",
    "nmap scripting engine",
    "nuclei",
    "openvas",
    "qualys was",
    "sqlmap",
    "sqlninja",
    "vega/",
    "w3af",
    "wapiti",
    "webinspect",
    "wfuzz",
    "whatweb",
    "wpscan",
    "xsser",
    "xsstrike",
    "zgrab",
    "zmeu",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_literal_stands_behind_the_gate() {
        // Values of calm octets alone are not searched: a literal of those would never be found.
        for rule in patterned() {
            for pattern in rule.patterns {
                for literal in pattern.literals {
                    let found = !Classes::of(literal.as_bytes()).only(Classes::CALM);
                    let needed = pattern.needs != Classes::NONE && !pattern.needs.any(Classes::CALM);
                    assert!(found || needed, "{}: `{literal}`", rule.id);
                }
            }
        }
    }

    #[test]
    fn every_pattern_has_a_bit() {
        let patterns: usize = patterned().map(|rule| rule.patterns.len()).sum();
        assert!(patterns <= 128, "{patterns} patterns");
    }

    #[test]
    fn ids_are_unique_and_well_formed() {
        let mut seen = BTreeSet::new();
        for rule in all() {
            assert!(seen.insert(rule.id), "{}", rule.id);
            let (kind, name) = rule.id.split_once('/').unwrap();
            for part in [kind, name] {
                assert!(!part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", rule.id);
            }
            assert!(!rule.tags.is_empty(), "{}", rule.id);
        }
    }

    #[test]
    fn the_reference_lists_every_rule_with_its_score_and_no_other() {
        let reference = include_str!("../../../docs/reference/inspection.md");
        let mut listed: Vec<(String, String)> = Vec::new();
        for line in reference.lines() {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let id =
                cells.next().and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`')).filter(|id| id.contains('/'));
            if let (Some(id), Some(score)) = (id, cells.next()) {
                listed.push((id.to_owned(), score.to_owned()));
            }
        }
        listed.sort();
        let mut known: Vec<_> = all().map(|rule| (rule.id.to_owned(), rule.severity.score().to_string())).collect();
        known.sort();
        assert_eq!(listed, known);
    }
}
