//! For whom policies are looked at, where no store says which tenants there are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cedargate_model::{TenantId, TenantName};
use cedargate_policy::{Model, Problems, Sources, TenantScope};
use cedargate_policy_analysis::{Analyst, Bounds, Solver};
use clap::Args;
use uuid::Uuid;

use super::super::Failure;

/// The module of the bare host, which no tenant has.
const BARE_HOST: &str = "directory";
/// A tenant that has no policies of its own.
const ANY: &str = "any-tenant";

#[derive(Debug, Args)]
pub(super) struct Tenants {
    /// Only this tenant; else each that has a folder, one that has none, and the bare host
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// The modules that tenants have; all where it is left out
    #[arg(long, value_name = "MODULE,MODULE", value_delimiter = ',')]
    modules: Vec<String>,
}

impl Tenants {
    /// Every tenant with every module.
    pub(super) fn all() -> Self {
        Self { tenant: None, modules: Vec::new() }
    }

    /// A tenant that has a module, the named one or one without policies of its own.
    pub(super) fn with_module(sources: &Sources, tenant: Option<&str>, module: &str) -> Result<TenantScope, Failure> {
        if module == BARE_HOST {
            return Ok(TenantScope::bare_host());
        }
        let one = Self { tenant: Some(tenant.unwrap_or(ANY).to_owned()), modules: Vec::new() };
        one.scopes(sources)?.into_iter().next().ok_or_else(|| Failure::mistake("there is no tenant"))
    }

    /// The tenants that are meant, named and with modules as these policies know them.
    pub(super) fn scopes(&self, sources: &Sources) -> Result<Vec<TenantScope>, Failure> {
        let known = sources.modules();
        if let Some(unknown) = self.modules.iter().find(|module| !known.contains(module.as_str())) {
            return Err(Failure::mistake(format!("there is no module `{unknown}`")));
        }
        let modules: Vec<&str> = if self.modules.is_empty() {
            known.iter().map(|module| &**module).filter(|module| *module != BARE_HOST).collect()
        } else {
            self.modules.iter().map(String::as_str).collect()
        };
        let named = |name: &str| -> Result<TenantScope, Failure> {
            let name = TenantName::parse(name).map_err(|error| Failure::mistake(error.to_string()))?;
            Ok(TenantScope::new(example_id(&name), name, modules.iter().copied()))
        };
        if let Some(name) = &self.tenant {
            return Ok(vec![named(name)?]);
        }
        let mut scopes = vec![named(ANY)?];
        for tenant in sources.tenants() {
            scopes.push(named(&tenant)?);
        }
        scopes.extend(known.contains(BARE_HOST).then(TenantScope::bare_host));
        Ok(scopes)
    }

    /// The models of one directory.
    pub(super) fn models(&self, directory: &Path) -> Result<Vec<Model>, Failure> {
        let sources = read(directory)?;
        self.scopes(&sources)?.iter().map(|scope| built(directory, Model::build(&sources, scope))).collect()
    }
}

/// An id made from the name, so that two directories mean the same tenant.
fn example_id(name: &TenantName) -> TenantId {
    let id = name.as_str().bytes().fold(1_u128, |id, byte| id.wrapping_mul(257).wrapping_add(u128::from(byte)));
    TenantId(Uuid::from_u128(id))
}

/// The texts of a policy directory.
pub(super) fn read(directory: &Path) -> Result<Sources, Failure> {
    super::directory(directory)?;
    built(directory, Sources::read(directory))
}

/// What was built, or every mistake with its place below the directory.
pub(super) fn built<T>(directory: &Path, result: Result<T, Problems>) -> Result<T, Failure> {
    result.map_err(|problems| {
        let lines: Vec<String> =
            problems.iter().map(|problem| directory.join(problem.to_string()).display().to_string()).collect();
        Failure::mistake(lines.join("\n"))
    })
}

/// Which solver, and for how long.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The solver [env: CEDARGATE_SOLVER] [default: cvc5 on the PATH]
    #[arg(long, value_name = "PROGRAM", env = "CEDARGATE_SOLVER", hide_env = true)]
    solver: Option<PathBuf>,
    /// How long one question may take
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    question_ms: u64,
    /// How long all questions about one tenant may take
    #[arg(long, value_name = "S", default_value_t = 120)]
    whole_s: u64,
}

impl Asked {
    /// Somebody who can ask. That there is no solver is no answer: the command fails.
    pub(super) fn analyst(&self) -> Result<Analyst, Failure> {
        let solver = Solver::find(self.solver.as_deref()).map_err(|missing| Failure::unavailable(&missing))?;
        let bounds =
            Bounds { question: Duration::from_millis(self.question_ms), whole: Duration::from_secs(self.whole_s) };
        Analyst::new(solver, bounds).map_err(|error| Failure::unavailable(&error))
    }
}
