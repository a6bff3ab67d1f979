//! What a newcomer reads once everything runs.

use std::fmt::{self, Write as _};
use std::path::Path;

use crate::check::ATTACK;
use crate::credentials::{Credentials, PersonCredentials, TenantCredentials};

/// URLs, people, lines to try, and where things are; 80 columns wide but for long paths.
#[derive(Debug)]
pub struct Banner<'a> {
    /// What is told.
    pub credentials: &'a Credentials,
    /// Where the demo keeps its files.
    pub directory: &'a Path,
    /// The `cedargate` program.
    pub program: &'a Path,
    /// The public key of the audit log.
    pub audit_key: &'a Path,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Credentials { url, tenants, audit, admin_url } = self.credentials;
        let (directory, program) = (for_shell(self.directory), for_shell(self.program));
        writeln!(f, "\nCedargate runs. Ctrl-C ends it; `make demo` takes up where it left off.\n")?;
        writeln!(f, "  {:<12} {url}", "Open")?;
        for tenant in tenants {
            writeln!(f, "  {:<12} {}", "", tenant.url)?;
        }
        for tenant in tenants {
            people(f, tenant)?;
        }
        if let Some(tenant) = tenants.first() {
            self.lines_to_try(f, tenant)?;
            self.order_to_place(f, tenant)?;
        }
        self.second_factor(f)?;
        writeln!(f, "\nWhat happened stands in the audit log\n")?;
        let audit = for_shell(Path::new(audit));
        writeln!(f, "  {audit}\n")?;
        writeln!(f, "  # what services did: change something as a clerk first; `--decision ID` shows all that")?;
        writeln!(f, "  # belongs to one of them: who asked for what, what came of it, what the service did")?;
        writeln!(f, "  {program} audit show \\\n    {audit} | grep ' did '\n")?;
        writeln!(f, "  # prove it, now or later")?;
        let audit_key = for_shell(self.audit_key);
        writeln!(f, "  {program} audit verify \\\n    --public-key {audit_key} \\\n    {audit}")?;
        writeln!(f, "\nFor operators\n")?;
        writeln!(f, "  {:<12} {admin_url}/readyz, {admin_url}/metrics", "Health")?;
        writeln!(f, "  {:<12} {directory}/log", "Logs")?;
        writeln!(f, "  {:<12} {directory}/credentials.json", "Credentials")
    }
}

fn people(f: &mut fmt::Formatter<'_>, tenant: &TenantCredentials) -> fmt::Result {
    writeln!(f, "\nPeople of {}\n", tenant.name)?;
    for person in &tenant.people {
        writeln!(f, "  {:<22} {:<16} {}", person.email, person.roles.join(", "), person.password)?;
    }
    Ok(())
}

impl Banner<'_> {
    /// The one with the least to say: a viewer, who is refused whatever changes something.
    fn lines_to_try(&self, f: &mut fmt::Formatter<'_>, tenant: &TenantCredentials) -> fmt::Result {
        let Some(person) = tenant.people.last() else { return Ok(()) };
        let jar = for_shell(&self.directory.join("cookies"));
        let url = &tenant.url;
        writeln!(f, "\nTry it as {}\n", person.email)?;
        sign_in(f, "sign in, which keeps the session in a cookie file", &jar, url, person)?;
        let curl = CURL;
        let mut line = |about: &str, command: &str| writeln!(f, "  # {about}\n  {command}\n");
        if let Some(path) = path_of(&person.may, "GET") {
            line("allowed", &format!("{curl} -b {jar} \\\n    {url}{path}"))?;
        }
        if let Some(path) = path_of(&person.may_not, "DELETE") {
            line("refused: viewers change nothing", &format!("{curl} -b {jar} -X DELETE \\\n    {url}{path}"))?;
        }
        let mut attack = String::new();
        write!(attack, "{curl} -b {jar} \\\n    \"{url}{ATTACK}\"")?;
        writeln!(f, "  # an attack\n  {attack}")
    }

    /// Whoever may place orders and not confirm them places the one that is there.
    fn order_to_place(&self, f: &mut fmt::Formatter<'_>, tenant: &TenantCredentials) -> fmt::Result {
        let place = |person: &PersonCredentials| person.may.iter().find(|what| what.ends_with("/place")).cloned();
        let is_clerk = |person: &&PersonCredentials| person.may_not.iter().any(|what| what.ends_with("/confirm"));
        let clerk = tenant.people.iter().filter(is_clerk).find_map(|person| Some((person, place(person)?)));
        let Some((person, place)) = clerk else { return Ok(()) };
        let path = place.trim_start_matches("POST ");
        let order = path.trim_end_matches("/place");
        let jar = for_shell(&self.directory.join("cookies-orders"));
        let (url, curl) = (&tenant.url, CURL);
        writeln!(f, "\nPlace an order as {}\n", person.email)?;
        sign_in(f, "sign in", &jar, url, person)?;
        writeln!(f, "  # see it: a draft, with an ETag\n  {curl} -i -b {jar} \\\n    {url}{order}\n")?;
        writeln!(f, "  # place it; sent again, it is answered again and not done again")?;
        let key = order.rsplit('/').next().unwrap_or_default();
        writeln!(
            f,
            "  {curl} -b {jar} -X POST \\\n    -H 'If-Match: \"1\"' -H 'Idempotency-Key: \"{key}\"' \\\n    {url}{path}"
        )
    }
}

/// What asks for a second factor: refused to whoever has only signed in, done after a code.
const STRONG: &str = "/confirm-large";

impl Banner<'_> {
    /// Whoever is refused only for the want of a second factor adds one.
    fn second_factor(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strong = |person: &PersonCredentials| person.may_not.iter().find(|what| what.ends_with(STRONG)).cloned();
        let people = self.credentials.tenants.iter().flat_map(|t| t.people.iter().map(move |person| (t, person)));
        let Some((tenant, person, what)) = people.filter_map(|(t, person)| Some((t, person, strong(person)?))).next()
        else {
            return Ok(());
        };
        let path = what.trim_start_matches("POST ");
        let jar = for_shell(&self.directory.join("cookies-strong"));
        let (url, curl) = (&tenant.url, CURL);
        writeln!(f, "\nConfirm a large order with a second factor as {}\n", person.email)?;
        sign_in(f, "sign in", &jar, url, person)?;
        writeln!(f, "  # refused: {} asks for a second factor, and says so (RFC 9470)", tenant.name)?;
        writeln!(f, "  {curl} -b {jar} -X POST -H 'If-Match: *' \\\n    {url}{path}\n")?;
        writeln!(f, "  # open {url}/auth/account as {}, add an authenticator app;", person.email)?;
        writeln!(f, "  # with the next code that it shows, this session steps up, and the order is confirmed")?;
        writeln!(
            f,
            "  code=123456; {curl} -b {jar} -c {jar} \\\n    {url}/auth/step-up --json \"{{\\\"code\\\": \\\"$code\\\"}}\" && \\"
        )?;
        writeln!(f, "  {curl} -b {jar} -X POST -H 'If-Match: *' \\\n    {url}{path}")
    }
}

/// Answers end without a line feed; the status says what became of it.
const CURL: &str = r"curl -w '\n%{http_code}\n'";

fn sign_in(f: &mut fmt::Formatter<'_>, about: &str, jar: &str, url: &str, person: &PersonCredentials) -> fmt::Result {
    let PersonCredentials { email, password, .. } = person;
    writeln!(f, "  # {about}\n  {CURL} -c {jar} \\\n    {url}/auth/login \\")?;
    writeln!(f, "    --json '{{\"email\": \"{email}\", \"password\": \"{password}\"}}'\n")
}

/// A path as a shell takes it.
fn for_shell(path: &Path) -> String {
    let path = path.to_string_lossy();
    let is_plain = path.chars().all(|c| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@'));
    if is_plain { path.into_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

fn path_of<'a>(what: &'a [String], method: &str) -> Option<&'a str> {
    what.iter().find_map(|what| what.strip_prefix(method)?.strip_prefix(' '))
}
