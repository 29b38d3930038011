//! What a stream is asked for.

/// Whether a stream tells of changes on the host, besides its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    Told,
    /// Another stream of the same share does, or nobody wants to know.
    Kept,
}
