//! Cases, read from YAML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_yaml::Value;

use crate::Error;
use crate::request::{self, Request};

/// A tree's cases.
#[derive(Debug, Default)]
pub struct Corpus {
    /// In the order of their files, and within them as they stand.
    pub cases: Vec<Case>,
}

/// A request, or several in a row, and what rules must make of each.
#[derive(Debug)]
pub struct Case {
    /// The rule that it is about.
    pub rule: u64,
    /// Its number among that rule's cases.
    pub number: u64,
    /// What it is about.
    pub about: String,
    pub(crate) stages: Vec<Stage>,
}

#[derive(Debug, Deserialize)]
struct Document {
    rule_id: Option<u64>,
    tests: Vec<Test>,
}

#[derive(Debug, Deserialize)]
struct Test {
    test_id: Option<u64>,
    /// Both numbers, `920100-1`, as older corpora have them.
    test_title: Option<String>,
    #[serde(default)]
    desc: String,
    stages: Vec<AnyStage>,
}

/// A stage; older corpora put it in a mapping of its own.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum AnyStage {
    Wrapped { stage: Stage },
    Plain(Stage),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Stage {
    pub(crate) input: Input,
    #[serde(default)]
    pub(crate) output: Output,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Input {
    pub(crate) method: Option<Value>,
    pub(crate) uri: Option<Value>,
    pub(crate) version: Option<Value>,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    ordered_headers: Vec<Field>,
    pub(crate) data: Option<Value>,
    pub(crate) encoded_data: Option<String>,
    pub(crate) encoded_request: Option<String>,
    pub(crate) autocomplete_headers: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Field {
    name: String,
    value: Value,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Output {
    #[serde(default)]
    pub(crate) log: Log,
    /// What the log must have in it, and must not, as older corpora have it: `id "920100"`.
    log_contains: Option<String>,
    no_log_contains: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Log {
    #[serde(default)]
    pub(crate) expect_ids: Vec<u64>,
    #[serde(default)]
    pub(crate) no_expect_ids: Vec<u64>,
}

impl Case {
    /// Its requests, but for those that are none.
    pub fn requests(&self) -> Vec<Request> {
        self.stages.iter().filter_map(|stage| request::make(&stage.input)).collect()
    }
}

impl Input {
    /// The header fields, in the order that they are sent.
    pub(crate) fn fields(&self) -> Vec<(String, Vec<u8>)> {
        let ordered = self.ordered_headers.iter().map(|field| (&field.name, &field.value));
        self.headers.iter().chain(ordered).map(|(name, value)| (name.clone(), text(value))).collect()
    }
}

impl Test {
    fn case(self, rule: Option<u64>) -> Case {
        let title = self.test_title.as_deref().and_then(|title| title.split_once('-'));
        let (of, number) = title.map_or((None, None), |(rule, number)| (rule.parse().ok(), number.parse().ok()));
        let mut stages: Vec<Stage> = self
            .stages
            .into_iter()
            .map(|stage| match stage {
                AnyStage::Wrapped { stage } | AnyStage::Plain(stage) => stage,
            })
            .collect();
        for stage in &mut stages {
            let Output { log, log_contains, no_log_contains } = &mut stage.output;
            log.expect_ids.extend(log_contains.as_deref().and_then(id_in));
            log.no_expect_ids.extend(no_log_contains.as_deref().and_then(id_in));
        }
        let number = self.test_id.or(number).unwrap_or_default();
        Case { rule: rule.or(of).unwrap_or_default(), number, about: self.desc, stages }
    }
}

/// The id of `id "920100"`.
fn id_in(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("id \"")?;
    rest.split_once('"')?.0.parse().ok()
}

impl Corpus {
    /// Reads every `.yaml` and `.yml` file of a tree; files in which no tests stand are passed over.
    ///
    /// # Errors
    /// If a file cannot be read, or is in no known format.
    pub fn read(tree: &Path) -> Result<Self, Error> {
        let mut files = Vec::new();
        collect(tree, &mut files)?;
        files.sort();
        let mut cases = Vec::new();
        for path in files {
            let text =
                std::fs::read_to_string(&path).map_err(|source| Error::Unreadable { path: path.clone(), source })?;
            let value: Value =
                serde_yaml::from_str(&text).map_err(|source| Error::Format { path: path.clone(), source })?;
            if value.get("tests").is_none() {
                continue;
            }
            let document: Document = serde_yaml::from_value(value).map_err(|source| Error::Format { path, source })?;
            let Document { rule_id, tests } = document;
            cases.extend(tests.into_iter().map(|test| test.case(rule_id)));
        }
        Ok(Self { cases })
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let unreadable = |source| Error::Unreadable { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
    Ok(())
}

impl Case {
    /// Whether it says which rules must match, or must not.
    pub fn counts(&self) -> bool {
        self.stages
            .iter()
            .any(|stage| !stage.output.log.expect_ids.is_empty() || !stage.output.log.no_expect_ids.is_empty())
    }
}

/// A scalar as it was written.
pub(crate) fn text(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Number(number) => number.to_string().into_bytes(),
        Value::Bool(bool) => bool.to_string().into_bytes(),
        // `!!binary` is Base64.
        Value::Tagged(tagged) => match &tagged.value {
            Value::String(text) => crate::request::base64(text).unwrap_or_default(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_corpora_and_ordered_fields_are_read() {
        let text = r#"
tests:
  - test_title: 920100-7
    stages:
      - stage:
          input:
            headers: {Host: localhost}
            ordered_headers: [{name: A, value: 1}, {name: A, value: two}]
          output:
            no_log_contains: 'id "920100"'
"#;
        let document: Document = serde_yaml::from_str(text).unwrap();
        let case = document.tests.into_iter().next().unwrap().case(document.rule_id);
        assert_eq!((case.rule, case.number, case.counts()), (920_100, 7, true));
        assert_eq!(case.stages[0].output.log.no_expect_ids, [920_100]);
        let fields = case.stages[0].input.fields();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        assert_eq!(fields, [("Host", b"localhost".as_slice()), ("A", b"1"), ("A", b"two")]);
    }
}
