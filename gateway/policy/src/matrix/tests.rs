use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const GOOD: &str = "\
# Who may do what.

action      anonymous  clerk  manager
UpdateItem  -          allow  allow
# Careful.
RecallLot   -          -      strong

when strong:
    context.authn.level >= 2
";

fn problems(text: &str) -> String {
    Matrix::parse(text, "m.txt").unwrap_err().to_string()
}

#[test]
fn every_mistake_has_its_place() {
    for (text, expected) in [
        ("", "m.txt:1:1: the header is missing: `action` and the roles"),
        ("action\n", "m.txt:1:1: the header names no role"),
        (
            "action Clerk\n",
            "m.txt:1:8: `Clerk` is not a role name: use 1 to 64 of a-z, 0-9, `-` and `_`, starting with a letter",
        ),
        ("action a a\n", "m.txt:1:10: role `a` has a column already"),
        ("action a\naction b\n", "m.txt:2:1: a second header; a matrix has one line that begins with `action`"),
        ("action a\nGo allow -\n", "m.txt:2:1: action `Go` has 2 cells, the header 1 roles"),
        ("action a\nGo -\nGo -\n", "m.txt:3:1: action `Go` has a row already"),
        ("action a\nGo! -\n", "m.txt:2:1: `Go!` is not an action's name: use letters, digits and `_`"),
        ("action a\nGo yes\n", "m.txt:2:4: `yes` is not `allow`, `-` or a condition of this file"),
        ("action a\nGo ALLOW\n", "m.txt:2:4: `ALLOW` is not `allow`, `-` or the name of a condition"),
        ("action a\nGo x\nwhen x:\n", "m.txt:3:6: condition `x` has no expression below it"),
        ("action a\nGo -\nwhen x:\n  true\n", "m.txt:3:6: condition `x` is used by no cell"),
        (
            "action a\nGo x\nwhen x\n  true\n",
            "m.txt:2:4: `x` is not `allow`, `-` or a condition of this file\n\
          m.txt:3:1: write `when <name>:` and the expression indented below it\n\
          m.txt:4:3: an indented line belongs to a `when <name>:` line, and there is none above it",
        ),
        (
            "action a\n  Go -\n",
            "m.txt:2:3: an indented line belongs to a `when <name>:` line, and there is none above it",
        ),
        (
            "action a\nGo x\nwhen x:\n  true\nGone -\n",
            "m.txt:5:1: a row below a condition; conditions stand last, their lines indented",
        ),
        ("Go -\naction a\n", "m.txt:1:1: a row above the header; the first line is `action` and the roles"),
    ] {
        assert_eq!(problems(text), expected, "{text}");
    }
}

#[test]
fn a_condition_that_is_no_expression_is_refused_in_its_line() {
    let with = |condition: &str| format!("action a\nGo x\nwhen x:\n    {condition}\n");
    for bad in ["context.authn.level >=", "true }; permit(principal, action, resource) when { true", "", "a b"] {
        let said = problems(&with(bad));
        assert!(
            said.starts_with("m.txt:4:") || said.starts_with("m.txt:3:6") || said.starts_with("m.txt:5:"),
            "{said}"
        );
    }
}

#[test]
fn a_cell_that_is_not_there_cannot_be_changed() {
    let matrix = Matrix::parse(GOOD, "m.txt").unwrap();
    let change =
        |role, action, cell| matrix.with_cell(role, action, Cell::of(cell)).map(|(m, gone)| (m.to_string(), gone));
    assert_eq!(change("boss", "RecallLot", "allow"), Err(CellError::Role("boss".into())));
    assert_eq!(change("clerk", "Go", "allow"), Err(CellError::Action("Go".into())));
    assert_eq!(change("clerk", "RecallLot", "weak"), Err(CellError::Condition("weak".into())));
    let wider = GOOD.replace("-          -      strong", "-          allow  strong");
    assert_eq!(change("clerk", "RecallLot", "allow"), Ok((wider, vec![])));
    let (text, gone) = change("manager", "RecallLot", "deny").unwrap();
    assert!(!text.contains("when") && gone == ["strong".into()], "{text}");
}

#[test]
fn all_mistakes_are_said_at_once() {
    assert_eq!(problems("action a B\nGo! -\nGo x -\n").lines().count(), 3);
}

#[test]
fn a_cell_compiles_to_one_permit() {
    let matrix = Matrix::parse(GOOD, "inventory/matrix.txt").unwrap();
    let compiled = matrix.compile(MatrixTarget { namespace: "Inventory", id_prefix: "inventory/matrix" });
    assert_eq!(compiled.len(), 6);
    let recall = compiled.iter().find(|cell| cell.id.as_str() == "inventory/matrix/manager/RecallLot").unwrap();
    assert_eq!(
        recall.policy.as_deref().unwrap(),
        "@id(\"inventory/matrix/manager/RecallLot\")\n\
         @description(\"inventory/matrix.txt, line 6: `manager` may `RecallLot` when `strong`.\")\n\
         permit (\n  principal in Cedargate::Role::\"manager\",\n  action == Inventory::Action::\"RecallLot\",\n  \
         resource\n) when {\n  context.authn.level >= 2\n};"
    );
    assert_eq!(compiled.iter().filter(|cell| cell.policy.is_some()).count(), 3);
    for cell in compiled {
        if let Some(text) = cell.policy {
            cedar_policy::Policy::parse(None, text).unwrap();
        }
    }
}

#[test]
fn a_comment_in_a_condition_ends_before_the_brace() {
    let text = "action a\nGo x\nwhen x:\n  context.authn.level >= 2 // why\n";
    let matrix = Matrix::parse(text, "m.txt").unwrap();
    let compiled = matrix.compile(MatrixTarget { namespace: "N", id_prefix: "n/matrix" });
    cedar_policy::Policy::parse(None, compiled[0].policy.as_deref().unwrap()).unwrap();
}

#[test]
fn canonical_text_stays_as_it_is() {
    assert_eq!(Matrix::parse(GOOD, "m.txt").unwrap().to_string(), GOOD);
}

/// What a matrix means, without places and notes.
fn meaning(matrix: &Matrix) -> Vec<(String, String, Option<String>)> {
    let compiled = matrix.compile(MatrixTarget { namespace: "N", id_prefix: "n/matrix" });
    let body = |text: String| text.split_once("permit").unwrap().1.to_owned();
    compiled.into_iter().map(|c| (c.role.to_string(), c.action.to_string(), c.policy.map(body))).collect()
}

prop_compose! {
    /// A matrix as a person may write it: any spacing, notes and blank lines anywhere.
    fn written()(
        roles in prop::collection::btree_set("[a-z][a-z0-9_-]{0,6}", 1..5),
        actions in prop::collection::btree_set("[A-Z][A-Za-z0-9]{0,6}", 0..6),
        cells in prop::collection::vec(0..3_usize, 30),
        gaps in prop::collection::vec("[ \t]{1,4}", 40),
        notes in prop::collection::vec(prop::option::of("[ -~]{0,12}"), 12),
        body in "  (context\\.authn\\.level >= [1-3]|principal in Cedargate::Role::\"x\"|true( //x)?)(\n      && true){0,2}",
    ) -> String {
        let mut text = String::new();
        let mut gap = gaps.iter().cycle();
        let mut notes = notes.iter().cycle();
        let mut note = |text: &mut String| {
            if let Some(note) = notes.next().unwrap() {
                writeln!(text, "#{note}\n").unwrap();
            }
        };
        note(&mut text);
        text.push_str("action");
        for role in &roles {
            write!(text, "{}{role}", gap.next().unwrap()).unwrap();
        }
        text.push_str("  \n");
        let mut conditional = false;
        let mut cells = cells.iter().cycle();
        for action in &actions {
            note(&mut text);
            text.push_str(action);
            for _ in &roles {
                let cell = ["-", "allow", "cond"][*cells.next().unwrap()];
                conditional |= cell == "cond";
                write!(text, "{}{cell}", gap.next().unwrap()).unwrap();
            }
            text.push('\n');
        }
        note(&mut text);
        if conditional {
            writeln!(text, "when cond:\n{body}").unwrap();
            note(&mut text);
        }
        text
    }
}

proptest! {
    #[test]
    fn canonical_text_means_the_same_and_is_a_fixed_point(text in written()) {
        let matrix = Matrix::parse(&text, "m.txt").map_err(|p| TestCaseError::fail(format!("{p}\n{text}")))?;
        let canonical = matrix.to_string();
        let again = Matrix::parse(&canonical, "m.txt").map_err(|p| TestCaseError::fail(format!("{p}\n{canonical}")))?;
        prop_assert_eq!(meaning(&matrix), meaning(&again));
        prop_assert_eq!(again.to_string(), canonical);
    }

    #[test]
    fn another_cell_changes_its_policy_and_no_other(text in written(), at in any::<prop::sample::Index>(), allow: bool) {
        let matrix = Matrix::parse(&text, "m.txt").map_err(|p| TestCaseError::fail(format!("{p}\n{text}")))?;
        let before = meaning(&matrix);
        prop_assume!(!before.is_empty());
        let (role, action, _) = &before[at.index(before.len())];
        let cell = if allow { Cell::Allow } else { Cell::Nothing };
        let (changed, _) = matrix.with_cell(role, action, cell.clone()).unwrap();
        // What is written parses to what was meant.
        let read = Matrix::parse(&changed.to_string(), "m.txt")
            .map_err(|p| TestCaseError::fail(format!("{p}\n{changed}")))?;
        prop_assert_eq!(read.cell(role, action), Some(&cell));
        for (was, is) in before.iter().zip(meaning(&read)) {
            prop_assert!((&is.0, &is.1) == (role, action) || *was == is, "{was:?} {is:?}");
        }
    }

    #[test]
    fn any_text_gives_a_matrix_or_problems(text in "(action|when|x:|[A-Za-z]{1,4}|-|#| |\n|\t|\\PC){0,40}") {
        if let Ok(matrix) = Matrix::parse(&text, "m.txt") {
            prop_assert!(Matrix::parse(&matrix.to_string(), "m.txt").is_ok(), "{}", matrix);
        }
    }
}
