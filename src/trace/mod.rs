//! A timeline of handlers, sections and deferred calls: which thread did what, when, and for how long.
//!
//! [`crate::interrupt::Interrupts::trace`] starts one; [`Trace::finish`] gives the [`Timeline`], which ui.perfetto.dev
//! opens. While no trace runs, it costs nothing: sections look at one word anyway, to time one in 1024.
//!
//! Source: the Trace Event Format of Chrome's tracing.

mod buffer;
mod timeline;
mod tracer;

pub(crate) use self::buffer::What;
pub use self::timeline::Timeline;
pub(crate) use self::timeline::program_name;
pub(crate) use self::tracer::Tracer;
pub use self::tracer::{Trace, Watch};
