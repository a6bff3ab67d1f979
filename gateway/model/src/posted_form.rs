//! Forms as browsers post them.

use std::fmt;

use form_urlencoded::Serializer;
use serde::{Deserialize, Serialize};

/// The largest form that can be kept, in octets. Forms of text are a few hundred; a page that shows one again has to stay light.
pub const POSTED_FORM_BYTES_MAX: usize = 32 * 1024;

/// How many fields such a form may have.
const FIELDS_MAX: usize = 200;

/// How a browser says that a form's body is one of these.
pub const FORM_MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// A form that a browser posted, which a page of ours with the same fields would post again octet for octet (WHATWG URL §5).
///
/// INVARIANT (same form): writing `fields()` gives `body` back. What is shown to a person is then what is sent when they say so.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostedForm {
    target: String,
    body: String,
}

impl PostedForm {
    /// A form that was posted to this path and query; none where a page could not post the same again: what is larger, was written by a
    /// program, or has characters that a form cannot carry.
    pub fn of(target: &str, body: &[u8]) -> Option<Self> {
        let body = std::str::from_utf8(body).ok().filter(|body| body.len() <= POSTED_FORM_BYTES_MAX)?;
        let form = Self { target: target.to_owned(), body: body.to_owned() };
        let fields = form.fields();
        let written: String = Serializer::new(String::new()).extend_pairs(&fields).finish();
        let can_be_posted = fields.len() <= FIELDS_MAX
            // A browser fills this one in by itself (HTML §4.10.21.4).
            && fields.iter().all(|(name, value)| name != "_charset_" && is_carried(name) && is_carried(value));
        (written == body && can_be_posted).then_some(form)
    }

    /// Where it was posted to: path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Names and values, in order.
    pub fn fields(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }
}

/// Whether markup carries it unchanged: a page has no NUL, and a form writes every end of a line as CR LF.
fn is_carried(text: &str) -> bool {
    let without_ends = text.replace("\r\n", "");
    !without_ends.contains(['\0', '\r', '\n'])
}

/// What people type into forms is in no log.
impl fmt::Debug for PostedForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostedForm").field("target", &self.target).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_no_page_would_post_again_is_no_form() {
        for body in [
            "a=b&",
            "&a=b",
            "a=%zz",
            "a=%ff",
            "a b=c",
            "a",
            "a=%20",
            "a=%0A",
            "a=%0D",
            "a=%0D%0A%0D",
            "a=%00",
            "_charset_=x",
            "{\"a\":1}",
            "a=é",
            "a=%c3%a9",
        ] {
            assert_eq!(PostedForm::of("/x", body.as_bytes()), None, "{body}");
        }
        assert_eq!(PostedForm::of("/x", b"a=\xff"), None);
        let long = format!("a={}", "x".repeat(POSTED_FORM_BYTES_MAX));
        assert_eq!(PostedForm::of("/x", long.as_bytes()), None);
        let many = vec!["a=b"; FIELDS_MAX + 1].join("&");
        assert_eq!(PostedForm::of("/x", many.as_bytes()), None);
    }

    #[test]
    fn what_a_browser_posts_is_one() {
        for body in ["", "a=", "a=b&a=c", "name=%D9%81%D8%A7%D8%B1%D8%B3%DB%8C+x&n=1%0D%0A2%2B3", "*-._=%7E%27"] {
            let form = PostedForm::of("/x?y", body.as_bytes()).unwrap();
            assert_eq!(form.target(), "/x?y");
            let read: PostedForm = serde_json::from_str(&serde_json::to_string(&form).unwrap()).unwrap();
            assert_eq!(read, form);
        }
        assert!(!format!("{:?}", PostedForm::of("/x", b"a=secret").unwrap()).contains("secret"));
    }

    proptest! {
        #[test]
        fn arbitrary_octets_are_a_form_or_none_and_a_form_is_what_was_posted(body in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(form) = PostedForm::of("/", &body) {
                let written: String = Serializer::new(String::new()).extend_pairs(form.fields()).finish();
                prop_assert_eq!(written.as_bytes(), &body[..]);
            }
        }

        #[test]
        fn whatever_fields_people_fill_in_come_back(fields in prop::collection::vec(("[a-z]{1,8}", "\\PC{0,20}"), 0..8)) {
            let body: String = Serializer::new(String::new()).extend_pairs(&fields).finish();
            prop_assert_eq!(PostedForm::of("/", body.as_bytes()).unwrap().fields(), fields);
        }
    }
}
