//! placeholder

pub mod backend;
pub mod class;
mod device;
pub mod dma;
pub mod driver;
pub mod error;
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
