//! BARs and configuration space: registers with names, mapped into this process or reached by calls.
//!
//! A [`Register`] is an offset, a width and its datasheet name; a [`Bar`] reads and writes it as one access, and takes many
//! words at once where there is memory behind it. Both ways of reaching a BAR behave the same, so a driver does not know
//! which it has.
//!
//! A device may vanish under its mapping. The access that meets it reads all ones, as on the bus, and it and every later
//! one is told that the device is gone: a handler for SIGBUS, installed with the first mapping, sees to that. A program
//! that installs another one afterwards hands on to it what it does not know.

mod bar;
mod config;
mod mapping;
mod ones;
mod register;
mod registry;
mod sigbus;
mod words;

pub use self::bar::Bar;
pub use self::config::Config;
pub(crate) use self::mapping::Mapping;
pub use self::register::{Register, Value};
