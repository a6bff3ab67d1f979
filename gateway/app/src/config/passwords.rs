//! Which passwords may be set.

use std::path::PathBuf;

use cedargate_idp_adapters::breached::WhenUnavailable;
use cedargate_idp_adapters::oidc::ProviderUrl;

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[passwords]",
    about: "Which passwords of local accounts may be set. Each has at least 15 characters; there are no rules about kinds of them, and \
            none gets too old (NIST SP 800-63B-4 §3.1.1.2).",
    keys: &[BREACHED_DIR, BREACHED_URL, BREACHED_UNAVAILABLE],
};

const BREACHED_DIR: Key = Key {
    name: "breached_dir",
    shape: Shape::Path,
    fallback: Fallback::Words("not used"),
    environment: None,
    about: "A copy of a list of stolen passwords in the k-anonymity range format: a file for each range, `0018A` or `0018A.txt`, with a \
            line `REST:COUNT` for each password, by the SHA-1 of its octets. A password that stands there is not set.",
};
const BREACHED_URL: Key = Key {
    name: "breached_url",
    shape: Shape::Text("a URL, such as `https://passwords.example/range`"),
    fallback: Fallback::Words("not used"),
    environment: None,
    about: "A service with the same ranges, at `URL/0018A`. It learns five digits of the SHA-1 and nothing else. `http://` is for this \
            machine alone.",
};
const BREACHED_UNAVAILABLE: Key = Key {
    name: "breached_unavailable",
    shape: Shape::Text("`refuse` or `accept`"),
    fallback: Fallback::Value(r#""refuse""#),
    environment: None,
    about: "What becomes of a password while the list cannot be asked. `refuse` sets none until it can; `accept` sets it, and the log \
            says so.",
};

/// `[passwords]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    pub(crate) breached: BreachedList,
    pub(crate) unavailable: WhenUnavailable,
}

/// Where stolen passwords are listed.
#[derive(Clone, Debug)]
pub(crate) enum BreachedList {
    Nowhere,
    Directory(PathBuf),
    Service(String),
}

impl Passwords {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let directory = section.optional_path(&BREACHED_DIR);
        let url = section.optional_text(&BREACHED_URL, |text| ProviderUrl::parse(text).map(|_| text.to_owned()));
        let unavailable = section.text(&BREACHED_UNAVAILABLE, |text| match text {
            "refuse" => Ok(WhenUnavailable::Refuse),
            "accept" => Ok(WhenUnavailable::Accept),
            other => Err(format!("write `refuse` or `accept`, not `{other}`")),
        });
        let breached = match (directory?, url?) {
            (Some(_), Some(_)) => {
                Err(section.complain(&BREACHED_URL, "there is `breached_dir` too: one list is asked"))
            }
            (Some(directory), None) => Ok(BreachedList::Directory(directory)),
            (None, Some(url)) => Ok(BreachedList::Service(url)),
            (None, None) => Ok(BreachedList::Nowhere),
        };
        section.finish();
        Ok(Self { breached: breached?, unavailable: unavailable? })
    }
}
