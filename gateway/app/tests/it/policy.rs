//! `cedargate policy`: what is proved, compared, shown and changed.

use std::fs;

use crate::house::{House, POLICIES};

const MATRIX: &str = "policies/inventory/matrix.txt";

#[test]
fn a_change_is_compared_and_what_it_breaks_is_refuted() {
    let house = House::new();
    let tenant = ["--tenant", "globex", "--modules", "inventory,orders", "--json"];
    house.run(&[&["policy", "prove", "policies"][..], &tenant].concat()).expect(0);
    let compare = ["policy", "analyse", "policies", "--against", POLICIES];
    let same = house.run(&[&compare[..], &tenant].concat()).expect(0).json();
    assert_eq!(same["tenants"][0]["relation"], "equal");
    house.run(&[&compare[..], &tenant, &["--solver", "nowhere"]].concat()).expect(3);

    let set = ["policy", "matrix", "policies", "inventory", "--set"];
    house.run(&[&set[..], &["clerk", "RecallLot", "strong-signin"]].concat()).expect(0);
    let looser = house.run(&[&compare[..], &tenant].concat()).expect(0).json();
    let difference = &looser["tenants"][0]["differences"][0];
    assert_eq!(difference["relation"], "looser");
    assert_eq!(difference["shown"][0]["example"]["who"], "a person with the role `clerk`");
    house.run(&[&compare[..], &tenant, &["--expect", "stricter"]].concat()).expect(1);
    let proofs = house.run(&[&["policy", "prove", "policies"][..], &tenant].concat()).expect(1).json();
    let proofs = proofs["tenants"][0]["proofs"].as_array().unwrap();
    let refuted: Vec<_> = proofs.iter().filter(|proof| proof["finding"] == "refuted").collect();
    assert_eq!(refuted.len(), 1, "{proofs:?}");
    assert_eq!(refuted[0]["id"], "properties/inventory/recalls-need-a-second-factor");

    house.write("policies/properties/inventory.cedar", "permit (principal, action);\n");
    let said = house.run(&[&["policy", "prove", "policies"][..], &tenant].concat()).expect(2);
    assert!(said.err.contains("policies/properties/inventory.cedar:1:"), "{}", said.err);
}

#[test]
fn a_cell_is_changed_and_nothing_else() {
    let house = House::new();
    let before = fs::read_to_string(house.path(MATRIX)).unwrap();
    let show = ["policy", "matrix", "policies", "inventory"];
    let set = |cell: [&str; 3]| house.run(&[&show[..], &["--set"], &cell].concat());
    set(["viewer", "CreateLot", "allow"]).expect(0);
    let after = fs::read_to_string(house.path(MATRIX)).unwrap();
    let changed: Vec<_> = before.lines().zip(after.lines()).filter(|(was, is)| was != is).collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(changed[0].1.starts_with("CreateLot       -          -       allow   allow"), "{changed:?}");
    set(["viewer", "CreateLot", "deny"]).expect(0);
    assert_eq!(fs::read_to_string(house.path(MATRIX)).unwrap(), before);

    for (cell, said) in [
        (["boss", "CreateLot", "allow"], "no column for the role `boss`"),
        (["viewer", "Fly", "allow"], "no row for the action `Fly`"),
        (["viewer", "CreateLot", "maybe"], "`maybe` is not `allow`"),
    ] {
        let refused = set(cell).expect(2);
        assert!(refused.err.contains(said), "{}", refused.err);
    }
    // What would have a mistake is not kept: here because of another file.
    house.write("policies/inventory/x.cedar", "permit (principal, action);\n");
    set(["viewer", "CreateLot", "allow"]).expect(2);
    assert_eq!(fs::read_to_string(house.path(MATRIX)).unwrap(), before);
}

#[test]
fn a_matrix_is_shown_as_it_is_for_a_tenant() {
    let house = House::new();
    let show = |more: &[&str]| house.run(&[&["policy", "matrix", "policies", "inventory"], more].concat()).expect(0);
    let text = show(&["--tenant", "globex"]).out;
    assert!(text.contains("allow  and tenants/globex/no-deletion\n"), "{text}");
    assert!(text.contains("when strong-signin:\n    context.authn.level >= 2"), "{text}");
    assert!(show(&["--format", "csv"]).out.contains("\nRecallLot,-,-,-,-,strong-signin,-,-\n"));
    assert!(show(&["--format", "markdown"]).out.contains("\n| RecallLot | - | - | - | - | strong-signin | - | - |\n"));
    let json = show(&["--json"]).json();
    assert_eq!(json["conditions"]["strong-signin"], "context.authn.level >= 2");
    house.run(&["policy", "matrix", "policies", "billing"]).expect(2);
}

#[test]
fn the_directory_is_asked_who_can() {
    let house = House::new();
    house.furnish();
    let who = |action: &str| house.run(&["policy", "who-can", "--tenant", "acme", action, "--json"]);
    let answers = who("inventory.GetItem").expect(0).json();
    assert_eq!(answers["answers"][0]["who"], "jo@acme.example");
    assert_eq!(answers["answers"][0]["by"][0], "inventory/matrix/viewer/GetItem");
    who("inventory.DeleteItem").expect(1);
    who("inventory.Fly").expect(2);

    let what = house.run(&["policy", "what-can", "--tenant", "acme", "jo@acme.example"]).expect(0).out;
    assert!(what.contains("inventory.ListItems") && !what.contains("inventory.DeleteItem"), "{what}");
    house.run(&["policy", "what-can", "--tenant", "acme", "ann@acme.example"]).expect(2);
}
