//! Commands and their exit codes.

use std::fs;

use crate::house::{House, POLICIES};

#[test]
fn a_mistake_in_the_command_line_ends_with_2() {
    let house = House::new();
    house.run(&[]).expect(2);
    house.run(&["fly"]).expect(2);
    house.run(&["tenant", "create", "Not A Name"]).expect(2);
    house.run(&["--help"]).expect(0);
}

#[test]
fn a_mistake_in_the_configuration_ends_with_2_and_its_place() {
    let house = House::new();
    house.append("cedargate.toml", "[audit]\ninstance = 7\ncolour = 1\n");
    for command in [&["config", "check"][..], &["serve"], &["tenant", "list"]] {
        let said = house.run(command).expect(2);
        assert!(said.err.contains("2 mistakes in the configuration"), "{}", said.err);
        assert!(said.err.contains("cedargate.toml:13:12: audit.instance: write 1 to 64 of letters"), "{}", said.err);
        assert!(said.err.contains("cedargate.toml:14:1: audit.colour: unknown key"), "{}", said.err);
    }
    let value = house.run(&["config", "check", "--json"]).expect(2).json();
    assert_eq!(value["mistakes"][0]["line"], 13);
    assert_eq!(value["mistakes"][0]["key"], "audit.instance");
}

#[test]
fn a_missing_configuration_says_how_to_name_one() {
    let house = House::new();
    let said = house.run(&["--config", "other.toml", "config", "check"]).expect(2);
    assert!(
        said.err.contains("`other.toml` cannot be read; name another with `--config` or CEDARGATE_CONFIG"),
        "{}",
        said.err
    );
}

#[test]
fn a_missing_master_key_ends_with_2_and_what_to_set() {
    let house = House::new();
    let output = house.command(&["serve"]).env_remove("CEDARGATE_MASTER_KEY").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("set CEDARGATE_MASTER_KEY to it or name a file that holds it"), "{err}");
}

#[test]
fn missing_keys_end_with_2_and_what_to_run() {
    let house = House::new();
    let said = house.run(&["serve"]).expect(2);
    assert!(format!("{}{}", said.out, said.err).contains("`cedargate keys init`"), "{}", said.err);
    house.run(&["keys", "list"]).expect(2);
}

#[test]
fn another_master_key_does_not_open_the_keys() {
    let house = House::new();
    house.run(&["keys", "init"]).expect(0);
    let output = house.command(&["keys", "list"]).env("CEDARGATE_MASTER_KEY", "f0".repeat(31) + "aa").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("sealed under another master key"));
}

#[test]
fn keys_are_made_once_and_rotated() {
    let house = House::new();
    let made = house.run(&["keys", "init", "--json"]).expect(0).json();
    assert_eq!(made["made"].as_array().unwrap().len(), 3);
    assert_eq!(house.run(&["keys", "init", "--json"]).expect(0).json()["made"].as_array().unwrap().len(), 0);
    let rotated = house.run(&["keys", "rotate", "identity", "--json"]).expect(0).json();
    let jwks = house.run(&["keys", "export-public", "identity"]).expect(0).json();
    let kids: Vec<_> = jwks["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
    assert!(kids.contains(&&rotated["made"][0]["id"]) && kids.contains(&&made["made"][0]["id"]), "{jwks}");
    let pem = house.run(&["keys", "export-public", "audit"]).expect(0).out;
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----"), "{pem}");
}

#[test]
fn tenants_and_people_are_kept() {
    let house = House::new();
    let tenant = house.run(&["tenant", "create", "acme", "--json"]).expect(0).json();
    assert_eq!(tenant["url"], format!("http://acme.localhost:{}", house.port));
    house.run(&["tenant", "create", "acme"]).expect(2);
    house.run(&["tenant", "add-host", "acme", "shop.example"]).expect(0);
    let listed = house.run(&["tenant", "list", "--json"]).expect(0).json();
    assert_eq!(listed["tenants"][0]["hosts"][0], "shop.example");

    let create = ["user", "create", "--tenant", "acme", "Jo@Acme.Example", "--role", "clerk", "--generate", "--json"];
    let user = house.run(&create).expect(0).json();
    assert_eq!(user["email"], "jo@acme.example");
    assert!(user["password"].as_str().unwrap().len() >= 15);
    house.run(&create).expect(2);
    house.run(&["user", "set-roles", "--tenant", "acme", "jo@acme.example", "--role", "viewer"]).expect(0);
    house.run(&["user", "disable", "--tenant", "acme", "jo@acme.example"]).expect(0);
    let listed = house.run(&["user", "list", "--tenant", "acme", "--json"]).expect(0).json();
    assert_eq!(listed["users"][0]["roles"][0], "viewer");
    assert_eq!(listed["users"][0]["state"], "disabled");
    assert!(listed["users"][0].get("password").is_none());
    house.run(&["user", "enable", "--tenant", "acme", "jo@acme.example"]).expect(0);
    let removed =
        house.run(&["user", "remove-factors", "--tenant", "acme", "jo@acme.example", "--json"]).expect(0).json();
    assert_eq!(removed["removed"], 0);
    house.run(&["user", "remove-factors", "--tenant", "acme", "nobody@acme.example"]).expect(2);
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let house = House::new();
    house.run(&["tenant", "create", "acme"]).expect(0);
    let jo = ["user", "create", "--tenant", "acme", "jo@acme.example"];
    let said = |more: &[&str], input: &str| house.run_with(&[&jo[..], more].concat(), input).expect(2).err;
    assert!(said(&["--password-stdin"], "short\n").contains("at least 15 characters"));
    assert!(said(&["--role", "clrk", "--generate"], "").contains("there is no role `clrk`; there are "));
    assert!(said(&[], "").contains("--password-stdin"));
    let unknown = house.run(&["user", "list", "--tenant", "globex"]).expect(2).err;
    assert!(unknown.contains("`cedargate tenant create globex`"), "{unknown}");
}

#[test]
fn a_store_that_is_not_available_ends_with_3() {
    let house = House::new();
    house.write("var", "not a directory");
    house.run(&["tenant", "list"]).expect(3);
}

#[test]
fn config_check_changes_nothing_and_says_what_it_saw() {
    let house = House::new();
    house.run(&["keys", "init"]).expect(0);
    let checked = house.run(&["config", "check", "--json"]).expect(0).json();
    assert_eq!(checked["ok"], true);
    assert!(!house.path("var/gateway.db").exists() && !house.path("var/audit").exists());

    house.append("cedargate.toml", "[danger]\ninspection_off = true\n");
    let warned = house.run(&["config", "check"]).expect(0).out;
    assert!(warned.contains("warning `danger.inspection_off` is on"), "{warned}");
}

#[test]
fn config_check_finds_mistakes_in_policies() {
    let house = House::new();
    house.furnish();
    fs::create_dir_all(house.path("policies/tenants/acme")).unwrap();
    house.write("policies/tenants/acme/bad.cedar", "permit (principal, action, resource) when { principal.nose };\n");
    let said = house.run(&["config", "check"]).expect(2);
    assert!(said.out.contains("tenants/acme/bad.cedar:1:"), "{}", said.out);
}

#[test]
fn explain_answers_yes_or_no() {
    let house = House::new();
    house.furnish();
    let jo = ["explain", "--tenant", "acme", "--email", "jo@acme.example"];
    let allowed = house.run(&[&jo[..], &["GET", "/inventory/items", "--json"]].concat()).expect(0).json();
    assert!(allowed["refused_with"].is_null());
    assert_eq!(allowed["policies"][0]["id"], "inventory/matrix/viewer/ListItems");

    let refused = house.run(&[&jo[..], &["DELETE", "/inventory/items/1", "--json"]].concat()).expect(1).json();
    assert_eq!(refused["refused_with"], "forbidden");
    let anonymous = house.run(&["explain", "--tenant", "acme", "--anonymous", "GET", "/inventory/items"]).expect(1);
    assert!(anonymous.out.contains("signin_required"), "{}", anonymous.out);
    let attack = ["explain", "--tenant", "acme", "--role", "clerk", "GET", "/inventory/items?q=%27%20or%201=1--"];
    assert!(house.run(&attack).expect(1).out.contains("attack_detected"));
    house.run(&["explain", "--tenant", "directory", "--anonymous", "GET", "/"]).expect(0);
    house.run(&["explain", "--tenant", "acme", "--email", "nobody@acme.example", "GET", "/"]).expect(2);
    house.run(&["explain", "--tenant", "acme", "GET", "/"]).expect(2);
}

#[test]
fn policy_test_says_whether_the_cases_hold() {
    let house = House::new();
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policy-tests/cases");
    house.run(&["policy", "test", POLICIES, cases]).expect(0);
    house.write("policies/inventory/matrix.txt", "");
    let failed = house.run(&["policy", "test", "policies", cases, "--json"]).expect(1).json();
    assert!(!failed["findings"].as_array().unwrap().is_empty());
    house.run(&["policy", "test", "nowhere"]).expect(2);
}

#[test]
fn a_directory_without_an_audit_log_is_no_proof() {
    let house = House::new();
    house.run(&["audit", "verify", "nowhere"]).expect(3);
    fs::create_dir(house.path("empty")).unwrap();
    let said = house.run(&["audit", "verify", "empty", "--json"]).expect(1).json();
    assert_eq!(said["holds"], false);
    for text in ["no key", ""] {
        house.write("key.pem", text);
        house.run(&["audit", "verify", "empty", "--public-key", "key.pem"]).expect(2);
    }
}

#[test]
fn an_answer_that_cannot_be_written_ends_with_3() {
    let house = House::new();
    house.run(&["keys", "init"]).expect(0);
    for command in [&["keys", "export-public", "audit"][..], &["keys", "list", "--json"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = house.command(command).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{command:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("the answer cannot be written"), "{output:?}");
    }
}
