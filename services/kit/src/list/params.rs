//! A list's query parameters: read from a request, and told to the OpenAPI document, from one declaration.

use std::marker::PhantomData;

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, Required};

use super::{Bound, Filter, FilterKind, LIMIT_DEFAULT, LIMIT_MAX, Listed, Sort};
use crate::ResourceId;
use crate::problem::{Problem, QUERY_INVALID};

/// More parameters than any list has.
const PARAMETERS_MAX: usize = 32;

/// What a client asks of a list, in the resource's own terms.
pub(super) struct Asked<R: 'static> {
    pub(super) sort: &'static Sort<R>,
    pub(super) filters: Vec<Bound>,
    pub(super) limit: u32,
    pub(super) cursor: Option<String>,
}

impl<R: Listed> Asked<R> {
    /// Reads the parameters. Everything that is wrong is named at once.
    pub(super) fn read(parameters: Vec<(String, String)>) -> Result<Self, Problem> {
        if parameters.len() > PARAMETERS_MAX {
            return Err(Problem::new(QUERY_INVALID).field("query", "there are too many parameters"));
        }
        let mut wrong = Wrong(None);
        let mut asked = Self {
            sort: R::SORTS.first().ok_or(QUERY_INVALID)?,
            filters: R::FILTERS.iter().map(|filter| filter.kind.unused()).collect(),
            limit: LIMIT_DEFAULT,
            cursor: None,
        };
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in &parameters {
            if seen.contains(&&**name) {
                wrong.refuse(name, "give it once");
                continue;
            }
            seen.push(name);
            match &**name {
                "limit" => match value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)) {
                    Some(limit) => asked.limit = limit,
                    None => wrong.refuse(name, format!("use a whole number from 1 to {LIMIT_MAX}")),
                },
                "cursor" => asked.cursor = Some(value.clone()),
                "sort" => match R::SORTS.iter().find(|sort| sort.name == value) {
                    Some(sort) => asked.sort = sort,
                    None => wrong.refuse(name, format!("use one of {}", list(R::SORTS.iter().map(|sort| sort.name)))),
                },
                _ => match R::FILTERS.iter().zip(&mut asked.filters).find(|(filter, _)| filter.name == name) {
                    Some((filter, bound)) => match filter.kind.read(value) {
                        Ok(value) => *bound = value,
                        Err(expected) => wrong.refuse(name, expected),
                    },
                    None => wrong.refuse(name, unknown(name, R::FILTERS)),
                },
            }
        }
        match wrong.0 {
            None => Ok(asked),
            Some(problem) => Err(problem),
        }
    }
}

struct Wrong(Option<Problem>);

impl Wrong {
    /// Bounded, since it repeats the client's text.
    fn refuse(&mut self, name: &str, detail: impl Into<std::borrow::Cow<'static, str>>) {
        let problem = self.0.take().unwrap_or_else(|| Problem::new(QUERY_INVALID));
        self.0 = Some(problem.field(name.chars().take(64).collect::<String>(), detail));
    }
}

/// The field's operators where it is one of ours, else everything that there is.
fn unknown(name: &str, filters: &[Filter]) -> String {
    let field = |name: &str| name.split_once('.').map_or(name, |(field, _)| field).to_owned();
    let of_field: Vec<_> = filters.iter().map(|f| f.name).filter(|known| field(known) == field(name)).collect();
    match of_field.as_slice() {
        [] => format!("use one of {}", list(filters.iter().map(|f| f.name).chain(["sort", "limit", "cursor"]))),
        known => format!("use {}", list(known.iter().copied())),
    }
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl FilterKind {
    fn unused(self) -> Bound {
        match self {
            Self::OneOf(_) | Self::Text(_) => Bound::Text(None),
            Self::Id => Bound::Id(None),
            Self::Number => Bound::Number(None),
        }
    }

    fn read(self, value: &str) -> Result<Bound, String> {
        match self {
            Self::OneOf(words) if words.contains(&value) => Ok(Bound::Text(Some(value.to_owned()))),
            Self::OneOf(words) => Err(format!("use one of {}", list(words.iter().copied()))),
            Self::Text(max) if (1..=max).contains(&value.chars().count()) && !value.contains(char::is_control) => {
                Ok(Bound::Text(Some(value.to_owned())))
            }
            Self::Text(max) => Err(format!("use 1 to {max} characters")),
            Self::Id => match ResourceId::parse(value) {
                Some(id) => Ok(Bound::Id(Some(id.0))),
                None => Err("use an id as this service writes it".to_owned()),
            },
            Self::Number => match value.parse() {
                Ok(number) => Ok(Bound::Number(Some(number))),
                Err(_) => Err("use a whole number".to_owned()),
            },
        }
    }

    fn schema(self) -> Schema {
        let object = ObjectBuilder::new();
        match self {
            Self::OneOf(words) => object.schema_type(Type::String).enum_values(Some(words.iter().copied())),
            Self::Text(max) => object.schema_type(Type::String).min_length(Some(1)).max_length(Some(max)),
            Self::Id => object.schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))),
            Self::Number => {
                object.schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            }
        }
        .build()
        .into()
    }
}

/// The query parameters of a list of `R`s, for `utoipa::path`.
#[derive(Debug)]
pub struct ListParams<R>(PhantomData<R>);

impl<R: Listed> IntoParams for ListParams<R> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = |name: &str, about: &str, schema: Schema| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(about))
                .schema(Some(schema))
                .build()
        };
        let sorts = R::SORTS.iter().map(|sort| sort.name);
        let sort = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(sorts)).build();
        let limit = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(LIMIT_MAX)).build();
        let mut all: Vec<_> = R::FILTERS.iter().map(|f| parameter(f.name, f.about, f.kind.schema())).collect();
        let about = "The order; `-` is falling. The first one where it is missing.";
        all.push(parameter("sort", about, sort.into()));
        let about = format!("How many to return; {LIMIT_DEFAULT} where it is missing.");
        all.push(parameter("limit", &about, limit.into()));
        let about =
            "The `next` of the page before, with the same filters and order. Its form is nobody's business but ours.";
        all.push(parameter("cursor", about, FilterKind::Text(4_096).schema()));
        all
    }
}
