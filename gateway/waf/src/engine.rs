//! The seam: values in, findings out.

use crate::compiled::Compiled;
use crate::run::Run;
use crate::{Body, BuildError, Inspected, Mode, Scope, Settings, Subject, body, head};

/// A compiled set of rules. Immutable: share it behind an `Arc` and swap it whole.
///
/// ```
/// # use cedargate_waf::{Body, Engine, Mode, Scope, Settings, Threshold, Verdict};
/// let engine = Engine::new(Settings::default())?;
/// let body = Body {
///     content_type: Some("application/json"),
///     bytes: br#"{"name": "x' OR 1=1 -- ", "password": "' OR 1=1 -- "}"#,
///     complete: true,
/// };
/// let inspected = engine.inspect_body(&body, &Scope::new(Mode::Block).exempting(["password"]));
/// assert_eq!(inspected.verdict(Threshold::default()), Verdict::Block);
/// let finding = &inspected.findings()[0];
/// assert_eq!((&*finding.rule, finding.place.to_string()), ("sqli/libinjection", "JSON `/name`".to_owned()));
/// # Ok::<(), cedargate_waf::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    compiled: Compiled,
}

impl Engine {
    /// Compiles the rules.
    ///
    /// # Errors
    /// A limit of zero, or a rule that does not compile.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        settings.limits.check()?;
        Ok(Self { settings, compiled: Compiled::new()? })
    }

    /// Inspects head and body of a request.
    pub fn inspect(&self, subject: &Subject<'_>, scope: &Scope) -> Inspected {
        let head = self.inspect_head(subject, scope);
        match &subject.body {
            Some(body) => head.and(self.inspect_body(body, scope)),
            None => head,
        }
    }

    /// Inspects the head alone; `subject.body` is not looked at.
    pub fn inspect_head(&self, subject: &Subject<'_>, scope: &Scope) -> Inspected {
        self.run(scope, |run| head::judge(run, subject, &self.settings.own_cookies))
    }

    /// Inspects a body, or the prefix of one that was held back. Join it to the head's outcome with [`Inspected::and`].
    pub fn inspect_body(&self, body: &Body<'_>, scope: &Scope) -> Inspected {
        self.run(scope, |run| body::judge(run, body, scope))
    }

    fn run(&self, scope: &Scope, judge: impl FnOnce(&mut Run<'_>)) -> Inspected {
        let mut run = Run::new(&self.compiled, &self.settings.limits);
        match scope.mode {
            Mode::Block | Mode::Score => judge(&mut run),
            Mode::Off => {}
        }
        run.inspected(scope.mode)
    }
}
