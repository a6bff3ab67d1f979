//! What a policy change changes, and whether standing properties hold: asked of a solver, answered with requests.
//!
//! Three things are always true of it:
//! - a difference or a broken property is shown by a request that the decision point itself was asked about: what the
//!   solver found and the decision point does not confirm is undecided;
//! - what was not answered within its bounds is undecided and says why; nothing passes because nobody looked;
//! - answers are about requests as they can arrive (`world.rs`), not about anything that the schema could describe.
//!
//! ```no_run
//! use cedargate_policy::{Model, Sources, TenantScope};
//! use cedargate_policy_analysis::{Analyst, Bounds, Solver};
//!
//! let analyst = Analyst::new(Solver::find(None)?, Bounds::default())?;
//! let live = Model::build(&Sources::read("policies")?, &TenantScope::bare_host())?;
//! let proposed = Model::build(&Sources::read("proposed")?, &TenantScope::bare_host())?;
//! println!("{}", analyst.compare(&live, &proposed));
//! println!("{}", analyst.prove(&proposed));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To ask something new: a variant of `Question`, a verb of [`Analyst`] in a file of its own that turns what is found into
//! an [`Example`], and a test that has it refuted.

mod compare;
mod example;
mod lint;
mod prove;
mod situation;
mod solver;
mod world;

pub use compare::{Comparison, Difference, Direction, Relation};
pub use example::Example;
pub use lint::{Lint, LintKind, Lints};
pub use prove::{Finding, Proof, Proofs};
pub use solver::{Analyst, AnalystError, Bounds, Solver, SolverMissing};
