//! From a pattern's text to its tree.

use super::PatternError;
use super::node::{Greed, Look, Node, WORD};
use crate::seclang::bytes::{ByteSet, hex_digit};

const DIGIT: ByteSet = ByteSet::range(b'0', b'9');
const SPACE: ByteSet = ByteSet::of(b" \t\n\x0B\x0C\r");
const HORIZONTAL: ByteSet = ByteSet::of(b" \t\xA0");
const VERTICAL: ByteSet = ByteSet::of(b"\n\x0B\x0C\r\x85");

/// How deep groups may nest: far more than any rule's do, far less than the stack allows.
const DEPTH_MAX: usize = 100;
/// The most that a counted repetition may ask for, as in PCRE.
const REPEAT_MAX: u32 = 65_535;

/// Parses a pattern. The result's groups are numbered from 1.
pub(super) fn parse(pattern: &[u8], any_case: bool) -> Result<Node, PatternError> {
    let mut parser =
        Parser { pattern, at: 0, groups: 0, depth: 0, flags: Flags { any_case, lines: false, extended: false } };
    let node = parser.alternation()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.error("a group that was not opened is closed")),
    }
}

#[derive(Clone, Copy)]
struct Flags {
    any_case: bool,
    lines: bool,
    extended: bool,
}

struct Parser<'p> {
    pattern: &'p [u8],
    at: usize,
    groups: usize,
    depth: usize,
    flags: Flags,
}

impl Parser<'_> {
    fn alternation(&mut self) -> Result<Node, PatternError> {
        let mut branches = vec![self.concatenation()?];
        while self.accept(b"|") {
            branches.push(self.concatenation()?);
        }
        Ok(match branches.len() {
            1 => branches.pop().unwrap_or(Node::Empty),
            _ => Node::Alternate(branches),
        })
    }

    fn concatenation(&mut self) -> Result<Node, PatternError> {
        let mut parts = Vec::new();
        while let Some(byte) = self.peek() {
            if byte == b'|' || byte == b')' {
                break;
            }
            let Some(atom) = self.atom()? else { continue };
            parts.push(self.repeated(atom)?);
        }
        Ok(match parts.len() {
            0 => Node::Empty,
            1 => parts.pop().unwrap_or(Node::Empty),
            _ => Node::Concat(parts),
        })
    }

    /// One atom; none where flags were set or white space was passed over.
    fn atom(&mut self) -> Result<Option<Node>, PatternError> {
        let Some(byte) = self.next() else { return Ok(None) };
        let look = |look| Ok(Some(Node::Look(look)));
        match byte {
            b'(' => self.group(),
            b'[' => Ok(Some(Node::Byte(self.class()?))),
            b'.' => Ok(Some(Node::Byte(ByteSet::ALL))),
            b'^' => look(if self.flags.lines { Look::LineStart } else { Look::Start }),
            b'$' => look(if self.flags.lines { Look::LineEnd } else { Look::End }),
            b'\\' => self.escape().map(Some),
            b'*' | b'+' | b'?' => Err(self.error("there is nothing to repeat")),
            _ if self.flags.extended && byte.is_ascii_whitespace() => Ok(None),
            b'#' if self.flags.extended => {
                while self.next().is_some_and(|byte| byte != b'\n') {}
                Ok(None)
            }
            _ => Ok(Some(self.literal(byte))),
        }
    }

    fn literal(&self, byte: u8) -> Node {
        let set = ByteSet::of(&[byte]);
        Node::Byte(if self.flags.any_case { set.any_case() } else { set })
    }

    fn repeated(&mut self, mut node: Node) -> Result<Node, PatternError> {
        loop {
            let from = self.at;
            let (min, max) = match self.next() {
                Some(b'*') => (0, None),
                Some(b'+') => (1, None),
                Some(b'?') => (0, Some(1)),
                Some(b'{') => match self.counts()? {
                    Some(counts) => counts,
                    None => {
                        self.at = from;
                        return Ok(node);
                    }
                },
                _ => {
                    self.at = from;
                    return Ok(node);
                }
            };
            let greed = if self.accept(b"?") {
                Greed::Lazy
            } else if self.accept(b"+") {
                Greed::Possessive
            } else {
                Greed::Greedy
            };
            node = Node::Repeat { min, max, greed, node: Box::new(node) };
        }
    }

    /// What stands behind `{`, if it is a count; otherwise the brace is a literal.
    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>, PatternError> {
        let Some(min) = self.number() else { return Ok(None) };
        let max = if self.accept(b",") { self.number() } else { Some(min) };
        if !self.accept(b"}") {
            return Ok(None);
        }
        if min > REPEAT_MAX || max.is_some_and(|max| max > REPEAT_MAX || max < min) {
            return Err(self.error("the repetition's bounds are too large or in the wrong order"));
        }
        Ok(Some((min, max)))
    }

    fn number(&mut self) -> Option<u32> {
        let mut value = None;
        while let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(10)) {
            self.at += 1;
            value = Some(value.unwrap_or(0_u32).saturating_mul(10).saturating_add(digit));
        }
        value
    }

    fn group(&mut self) -> Result<Option<Node>, PatternError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error("groups nest too deep"));
        }
        let outer = self.flags;
        let around = |behind, negative| move |node| Node::Around { behind, negative, node: Box::new(node) };
        let wrap: Box<dyn Fn(Node) -> Node> = if !self.accept(b"?") {
            self.groups += 1;
            let index = self.groups;
            Box::new(move |node| Node::Group(index, Box::new(node)))
        } else if self.accept(b":") {
            Box::new(|node| node)
        } else if self.accept(b"=") {
            Box::new(around(false, false))
        } else if self.accept(b"!") {
            Box::new(around(false, true))
        } else if self.accept(b"<=") {
            Box::new(around(true, false))
        } else if self.accept(b"<!") {
            Box::new(around(true, true))
        } else if self.accept(b">") {
            Box::new(|node| Node::Atomic(Box::new(node)))
        } else if self.accept(b"P<") || self.accept(b"<") {
            while self.next().ok_or_else(|| self.error("a group's name has no end"))? != b'>' {}
            self.groups += 1;
            let index = self.groups;
            Box::new(move |node| Node::Group(index, Box::new(node)))
        } else if self.accept(b"#") {
            while self.next().ok_or_else(|| self.error("a comment has no end"))? != b')' {}
            self.depth -= 1;
            return Ok(None);
        } else {
            self.set_flags()?;
            if self.accept(b")") {
                self.depth -= 1;
                return Ok(None); // They hold to the end of the group that this stands in.
            }
            if !self.accept(b":") {
                return Err(self.error("this kind of group is not supported"));
            }
            Box::new(|node| node)
        };
        let node = self.alternation()?;
        if !self.accept(b")") {
            return Err(self.error("a group is not closed"));
        }
        self.flags = outer;
        self.depth -= 1;
        Ok(Some(wrap(node)))
    }

    fn set_flags(&mut self) -> Result<(), PatternError> {
        let mut on = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'-' => on = false,
                b'i' => self.flags.any_case = on,
                b'm' => self.flags.lines = on,
                b'x' => self.flags.extended = on,
                b's' if on => {} // It is always on.
                b':' | b')' => return Ok(()),
                _ => return Err(self.error("this flag is not supported")),
            }
            self.at += 1;
        }
        Err(self.error("a group is not closed"))
    }

    fn escape(&mut self) -> Result<Node, PatternError> {
        let Some(byte) = self.next() else { return Err(self.error("nothing follows a backslash")) };
        if let Some(set) = class_escape(byte) {
            return Ok(Node::Byte(set));
        }
        Ok(match byte {
            b'b' => Node::Look(Look::WordBoundary),
            b'B' => Node::Look(Look::NoWordBoundary),
            b'A' => Node::Look(Look::Start),
            b'z' | b'Z' => Node::Look(Look::End),
            b'1'..=b'9' => {
                self.at -= 1;
                let group = self.number().and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
                if group > self.groups {
                    return Err(self.error("there is no such group before this place"));
                }
                Node::Back { group, any_case: self.flags.any_case }
            }
            b'Q' => {
                let mut parts = Vec::new();
                while !self.accept(b"\\E") {
                    let Some(byte) = self.next() else { break };
                    parts.push(self.literal(byte));
                }
                Node::Concat(parts)
            }
            _ => {
                let byte = self.octet_escape(byte)?;
                self.literal(byte)
            }
        })
    }

    /// The octet that an escape stands for.
    fn octet_escape(&mut self, byte: u8) -> Result<u8, PatternError> {
        Ok(match byte {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'f' => 0x0C,
            b'a' => 0x07,
            b'e' => 0x1B,
            b'0' => self.digits(8, 2),
            b'x' if self.accept(b"{") => {
                let value = self.digits(16, 2);
                if !self.accept(b"}") {
                    return Err(self.error("only octets can be matched"));
                }
                value
            }
            b'x' => self.digits(16, 2),
            b'c' => self.next().ok_or_else(|| self.error("nothing follows `\\c`"))?.to_ascii_uppercase() ^ 0x40,
            _ if byte.is_ascii_alphanumeric() => return Err(self.error("this escape is not supported")),
            _ => byte,
        })
    }

    fn digits(&mut self, radix: u8, at_most: usize) -> u8 {
        let mut value = 0_u8;
        for _ in 0..at_most {
            let Some(digit) = self.peek().and_then(hex_digit).filter(|&digit| digit < radix) else { break };
            self.at += 1;
            value = value.wrapping_mul(radix).wrapping_add(digit);
        }
        value
    }

    fn class(&mut self) -> Result<ByteSet, PatternError> {
        let negated = self.accept(b"^");
        let mut set = ByteSet::EMPTY;
        let mut first = true;
        loop {
            let Some(byte) = self.next() else { return Err(self.error("a class is not closed")) };
            if byte == b']' && !first {
                break;
            }
            first = false;
            let low = match self.class_item(byte)? {
                Item::Set(more) => {
                    set = set.union(more);
                    continue;
                }
                Item::Octet(low) => low,
            };
            // A hyphen before the bracket, or before a whole class, is itself.
            let from = self.at;
            let high = if self.accept(b"-") {
                match self.next() {
                    None | Some(b']') => None,
                    Some(byte) => match self.class_item(byte)? {
                        Item::Octet(high) => Some(high),
                        Item::Set(_) => None,
                    },
                }
            } else {
                None
            };
            match high {
                Some(high) if high < low => return Err(self.error("a range is in the wrong order")),
                Some(high) => set = set.union(ByteSet::range(low, high)),
                None => {
                    self.at = from;
                    set.insert(low);
                }
            }
        }
        if self.flags.any_case {
            set = set.any_case();
        }
        Ok(if negated { set.complement() } else { set })
    }

    fn class_item(&mut self, byte: u8) -> Result<Item, PatternError> {
        match byte {
            b'[' if self.peek() == Some(b':') => match self.posix() {
                Some(set) => Ok(Item::Set(set)),
                None => Ok(Item::Octet(b'[')),
            },
            b'\\' => {
                let Some(byte) = self.next() else { return Err(self.error("nothing follows a backslash")) };
                match class_escape(byte) {
                    Some(set) => Ok(Item::Set(set)),
                    None if byte == b'b' => Ok(Item::Octet(0x08)),
                    None => self.octet_escape(byte).map(Item::Octet),
                }
            }
            _ => Ok(Item::Octet(byte)),
        }
    }

    fn posix(&mut self) -> Option<ByteSet> {
        let rest = self.pattern.get(self.at..)?;
        let end = rest.windows(2).position(|pair| pair == b":]")?;
        let name = rest.get(1..end)?;
        let (name, negated) = name.strip_prefix(b"^").map_or((name, false), |name| (name, true));
        let member: fn(&u8) -> bool = match name {
            b"alpha" => u8::is_ascii_alphabetic,
            b"alnum" => u8::is_ascii_alphanumeric,
            b"digit" => u8::is_ascii_digit,
            b"lower" => u8::is_ascii_lowercase,
            b"upper" => u8::is_ascii_uppercase,
            b"punct" => u8::is_ascii_punctuation,
            b"xdigit" => u8::is_ascii_hexdigit,
            b"cntrl" => u8::is_ascii_control,
            b"graph" => u8::is_ascii_graphic,
            b"print" => |byte| matches!(byte, b' '..=b'~'),
            b"space" => |byte| SPACE.contains(*byte),
            b"blank" => |byte| matches!(byte, b' ' | b'\t'),
            b"word" => |byte| WORD.contains(*byte),
            _ => return None,
        };
        let mut set = ByteSet::EMPTY;
        (0..=u8::MAX).filter(member).for_each(|byte| set.insert(byte));
        self.at += end + 2;
        Some(if negated { set.complement() } else { set })
    }

    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn accept(&mut self, text: &[u8]) -> bool {
        let there = self.pattern.get(self.at..).is_some_and(|rest| rest.starts_with(text));
        if there {
            self.at += text.len();
        }
        there
    }

    fn error(&self, what: &'static str) -> PatternError {
        PatternError::Syntax { at: self.at, what }
    }
}

enum Item {
    Octet(u8),
    Set(ByteSet),
}

fn class_escape(byte: u8) -> Option<ByteSet> {
    let set = match byte.to_ascii_lowercase() {
        b'd' => DIGIT,
        b'w' => WORD,
        b's' => SPACE,
        b'h' => HORIZONTAL,
        b'v' => VERTICAL,
        b'n' if byte == b'N' => return Some(ByteSet::of(b"\n").complement()),
        _ => return None,
    };
    Some(if byte.is_ascii_uppercase() { set.complement() } else { set })
}
