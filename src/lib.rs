//! placeholder

pub mod error;
pub mod host;
pub mod pci;

pub use error::{Code, Error, ErrorKind, Result};
pub use pci::Address;
