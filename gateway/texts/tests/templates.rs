//! What the pages of both rooms may say: nothing but the catalogue's messages, and each of them somewhere.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cedargate_model::RefusalCode;
use cedargate_texts::{Language, REFUSALS, Texts};

const ROOMS: [&str; 2] = ["controlplane", "dataplane"];

/// Names, which no language translates.
const NAMES: [&str; 1] = ["Cedargate"];

/// Attributes whose values people see or hear.
const SPOKEN: [&str; 6] = ["alt", "aria-label", "aria-description", "placeholder", "title", "value"];

fn gateway() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|this| this == extension) {
            found.push(path);
        }
    }
}

fn templates() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for room in ROOMS {
        files(&gateway().join(room).join("templates"), "html", &mut found);
    }
    assert!(found.len() > 15, "{found:?}");
    found
}

/// A template without what the template's own language says: only what it says by itself is left.
fn literal(template: &str) -> String {
    let mut rest = template.to_owned();
    for (open, close) in [("{%", "%}"), ("{{", "}}"), ("{#", "#}")] {
        while let Some(start) = rest.find(open) {
            let end = start + rest[start..].find(close).unwrap() + close.len();
            rest.replace_range(start..end, "\u{0}");
        }
    }
    rest
}

#[test]
fn no_template_says_anything_by_itself() {
    for path in templates() {
        let template = literal(&fs::read_to_string(&path).unwrap());
        let mut rest = template.as_str();
        while let Some((text, after)) = rest.split_once('<') {
            says_nothing(text, &path);
            let (tag, after) = after.split_once('>').unwrap();
            for attribute in tag.split('"').collect::<Vec<_>>().chunks(2) {
                let [name, value] = attribute else { continue };
                let name = name.trim_start_matches('\u{0}').trim().trim_end_matches('=');
                let spoken = SPOKEN.contains(&name) || name.starts_with("data-") && value.contains(' ');
                // The value of a button or of a hidden field is a word of ours.
                let word = name == "value"
                    && !value.contains(' ')
                    && value.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                if spoken && !word {
                    says_nothing(value, &path);
                }
            }
            rest = after;
        }
        says_nothing(rest, &path);
    }
}

fn says_nothing(text: &str, path: &Path) {
    let left = NAMES.iter().fold(text.to_owned(), |text, name| text.replace(name, ""));
    assert!(!left.chars().any(char::is_alphabetic), "{}: {text:?} is not in the catalogue", path.display());
}

#[test]
fn every_refusal_is_said_in_every_language_and_in_english_as_programs_hear_it() {
    let problems = fs::read_to_string(gateway().join("controlplane/src/problem.rs")).unwrap();
    let quoted = |text: &str| text.split('"').nth(1).unwrap_or_default().to_owned();
    let own = problems.split("code: \"").skip(1).filter_map(|rest| {
        let (code, rest) = rest.split_once('"')?;
        let (_, rest) = rest.split_once("sentence:")?;
        Some((code.to_owned(), quoted(rest)))
    });
    let walk = RefusalCode::ALL.iter().map(|code| (code.as_str().to_owned(), code.public_sentence().to_owned()));
    let mut said = BTreeSet::new();
    for (code, sentence) in own.chain(walk) {
        assert_eq!(Texts::of(Language::English).refusal(&code).as_deref(), Some(sentence.as_str()), "{code}");
        for language in Language::ALL {
            assert!(Texts::of(language).refusal(&code).is_some(), "{code} in {language:?}");
        }
        said.insert(code);
    }
    let known: BTreeSet<String> = REFUSALS.iter().map(|code| (*code).to_owned()).collect();
    assert_eq!(known.difference(&said).collect::<Vec<_>>(), Vec::<&String>::new(), "sentences of codes that are none");
}

#[test]
fn every_message_is_said_somewhere() {
    let mut sources = templates();
    for room in ROOMS {
        files(&gateway().join(room).join("src"), "rs", &mut sources);
    }
    let said: String = sources.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let english = include_str!("../languages/en.ftl");
    for id in english.lines().filter_map(|line| line.split_once(" = ")).map(|(id, _)| id) {
        let is_message = id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
        if is_message && !id.starts_with("refusal-") {
            assert!(said.contains(&format!(".{}(", id.replace('-', "_"))), "`{id}` is said nowhere");
        }
    }
}

/// What is left in one direction is right in the other: a stylesheet that names a side is wrong in one of them.
#[test]
fn the_stylesheet_names_no_side() {
    let stylesheet = fs::read_to_string(gateway().join("controlplane/assets/cedargate.css")).unwrap();
    for (number, line) in stylesheet.lines().enumerate() {
        for side in ["-left", "-right", " left:", " right:", "float:", "text-align: left", "text-align: right"] {
            assert!(!line.contains(side), "line {}: {line}", number + 1);
        }
    }
}
