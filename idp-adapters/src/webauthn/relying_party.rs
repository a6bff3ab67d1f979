//! Who asks: one host, at one origin.

use cedargate_identity::CEREMONY_TTL;
use cedargate_model::Scheme;
use url::Url;
use webauthn_rs_core::WebauthnCore;

/// Where people reach the gateway, as its configuration says. Not as a request says: whoever answers at another port of the same
/// host could otherwise pass on what an authenticator told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicPlace {
    /// The scheme.
    pub scheme: Scheme,
    /// The port; none where it is the scheme's own.
    pub port: Option<u16>,
}

/// A host as a relying party: the RP ID is its name, and the origin is its alone.
#[derive(Clone, Debug)]
pub struct RelyingParty {
    pub(super) id: String,
    /// As browsers write it: scheme, name, and the port where it is not the scheme's own.
    pub(super) origin: String,
    pub(super) core: WebauthnCore,
}

impl PublicPlace {
    /// A host's relying party; none where it is no domain.
    pub(super) fn relying_party(self, host: &str) -> Option<RelyingParty> {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let url = Url::parse(&format!("{}://{host}{port}", self.scheme.as_str())).ok()?;
        // An address is no domain, and a name that is written otherwise than browsers do would match nothing.
        if url.domain() != Some(host) {
            return None;
        }
        let origin = url.origin().ascii_serialization();
        let core = WebauthnCore::new_unsafe_experts_only(host, host, vec![url], CEREMONY_TTL, Some(false), Some(false));
        Some(RelyingParty { id: host.to_owned(), origin, core })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(scheme: Scheme, port: Option<u16>) -> PublicPlace {
        PublicPlace { scheme, port }
    }

    #[test]
    fn a_host_is_its_own_relying_party_at_the_configured_port() {
        for (place, host, origin) in [
            (place(Scheme::Http, Some(8080)), "acme.localhost", "http://acme.localhost:8080"),
            (place(Scheme::Https, None), "acme.gateway.example", "https://acme.gateway.example"),
            (place(Scheme::Https, Some(443)), "acme.gateway.example", "https://acme.gateway.example"),
        ] {
            let party = place.relying_party(host).unwrap();
            assert_eq!((party.id.as_str(), party.origin.as_str()), (host, origin));
            assert_eq!(party.core.get_allowed_origins().len(), 1);
        }
    }

    #[test]
    fn what_is_no_domain_is_no_relying_party() {
        for host in ["127.0.0.1", "[::1]", "", "ACME.localhost", "acme.localhost/x", "a@b", "acme.localhost:1"] {
            assert!(place(Scheme::Https, None).relying_party(host).is_none(), "{host}");
        }
    }
}
