//! Linux userspace PCI drivers over VFIO: a device is an owned value with registers, DMA memory and interrupt vectors,
//! and [`interrupt::Vector::synchronize`] keeps a driver's routines and its interrupt handler apart.
//!
//! ```no_run
//! use dirql::dma::DmaMask;
//! use dirql::interrupt::{Best, Handled};
//! use dirql::region::Register;
//! use dirql::Device;
//!
//! const CAUSE: Register<u32> = Register::new(0x24, "CAUSE");
//! const ACKNOWLEDGE: Register<u32> = Register::new(0x64, "ACKNOWLEDGE");
//!
//! fn main() -> dirql::Result<()> {
//!     let device = Device::open("0000:00:04.0".parse()?)?;            // bound by `dirql bind`
//!     let bar = device.bar(0)?;                                       // keeps the device open
//!     let registers = bar.clone();
//!     let mut interrupts = device.interrupts(Best)?;                  // MSI-X, else MSI, else INTx
//!     let vector = interrupts.connect(0, 0_u64, move |seen, event| -> dirql::Result<Handled> {
//!         let cause = registers.read(CAUSE)?;                         // on the vector's own thread
//!         registers.write(ACKNOWLEDGE, cause)?;
//!         *seen += event.count;                                       // `seen` lives in the vector's lock
//!         Ok(if cause == 0 { Handled::No } else { Handled::Yes })
//!     })?;
//!     let buffer = device.dma(DmaMask::FULL).buffer(4096)?.lend();    // the device's now, at buffer.iova()
//!     device.set_bus_master(true)?;
//!     println!("{} interrupts", vector.synchronize(|seen| *seen)?);   // never while the handler runs
//!     drop(buffer.reclaim());                                         // the CPU's again
//!     Ok(())
//! }                                                                   // everything is given back, in order
//! ```
//!
//! # The modules, in reading order
//!
//! - [`error`]: the one [`Error`]: operation, device, path, errno, cause and fix, with its code in the catalogue.
//! - [`pci`]: what PCI says: addresses, configuration space, capabilities, names. Knows no VFIO.
//! - [`host`]: what the machine says and does: discovery, groups, holders, limits, binding and giving back.
//! - [`synchronize`]: the lock that owns its data, ranks, signal masks, completions.
//! - [`backend`]: how a device is reached: VFIO's groups, or a model in this process.
//! - [`region`]: BARs and configuration space, with typed registers.
//! - [`dma`]: the IOVA space, pools, buffers that are the CPU's or lent, descriptor rings.
//! - [`interrupt`]: modes, vectors, their threads, delivery, and `synchronize`.
//! - [`trace`]: what the interrupts' threads did, as a timeline.
//! - [`release`]: the host wants a device back, and gets it.
//! - [`Device`]: one opened function; what keeps everything else alive.
//! - [`class`]: what a driver offers a program: [`class::net::Net`], [`class::display::Display`].
//! - [`driver`]: what a driver is, and how it is found.
//! - [`telemetry`]: what is counted of a running program's devices, to be asked for from outside.
//! - [`ddi`]: five Windows driver interfaces in their own words, for ports.
//! - [`selftest`]: what every opened function can be tried for, on every backend.

pub mod backend;
pub mod class;
mod core;
pub mod ddi;
mod device;
pub mod dma;
pub mod driver;
pub mod error;
pub mod host;
pub mod interrupt;
pub mod pci;
mod presence;
pub mod region;
pub mod release;
pub mod selftest;
pub mod synchronize;
pub mod telemetry;
pub mod trace;

pub use backend::Iova;
pub use device::Device;
pub use error::{Code, Error, ErrorKind, Result};
pub use pci::Address;
pub use zerocopy;
