//! Names in headers and targets: what is accepted has one form, and that is accepted again as the same.

use cedargate_dataplane::fuzzing;
use cedargate_model::{Host, NormalizedPath, RoleName, TenantName, TraceParent};
use cedargate_policy::Origin;

/// One text, read as everything that it may be.
pub fn names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(host) = Host::parse(text) {
        assert_eq!(Host::parse(&host.to_string()).as_ref(), Ok(&host), "a host is another host");
        assert!(!host.name().bytes().any(|octet| octet.is_ascii_uppercase()));
    }
    if let Ok(path) = NormalizedPath::parse(text) {
        assert_eq!(NormalizedPath::parse(path.as_str()).as_ref(), Ok(&path), "a path is another path");
        for segment in path.as_str().split('/') {
            let decoded = NormalizedPath::decode_segment(segment);
            assert!(
                !matches!(&*decoded, "." | "..") && !decoded.contains(['/', '\\']),
                "a segment that climbs: {decoded}"
            );
        }
    }
    if let Some(parent) = TraceParent::parse(text) {
        assert_eq!(TraceParent::parse(&parent.to_string()), Some(parent), "a trace is another trace");
    }
    if let Ok(name) = TenantName::parse(text) {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(name) = RoleName::parse(text) {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(origin) = Origin::parse(text) {
        assert_eq!(origin.as_str(), text);
    }
    let _ = fuzzing::is_kept_from_services(text);
}
