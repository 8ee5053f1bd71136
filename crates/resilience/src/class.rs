//! What the outcome of a call means for the policies around it.

/// What an outcome means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The call worked.
    Success,
    /// It failed, and the same call may work later: no connection, no answer in time, overload. Retried, and held against
    /// the callee.
    Transient,
    /// It failed, and would again: a wrong request, a refusal with a reason. Never retried; the callee is alive, for it
    /// answered.
    Permanent,
    /// It was not made: a policy further in refused it. Neither retried nor held against anybody.
    Refused,
}

/// Tells what outcomes mean. Closures do.
pub trait Classify<T, E> {
    /// What this outcome means.
    fn classify(&self, outcome: &Result<T, E>) -> Class;
}

impl<T, E, F: Fn(&Result<T, E>) -> Class> Classify<T, E> for F {
    fn classify(&self, outcome: &Result<T, E>) -> Class {
        self(outcome)
    }
}
