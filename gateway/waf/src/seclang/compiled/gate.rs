//! What a value must have for a rule to match.

use crate::seclang::bytes::ByteSet;
use crate::seclang::operator::{Operator, TextTest};
use crate::seclang::pcre::Required;
use crate::seclang::program::{Rule, Select, Target};
use crate::seclang::variable::{List, scalar};

/// What a rule's first link needs of a value, once that is transformed.
#[derive(Clone, Debug)]
pub(super) enum Gate {
    /// One of these texts, in any case, or an octet of this set.
    AnyOf(Vec<Vec<u8>>, ByteSet),
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
            Operator::Rx(pattern) => {
                Required::of(pattern.node()).map(|required| Self::AnyOf(required.literals, required.octets))
            }
            Operator::Phrases(phrases) => Some(Self::AnyOf(phrases.texts().to_vec(), ByteSet::EMPTY)),
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
                    .map(|text| Self::AnyOf(vec![text.to_ascii_lowercase()], ByteSet::EMPTY))
            }
            Operator::BytesOutside(set) => Some(Self::octets(set.complement())),
            Operator::BadUrlEncoding => Some(Self::octets(ByteSet::of(b"%"))),
            Operator::BadUtf8 => Some(Self::octets(ByteSet::range(0x80, 0xFF))),
            Operator::Sqli => Some(Self::Sqli),
            Operator::Xss => Some(Self::Xss),
            Operator::LateRx(..)
            | Operator::Number(..)
            | Operator::Address(_)
            | Operator::CheckDigits(..)
            | Operator::Fixed(_) => None,
        }
    }

    fn octets(set: ByteSet) -> Self {
        Self::AnyOf(Vec::new(), set)
    }
}

/// Whether a target's values are all there before the phase begins, and stay as they are.
fn is_fixed(target: &Target) -> bool {
    // A control may name another body processor in the middle of a phase.
    let changes = matches!(target.select, Select::At(scalar::REQBODY_PROCESSOR)) && target.lists == [List::Scalars];
    !target.count && !changes && target.lists.iter().all(|list| list.is_fixed())
}
