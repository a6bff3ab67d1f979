use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

/// Writes a self-signed certificate for these names and its key.
fn issue(dir: &TempDir, file: &str, names: &[&str]) -> CertificateFiles {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let issued = rcgen::generate_simple_self_signed(names).unwrap();
    let files = CertificateFiles {
        certificate: dir.path().join(format!("{file}.crt")),
        key: dir.path().join(format!("{file}.key")),
        default: false,
    };
    fs::write(&files.certificate, issued.cert.pem()).unwrap();
    fs::write(&files.key, issued.signing_key.serialize_pem()).unwrap();
    files
}

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn refused(files: Vec<CertificateFiles>) -> String {
    let error = TlsHosts::load(files, Vec::new(), true).err().unwrap();
    std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Which file's settings a name leads to.
fn chosen(hosts: &TlsHosts, name: Option<&str>) -> Option<usize> {
    let Chosen::Settings(found) = hosts.choose(name) else { return None };
    let table = hosts.live.load();
    let of = |file: &Path| {
        let host = &table.expiry.iter().find(|expiry| expiry.certificate == *file).unwrap().host;
        match host.strip_prefix("*.") {
            Some(above) => table.wildcard[above].clone(),
            None => table.exact[host].clone(),
        }
    };
    hosts.files.iter().position(|files| Arc::ptr_eq(&of(&files.certificate), &found))
}

#[test]
fn certificates_that_cannot_serve_are_refused_with_their_files() {
    let dir = dir();
    let (a, b) = (issue(&dir, "a", &["a.example"]), issue(&dir, "b", &["b.example"]));
    let mismatched = CertificateFiles { key: b.key.clone(), ..a.clone() };
    let said = refused(vec![mismatched]);
    assert!(said.contains("a.crt") && said.contains("b.key") && said.contains("cannot be used together"), "{said}");

    let absent = CertificateFiles { certificate: dir.path().join("none.crt"), ..a.clone() };
    assert!(refused(vec![absent]).contains("none.crt` of a certificate cannot be read"));
    let swapped = CertificateFiles { certificate: a.key.clone(), key: a.certificate.clone(), default: false };
    assert!(refused(vec![swapped]).contains("a.key` holds no certificate as PEM"));
    let keyless = CertificateFiles { key: a.certificate.clone(), ..a.clone() };
    assert!(refused(vec![keyless]).contains("a.crt` holds no private key as PEM"));
    let nameless = issue(&dir, "n", &[]);
    assert!(refused(vec![nameless]).contains("names no host"));
    fs::write(&b.certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(refused(vec![b]).contains("b.crt` is malformed"));
}

#[test]
fn a_host_with_two_certificates_is_refused() {
    let dir = dir();
    let (a, b) = (issue(&dir, "a", &["a.example"]), issue(&dir, "b", &["b.example", "A.example"]));
    let said = refused(vec![a.clone(), b]);
    assert!(said.contains("`a.example` has two certificates") && said.contains("b.crt"), "{said}");
    let c = CertificateFiles { default: true, ..issue(&dir, "c", &["c.example"]) };
    let said = refused(vec![CertificateFiles { default: true, ..a }, c]);
    assert!(said.contains("are both the default certificate"), "{said}");
}

#[test]
fn a_whole_name_goes_before_a_wildcard_and_nothing_else_is_found() {
    let dir = dir();
    let hosts =
        TlsHosts::load(vec![issue(&dir, "w", &["*.example"]), issue(&dir, "a", &["a.example"])], Vec::new(), true)
            .unwrap();
    for (name, file) in [
        ("a.example", Some(1)),
        ("A.EXAMPLE", Some(1)),
        ("b.example", Some(0)),
        ("example", None),
        ("x.a.example", None),
        ("x.b.example", None),
        ("localhost", None),
        ("*.example", None),
    ] {
        assert_eq!(chosen(&hosts, Some(name)), file, "{name}");
    }
    assert!(matches!(hosts.choose(None), Chosen::Nameless));
    assert!(matches!(hosts.choose(Some("example")), Chosen::Unknown));
}

#[test]
fn a_default_is_for_those_who_name_no_known_host() {
    let dir = dir();
    let default = CertificateFiles { default: true, ..issue(&dir, "d", &["d.example"]) };
    let hosts = TlsHosts::load(vec![issue(&dir, "a", &["a.example"]), default], Vec::new(), true).unwrap();
    for (name, file) in [(None, 1), (Some("nobody.example"), 1), (Some("a.example"), 0)] {
        assert_eq!(chosen(&hosts, name), Some(file), "{name:?}");
    }
}

#[test]
fn a_bad_new_certificate_leaves_the_former_and_lets_others_through() {
    let dir = dir();
    let (a, b) = (issue(&dir, "a", &["a.example"]), issue(&dir, "b", &["b.example"]));
    let hosts = TlsHosts::load(vec![a.clone(), b.clone()], Vec::new(), true).unwrap();
    let before = hosts.expiry();
    fs::write(&a.certificate, "garbage").unwrap();
    issue(&dir, "b", &["b.example", "c.example"]);
    let failed = hosts.reload();
    assert!(matches!(&*failed, [TlsError::NotPem { path, .. }] if *path == a.certificate), "{failed:?}");
    let names: Vec<_> = hosts.expiry().into_iter().map(|expiry| expiry.host).collect();
    assert_eq!(names, ["a.example", "b.example", "c.example"]);
    assert_eq!(hosts.expiry()[0], before[0]);

    // Names that collide are nobody's to guess: that certificate stays as it was, and others are renewed all the same.
    issue(&dir, "a", &["c.example"]);
    issue(&dir, "b", &["b.example", "c.example", "d.example"]);
    assert!(matches!(&*hosts.reload(), [TlsError::HostTwice { .. }]));
    let names: Vec<_> = hosts.expiry().into_iter().map(|expiry| expiry.host).collect();
    assert_eq!(names, ["a.example", "b.example", "c.example", "d.example"]);
    issue(&dir, "a", &["z.example"]);
    assert!(hosts.reload().is_empty());
    assert_eq!(chosen(&hosts, Some("z.example")), Some(0));
    assert_eq!(chosen(&hosts, Some("a.example")), None);
}

#[test]
fn settings_are_never_shared_between_certificates() {
    let dir = dir();
    let hosts =
        TlsHosts::load(vec![issue(&dir, "a", &["a.example"]), issue(&dir, "b", &["b.example"])], Vec::new(), true)
            .unwrap();
    let tickets = |name| match hosts.choose(Some(name)) {
        Chosen::Settings(settings) => settings.ticketer.clone(),
        Chosen::Nameless | Chosen::Unknown => panic!("{name} has no settings"),
    };
    let (a, b) = (tickets("a.example"), tickets("b.example"));
    let sealed = a.encrypt(b"session of a").unwrap();
    assert_eq!(a.decrypt(&sealed).unwrap(), b"session of a");
    assert_eq!(b.decrypt(&sealed), None, "what was agreed with one host is resumed with no other");
}
