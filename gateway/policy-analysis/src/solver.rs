//! The solver: found, started, asked within bounds, and replaced when it fails.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cedar_policy_symcc::err::Error as SymccError;
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env};
use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};

/// The program's name where nobody configured one.
const PROGRAM: &str = "cvc5";

/// A solver that is installed: cvc5.
#[derive(Clone, Debug)]
pub struct Solver {
    program: PathBuf,
}

/// There is no solver, so nothing can be proved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the solver is missing: `{program}` is no program that can be run; install cvc5 (Debian: `apt-get install cvc5`), or \
     say where it is"
)]
pub struct SolverMissing {
    program: String,
}

impl Solver {
    /// Finds the solver: the program that was named, or `cvc5` on the `PATH`.
    ///
    /// # Errors
    /// There is none.
    pub fn find(named: Option<&Path>) -> Result<Self, SolverMissing> {
        let missing = |program: &Path| SolverMissing { program: program.display().to_string() };
        match named {
            Some(program) if is_executable(program) => Ok(Self { program: program.to_owned() }),
            Some(program) => Err(missing(program)),
            None => {
                let path = env::var_os("PATH").unwrap_or_default();
                let found = env::split_paths(&path).map(|folder| folder.join(PROGRAM)).find(|file| is_executable(file));
                found.map(|program| Self { program }).ok_or_else(|| missing(Path::new(PROGRAM)))
            }
        }
    }
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// How long may be thought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// About one question. Usual ones take milliseconds; one that takes seconds has no answer soon.
    pub question: Duration,
    /// About all questions of one comparison or proof together.
    pub whole: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { question: Duration::from_secs(5), whole: Duration::from_secs(120) }
    }
}

/// Why nothing can be asked.
#[derive(Debug, thiserror::Error)]
#[error("what talking to the solver needs cannot be started")]
pub struct AnalystError(#[from] std::io::Error);

/// Who asks the solver. Its verbs block for as long as the bounds allow, and are not for a thread of a runtime.
#[derive(Debug)]
pub struct Analyst {
    solver: Solver,
    bounds: Bounds,
    runtime: Runtime,
}

impl Analyst {
    /// Somebody who asks this solver within these bounds.
    ///
    /// # Errors
    /// The system refuses what talking to a process needs.
    pub fn new(solver: Solver, bounds: Bounds) -> Result<Self, AnalystError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { solver, bounds, runtime })
    }

    pub(crate) fn begin(&self) -> Asking<'_> {
        let began = Instant::now();
        let deadline = began.checked_add(self.bounds.whole).unwrap_or(began);
        Asking { analyst: self, compiler: None, began, deadline, questions: 0 }
    }
}

/// One question. Each is answered by "holds" or by a request for which it does not.
#[derive(Clone, Copy)]
pub(crate) enum Question<'q> {
    /// What the first set allows, the second allows, too.
    Implies(&'q CompiledPolicySet, &'q CompiledPolicySet),
    /// The set allows nothing.
    AlwaysDenies(&'q CompiledPolicySet),
    /// The policy's evaluation never fails.
    NeverErrors(&'q CompiledPolicy),
}

/// An answer.
pub(crate) enum Answer {
    Holds,
    /// A request for which it does not.
    Not(Box<Env>),
    /// Why there is none.
    Undecided(String),
}

/// Asking, with one solver process as long as it behaves.
pub(crate) struct Asking<'a> {
    analyst: &'a Analyst,
    compiler: Option<CedarSymCompiler<LocalSolver>>,
    began: Instant,
    deadline: Instant,
    questions: usize,
}

impl Asking<'_> {
    /// Asks. Blocks for at most the bound of one question, and a moment.
    pub(crate) fn ask(&mut self, question: Question<'_>) -> Answer {
        let Bounds { question: limit, whole } = self.analyst.bounds;
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Answer::Undecided(format!("not asked: the {} s for all questions were over", whole.as_secs()));
        }
        self.questions += 1;
        let limit = limit.min(left);
        // A solver that failed, or was cut off in the middle, is not asked again: the next question has a new one.
        let compiler = self.compiler.take().map_or_else(|| self.start(), Ok);
        let mut compiler = match compiler {
            Ok(compiler) => compiler,
            Err(error) => return Answer::Undecided(format!("the solver cannot be started: {error}")),
        };
        let thinking = async { tokio::time::timeout(limit, put(question, &mut compiler)).await };
        match self.analyst.runtime.block_on(thinking) {
            Ok(Ok(found)) => {
                self.compiler = Some(compiler);
                found.map_or(Answer::Holds, |env| Answer::Not(Box::new(env)))
            }
            Ok(Err(SymccError::SolverUnknown)) => Answer::Undecided("the solver does not know".to_owned()),
            Ok(Err(error)) => Answer::Undecided(format!("the solver failed: {error}")),
            Err(_) => Answer::Undecided(format!("no answer within {} ms", limit.as_millis())),
        }
    }

    pub(crate) fn questions(&self) -> usize {
        self.questions
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn start(&self) -> Result<CedarSymCompiler<LocalSolver>, Box<SymccError>> {
        let _entered = self.analyst.runtime.enter();
        let mut command = Command::new(&self.analyst.solver.program);
        // What is dropped is killed: nothing goes on thinking about a question that nobody waits for.
        command.args(["--lang", "smt"]).kill_on_drop(true);
        let solver = LocalSolver::from_command(&mut command).map_err(|error| Box::new(error.into()))?;
        CedarSymCompiler::new(solver).map_err(Box::new)
    }
}

async fn put(question: Question<'_>, compiler: &mut CedarSymCompiler<LocalSolver>) -> Result<Option<Env>, SymccError> {
    match question {
        Question::Implies(one, other) => compiler.check_implies_with_counterexample_opt(one, other).await,
        Question::AlwaysDenies(set) => compiler.check_always_denies_with_counterexample_opt(set).await,
        Question::NeverErrors(policy) => compiler.check_never_errors_with_counterexample_opt(policy).await,
    }
}
