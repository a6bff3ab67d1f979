//! Whether lists are read by an index, in every order.

use cedargate_migrations::Pool;

use crate::Listed;

/// Says which orders of a list SQLite would sort by itself, row by row, instead of reading an index: one line each.
pub async fn sorts_without_index<R: Listed>(pool: &Pool) -> Vec<String> {
    let mut slow = Vec::new();
    for sort in R::SORTS {
        for text in [sort.first, sort.after] {
            // One text for each order of each list, for as long as the test runs.
            let explain: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {text}").into_boxed_str());
            let mut tx = pool.read_system().await.unwrap();
            let mut query = tx.query(explain);
            let numbers = explain.split('$').skip(1).map(|rest| {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                rest[..digits].parse::<usize>().unwrap()
            });
            for _ in 0..numbers.max().unwrap() {
                query = query.bind(0_i64);
            }
            let plan: Vec<(i64, i64, i64, String)> = query.fetch_all().await.unwrap();
            let sorts = plan.iter().any(|(.., step)| step.contains("TEMP B-TREE"));
            let searches = plan.iter().any(|(.., step)| step.starts_with("SEARCH") && step.contains("tenant_id="));
            if sorts || !searches {
                slow.push(format!("{}: {plan:?}", sort.name));
            }
        }
    }
    slow
}
