//! Cases, read from YAML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_yaml::Value;

use crate::Error;

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
    rule_id: u64,
    tests: Vec<Test>,
}

#[derive(Debug, Deserialize)]
struct Test {
    test_id: u64,
    #[serde(default)]
    desc: String,
    stages: Vec<Stage>,
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
    pub(crate) headers: BTreeMap<String, Value>,
    pub(crate) data: Option<Value>,
    pub(crate) encoded_data: Option<String>,
    pub(crate) encoded_request: Option<String>,
    pub(crate) autocomplete_headers: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Output {
    #[serde(default)]
    pub(crate) log: Log,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Log {
    #[serde(default)]
    pub(crate) expect_ids: Vec<u64>,
    #[serde(default)]
    pub(crate) no_expect_ids: Vec<u64>,
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
            cases.extend(document.tests.into_iter().map(|test| Case {
                rule: document.rule_id,
                number: test.test_id,
                about: test.desc,
                stages: test.stages,
            }));
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
