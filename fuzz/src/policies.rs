//! Policy sources: any text in place of one of a module's files gives a snapshot that decides, or mistakes with their places.

use std::net::IpAddr;
use std::sync::LazyLock;

use cedargate_model::{Caller, DecisionId, Micros};
use cedargate_policy::{Context, Decisions, Matrix, Query, Snapshot, Sources, TenantScope, WafFindings};

/// The files that a text may stand in for, by the first octet.
const FILES: [(u8, &str); 7] = [
    (b'p', "directory/own.cedar"),
    (b'm', "directory/matrix.txt"),
    (b'r', "directory/routes.toml"),
    (b's', "directory/schema.cedarschema"),
    (b't', "tenants/directory/directory.matrix.txt"),
    (b'o', "platform/roles.toml"),
    (b'l', "platform/step-up.toml"),
];

static SHIPPED: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies"));
    let mut texts = Vec::new();
    for folder in ["platform", "directory"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("the shipped policies") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            texts.push((
                format!("{folder}/{name}"),
                std::fs::read_to_string(root.join(folder).join(name)).expect("a text"),
            ));
        }
    }
    texts
});

/// One octet that says which file, and its text.
pub fn policies(data: &[u8]) {
    let Some((which, text)) = data.split_first() else { return };
    let Some((_, path)) = FILES.iter().find(|(octet, _)| octet == which) else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    if path.ends_with("matrix.txt")
        && let Ok(matrix) = Matrix::parse(text, path)
    {
        let written = matrix.to_string();
        let again = Matrix::parse(&written, path).unwrap_or_else(|problems| panic!("{problems}\n{written}"));
        assert_eq!(again.to_string(), written, "a matrix in canonical form has another one");
    }
    let others = SHIPPED.iter().filter(|(other, _)| other != path).cloned();
    let sources = match Sources::from_texts(others.chain([((*path).to_owned(), text.to_owned())])) {
        Ok(sources) => sources,
        Err(problems) => return check_places(&problems, path, text),
    };
    match Snapshot::build(&sources, &TenantScope::bare_host()) {
        Err(problems) => check_places(&problems, path, text),
        Ok(snapshot) => decide(&snapshot),
    }
}

fn check_places(problems: &cedargate_policy::Problems, path: &str, text: &str) {
    assert!(!problems.is_empty(), "refused without a reason");
    let lines = text.split('\n').count();
    for problem in problems.iter() {
        assert!(problem.place.line >= 1 && problem.place.column >= 1);
        let is_behind =
            &*problem.place.file == path && usize::try_from(problem.place.line).is_ok_and(|line| line > lines + 1);
        assert!(!is_behind, "a place behind the text's end: {problem}");
        assert!(!problem.message.trim().is_empty(), "a mistake without words");
    }
}

/// Everything that can be asked is decided without an error: validation has seen to that.
fn decide(snapshot: &Snapshot) {
    let decisions = Decisions::new(1 << 16);
    let context = Context {
        now: Micros(0),
        client: IpAddr::from([127, 0, 0, 1]),
        certificate: None,
        waf: WafFindings::default(),
    };
    for route in snapshot.routes().all() {
        let id = "front";
        let Some(routed) = snapshot.routes().address(&route.action, &format!("Directory::Page::\"{id}\"")) else {
            continue;
        };
        let query = Query { caller: &Caller::Anonymous, routed: &routed, context: &context };
        let decision = DecisionId(uuid::Uuid::nil());
        let (cached, fresh) = (decisions.decide(snapshot, &query, decision), snapshot.decide(&query, decision));
        assert_eq!(cached.as_str(), fresh.as_str());
        assert_ne!(fresh.as_str(), "failed", "a valid policy erred: {fresh:?}");
    }
}
