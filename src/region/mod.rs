//! BARs and configuration space: registers with names, mapped into this process or reached by calls.
//!
//! A [`Register`] is an offset, a width and its datasheet name; a [`Bar`] reads and writes it as one access. Both ways
//! of reaching a BAR behave the same, so a driver does not know which it has.

mod bar;
mod config;
mod mapping;
mod register;

pub use self::bar::Bar;
pub use self::config::Config;
pub(crate) use self::mapping::Mapping;
pub use self::register::{Register, Value};
