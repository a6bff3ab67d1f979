//! The route file of a module, `routes.toml`: typed, strict, every mistake with its place.

use std::sync::Arc;
use std::time::Duration;

use cedargate_model::NormalizedPath;
use http::Method;
use serde::Deserialize;
use toml::Spanned;

use crate::matrix::is_action_name;
use crate::routes::{InspectionMode, OnExcess, Origin, RouteInspection, Upgrade};
use crate::toml_text::TomlText;
use crate::{Place, Problems};

/// The longest that an upstream may be given: beyond it clients have gone.
const TIMEOUT_MS_MAX: u64 = 300_000;
/// The most that is inspected of a body: inspection costs time and memory per octet.
const INSPECTED_BYTES_MAX: u64 = 16 << 20;

/// The service that is the gateway itself.
const GATEWAY_SERVICE: &str = "gateway";
/// The most segments of a path.
const SEGMENTS_MAX: usize = 32;

/// A module's routes as declared, each correct by itself.
#[derive(Debug)]
pub(crate) struct RouteFile {
    pub(crate) service: Arc<str>,
    pub(crate) routes: Vec<DeclaredRoute>,
}

/// One route as declared. Whether its action and resource type exist is for the schema to say.
#[derive(Debug)]
pub(crate) struct DeclaredRoute {
    pub(crate) place: Place,
    pub(crate) method: Method,
    pub(crate) path: Arc<str>,
    /// The path for the matcher, its parameters named by position.
    pub(crate) pattern: String,
    pub(crate) action: Arc<str>,
    pub(crate) action_place: Place,
    pub(crate) resource_type: String,
    pub(crate) resource_place: Place,
    pub(crate) resource_id: DeclaredId,
    pub(crate) upgrade: Option<Upgrade>,
    pub(crate) grpc: bool,
    pub(crate) client_certificate: bool,
    pub(crate) any_site: bool,
    pub(crate) cors: Vec<Origin>,
    pub(crate) inspection: RouteInspection,
    pub(crate) timeout: Duration,
}

/// A resource's id as declared.
#[derive(Debug)]
pub(crate) enum DeclaredId {
    Fixed(Arc<str>),
    /// The path's parameter at this position.
    Parameter(usize),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultsText {
    timeout_ms: Spanned<u64>,
    inspection: DefaultInspectionText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultInspectionText {
    mode: InspectionMode,
    body_bytes_max: Spanned<u64>,
    on_excess: OnExcess,
    content_types: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteText {
    method: MethodText,
    path: Spanned<String>,
    action: Spanned<String>,
    resource: ResourceText,
    upgrade: Option<Upgrade>,
    #[serde(default)]
    grpc: bool,
    #[serde(default)]
    client_certificate: bool,
    #[serde(default)]
    any_site: bool,
    #[serde(default)]
    cors: Vec<Spanned<String>>,
    #[serde(default)]
    inspection: InspectionText,
    timeout_ms: Option<Spanned<u64>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum MethodText {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceText {
    r#type: Spanned<String>,
    id: Spanned<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct InspectionText {
    mode: Option<InspectionMode>,
    #[serde(default)]
    exempt_fields: Vec<Spanned<String>>,
    body_bytes_max: Option<Spanned<u64>>,
    on_excess: Option<OnExcess>,
    rules: Option<Spanned<String>>,
    paranoia: Option<Spanned<u8>>,
    threshold: Option<Spanned<u32>>,
    content_types: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    responses: bool,
}

impl RouteFile {
    /// Reads a route file.
    ///
    /// # Errors
    /// Every mistake: in syntax, an unknown or missing key, a value out of its bounds, a path that no request can have.
    pub(crate) fn parse(file: &Arc<str>, text: &str) -> Result<Self, Problems> {
        let mut problems = Problems::none();
        let toml = TomlText { file, text };
        let Some(mut table) = toml.table(&mut problems) else { return Err(problems.sorted()) };
        let service: Option<Spanned<String>> = toml.value(&mut table, "service", &mut problems);
        let defaults: Option<DefaultsText> = toml.value(&mut table, "defaults", &mut problems);
        let entries: Vec<(Place, RouteText)> = toml.entries(&mut table, "route", &mut problems);
        toml.finish(table, &["service", "defaults", "[[route]]"], &mut problems);

        let is_gateway = service.as_ref().is_some_and(|service| service.get_ref() == GATEWAY_SERVICE);
        let mut reader = Reader { toml: &toml, problems, is_gateway };
        let service = service.map(|service| reader.service(&service)).unwrap_or_default();
        let routes = match defaults {
            Some(defaults) => {
                reader.check_bounds(&defaults.timeout_ms, Some(&defaults.inspection.body_bytes_max));
                entries.into_iter().filter_map(|(place, entry)| reader.route(place, entry, &defaults)).collect()
            }
            None => Vec::new(),
        };
        reader.problems.into_result(Self { service, routes })
    }
}

struct Reader<'r, 't> {
    toml: &'r TomlText<'t>,
    problems: Problems,
    /// Whether the routes are those of the gateway itself.
    is_gateway: bool,
}

impl Reader<'_, '_> {
    fn problem<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        self.problems.add(self.toml.place(at), message);
    }

    fn service(&mut self, name: &Spanned<String>) -> Arc<str> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        let text = name.get_ref();
        if !(1..=64).contains(&text.len()) || !text.bytes().all(inner) {
            self.problem(name, format!("`{text}` is not a service's name: use 1 to 64 of a-z, 0-9, `-` and `_`"));
        }
        text.as_str().into()
    }

    fn check_bounds(&mut self, timeout_ms: &Spanned<u64>, body_bytes_max: Option<&Spanned<u64>>) {
        if !(1..=TIMEOUT_MS_MAX).contains(timeout_ms.get_ref()) {
            self.problem(timeout_ms, format!("`timeout_ms` is from 1 to {TIMEOUT_MS_MAX}"));
        }
        if let Some(bytes) = body_bytes_max.filter(|bytes| *bytes.get_ref() > INSPECTED_BYTES_MAX) {
            self.problem(bytes, format!("`body_bytes_max` is at most {INSPECTED_BYTES_MAX}"));
        }
    }

    fn route(&mut self, place: Place, route: RouteText, defaults: &DefaultsText) -> Option<DeclaredRoute> {
        let timeout_ms = route.timeout_ms.as_ref().unwrap_or(&defaults.timeout_ms);
        self.check_bounds(timeout_ms, route.inspection.body_bytes_max.as_ref());
        let inspection = self.inspection(&route.inspection, &defaults.inspection);
        let cors = self.origins(&route.cors);
        if !is_action_name(route.action.get_ref()) {
            self.problem(&route.action, "an action is named with letters, digits and `_`, without its namespace");
        }
        if route.upgrade.is_some() && !matches!(route.method, MethodText::Get) {
            self.problem(&route.path, "an upgrade begins with GET");
        }
        if route.any_site && !(self.is_gateway && matches!(route.method, MethodText::Post)) {
            self.problem(&route.path, "only a POST to the gateway itself may come from any site");
        }
        if route.grpc {
            self.check_grpc(&route, &inspection);
        }
        let (pattern, parameters) = self.path(&route.path)?;
        let resource_id = self.resource_id(&route.resource.id, &parameters)?;
        Some(DeclaredRoute {
            place,
            method: route.method.into(),
            path: route.path.get_ref().as_str().into(),
            pattern,
            action_place: self.toml.place(&route.action),
            action: route.action.into_inner().into(),
            resource_place: self.toml.place(&route.resource.r#type),
            resource_type: route.resource.r#type.into_inner(),
            resource_id,
            upgrade: route.upgrade,
            grpc: route.grpc,
            client_certificate: route.client_certificate,
            any_site: route.any_site,
            cors,
            inspection,
            timeout: Duration::from_millis(*timeout_ms.get_ref()),
        })
    }

    /// The messages of gRPC cannot be inspected: they are of a format that only their service knows, and a client that waits for
    /// an answer to each would wait for ever while the first are held back. A route has to say so itself.
    fn check_grpc(&mut self, route: &RouteText, inspection: &RouteInspection) {
        if !matches!(route.method, MethodText::Post) {
            self.problem(&route.path, "gRPC is called with POST");
        }
        let passes = match inspection.mode {
            InspectionMode::Off => true,
            InspectionMode::Block | InspectionMode::Detect => {
                inspection.body_bytes_max == 0 && inspection.on_excess == OnExcess::Pass
            }
            InspectionMode::Score => false,
        };
        if !passes {
            let message = "the messages of gRPC are not inspected, which its route has to say: \
                           `inspection = { mode = \"block\", body_bytes_max = 0, on_excess = \"pass\" }`";
            self.problem(&route.path, message);
        }
    }

    fn inspection(&mut self, own: &InspectionText, defaults: &DefaultInspectionText) -> RouteInspection {
        let mut exempt_fields: Vec<String> = own.exempt_fields.iter().map(|field| field.get_ref().clone()).collect();
        for field in own.exempt_fields.iter().filter(|field| field.get_ref().is_empty()) {
            self.problem(field, "the name of an exempt field is empty");
        }
        exempt_fields.sort();
        exempt_fields.dedup();
        if let Some(rules) = own.rules.as_ref().filter(|rules| !is_rule_set_name(rules.get_ref())) {
            self.problem(rules, "a rule set is named as its folder is, with 1 to 64 of a-z, 0-9, `-` and `_`");
        }
        if let Some(paranoia) = own.paranoia.as_ref().filter(|paranoia| !(1..=4).contains(paranoia.get_ref())) {
            self.problem(paranoia, "`paranoia` is from 1 to 4");
        }
        if let Some(threshold) = own.threshold.as_ref().filter(|threshold| !(1..=10_000).contains(threshold.get_ref()))
        {
            self.problem(threshold, "`threshold` is from 1 to 10000");
        }
        RouteInspection {
            rules: own.rules.as_ref().map(|rules| rules.get_ref().as_str().into()),
            paranoia: own.paranoia.as_ref().map(|paranoia| *paranoia.get_ref()),
            threshold: own.threshold.as_ref().map(|threshold| *threshold.get_ref()),
            content_types: {
                let types = own.content_types.as_ref().or(defaults.content_types.as_ref());
                types.map(|types| self.content_types(types))
            },
            responses: own.responses,
            mode: own.mode.unwrap_or(defaults.mode),
            exempt_fields,
            body_bytes_max: *own.body_bytes_max.as_ref().unwrap_or(&defaults.body_bytes_max).get_ref(),
            on_excess: own.on_excess.unwrap_or(defaults.on_excess),
        }
    }

    fn content_types(&mut self, types: &[Spanned<String>]) -> String {
        let mut all = Vec::new();
        for written in types {
            let text = written.get_ref().to_ascii_lowercase();
            let is_token = |part: &str| {
                let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
                !part.is_empty() && part.bytes().all(inner)
            };
            if !text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype)) {
                self.problem(written, "a content type is written as `application/json`, without parameters");
            }
            all.push(format!("|{text}|"));
        }
        all.join(" ")
    }

    fn origins(&mut self, texts: &[Spanned<String>]) -> Vec<Origin> {
        let mut origins = Vec::new();
        for text in texts {
            match Origin::parse(text.get_ref()) {
                Ok(origin) => origins.push(origin),
                Err(error) => self.problem(text, error.to_string()),
            }
        }
        origins
    }

    /// The matcher's pattern and the names of the path's parameters, in order.
    fn path(&mut self, path: &Spanned<String>) -> Option<(String, Vec<String>)> {
        let Some(segments) = path.get_ref().strip_prefix('/') else {
            self.problem(path, "a path begins with `/`");
            return None;
        };
        let mut pattern = String::new();
        let mut names: Vec<String> = Vec::new();
        for segment in segments.split('/') {
            pattern.push('/');
            match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) if !is_parameter_name(name) => {
                    self.problem(path, format!("`{{{name}}}` is not a path parameter: use letters, digits and `_`"));
                    return None;
                }
                Some(name) if names.iter().any(|other| other == name) => {
                    self.problem(path, format!("`{{{name}}}` stands twice in the path"));
                    return None;
                }
                Some(name) => {
                    // Named by position: two routes on one path may name their parameters differently.
                    pattern.push_str(&format!("{{p{}}}", names.len()));
                    names.push(name.to_owned());
                }
                None if segment.contains(['{', '}']) => {
                    self.problem(path, format!("`{segment}`: a parameter is a whole segment, `{{name}}`"));
                    return None;
                }
                None => pattern.push_str(segment),
            }
        }
        self.check_canonical(path, &pattern)?;
        Some((pattern, names))
    }

    /// Requests are matched in canonical form, so a literal segment in any other form would match nothing.
    fn check_canonical(&mut self, path: &Spanned<String>, pattern: &str) -> Option<()> {
        let literal = pattern.replace(['{', '}'], "");
        match NormalizedPath::parse(&literal) {
            Ok(normal) if normal.as_str() != literal => {
                self.problem(
                    path,
                    "not in canonical form: unreserved characters stand for themselves, escapes are upper-case",
                );
                None
            }
            Err(error) => {
                self.problem(path, format!("no request can have this path: {error}"));
                None
            }
            Ok(_) if literal.split('/').count() > SEGMENTS_MAX => {
                self.problem(path, format!("more than {SEGMENTS_MAX} segments"));
                None
            }
            Ok(_) => Some(()),
        }
    }

    fn resource_id(&mut self, id: &Spanned<String>, parameters: &[String]) -> Option<DeclaredId> {
        let text = id.get_ref();
        if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let position = parameters.iter().position(|parameter| parameter == name);
            if position.is_none() {
                self.problem(id, format!("the path has no parameter `{{{name}}}`"));
            }
            return position.map(DeclaredId::Parameter);
        }
        if text.is_empty() || text.contains(['{', '}']) || text.chars().any(char::is_control) {
            self.problem(id, "a resource's id is a text such as `items`, or one parameter of the path such as `{id}`");
            return None;
        }
        Some(DeclaredId::Fixed(text.as_str().into()))
    }
}

fn is_rule_set_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(inner)
}

impl From<MethodText> for Method {
    fn from(text: MethodText) -> Self {
        match text {
            MethodText::Get => Self::GET,
            MethodText::Post => Self::POST,
            MethodText::Put => Self::PUT,
            MethodText::Patch => Self::PATCH,
            MethodText::Delete => Self::DELETE,
        }
    }
}

fn is_parameter_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "service = \"inventory\"\n[defaults]\ntimeout_ms = 10\ninspection = { mode = \"block\", \
                        body_bytes_max = 10, on_excess = \"refuse\" }\n";

    fn parse(text: &str) -> Result<RouteFile, Problems> {
        RouteFile::parse(&"r.toml".into(), text)
    }

    fn route(lines: &str) -> Result<RouteFile, Problems> {
        parse(&format!("{HEAD}[[route]]\nmethod = \"GET\"\naction = \"A\"\n{lines}"))
    }

    #[test]
    fn every_mistake_of_a_route_has_its_place() {
        let resource = "resource = { type = \"T\", id = \"x\" }\n";
        for (lines, expected) in [
            ("path = \"a\"\n".to_owned() + resource, "r.toml:8:8: a path begins with `/`"),
            (
                "path = \"/%61\"\n".to_owned() + resource,
                "r.toml:8:8: not in canonical form: unreserved characters stand for themselves, escapes are upper-case",
            ),
            (
                "path = \"/a%2fb\"\n".to_owned() + resource,
                "r.toml:8:8: no request can have this path: the path has a backslash or an encoded slash",
            ),
            (
                "path = \"/a//b\"\n".to_owned() + resource,
                "r.toml:8:8: no request can have this path: the path has an empty segment",
            ),
            (
                "path = \"/a/x{b}\"\n".to_owned() + resource,
                "r.toml:8:8: `x{b}`: a parameter is a whole segment, `{name}`",
            ),
            (
                "path = \"/{*rest}\"\n".to_owned() + resource,
                "r.toml:8:8: `{*rest}` is not a path parameter: use letters, digits and `_`",
            ),
            ("path = \"/{a}/{a}\"\n".to_owned() + resource, "r.toml:8:8: `{a}` stands twice in the path"),
            (
                "path = \"/{a}\"\nresource = { type = \"T\", id = \"{b}\" }\n".to_owned(),
                "r.toml:9:31: the path has no parameter `{b}`",
            ),
            (
                "path = \"/a\"\ncors = [\"*\"]\n".to_owned() + resource,
                "r.toml:9:9: `*` is not an origin as browsers send it: write `https://app.example.com`, with a port only if it is not the scheme's own",
            ),
            (
                "path = \"/a\"\ngrpc = true\ninspection = { body_bytes_max = 0, on_excess = \"pass\" }\n".to_owned()
                    + resource,
                "r.toml:8:8: gRPC is called with POST",
            ),
            ("path = \"/a\"\ntimeout_ms = 0\n".to_owned() + resource, "r.toml:9:14: `timeout_ms` is from 1 to 300000"),
        ] {
            assert_eq!(route(&lines).unwrap_err().to_string(), expected, "{lines}");
        }
    }

    #[test]
    fn only_a_post_to_the_gateway_itself_may_come_from_any_site() {
        let lines = "action = \"A\"\npath = \"/a\"\nresource = { type = \"T\", id = \"x\" }\nany_site = true\n";
        let of = |service: &str, method: &str| {
            let head = HEAD.replace("service = \"inventory\"", &format!("service = \"{service}\""));
            assert!(head.contains(&format!("\"{service}\"")), "{head}");
            parse(&format!("{head}[[route]]\nmethod = \"{method}\"\n{lines}"))
        };
        assert!(of("gateway", "POST").unwrap().routes[0].any_site);
        for (service, method) in [("inventory", "POST"), ("gateway", "PUT"), ("gateway", "GET")] {
            let said = of(service, method).unwrap_err().to_string();
            assert!(said.contains("only a POST to the gateway itself may come from any site"), "{said}");
        }
    }

    #[test]
    fn a_grpc_route_says_itself_that_its_messages_are_not_inspected() {
        let head = format!("{HEAD}[[route]]\nmethod = \"POST\"\naction = \"A\"\npath = \"/a.B/C\"\n");
        let head = format!("{head}resource = {{ type = \"T\", id = \"x\" }}\ngrpc = true\n");
        for inspection in [
            "",
            "inspection = { on_excess = \"pass\" }",
            "inspection = { body_bytes_max = 0 }",
            "inspection = { mode = \"score\", body_bytes_max = 0, on_excess = \"pass\" }",
        ] {
            let said = parse(&format!("{head}{inspection}\n")).unwrap_err().to_string();
            assert!(said.starts_with("r.toml:8:8: the messages of gRPC are not inspected"), "{inspection}: {said}");
        }
        for inspection in
            ["inspection = { body_bytes_max = 0, on_excess = \"pass\" }", "inspection = { mode = \"off\" }"]
        {
            assert!(parse(&format!("{head}{inspection}\n")).unwrap().routes[0].grpc);
        }
    }

    #[test]
    fn mistakes_of_several_routes_are_said_at_once() {
        let text = format!(
            "{HEAD}surprise = 1\n[[route]]\nmethod = \"get\"\n[[route]]\nmethod = \"GET\"\npath = \"/\"\naction = \"A\"\n\
             resource = {{ type = \"T\", id = \"x\" }}\nretries = 3\n"
        );
        let said = parse(&text).unwrap_err().to_string();
        let starts: Vec<&str> = said.lines().map(|line| line.split(": ").next().unwrap()).collect();
        assert_eq!(starts, ["r.toml:5:1", "r.toml:7:10", "r.toml:13:1"], "{said}");
    }

    #[test]
    fn broken_syntax_is_said_with_its_line() {
        let said = parse("service = \n").unwrap_err().to_string();
        assert!(said.starts_with("r.toml:1:"), "{said}");
    }

    #[test]
    fn what_is_missing_is_said() {
        let said = parse("").unwrap_err().to_string();
        assert_eq!(said, "r.toml:1:1: `defaults` is missing\nr.toml:1:1: `service` is missing");
    }
}
