//! placeholder

mod device;
pub mod backend;
pub mod class;
pub mod dma;
pub mod driver;
pub mod error;
#[cfg(any())]
pub mod host;
pub mod interrupt;
pub mod pci;
pub mod region;
pub mod selftest;
pub mod synchronize;

pub use backend::Iova;
pub use device::Device;
pub use error::{Code, Error, ErrorKind, Result};
pub use pci::Address;
