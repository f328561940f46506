//! TAP interfaces: network interfaces of the kernel, of which a program is the cable.
//!
//! In reading order: a [`Tap`] is the interface, a [`TapQueue`] one of its queues, through which frames go; [`header`] is
//! what stands before each frame where the kernel leaves checksums and segments to others. `ioctl` is the way to the
//! kernel, and alone unsafe.
//!
//! Source: the kernel's `Documentation/networking/tuntap.rst`, `include/uapi/linux/if_tun.h`, `drivers/net/tun.c`.

pub mod header;
mod interface;
mod ioctl;
mod queue;

pub use interface::{Options, Tap};
pub use queue::TapQueue;
