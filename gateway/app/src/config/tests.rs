//! Mistakes and their places, and the files that must keep up with the keys.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

const MASTER_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const MINIMAL: &str = "[[listen.listener]]\naddress = \"127.0.0.1:8080\"\n";

fn environment(more: &[(&'static str, &str)]) -> Environment {
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    Environment::of(std::iter::once((environment::MASTER_KEY, MASTER_KEY.to_owned())).chain(more))
}

fn parse(text: &str, environment: &Environment) -> Result<Config, String> {
    let parsed = Config::parse(Path::new("c.toml"), text, environment, MasterKeyUse::Needed);
    parsed.map(|(config, _)| config).map_err(|mistakes| mistakes.to_string())
}

#[track_caller]
fn assert_mistakes(text: &str, expected: &str) {
    let mistakes = parse(&format!("{text}\n{MINIMAL}"), &environment(&[])).err().unwrap_or_default();
    assert_eq!(mistakes, expected);
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let text = r#"colour = "red"

[listen]
base_url = "http://localhost/"
admin_adress = "127.0.0.1:1"
threads = "many"
trusted_proxies = ["10.0.0.1", "10.0.0.0/33", 7]

[[listen.listener]]
address = "localhost"
tls_key = "k.pem"

[limits]
address_requests = 0
headers_max = 12.5
line_bytes_max = 65_536

[upstreams.inventory]
addresses = ["unix:", "somewhere"]
health_path = "healthz"

[upstreams.gateway]
addresses = ["127.0.0.1:1"]

[sessions]
idle_timeout_seconds = 7200
absolute_timeout_seconds = 3600

[audit]
instance = "two words"

[telemetry]
log_filter = "cedargate=loud"

[danger]
recording_off = "yes"
"#;
    let mistakes = parse(text, &Environment::default()).err().unwrap_or_default();
    assert_eq!(
        mistakes,
        "\
c.toml:1:1: colour: unknown key, expected one of `listen`, `store`, `secrets`, `policies`, `upstreams`, `sessions`, `passwords`, `tenants`, `registration`, `notices`, `connections`, `workloads`, `limits`, `inspection`, `audit`, `ingest`, `telemetry`, `danger`
c.toml:1:1: secrets.master_key_file: there is no master key; make one with `openssl rand -base64 32`, and set CEDARGATE_MASTER_KEY to it or name a file that holds it
c.toml:4:12: listen.base_url: a base URL is scheme, host name and port alone, without a path: `https://gateway.example`
c.toml:5:1: listen.admin_adress: unknown key, expected one of `base_url`, `admin_address`, `trusted_proxies`, `http2`, `threads`, `drain_timeout_seconds`, `certificate`, `client_certificate`, `listener`
c.toml:6:11: listen.threads: write an integer from 0 to 1024, not a string
c.toml:7:32: listen.trusted_proxies: `10.0.0.0/33` is not an address or a network: write `10.0.0.7`, `10.0.0.0/8` or `fd00::/8`
c.toml:7:47: listen.trusted_proxies: write an address or a network, such as `10.0.0.7` or `10.0.0.0/8`, not an integer
c.toml:9:1: listen.listener[0].tls_certificate: missing; a listener with `tls_key` needs its certificate
c.toml:10:11: listen.listener[0].address: `localhost` is not an address and port; write `127.0.0.1:8080` or `[::]:8080`
c.toml:13:1: limits.head_bytes_max: 32768 is less than one line may have (`line_bytes_max` is 65536)
c.toml:14:20: limits.address_requests: write an integer from 1 to 1000000, not `0`
c.toml:15:15: limits.headers_max: write an integer from 16 to 256, not a float
c.toml:19:14: upstreams.inventory.addresses: `unix:` names no socket; write `unix:PATH`
c.toml:19:23: upstreams.inventory.addresses: `somewhere` is not an address; write `unix:PATH` or `127.0.0.1:9000`
c.toml:20:15: upstreams.inventory.health_path: `healthz` is not a path; write `/healthz`
c.toml:22:1: upstreams.gateway: `gateway` is the gateway itself and is not configured
c.toml:26:24: sessions.idle_timeout_seconds: 7200 is more than `absolute_timeout_seconds`, which is 3600
c.toml:30:12: audit.instance: `two words` is not an instance name: use 1 to 64 of a-z, A-Z, 0-9, `.`, `_` and `-`
c.toml:33:14: telemetry.log_filter: `cedargate=loud` is not a log filter: error parsing level filter: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5
c.toml:36:17: danger.recording_off: write `true` or `false`, not a string"
    );
}

#[test]
fn broken_syntax_is_told_with_its_place_and_nothing_is_guessed() {
    let mistakes = parse("[listen\nbase_url = \"x\"\n[store]\nurl = \n", &environment(&[])).err().unwrap_or_default();
    assert_eq!(
        mistakes,
        "c.toml:1:8: unclosed table, expected `]`\nc.toml:4:7: string values must be quoted, expected literal string"
    );
}

#[test]
fn a_missing_listener_is_told() {
    let mistakes = parse("", &environment(&[])).err().unwrap_or_default();
    assert_eq!(
        mistakes,
        "c.toml:1:1: listen.address: no listener; write `[[listen.listener]]` with an `address`, or set CEDARGATE_LISTEN"
    );
}

#[test]
fn an_address_is_listened_on_once() {
    assert_mistakes(MINIMAL, "c.toml:5:11: listen.listener[1].address: another listener has `127.0.0.1:8080` already");
    assert_mistakes(
        "[listen]\nadmin_address = \"127.0.0.1:8080\"",
        "c.toml:2:17: listen.admin_address: clients are served on `127.0.0.1:8080`; operators need another address",
    );
}

#[test]
fn without_a_master_key_nothing_starts() {
    let mistakes = parse(MINIMAL, &Environment::default()).err().unwrap_or_default();
    assert!(
        mistakes.contains("there is no master key") && mistakes.contains("set CEDARGATE_MASTER_KEY to it"),
        "{mistakes}"
    );
    let empty = Environment::of([(environment::MASTER_KEY, String::new())]);
    assert!(parse(MINIMAL, &empty).is_err(), "set and empty is not set");
    let unused = Config::parse(Path::new("c.toml"), MINIMAL, &Environment::default(), MasterKeyUse::Unused);
    assert!(unused.is_ok_and(|(_, key)| key.is_none()), "commands that seal nothing need none");
}

#[test]
fn a_bad_master_key_is_told_and_not_repeated() {
    let mistakes = parse(MINIMAL, &Environment::of([(environment::MASTER_KEY, "hunter2".to_owned())]));
    let mistakes = mistakes.err().unwrap_or_default();
    assert!(mistakes.starts_with("environment variable CEDARGATE_MASTER_KEY: the master key is 64"), "{mistakes}");
    assert!(!mistakes.contains("hunter2"));
}

#[test]
fn a_master_key_file_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    let key = dir.path().join("master.key");
    fs::write(&key, MASTER_KEY).unwrap();
    let text = format!("{MINIMAL}[secrets]\nmaster_key_file = \"master.key\"\n");
    let load = || Config::parse(&file, &text, &Environment::default(), MasterKeyUse::Needed);

    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let mistakes = load().err().map(|mistakes| mistakes.to_string()).unwrap_or_default();
    assert!(mistakes.contains(":4:19: secrets.master_key_file: others may read"), "{mistakes}");

    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(load().is_ok_and(|(_, key)| key.is_some()));

    fs::remove_file(&key).unwrap();
    let mistakes = load().err().map(|mistakes| mistakes.to_string()).unwrap_or_default();
    assert!(mistakes.contains("cannot be read"), "{mistakes}");
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let text = format!("{MINIMAL}[upstreams.a]\naddresses = [\"unix:a.sock\"]\n[store]\nurl = \"sqlite:x.db\"\n");
    let parsed = Config::parse(Path::new("/etc/cedargate/c.toml"), &text, &environment(&[]), MasterKeyUse::Needed);
    let (config, _) = parsed.unwrap();
    assert_eq!(config.store.file(), Some(Path::new("/etc/cedargate/x.db")));
    assert_eq!(config.audit.dir, Path::new("/etc/cedargate/var/audit"));
    assert_eq!(config.secrets.keys_dir, Path::new("/etc/cedargate/var/keys"));
    assert_eq!(config.policies.dir, Path::new("/etc/cedargate/policies"));
    assert_eq!(config.upstreams["a"].addresses, [Backend::Unix("/etc/cedargate/a.sock".into())]);
}

#[test]
fn a_stores_url_comes_from_one_place_and_its_password_is_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("store.url");
    let load = |table: &str, set: &[(&'static str, &str)]| {
        let text = format!("{MINIMAL}[store]\n{table}\n");
        let path = directory.path().join("c.toml");
        let parsed = Config::parse(&path, &text, &environment(set), MasterKeyUse::Needed);
        parsed.map(|(config, _)| format!("{:?}", config.store)).map_err(|mistakes| mistakes.to_string())
    };
    fs::write(&file, "postgres://file:hidden@db.example/cedargate\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = load("url_file = \"store.url\"", &[]).unwrap_err();
    assert!(refused.contains("store.url_file: others may read"), "{refused}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let from_file = load("url_file = \"store.url\"", &[]).unwrap();
    assert!(
        from_file.contains("postgres://file@db.example:5432/cedargate") && !from_file.contains("hidden"),
        "{from_file}"
    );

    let twice = load("url = \"sqlite:x.db\"\nurl_file = \"store.url\"", &[]).unwrap_err();
    assert!(twice.contains("write it in one place"), "{twice}");
    let set = [(environment::STORE_URL, "postgres://env:hidden@db.example/cedargate")];
    let from_environment = load("url = \"sqlite:x.db\"\nurl_file = \"missing\"", &set).unwrap();
    assert!(from_environment.contains("postgres://env@") && !from_environment.contains("hidden"), "{from_environment}");
    for wrong in
        ["postgres://u:hidden@db.example", "postgres://u:hidden@db.example/d?sslmode=prefer", "mysql://u:hidden@h/d"]
    {
        let refused = load("", &[(environment::STORE_URL, wrong)]).unwrap_err();
        assert!(refused.contains("CEDARGATE_STORE_URL") && !refused.contains("hidden"), "{refused}");
    }
}

#[test]
fn the_environment_goes_before_the_file() {
    let set = [
        (environment::BASE_URL, "https://gateway.example"),
        (environment::LISTEN, "127.0.0.1:9000"),
        (environment::ADMIN_ADDRESS, "127.0.0.1:9902"),
        (environment::STATE_DIR, "/srv/state"),
        (environment::LOG, "debug"),
    ];
    let config = parse(&format!("[listen]\nbase_url = \"http://localhost:1\"\n{MINIMAL}"), &environment(&set)).unwrap();
    assert_eq!(config.listen.base_url.to_string(), "https://gateway.example");
    assert_eq!(config.listen.listeners.iter().map(|l| l.address.to_string()).collect::<Vec<_>>(), ["127.0.0.1:9000"]);
    assert_eq!(config.listen.admin_address.to_string(), "127.0.0.1:9902");
    assert_eq!(config.store.state_dir, Path::new("/srv/state"));
    assert_eq!(config.telemetry.log_filter, "debug");

    let mistakes = parse("", &environment(&[(environment::LISTEN, "nine thousand")])).err().unwrap_or_default();
    assert!(
        mistakes.starts_with("environment variable CEDARGATE_LISTEN: listen.listener: `nine thousand`"),
        "{mistakes}"
    );
}

#[test]
fn a_table_in_the_wrong_shape_is_told() {
    assert_mistakes("limits = 7", "c.toml:1:10: limits: write a table `[limits]`");
    assert_mistakes("[upstreams]\nold = \"x\"", "c.toml:2:7: upstreams.old: write a table `[upstreams.old]`");
    let mistakes = parse("[listen]\nlistener = \"x\"\n", &environment(&[])).err().unwrap_or_default();
    assert_eq!(mistakes, "c.toml:2:12: listen.listener: write `[[listen.listener]]`, once for each");
}

#[test]
fn a_service_with_tls_has_a_name_to_prove_and_somebody_to_prove_it() {
    let service = "[upstreams.a]\naddresses = [\"10.0.0.7:443\"]\n";
    let cases = [
        (
            "[upstreams.a.tls]\nca_file = \"ca.pem\"",
            "3:1: upstreams.a.tls.server_name: missing; write a DNS name or an address",
        ),
        (
            "[upstreams.a.tls]\nserver_name = \"\"\nca_file = \"ca.pem\"",
            "4:15: upstreams.a.tls.server_name: `` is not a name that a certificate is issued for; write a DNS name or an address",
        ),
        (
            "[upstreams.a.tls]\nserver_name = \"a_b.example\"\nca_file = \"ca.pem\"",
            "4:15: upstreams.a.tls.server_name: `a_b.example` is not a name that a certificate is issued for; write a DNS name or \
             an address",
        ),
        (
            "[upstreams.a.tls]\nserver_name = \"a.example\"",
            "3:1: upstreams.a.tls.ca_file: missing; name a file, or write `system_roots = true`",
        ),
        (
            "[upstreams.a.tls]\nserver_name = \"a.example\"\nca_file = \"ca.pem\"\nsystem_roots = true",
            "6:16: upstreams.a.tls.system_roots: there is a `ca_file`; leave one of the two out",
        ),
        (
            "[upstreams.a.tls]\nserver_name = \"a.example\"\nca_file = \"ca.pem\"\nclient_key = \"k.pem\"",
            "3:1: upstreams.a.tls.client_certificate: missing; `client_key` needs its certificate",
        ),
        (
            "[upstreams.a.tls]\nserver_name = \"a.example\"\nca_file = \"ca.pem\"\nverify = false",
            "6:1: upstreams.a.tls.verify: unknown key, expected one of `server_name`, `ca_file`, `system_roots`, \
             `client_certificate`, `client_key`",
        ),
        ("protocol = \"h3\"", "3:12: upstreams.a.protocol: `h3` is no protocol; write `http1`, `h2` or `h2c`"),
        (
            "protocol = \"h2\"",
            "3:12: upstreams.a.protocol: `h2` is HTTP/2 with TLS, and there is no `tls` table; without TLS it is `h2c`",
        ),
        (
            "protocol = \"h2c\"\n[upstreams.a.tls]\nserver_name = \"a.example\"\nsystem_roots = true",
            "3:12: upstreams.a.protocol: `h2c` is HTTP/2 without TLS, and there is a `tls` table; with TLS it is `h2`",
        ),
    ];
    for (text, expected) in cases {
        assert_mistakes(&format!("{service}{text}"), &format!("c.toml:{expected}"));
    }
}

#[test]
fn a_dangerous_option_says_its_name() {
    let config = parse(&format!("{MINIMAL}[danger]\nrecording_off = true\n"), &environment(&[])).unwrap();
    assert_eq!(config.danger.active().collect::<Vec<_>>(), ["danger.recording_off"]);
}

#[test]
fn every_key_stands_in_the_example() {
    let example =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/cedargate.example.toml")).unwrap();
    let mut table = String::new();
    let mut found = Vec::new();
    for line in example.lines().map(|line| line.trim_start_matches('#')) {
        if line.starts_with('[') {
            table = line.replace("upstreams.inventory", "upstreams.NAME").replace("tenants.acme", "tenants.NAME");
        } else if let Some((key, _)) = line.split_once(" = ") {
            found.push((table.clone(), key.to_owned()));
        }
    }
    for table in TABLES {
        for key in table.keys {
            let wanted = (table.header.to_owned(), key.name.to_owned());
            assert!(found.contains(&wanted), "`{}` of `{}` is missing from the example", key.name, table.header);
        }
    }
}

#[test]
fn the_example_shows_the_defaults() {
    let example =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/cedargate.example.toml")).unwrap();
    for table in TABLES {
        for key in table.keys {
            if let key::Fallback::Value(literal) = key.fallback
                && !matches!(key.name, "base_url" | "dir" | "portal_about")
            {
                let line = format!("#{} = {literal}", key.name);
                let shown = example.lines().any(|written| written == line);
                assert!(shown, "the example does not show `{line}`");
            }
        }
    }
}

#[test]
fn the_example_has_no_mistake() {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/cedargate.example.toml"));
    match Config::load(file, &environment(&[]), MasterKeyUse::Needed) {
        Ok(_) => {}
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn without_a_collector_nothing_is_told() {
    let config = parse(MINIMAL, &environment(&[])).unwrap();
    assert!(config.telemetry.otlp.is_none());
    let config = parse(MINIMAL, &environment(&[(environment::OTLP_ENDPOINT, "http://127.0.0.1:4318")])).unwrap();
    assert!(config.telemetry.otlp.is_some());
}

#[test]
fn a_ratio_is_a_number_from_0_to_1() {
    for good in ["0", "1", "0.0", "1.0", "0.25", "1e-3"] {
        let text = format!("{MINIMAL}[telemetry]\ntrace_sample_ratio = {good}\n");
        assert!(parse(&text, &environment(&[])).is_ok(), "{good}");
    }
    for bad in ["-0.1", "1.5", "2", "nan", "inf", "\"0.1\"", "true"] {
        let text = format!("{MINIMAL}[telemetry]\ntrace_sample_ratio = {bad}\n");
        let mistakes = parse(&text, &environment(&[])).map(drop).unwrap_err().to_string();
        assert!(mistakes.contains("telemetry.trace_sample_ratio: write a number from 0 to 1"), "{bad}: {mistakes}");
    }
}

#[test]
fn what_opens_the_collector_is_shown_to_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("headers");
    fs::write(&file, "very-secret").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!("{MINIMAL}[telemetry]\notlp_headers_file = \"{}\"\n", file.display());
    let at_user = format!("{MINIMAL}[telemetry]\notlp_endpoint = \"http://me:very-secret@collector.example\"\n");
    for (text, environment) in [
        (&*text, environment(&[])),
        (MINIMAL, environment(&[(environment::OTLP_HEADERS, "very-secret")])),
        (&*at_user, environment(&[])),
    ] {
        let mistakes = parse(text, &environment).map(drop).unwrap_err().to_string();
        assert!(mistakes.contains("entry 1") || mistakes.contains("telemetry.otlp_endpoint"), "{mistakes}");
        assert!(!mistakes.contains("very-secret"), "{mistakes}");
    }

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let mistakes = parse(&text, &environment(&[])).map(drop).unwrap_err().to_string();
    assert!(mistakes.contains("chmod 600"), "{mistakes}");
}
