//! From text to a filter (RFC 7644, figure 1).

use crate::ResourceKind;
use crate::error::{ScimError, ScimType, quoted};
use crate::moment;
use crate::render::user_name_key;
use crate::schema::{Attribute, Kind, Named, Place, find, resolve};

use super::{Comparand, Node, Operator, Test};

/// The longest filter, in octets.
pub const FILTER_BYTES_MAX: usize = 4_096;

/// How deep parentheses and brackets go.
const DEPTH_MAX: usize = 10;

/// How many tests a filter makes.
const TESTS_MAX: usize = 50;

/// Of what the names in a filter are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Within {
    /// A resource.
    Resource(ResourceKind),
    /// A value of a list: what stands in brackets behind its name.
    Value(&'static Attribute),
}

/// A word of a filter.
#[derive(Clone, Debug, PartialEq)]
enum Token<'t> {
    Open,
    Close,
    OpenBracket,
    CloseBracket,
    Text(String),
    Word(&'t str),
}

pub(crate) struct Parser<'t> {
    rest: &'t str,
    within: Within,
    depth: usize,
    tests: usize,
}

impl<'t> Parser<'t> {
    pub(crate) fn new(text: &'t str, within: Within) -> Result<Self, ScimError> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(invalid(format!("longer than {FILTER_BYTES_MAX} octets")));
        }
        Ok(Self { rest: text, within, depth: 0, tests: 0 })
    }

    /// A filter and nothing behind it.
    pub(crate) fn whole(mut self) -> Result<Node, ScimError> {
        let node = self.any()?;
        match self.next()? {
            None => Ok(node),
            Some(token) => Err(unexpected(&token)),
        }
    }

    /// A filter in brackets, of which the first is read: what stands behind the last.
    pub(crate) fn bracketed(mut self) -> Result<(Node, &'t str), ScimError> {
        let node = self.any()?;
        self.expect(&Token::CloseBracket)?;
        Ok((node, self.rest))
    }

    fn any(&mut self) -> Result<Node, ScimError> {
        let mut nodes = vec![self.all()?];
        while self.takes_word("or")? {
            nodes.push(self.all()?);
        }
        Ok(one_or(nodes, Node::Any))
    }

    fn all(&mut self) -> Result<Node, ScimError> {
        let mut nodes = vec![self.one()?];
        while self.takes_word("and")? {
            nodes.push(self.one()?);
        }
        Ok(one_or(nodes, Node::All))
    }

    fn one(&mut self) -> Result<Node, ScimError> {
        match self.next()? {
            Some(Token::Open) => self.in_parentheses(),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("not") => {
                self.expect(&Token::Open)?;
                Ok(Node::Not(Box::new(self.in_parentheses()?)))
            }
            Some(Token::Word(word)) => self.about(word),
            Some(token) => Err(unexpected(&token)),
            None => Err(invalid("it ends too early")),
        }
    }

    fn in_parentheses(&mut self) -> Result<Node, ScimError> {
        let node = self.deeper(Self::any)?;
        self.expect(&Token::Close)?;
        Ok(node)
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, ScimError>) -> Result<T, ScimError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(invalid(format!("parentheses and brackets more than {DEPTH_MAX} deep")));
        }
        let done = read(self);
        self.depth -= 1;
        done
    }

    /// What is asked of an attribute.
    fn about(&mut self, name: &str) -> Result<Node, ScimError> {
        self.tests += 1;
        if self.tests > TESTS_MAX {
            return Err(invalid(format!("more than {TESTS_MAX} tests")));
        }
        let place = self.place(name)?;
        let operator = match self.next()? {
            Some(Token::OpenBracket) => return self.in_brackets(place),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("pr") => return Ok(Node::Test(place, Test::Present)),
            Some(Token::Word(word)) => Operator::of(word).ok_or_else(|| invalid(unknown_operator(word)))?,
            Some(token) => return Err(unexpected(&token)),
            None => return Err(invalid(format!("nothing is asked of `{}`", quoted(name)))),
        };
        let value = self.next()?.ok_or_else(|| invalid("it ends before a value"))?;
        let leaf = leaf(&place).ok_or_else(|| invalid(format!("`{}` has no one value", quoted(name))))?;
        let comparand = comparand(leaf, operator, value)?;
        Ok(Node::Test(place, Test::Compare(operator, comparand)))
    }

    fn in_brackets(&mut self, place: Place) -> Result<Node, ScimError> {
        let is_list = place.attribute.is_many() && !place.attribute.subs().is_empty() && place.sub.is_none();
        if !is_list || matches!(self.within, Within::Value(_)) {
            return Err(invalid(format!("`{}` is no list of values with parts", place.attribute.name)));
        }
        let outer = std::mem::replace(&mut self.within, Within::Value(place.attribute));
        let node = self.deeper(Self::any);
        self.within = outer;
        let node = node?;
        self.expect(&Token::CloseBracket)?;
        Ok(Node::Has(place, Box::new(node)))
    }

    fn place(&self, name: &str) -> Result<Place, ScimError> {
        let found = match self.within {
            Within::Resource(kind) => match resolve(kind, name) {
                Some(Named::Place(place)) => Some(place),
                Some(Named::Extension(_)) | None => None,
            },
            Within::Value(attribute) => {
                find(attribute.subs().iter(), name).map(|attribute| Place { extension: None, attribute, sub: None })
            }
        };
        found.ok_or_else(|| invalid(format!("there is no attribute `{}`", quoted(name))))
    }

    fn takes_word(&mut self, word: &str) -> Result<bool, ScimError> {
        let before = self.rest;
        match self.next()? {
            Some(Token::Word(next)) if next.eq_ignore_ascii_case(word) => Ok(true),
            _ => {
                self.rest = before;
                Ok(false)
            }
        }
    }

    fn expect(&mut self, wanted: &Token<'_>) -> Result<(), ScimError> {
        match self.next()? {
            Some(token) if token == *wanted => Ok(()),
            Some(token) => Err(unexpected(&token)),
            None => Err(invalid("it ends too early")),
        }
    }

    fn next(&mut self) -> Result<Option<Token<'t>>, ScimError> {
        self.rest = self.rest.trim_start_matches(' ');
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let one = match first {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            '[' => Some(Token::OpenBracket),
            ']' => Some(Token::CloseBracket),
            _ => None,
        };
        let (token, length) = match (one, first) {
            (Some(token), _) => (token, 1),
            (None, '"') => {
                let length = text_length(self.rest).ok_or_else(|| invalid("a text has no end"))?;
                let text = self.rest.get(..length).unwrap_or_default();
                let read = serde_json::from_str(text).map_err(|_| invalid("a text is not as JSON writes it"))?;
                (Token::Text(read), length)
            }
            (None, _) => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '"');
                let length = self.rest.find(ends).unwrap_or(self.rest.len());
                if length == 0 {
                    return Err(invalid("write spaces between words"));
                }
                (Token::Word(self.rest.get(..length).unwrap_or_default()), length)
            }
        };
        self.rest = self.rest.get(length..).unwrap_or_default();
        Ok(Some(token))
    }
}

/// How long a JSON text is that begins here, quotes included.
fn text_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, octet) in text.bytes().enumerate().skip(1) {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn one_or(mut nodes: Vec<Node>, several: impl FnOnce(Vec<Node>) -> Node) -> Node {
    match (nodes.pop(), nodes.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            nodes.extend(last);
            several(nodes)
        }
    }
}

/// The attribute whose values are compared: of values with parts, their `value`.
pub(super) fn leaf(place: &Place) -> Option<&'static Attribute> {
    let named = place.sub.unwrap_or(place.attribute);
    if named.subs().is_empty() { Some(named) } else { named.sub("value") }
}

fn comparand(leaf: &Attribute, operator: Operator, value: Token<'_>) -> Result<Comparand, ScimError> {
    let wrong = || invalid(format!("`{}` cannot be compared with that, or not in this way", leaf.name));
    let compared = match (leaf.kind, value) {
        (_, Token::Word("null")) => Comparand::Nothing,
        (Kind::Text | Kind::Reference(_), Token::Text(written)) => {
            let compared = if leaf.case_exact { written.clone() } else { user_name_key(&written) };
            Comparand::Text { written, compared, case_exact: leaf.case_exact }
        }
        (Kind::Boolean, Token::Word(word)) if word.eq_ignore_ascii_case("true") => Comparand::Boolean(true),
        (Kind::Boolean, Token::Word(word)) if word.eq_ignore_ascii_case("false") => Comparand::Boolean(false),
        // As Entra ID writes it.
        (Kind::Boolean, Token::Text(text)) if text.eq_ignore_ascii_case("true") => Comparand::Boolean(true),
        (Kind::Boolean, Token::Text(text)) if text.eq_ignore_ascii_case("false") => Comparand::Boolean(false),
        (Kind::Moment, Token::Text(text)) => Comparand::Moment(moment::from_text(&text).ok_or_else(wrong)?.0),
        _ => return Err(wrong()),
    };
    let fits = match (&compared, operator) {
        (_, Operator::Equal | Operator::NotEqual) | (Comparand::Text { .. }, _) => true,
        (Comparand::Moment(_), operator) => operator.is_order(),
        (Comparand::Boolean(_) | Comparand::Nothing, _) => false,
    };
    if fits { Ok(compared) } else { Err(wrong()) }
}

impl Operator {
    fn of(word: &str) -> Option<Self> {
        const WORDS: [(&str, Operator); 9] = [
            ("eq", Operator::Equal),
            ("ne", Operator::NotEqual),
            ("co", Operator::Contains),
            ("sw", Operator::StartsWith),
            ("ew", Operator::EndsWith),
            ("gt", Operator::Greater),
            ("ge", Operator::GreaterOrEqual),
            ("lt", Operator::Less),
            ("le", Operator::LessOrEqual),
        ];
        WORDS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, operator)| operator)
    }

    fn is_order(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual | Self::Less | Self::LessOrEqual)
    }
}

fn unknown_operator(word: &str) -> String {
    format!("`{}` is no operator; use eq, ne, co, sw, ew, gt, ge, lt, le or pr", quoted(word))
}

fn unexpected(token: &Token<'_>) -> ScimError {
    let shown = match token {
        Token::Open => "(".to_owned(),
        Token::Close => ")".to_owned(),
        Token::OpenBracket => "[".to_owned(),
        Token::CloseBracket => "]".to_owned(),
        Token::Text(_) => "a text".to_owned(),
        Token::Word(word) => quoted(word),
    };
    invalid(format!("`{shown}` does not belong where it stands"))
}

fn invalid(what: impl AsRef<str>) -> ScimError {
    ScimError::bad(ScimType::InvalidFilter, format!("the filter: {}", what.as_ref()))
}
