//! Whatever is asked, it is one of the declared lists or it is refused by name.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::params::Asked;
use super::*;
use crate::Problem;

#[derive(cedargate_migrations::FromRow, Clone, Debug, PartialEq)]
struct Row {
    id: Uuid,
    total: i64,
}

impl Listed for Row {
    const FILTERS: &'static [Filter] = &[
        Filter { name: "state", kind: FilterKind::OneOf(&["open", "shut"]), about: "" },
        Filter { name: "total.gte", kind: FilterKind::Number, about: "" },
        Filter { name: "total.lt", kind: FilterKind::Number, about: "" },
        Filter { name: "owner", kind: FilterKind::Id, about: "" },
        Filter { name: "name", kind: FilterKind::Text(3), about: "" },
    ];
    const SORTS: &'static [Sort<Self>] = sorts! {
        "SELECT 1", limit "$7";
        "id": "id > $8" => "id", |row| vec![row.id.into()];
        "-total": "(total, id) < ($8, $9)" => "total DESC, id DESC", |row| vec![row.total.into(), row.id.into()];
    };
}

fn read(parameters: &[(&str, &str)]) -> Result<Asked<Row>, Problem> {
    Asked::read(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

#[test]
fn what_the_resource_does_not_declare_is_refused_by_name() {
    for (name, value, hint) in [
        ("colour", "red", "`state`"),
        ("total", "5", "`total.gte`, `total.lt`"),
        ("total.like", "5", "`total.gte`, `total.lt`"),
        ("state.gte", "open", "`state`"),
        ("state", "ajar", "`open`, `shut`"),
        ("state", "", "`open`"),
        ("total.gte", "1e3", "whole number"),
        ("total.gte", "9223372036854775808", "whole number"),
        ("owner", "{01900a1b-2c3d-7e4f-8a5b-6c7d8e9f0a1b}", "id"),
        ("name", "abcd", "1 to 3"),
        ("name", "a\n", "1 to 3"),
        ("sort", "total", "`id`, `-total`"),
        ("sort", "-total,id", "`-total`"),
        ("sort", "id; DROP TABLE items", "`id`"),
        ("limit", "0", "1 to 200"),
        ("limit", "201", "1 to 200"),
        ("limit", "-1", "1 to 200"),
    ] {
        let Err(problem) = read(&[(name, value)]) else { panic!("{name}={value} is accepted") };
        assert_eq!(problem.errors().len(), 1, "{name}={value}");
        assert_eq!(problem.errors()[0].field, name, "{name}={value}");
        assert!(problem.errors()[0].detail.contains(hint), "{name}={value}: {}", problem.errors()[0].detail);
    }
}

#[test]
fn everything_that_is_wrong_is_named_at_once_and_in_bounds() {
    let Err(problem) = read(&[("limit", "1"), ("limit", "2"), ("x", ""), ("state", "x")]) else { panic!("accepted") };
    let named: Vec<_> = problem.errors().iter().map(|error| error.field.as_str()).collect();
    assert_eq!(named, ["limit", "x", "state"]);
    let long = "x".repeat(10_000);
    let Err(problem) = read(&[(&long, "")]) else { panic!("accepted") };
    assert_eq!(problem.errors()[0].field.len(), 64);
    assert!(read(&[("a", ""); 40]).is_err_and(|problem| problem.errors()[0].field == "query"));
}

#[test]
fn filters_are_bound_in_the_order_of_their_declaration() {
    let asked = read(&[("owner", "01900a1b-2c3d-7e4f-8a5b-6c7d8e9f0a1b"), ("total.lt", "9"), ("sort", "-total")]);
    let Ok(asked) = asked else { panic!("refused") };
    let owner = Uuid::parse_str("01900a1b-2c3d-7e4f-8a5b-6c7d8e9f0a1b").unwrap();
    let expected =
        [Bound::Text(None), Bound::Number(None), Bound::Number(Some(9)), Bound::Id(Some(owner)), Bound::Text(None)];
    assert_eq!(asked.filters, expected);
    assert_eq!(asked.sort.name, "-total");
    assert_eq!(read(&[]).ok().map(|asked| asked.sort.name), Some("id"));
}

/// As the statement compares: by total, then by id, both falling.
fn falling(a: &Row, b: &Row) -> Ordering {
    (b.total, b.id).cmp(&(a.total, a.id))
}

proptest! {
    /// However a list is cut into pages, whatever ties it has and whatever is added meanwhile: a walk sees each row once
    /// that was there all the while, in order.
    #[test]
    fn a_walk_sees_each_row_once(
        totals in proptest::collection::vec(0_i64..5, 0..40),
        added in proptest::collection::vec(0_i64..5, 0..20),
        limit in 1_usize..9,
    ) {
        let mut rows: Vec<Row> =
            (1_u128..).zip(&totals).map(|(id, total)| Row { id: Uuid::from_u128(id * 2), total: *total }).collect();
        let mut expected = rows.clone();
        expected.sort_by(falling);
        let mut added = (1_u128..).zip(added).map(|(id, total)| Row { id: Uuid::from_u128(id * 2 + 1), total });
        let sort = &Row::SORTS[1];
        let (mut seen, mut place): (Vec<Row>, Option<Vec<Place>>) = (Vec::new(), None);
        loop {
            rows.sort_by(falling);
            let after = |row: &Row| match place.as_deref() {
                Some([Place::Number(total), Place::Id(id)]) => (row.total, row.id) < (*total, *id),
                _ => true,
            };
            let page: Vec<Row> = rows.iter().filter(|row| after(row)).take(limit).cloned().collect();
            let Some(last) = page.last() else { break };
            place = Some((sort.place)(last));
            seen.extend(page);
            rows.extend(added.next());
        }
        prop_assert!(seen.is_sorted_by(|a, b| falling(a, b) == Ordering::Less), "in order, none twice");
        let seen: Vec<Row> = seen.into_iter().filter(|row| row.id.as_u128() % 2 == 0).collect();
        prop_assert_eq!(seen, expected);
    }
}
