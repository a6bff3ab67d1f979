//! What is wrong is found, with its place. Each test changes the shipped policies or cases in one way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use cedargate_policy_tests::{Report, run};
use tempfile::TempDir;

/// The shipped policies and cases, to be changed.
struct Copy(TempDir);

impl Copy {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&root.join("../policies"), &directory.path().join("policies"));
        copy(&root.join("cases"), &directory.path().join("cases"));
        Self(directory)
    }

    fn replace(self, file: &str, from: &str, to: &str) -> Self {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
        self
    }

    fn append(self, file: &str, more: &str) -> Self {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text + more).unwrap();
        self
    }

    fn remove(self, file: &str) -> Self {
        fs::remove_file(self.0.path().join(file)).unwrap();
        self
    }

    fn run(&self) -> Report {
        run(self.0.path().join("policies"), self.0.path().join("cases"))
    }

    /// The findings, one per line, without the directory.
    fn findings(&self) -> Vec<String> {
        let root = format!("{}/", self.0.path().display());
        let report = self.run();
        assert!(!report.passed());
        report.findings.iter().map(|f| format!("{}: {}", f.place, f.message).replace(&root, "")).collect()
    }

    fn assert_found(&self, expected: &[&str]) {
        let found = self.findings();
        for expected in expected {
            assert!(found.iter().any(|finding| finding.contains(expected)), "no `{expected}` in\n{}", found.join("\n"));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(|_| ()).unwrap()
        }
    }
}

#[test]
fn a_broken_policy_is_found_in_its_place() {
    Copy::new()
        .append("policies/inventory/more.cedar", "@id(\"inventory/x\")\nforbid (principal, action resource);\n")
        .assert_found(&["policies/inventory/more.cedar:2:27: "]);
}

#[test]
fn a_policy_that_could_err_is_found_in_its_place() {
    Copy::new()
        .append(
            "policies/inventory/more.cedar",
            "@id(\"inventory/x\")\nforbid (principal, action, resource)\nwhen { principal.department == \"sales\" };\n",
        )
        .assert_found(&["policies/inventory/more.cedar:3:8: "]);
}

#[test]
fn a_policy_about_a_role_that_there_is_not_is_found() {
    Copy::new()
        .append(
            "policies/inventory/more.cedar",
            "@id(\"inventory/x\")\nforbid (principal in Cedargate::Role::\"clark\", action, resource);\n",
        )
        .assert_found(&["policies/inventory/more.cedar:1:1: there is no role `clark` in platform/roles.toml"]);
}

#[test]
fn a_condition_that_could_err_is_found_at_its_cell() {
    Copy::new()
        .replace("policies/inventory/matrix.txt", "context.authn.level >= 2", "context.authn.strength >= 2")
        .assert_found(&["policies/inventory/matrix.txt:15:51: "]);
}

#[test]
fn a_broken_route_is_found_in_its_place() {
    Copy::new()
        .replace("policies/inventory/routes.toml", "method = \"GET\"", "method = \"FETCH\"")
        .assert_found(&["policies/inventory/routes.toml:9:10: unknown variant `FETCH`"]);
}

#[test]
fn a_route_to_an_action_that_there_is_not_is_found() {
    Copy::new()
        .replace("policies/inventory/routes.toml", "action = \"ListItems\"", "action = \"ListItem\"")
        .assert_found(&[
            "policies/inventory/routes.toml:11:10: there is no action `ListItem` in inventory/schema.cedarschema",
            "action `ListItems` has no route in inventory/routes.toml",
        ]);
}

#[test]
fn a_broken_case_is_found_in_its_place() {
    let directory = Copy::new();
    let lines = fs::read_to_string(directory.0.path().join("cases/globex.toml")).unwrap().lines().count();
    let more = "\n[[case]]\nname = \"x\"\nprincipal = \"nobody\"\nrequest = \"GET /\"\ndecision = \"allow\"\n\
                determined_by = []\n[[case]]\nname = \"y\"\nprincipal = \"anonymous\"\nrequest = \"GET /\"\n\
                decision = \"maybe\"\ndetermined_by = []\n[[case]]\nname = \"z\"\nprincipal = \"anonymous\"\n\
                decision = \"allow\"\ndetermined_by = []\n[[table]]\nmodule = \"gateway\"\nexpect = \"\"\"\n\
                action clerk\nPortal yes\nSignout\n\"\"\"\n";
    let directory = directory.append("cases/globex.toml", more);
    let at = |line: usize, column: usize| format!("cases/globex.toml:{}:{column}: ", lines + line);
    directory.assert_found(&[
        &(at(4, 13) + "invalid value: string \"nobody\""),
        &(at(12, 12) + "`maybe` is not a decision"),
        &(at(15, 8) + "give either `request`, or `action` and `resource`"),
        &(at(23, 8) + "`yes` is not a decision"),
        &(at(24, 1) + "action `Signout` has 0 cells, the header 1 roles"),
    ]);
}

#[test]
fn a_question_that_nothing_answers_is_found() {
    let more = "\n[[case]]\nname = \"x\"\nprincipal = \"anonymous\"\nrequest = \"GET /inventory/nothing\"\n\
                decision = \"allow\"\ndetermined_by = []\n";
    Copy::new().append("cases/globex.toml", more).assert_found(&[": x: no route has this path"]);
}

#[test]
fn a_changed_cell_fails_its_table_and_its_cases() {
    Copy::new()
        .replace("policies/inventory/matrix.txt", "UpdateItem      -          -       -       allow", "UpdateItem      -          -       -       -    ")
        .assert_found(&[
            "`clerk` gets deny for `UpdateItem`, expected allow; determined by no policy",
            "two roles may do what either may: allow as expected, but determined by inventory/matrix/manager/UpdateItem, \
             not determined by inventory/matrix/clerk/UpdateItem, inventory/matrix/manager/UpdateItem",
        ]);
    Copy::new()
        .replace(
            "policies/inventory/matrix.txt",
            "DeleteItem      -          -       -       -    ",
            "DeleteItem      -          -       -       allow",
        )
        .assert_found(&[
            "`clerk` gets allow for `DeleteItem`, expected deny; determined by inventory/matrix/clerk/DeleteItem",
            "policies/inventory/matrix.txt:10:44: policy `inventory/matrix/clerk/DeleteItem` decides no case",
        ]);
}

#[test]
fn a_role_without_column_and_an_action_without_row_are_found() {
    Copy::new()
        .append("policies/platform/roles.toml", "\n[[role]]\nname = \"buyer\"\ndescription = \"Orders.\"\n")
        .assert_found(&["policies/inventory/matrix.txt:1:1: role `buyer` has no column"]);
    Copy::new().replace("policies/inventory/matrix.txt", "GetLot  ", "GetLost ").assert_found(&[
        "policies/inventory/matrix.txt:1:1: action `GetLot` has no row",
        "policies/inventory/matrix.txt:12:1: there is no action `GetLost` in inventory/schema.cedarschema",
    ]);
}

#[test]
fn an_action_that_no_table_shows_is_found() {
    Copy::new()
        .replace(
            "cases/acme-inventory.toml",
            "GetLot          sign_in    deny    allow   allow  allow       allow    allow\n",
            "",
        )
        .assert_found(&[
            "policies/inventory/matrix.txt:1:1: no table of cases shows `GetLot` for admin, anonymous",
            "policy `inventory/matrix/viewer/GetLot` decides no case",
        ]);
}

#[test]
fn a_guard_rail_without_a_case_is_found() {
    let more = "\n@id(\"platform/quiet-hours\")\nforbid (principal, action, resource)\n\
                when { context.now < datetime(\"2020-01-01\") };\n";
    Copy::new()
        .append("policies/platform/guard-rails.cedar", more)
        .assert_found(&["policies/platform/guard-rails.cedar:13:1: policy `platform/quiet-hours` decides no case"]);
}

#[test]
fn a_tenant_or_module_without_a_case_file_is_found() {
    Copy::new()
        .remove("cases/globex.toml")
        .assert_found(&["policies/tenants/globex:1:1: no case file is about the tenant `globex`"]);
    Copy::new()
        .remove("cases/bare-host.toml")
        .assert_found(&["policies/directory/matrix.txt:1:1: no case file has the module `directory`"]);
    Copy::new()
        .replace("cases/bare-host.toml", "[\"directory\"]", "[\"phone-book\"]")
        .assert_found(&["cases/bare-host.toml:2:10: there is no module phone-book"]);
}

#[test]
fn a_service_without_its_openapi_document_is_found() {
    Copy::new()
        .remove("policies/inventory/openapi.json")
        .assert_found(&["policies/inventory/openapi.json:1:1: the service's OpenAPI document cannot be read"]);
}

#[test]
fn an_operation_without_a_permission_is_found() {
    Copy::new()
        .replace(
            "policies/inventory/openapi.json",
            "\"paths\": {",
            "\"paths\": {\"/inventory/export\": {\"get\": {\"operationId\": \"Export\"}},",
        )
        .assert_found(&["operation `Export` (GET /inventory/export) has no route, so nobody can be permitted it"]);
    Copy::new().replace("policies/inventory/openapi.json", "\"RecallLot\"", "\"WithdrawLot\"").assert_found(&[
        "POST /inventory/lots/{id}/recall is operation `WithdrawLot`, the route's action is `RecallLot`",
    ]);
    Copy::new()
        .replace("policies/inventory/routes.toml", "/inventory/lots/{id}/recall", "/inventory/lots/{id}/withdraw")
        .assert_found(&[
            "route `inventory.RecallLot` (POST /inventory/lots/{id}/withdraw) is no operation of the document",
            "operation `RecallLot` (POST /inventory/lots/{}/recall) has no route",
        ]);
}

#[test]
fn a_route_that_admits_what_its_service_does_not_take_is_found() {
    let types = "content_types = [\"application/json\"]";
    Copy::new()
        .replace("policies/inventory/routes.toml", types, "content_types = [\"text/csv\", \"application/json\"]")
        .assert_found(&[
            "route `inventory.CreateItem` admits `application/json`, `text/csv`, the operation takes `application/json`",
        ]);
    Copy::new()
        .replace("policies/inventory/routes.toml", types, "content_types = [\"json\"]")
        .assert_found(&["a content type is written as `application/json`, without parameters"]);
}

#[test]
fn a_tenants_cell_replaces_the_modules() {
    let more = "\n[[case]]\nname = \"clerks at Globex name items\"\nprincipal = { roles = [\"clerk\"] }\n\
                request = \"POST /inventory/items\"\ndecision = \"allow\"\n\
                determined_by = [\"tenants/globex/inventory/matrix/clerk/CreateItem\"]\n\
                [[case]]\nname = \"managers at Globex do not\"\nprincipal = { roles = [\"manager\"] }\n\
                request = \"POST /inventory/items\"\ndecision = \"deny\"\ndetermined_by = []\n\
                [[case]]\nname = \"admins still do\"\nprincipal = { roles = [\"admin\"] }\n\
                request = \"POST /inventory/items\"\ndecision = \"allow\"\n\
                determined_by = [\"inventory/matrix/admin/CreateItem\"]\n";
    let report = Copy::new()
        .append("policies/tenants/globex/inventory.matrix.txt", "action clerk manager\nCreateItem allow -\n")
        .append("cases/globex.toml", more)
        .run();
    assert!(report.passed(), "{report}");
}

#[test]
fn a_tenant_cannot_open_what_the_platform_closes() {
    let directory = Copy::new()
        .append("policies/tenants/globex/inventory.matrix.txt", "action anonymous\nListItems allow\n")
        .append(
            "policies/tenants/globex/retention.cedar",
            "\n@id(\"tenants/globex/everything\")\npermit (principal, action, resource);\n",
        );
    let found = directory.findings();
    let questions = "\n[[case]]\nname = \"still closed\"\nprincipal = \"anonymous\"\nrequest = \"GET /inventory/items\"\n\
                     decision = \"sign_in\"\ndetermined_by = [\"platform/anonymous-only-public\"]\n\
                     [[case]]\nname = \"still apart\"\nprincipal = { tenant = \"acme\", roles = [\"admin\"] }\n\
                     request = \"GET /inventory/items\"\ndecision = \"deny\"\n\
                     determined_by = [\"platform/tenant-isolation\"]\n";
    assert_eq!(directory.append("cases/globex.toml", questions).findings(), found, "both cases hold");
}

/// What the inspection found ends a request, asks for a second factor, or is only watched, as a policy says: the guide's example.
#[test]
fn what_the_inspection_found_is_for_policies_to_decide_on() {
    let policies = r#"
@id("tenants/globex/stop-attacks")
@description("Attacks end here, whoever sends them.")
forbid (principal, action == Orders::Action::"CreateOrder", resource)
when { context.waf.tags.contains("attack-sqli") || context.waf.score >= 15 };

@id("tenants/globex/doubtful-needs-a-second-factor")
@description("What is doubtful takes a second factor.")
forbid (principal, action == Orders::Action::"CreateOrder", resource)
when { context.waf.score >= 5 && context.authn.level < 2 };
"#;
    let case = |name: &str, principal: &str, context: &str, decision: &str, determined_by: &str| {
        format!(
            "\n[[case]]\nname = \"{name}\"\nprincipal = {{ roles = [\"clerk\"]{principal} }}\nrequest = \"POST /orders/orders\"\n\
             context = {{ {context} }}\ndecision = \"{decision}\"\ndetermined_by = [{determined_by}]\n"
        )
    };
    let strong = ", level = 2, methods = [\"pwd\", \"otp\"]";
    let (stop, doubt) = ("\"tenants/globex/stop-attacks\"", "\"tenants/globex/doubtful-needs-a-second-factor\"");
    let allowed = "\"orders/matrix/clerk/CreateOrder\"";
    let report = Copy::new()
        .append("policies/tenants/globex/attacks.cedar", policies)
        .append("cases/globex.toml", &case("stopped", strong, "waf_score = 15", "deny", stop))
        .append("cases/globex.toml", &case("an attack", strong, "waf_tags = [\"attack-sqli\"]", "deny", stop))
        .append("cases/globex.toml", &case("doubtful", "", "waf_score = 5", "step_up(2)", doubt))
        .append("cases/globex.toml", &case("made sure of", strong, "waf_score = 14", "allow", allowed))
        .append(
            "cases/globex.toml",
            &case(
                "watched",
                "",
                "waf_score = 4, waf_rules = [\"920350\"], waf_tags = [\"attack-protocol\"]",
                "allow",
                allowed,
            ),
        )
        .run();
    assert!(report.passed(), "{report}");
}
