//! The target of a request, delimited: whom it names, and where its path ends.

use cedargate_model::{Host, HostError, Refusal, RefusalCode};

use super::fields::NamedHost;

/// A request target in origin-form or absolute-form, cut into its parts and not yet normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The authority of an absolute-form target, as sent.
    authority: Option<&'a str>,
    /// The path as sent.
    pub(super) path: &'a str,
    /// What stands behind the first `?`.
    pub(super) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Cuts a target into its parts (RFC 9112 §3.2).
    ///
    /// The characters allowed are those that Pingora's own URI type takes: what it would answer by itself with an
    /// unrecorded 400 is refused here instead. They are a superset of RFC 3986 and hold all that browsers leave
    /// unescaped (WHATWG URL).
    ///
    /// # Errors
    /// `path_invalid` for asterisk-form, authority-form, a fragment or a character out of place.
    pub(super) fn parse(raw: &'a [u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(raw).map_err(|_| path_invalid("the target is not ASCII"))?;
        let (authority, rest) = match text.strip_prefix('/') {
            Some(_) => (None, text),
            None => split_authority(text)?,
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        if !path.bytes().all(is_path_octet) {
            return Err(path_invalid("a character in the path that must be escaped"));
        }
        if !query.unwrap_or_default().bytes().all(is_query_octet) {
            return Err(path_invalid("a character in the query that must be escaped"));
        }
        // `http://host` and `http://host?q` mean the root (RFC 9110 §4.2.3).
        let path = if path.is_empty() && authority.is_some() { "/" } else { path };
        Ok(Self { authority, path, query })
    }

    /// The same target at the authority of a pseudo-header, which a path alone may have.
    ///
    /// # Errors
    /// `path_invalid` if the target names an authority itself.
    pub(super) fn at(self, authority: Option<&'a str>) -> Result<Self, Refusal> {
        match (authority, self.authority) {
            (None, _) => Ok(self),
            (Some(_), None) => Ok(Self { authority, ..self }),
            (Some(_), Some(_)) => Err(path_invalid("`:path` names an authority")),
        }
    }

    /// The one host that target and `Host` agree on.
    ///
    /// An absolute-form target must name it exactly as `Host` does, octet for octet (RFC 9112 §3.2, and Pingora asks the
    /// same). §3.2.2 lets a proxy ignore `Host` then; whoever sends two that differ hopes that somebody ignores the other.
    ///
    /// # Errors
    /// `host_invalid` if there is none, or two that differ.
    pub(super) fn agree(self, host: Option<NamedHost<'_>>) -> Result<Host, Refusal> {
        match (self.authority, host) {
            (None, Some(named)) => Ok(named.host),
            (Some(authority), None) => parse_host(authority.as_bytes()),
            (Some(authority), Some(named)) if authority.as_bytes() == named.raw => Ok(named.host),
            (Some(_), Some(_)) => Err(host_invalid("target and `Host` disagree")),
            (None, None) => Err(host_invalid("no `Host`")),
        }
    }
}

/// Parses the value of a `Host` field or an authority.
pub(super) fn parse_host(value: &[u8]) -> Result<Host, Refusal> {
    let text = std::str::from_utf8(value).map_err(|_| host_invalid("the host is not ASCII"))?;
    Host::parse(text).map_err(|error: HostError| Refusal::new(RefusalCode::HostInvalid, error.to_string()))
}

/// Cuts an absolute-form target into authority and what follows it. The scheme is not kept: how a request came is known
/// from its connection.
fn split_authority(text: &str) -> Result<(Option<&str>, &str), Refusal> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(path_invalid("the target is neither a path nor an http URL"));
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(path_invalid("the target's scheme is not http or https"));
    }
    let (authority, rest) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len())).unwrap_or_default();
    Ok((Some(authority), rest))
}

/// Visible ASCII without `#`, `<`, `>`, backtick and `?`. What of it a path may not have is `NormalizedPath`'s to say.
fn is_path_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'<' | b'>' | b'`' | b'?')
}

/// Visible ASCII without `"`, `#`, `<` and `>`, which browsers always escape (WHATWG URL, query percent-encode set).
fn is_query_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>')
}

fn path_invalid(detail: &str) -> Refusal {
    Refusal::new(RefusalCode::PathInvalid, detail)
}

fn host_invalid(detail: &str) -> Refusal {
    Refusal::new(RefusalCode::HostInvalid, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(target: &str, host: Option<&str>) -> Result<String, RefusalCode> {
        let host = host.map(|raw| NamedHost { raw: raw.as_bytes(), host: Host::parse(raw).unwrap() });
        Target::parse(target.as_bytes()).and_then(|t| t.agree(host)).map(|h| h.to_string()).map_err(|r| r.code)
    }

    #[test]
    fn forms_that_are_for_other_servers_are_refused() {
        for target in [
            "*",
            "",
            "acme.localhost:443",
            "acme.localhost",
            "ftp://acme.localhost/",
            "http:/acme.localhost/",
            "javascript://acme.localhost/",
            "foo:bar://acme.localhost/",
            "?q",
            "\\",
            "./a",
            "http//a",
            ":///",
        ] {
            assert_eq!(agreed(target, Some("acme.localhost")), Err(RefusalCode::PathInvalid), "{target}");
        }
    }

    #[test]
    fn characters_that_must_be_escaped_are_refused() {
        for target in
            ["/a#b", "/a?b#c", "/<", "/>", "/`", "/a?\"", "/a?<script>", "/é", "/a?é", "/a\x7f", "/a?\x01", "/a\tb"]
        {
            assert_eq!(agreed(target, Some("a")), Err(RefusalCode::PathInvalid), "{target:?}");
        }
        assert_eq!(Target::parse(b"/\xff").unwrap_err().code, RefusalCode::PathInvalid);
    }

    #[test]
    fn the_query_is_only_delimited() {
        let target = Target::parse(b"/a?q=100%&x=%zz?/../{}|[]^`\\").unwrap();
        assert_eq!((target.path, target.query), ("/a", Some("q=100%&x=%zz?/../{}|[]^`\\")));
        assert_eq!(Target::parse(b"/a?").unwrap().query, Some(""));
        assert_eq!(Target::parse(b"/a").unwrap().query, None);
    }

    #[test]
    fn an_absolute_target_must_name_the_host_that_host_names() {
        for (target, host) in [
            ("http://acme.localhost/", "globex.localhost"),
            ("http://acme.localhost:8080/", "acme.localhost"),
            ("http://acme.localhost/", "acme.localhost:8080"),
            ("http://acme.localhost:80/", "acme.localhost"),
            ("http://ACME.localhost/", "acme.localhost"),
            ("http://acme.localhost./", "acme.localhost"),
            ("http://u@acme.localhost/", "acme.localhost"),
            ("http://acme.localhost\\@globex.localhost/", "acme.localhost"),
            ("http:///a", "acme.localhost"),
            ("http://acme.localhost,globex.localhost/", "acme.localhost"),
        ] {
            assert_eq!(agreed(target, Some(host)), Err(RefusalCode::HostInvalid), "{target} {host}");
        }
        assert_eq!(agreed("/", None), Err(RefusalCode::HostInvalid));
    }

    #[test]
    fn an_absolute_target_that_agrees_is_taken_apart() {
        assert_eq!(agreed("HTTP://ACME.localhost/a", Some("ACME.localhost")), Ok("acme.localhost".into()));
        assert_eq!(agreed("https://[::1]:8443?q", Some("[::1]:8443")), Ok("[::1]:8443".into()));
        let target = Target::parse(b"http://acme.localhost?q=/a").unwrap();
        assert_eq!((target.path, target.query), ("/", Some("q=/a")));
        assert_eq!(agreed("https://acme.localhost/", None), Ok("acme.localhost".into()), "HTTP/2 has no Host");
    }
}
