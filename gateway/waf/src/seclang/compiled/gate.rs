//! What a value must have for a rule to match.

use crate::seclang::bytes::ByteSet;
use crate::seclang::operator::{Operator, TextTest};
use crate::seclang::pcre::Required;
use crate::seclang::program::{Rule, Select, Target};
use crate::seclang::variable::{List, scalar};

/// What a rule's first link needs of a value, once that is transformed.
#[derive(Clone, Debug)]
pub(super) enum Gate {
    /// One of these texts, in any case.
    Literals(Vec<Vec<u8>>),
    /// An octet of this set.
    Byte(ByteSet),
    /// What libinjection could take for SQL.
    Sqli,
    /// What libinjection could take for markup.
    Xss,
}

impl Gate {
    /// The gate of a rule; none where it must always be visited.
    pub(super) fn of(rule: &Rule) -> Option<Self> {
        let link = rule.links.first()?;
        if link.negated || link.targets.is_empty() || !link.targets.iter().all(is_fixed) {
            return None;
        }
        match &link.operator {
            Operator::Rx(pattern) => match Required::of(pattern.node()) {
                Required::AnyOf(literals) => Some(Self::Literals(literals)),
                Required::Byte(set) => Some(Self::Byte(set)),
                Required::Nothing => None,
            },
            Operator::Phrases(phrases) => Some(Self::Literals(phrases.texts().to_vec())),
            Operator::Text(test, template) => {
                let needed = matches!(
                    test,
                    TextTest::Equals
                        | TextTest::BeginsWith
                        | TextTest::EndsWith
                        | TextTest::Contains
                        | TextTest::ContainsWord
                );
                template
                    .fixed()
                    .filter(|text| needed && !text.is_empty())
                    .map(|text| Self::Literals(vec![text.to_ascii_lowercase()]))
            }
            Operator::BytesOutside(set) => Some(Self::Byte(set.complement())),
            Operator::BadUrlEncoding => Some(Self::Byte(ByteSet::of(b"%"))),
            Operator::BadUtf8 => Some(Self::Byte(ByteSet::range(0x80, 0xFF))),
            Operator::Sqli => Some(Self::Sqli),
            Operator::Xss => Some(Self::Xss),
            Operator::LateRx(..)
            | Operator::Number(..)
            | Operator::Address(_)
            | Operator::CheckDigits(..)
            | Operator::Fixed(_) => None,
        }
    }
}

/// Whether a target's values are all there before the phase begins, and stay as they are.
fn is_fixed(target: &Target) -> bool {
    // A control may name another body processor in the middle of a phase.
    let changes = matches!(target.select, Select::At(scalar::REQBODY_PROCESSOR)) && target.lists == [List::Scalars];
    !target.count && !changes && target.lists.iter().all(|list| list.is_fixed())
}
