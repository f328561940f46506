//! How much a routine wants to be undisturbed.

/// How much a routine wants to be undisturbed.
///
/// Source: `VIDEO_SYNCHRONIZE_PRIORITY` of video.h; R9 of `docs/synchronize.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Priority {
    /// No signal diverts it, but it is not serialized with any handler.
    Low,
    /// Serialized with the vector's handler.
    Medium,
    /// As `Medium`: a process has one level above its threads, not two.
    High,
}
