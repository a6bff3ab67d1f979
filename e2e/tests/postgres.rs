//! The walk with PostgreSQL behind it: what a file cannot do, and what it does alike.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use cedargate_e2e::{Person, World, WorldOptions, eventually};
use cedargate_migrations::testing::Server;

/// `sessions.staleness_max_ms` of these installations: how long an answer from memory may be used.
const STALENESS: &str = "[sessions]\nstaleness_max_ms = 1500";

/// Well beyond staleness, a wait for a connection, and a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A cluster with a database for the gateway and for each service; none where there is no PostgreSQL.
fn cluster() -> Option<(Server, [String; 3])> {
    match Server::start() {
        Ok(server) => {
            let databases = ["gateway", "inventory", "orders"];
            databases.iter().for_each(|database| server.set_up(database).unwrap());
            let urls = databases.map(|database| server.url(database));
            Some((server, urls))
        }
        Err(missing) => {
            #[expect(clippy::print_stdout, reason = "how a test says that it did not run")]
            {
                println!("skipped: {missing}");
            }
            None
        }
    }
}

fn until(world: &World, person: &Person, target: &str, status: u16) {
    let seen = eventually(PATIENCE, "an answer", || {
        let answer = world.get(person, target);
        (answer.status == status).then_some(())
    });
    assert!(seen.is_ok(), "{status} on {target}: {:?}\n{}", world.get(person, target), world.logs());
}

#[test]
fn a_walk_survives_a_restart_and_an_outage_of_its_database() {
    let Some((server, stores)) = cluster() else { return };
    let world =
        World::start(&WorldOptions { stores: Some(stores), config: STALENESS, ..WorldOptions::default() }).unwrap();
    let manager = world.sign_in("manager", "acme");
    let clerk = world.sign_in("clerk", "acme");
    let other = world.sign_in("clerk", "globex");

    let created = world.post(&manager, "/inventory/items", r#"{"sku":"A","name":"a thing","unit":"kg"}"#);
    assert_eq!(created.status, 201, "{created:?}\n{}", world.logs());
    assert!(world.decision(&created).path.ends_with("/items"));
    assert!(world.get(&manager, "/inventory/items").text().contains("a thing"));
    assert!(!world.get(&other, "/inventory/items").text().contains("a thing"));

    world.kill_gateway().unwrap();
    world.restart_gateway().unwrap();
    assert_eq!(world.get(&clerk, "/echo/a").status, 200, "a session outlives the process");

    server.stop().unwrap();
    // From memory for as long as it may be, then refused: never let through unknown, never taken for signed out.
    until(&world, &clerk, "/echo/a", 503);
    let refused = world.get(&clerk, "/echo/a");
    assert_eq!(refused.status, 503, "{refused:?}");
    let page = world.get(&other, "/echo/a");
    assert_eq!(page.status, 503, "{page:?}");
    assert!(world.admin("/healthz").is_ok_and(|answer| answer.status == 503));

    server.resume().unwrap();
    until(&world, &clerk, "/echo/a", 200);
    until(&world, &manager, "/inventory/items", 200);
    let changed = world.post(&manager, "/inventory/items", r#"{"sku":"B","name":"another","unit":"kg"}"#);
    assert_eq!(changed.status, 201, "{changed:?}\n{}", world.logs());
    assert!(world.admin("/readyz").is_ok_and(|answer| answer.status == 200));
}

#[test]
fn two_gateways_on_one_database_know_the_same_sessions() {
    let Some((_server, stores)) = cluster() else { return };
    let options = WorldOptions { stores: Some(stores), config: STALENESS, ..WorldOptions::default() };
    let one = World::start(&options).unwrap();
    let two = World::start(&WorldOptions { joins: Some(one.password().to_owned()), ..options }).unwrap();
    let at_one = one.sign_in("clerk", "acme");
    let at_two = Person { host: two.host("acme"), cookie: at_one.cookie.clone() };
    assert_eq!(two.get(&at_two, "/echo/a").status, 200, "{}", two.logs());

    let left = one.post(&at_one, "/auth/logout", "{}");
    assert!((200..400).contains(&left.status), "{left:?}");
    assert_eq!(one.get(&at_one, "/echo/a").status, 401);
    until(&two, &at_two, "/echo/a", 401);
}
