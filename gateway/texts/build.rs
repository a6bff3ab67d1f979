//! Makes one method of each message, so that a template or handler that asks for one that is not there does not compile; and does not
//! build where a language lacks a message, has one too many, or has other arguments or elements in it than English.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Message, Pattern, PatternElement};
use fluent_syntax::parser;

/// The language that says what there is.
const SOURCE: &str = "en";
const LANGUAGES: [&str; 3] = [SOURCE, "am", "fa"];

/// Messages that are found by a refusal's code. They have no arguments, and no method each.
const REFUSAL: &str = "refusal-";

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-changed=languages");
    let mut source = BTreeMap::new();
    for language in LANGUAGES {
        let path = format!("languages/{language}.ftl");
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let read = read(&text).map_err(|error| format!("{path}: {error}"))?;
        if language == SOURCE {
            source = read;
        } else {
            agree(&source, &read).map_err(|error| format!("{path}: {error}"))?;
        }
    }
    let folder = env::var("OUT_DIR").map_err(|error| error.to_string())?;
    fs::write(Path::new(&folder).join("catalogue.rs"), methods(&source)).map_err(|error| error.to_string())
}

/// A message, as far as languages have to agree on it.
struct Shape {
    /// In the order in which the text has them.
    arguments: Vec<String>,
    /// Its elements, as they stand in the text. A message with any is markup.
    elements: Vec<String>,
    /// What an argument is, where it is not a text. English alone says so.
    kinds: BTreeMap<String, Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Address,
}

fn read(text: &str) -> Result<BTreeMap<String, Shape>, String> {
    let resource = parser::parse(text).map_err(|(_, errors)| format!("{errors:?}"))?;
    let mut messages = BTreeMap::new();
    for entry in resource.body {
        match entry {
            Entry::Message(message) => {
                let id = message.id.name.to_owned();
                let shape = shape(&message).map_err(|error| format!("`{id}`: {error}"))?;
                if messages.insert(id.clone(), shape).is_some() {
                    return Err(format!("`{id}` is there twice"));
                }
            }
            Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_) => {}
            Entry::Term(term) => return Err(format!("`-{}`: terms are not used here", term.id.name)),
            Entry::Junk { content } => return Err(format!("not understood: {content}")),
        }
    }
    Ok(messages)
}

fn shape(message: &Message<&str>) -> Result<Shape, String> {
    let Some(pattern) = &message.value else { return Err("has no text".to_owned()) };
    if !message.attributes.is_empty() {
        return Err("attributes are not used here".to_owned());
    }
    let mut arguments = Vec::new();
    let mut texts = Vec::new();
    walk(pattern, &mut arguments, &mut texts)?;
    let mut elements: Vec<_> = texts.iter().flat_map(|text| elements(text)).collect();
    elements.sort();
    let mut kinds = BTreeMap::new();
    for line in message.comment.iter().flat_map(|comment| &comment.content) {
        if let Some((name, kind)) = line.strip_prefix('$').and_then(|line| line.split_once(' ')) {
            let kind = match kind {
                "(Number)" => Kind::Number,
                "(Address)" => Kind::Address,
                other => return Err(format!("an argument is (Number) or (Address), not {other}")),
            };
            kinds.insert(name.to_owned(), kind);
        }
    }
    Ok(Shape { arguments, elements, kinds })
}

fn walk<'a>(pattern: &'a Pattern<&'a str>, arguments: &mut Vec<String>, texts: &mut Vec<String>) -> Result<(), String> {
    // What stands between two arguments may be half of an element: the text is read as a whole, and an argument as a letter in it.
    let mut text = String::new();
    for element in &pattern.elements {
        match element {
            PatternElement::TextElement { value } => text.push_str(value),
            PatternElement::Placeable { expression: Expression::Inline(inline) } => {
                text.push_str(&format!("{{{}}}", argument(inline, arguments)?));
            }
            PatternElement::Placeable { expression: Expression::Select { selector, variants } } => {
                argument(selector, arguments)?;
                for variant in variants {
                    walk(&variant.value, arguments, texts)?;
                }
            }
        }
    }
    texts.push(text);
    Ok(())
}

fn argument(inline: &InlineExpression<&str>, arguments: &mut Vec<String>) -> Result<String, String> {
    match inline {
        InlineExpression::VariableReference { id } => {
            if !arguments.iter().any(|known| known == id.name) {
                arguments.push(id.name.to_owned());
            }
            Ok(id.name.to_owned())
        }
        _ => Err("only arguments stand in braces here".to_owned()),
    }
}

fn elements(text: &str) -> Vec<String> {
    text.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(element, _)| format!("<{element}>")).collect()
}

fn agree(source: &BTreeMap<String, Shape>, other: &BTreeMap<String, Shape>) -> Result<(), String> {
    let (all, here): (BTreeSet<_>, BTreeSet<_>) = (source.keys().collect(), other.keys().collect());
    if let Some(missing) = all.difference(&here).next() {
        return Err(format!("`{missing}` is missing"));
    }
    if let Some(unknown) = here.difference(&all).next() {
        return Err(format!("`{unknown}` is not in {SOURCE}.ftl"));
    }
    for ((id, source), other) in source.iter().zip(other.values()) {
        let sorted = |shape: &Shape| shape.arguments.iter().cloned().collect::<BTreeSet<_>>();
        if sorted(source) != sorted(other) {
            return Err(format!("`{id}` has other arguments than in {SOURCE}.ftl"));
        }
        if source.elements != other.elements {
            return Err(format!("`{id}` has other elements than in {SOURCE}.ftl"));
        }
    }
    Ok(())
}

fn methods(messages: &BTreeMap<String, Shape>) -> String {
    let mut code = String::from("impl Texts {\n");
    for (id, shape) in messages.iter().filter(|(id, _)| !id.starts_with(REFUSAL)) {
        let (result, call) = match shape.elements.is_empty() {
            true => ("Cow<'static, str>", "plain"),
            false => ("Markup", "markup"),
        };
        let (mut parameters, mut passed) = (String::new(), String::new());
        for name in &shape.arguments {
            let (kind, made) = match shape.kinds.get(name) {
                None => ("&str", format!("Argument::Text({name})")),
                Some(Kind::Address) => ("&str", format!("Argument::Address({name})")),
                Some(Kind::Number) => ("impl Count", format!("Argument::Number({name}.count())")),
            };
            let _ = write!(parameters, ", {name}: {kind}");
            let _ = write!(passed, "(\"{name}\", {made}), ");
        }
        let method = id.replace('-', "_");
        let _ = write!(
            code,
            "    /// `{id}` of the language's file.\n    pub fn {method}(self{parameters}) -> {result} {{ self.{call}(\"{id}\", &[{passed}]) }}\n"
        );
    }
    code.push_str("}\n\n/// The codes of refusals that have a message.\npub const REFUSALS: &[&str] = &[\n");
    for code_name in messages.keys().filter_map(|id| id.strip_prefix(REFUSAL)) {
        let _ = writeln!(code, "    \"{}\",", code_name.replace('-', "_"));
    }
    code.push_str("];\n");
    code
}
