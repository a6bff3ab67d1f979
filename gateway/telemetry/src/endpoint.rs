//! Where a collector is.

use std::net::IpAddr;

use http::Uri;
use http::uri::PathAndQuery;

/// The base address of a collector, as `OTEL_EXPORTER_OTLP_ENDPOINT` has it: `http://127.0.0.1:4318`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    base: Uri,
}

/// Why a text is no endpoint. It never repeats the text: there might be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is no address at all.
    #[error("write `http://HOST:PORT` or `https://HOST:PORT`, with a path where the collector has one")]
    Malformed,
    /// It names a user.
    #[error("an address with a user or password in it is shown in too many places: use headers")]
    Userinfo,
    /// It has a query.
    #[error("an address of a collector has no `?`")]
    Query,
}

impl Endpoint {
    /// Reads an address of scheme `http` or `https`.
    ///
    /// # Errors
    /// Anything else, credentials and a query included.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let base: Uri = text.parse().map_err(|_| EndpointError::Malformed)?;
        let authority = base.authority().ok_or(EndpointError::Malformed)?;
        if !matches!(base.scheme_str(), Some("http" | "https")) || authority.host().is_empty() {
            return Err(EndpointError::Malformed);
        }
        if authority.as_str().contains('@') {
            return Err(EndpointError::Userinfo);
        }
        if base.query().is_some() {
            return Err(EndpointError::Query);
        }
        // Each signal's path is put behind it, so that it must end well.
        let endpoint = Self { base };
        endpoint.signal("traces").ok_or(EndpointError::Malformed)?;
        Ok(endpoint)
    }

    /// Whether it is reached by TLS.
    pub fn is_tls(&self) -> bool {
        self.base.scheme_str() == Some("https")
    }

    /// Whether what is sent can be read on the way: no TLS, and not on this machine.
    pub fn is_clear_text_beyond_loopback(&self) -> bool {
        let host = self.base.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        !self.is_tls() && !is_loopback
    }

    /// Where a signal's messages go: `/v1/traces` behind the base.
    pub(crate) fn signal(&self, signal: &str) -> Option<Uri> {
        let path = format!("{}/v1/{signal}", self.base.path().trim_end_matches('/'));
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
        Uri::from_parts(parts).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_stand_behind_the_base() {
        for (base, traces) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector.example/", "https://collector.example/v1/traces"),
            ("https://collector.example/a/b/", "https://collector.example/a/b/v1/traces"),
        ] {
            assert_eq!(Endpoint::parse(base).unwrap().signal("traces").unwrap().to_string(), traces);
        }
    }

    #[test]
    fn clear_text_is_fine_on_this_machine_alone() {
        for (text, readable) in [
            ("http://127.0.0.1:4318", false),
            ("http://[::1]:4318", false),
            ("http://localhost:4318", false),
            ("http://collector.example:4318", true),
            ("https://collector.example", false),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().is_clear_text_beyond_loopback(), readable, "{text}");
        }
    }

    #[test]
    fn what_is_no_collectors_address_is_refused() {
        for (text, why) in [
            ("", EndpointError::Malformed),
            ("127.0.0.1:4318", EndpointError::Malformed),
            ("/v1/traces", EndpointError::Malformed),
            ("grpc://127.0.0.1:4317", EndpointError::Malformed),
            ("http://", EndpointError::Malformed),
            ("http://me:secret@collector.example", EndpointError::Userinfo),
            ("http://collector.example/?token=secret", EndpointError::Query),
        ] {
            assert_eq!(Endpoint::parse(text), Err(why), "{text}");
            assert!(!why.to_string().contains("secret"));
        }
    }
}
