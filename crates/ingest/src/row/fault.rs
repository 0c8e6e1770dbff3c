//! [pure] Why a row is not written.

/// Why a row is not written.
pub(super) enum Fault {
    /// The last run has written it.
    Repeated,
    /// It is set aside.
    Row(String),
    /// The run fails: the table would change as it must not, or what must hold for a row does not.
    Run(String),
}
