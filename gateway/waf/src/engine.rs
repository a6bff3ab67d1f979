//! The seam: values in, findings out.

use crate::{Body, BuildError, Inspected, Mode, Scope, Settings, Subject};

/// A compiled set of rules. Immutable: share it behind an `Arc` and swap it whole.
#[derive(Debug)]
pub struct Engine {
    _settings: Settings,
}

impl Engine {
    /// Compiles the rules.
    ///
    /// # Errors
    /// A limit of zero, or a rule that does not compile.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        Ok(Self { _settings: settings })
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
        let _ = subject;
        Inspected::new(scope.mode, Vec::new())
    }

    /// Inspects a body, or the prefix of one that was held back. Join it to the head's outcome with [`Inspected::and`].
    pub fn inspect_body(&self, body: &Body<'_>, scope: &Scope) -> Inspected {
        if scope.mode == Mode::Off {
            return Inspected::new(scope.mode, Vec::new());
        }
        let _ = body;
        Inspected::new(scope.mode, Vec::new())
    }
}
