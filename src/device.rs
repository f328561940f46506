//! One opened function: what keeps everything else alive.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::group::GroupBackend;
use crate::backend::{Backend, RegionIndex};
use crate::core::Core;
use crate::dma::{Dma, DmaMask, Probe};
use crate::interrupt::{ErrorEvent, ErrorSource, Interrupts, Request};
use crate::region::{Bar, Config};
use crate::release::ReleaseRequest;
use crate::{Address, Result};

/// A PCI function that this process has taken from the kernel.
///
/// Bars, DMA memory and interrupts keep the function open; when the last of them has gone, it is closed in order:
/// interrupts, bus mastering and reset, DMA mappings, BAR mappings, file descriptors.
///
/// The host may want it back before that: see [`crate::release`].
#[derive(Debug)]
pub struct Device {
    core: Arc<Core>,
}

impl Device {
    /// Opens the function at `address`, which is bound to vfio-pci (`dirql bind`).
    ///
    /// # Errors
    /// E1 to E8 of `docs/errors.md`, with the cause as far as the system tells it.
    pub fn open(address: Address) -> Result<Self> {
        Self::from_backend(GroupBackend::open(address)?)
    }

    /// The function that a backend reaches: a [model](crate::backend::model) in tests.
    ///
    /// # Errors
    /// Where the backend does not tell what its IOMMU allows, or the host could not be listened to.
    pub fn from_backend(backend: impl Backend + 'static) -> Result<Self> {
        Ok(Self { core: Core::open(backend)? })
    }

    /// Where the function sits.
    pub fn address(&self) -> Address {
        self.core.address()
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// How the function is reached.
    ///
    /// # Errors
    /// Where the device is gone, or, in a child of a fork, the parent's.
    pub fn backend(&self) -> Result<&dyn Backend> {
        self.core.backend()
    }

    /// The base address register `index`, 0 to 5: mapped where the kernel allows it, by calls elsewhere.
    ///
    /// # Errors
    /// `NotFound` where the function has no such BAR; E12 where it cannot be mapped.
    pub fn bar(&self, index: u8) -> Result<Bar> {
        Bar::open(self.core.clone(), RegionIndex(index.into()))
    }

    /// The configuration space.
    pub fn config(&self) -> Config {
        Config::new(self.core.clone())
    }

    /// Lets the device reach memory and send messages, or stops it. Off until a driver turns it on, which it does
    /// only after it has quieted what an earlier process left running.
    ///
    /// # Errors
    /// Where configuration space cannot be accessed.
    pub fn set_bus_master(&self, on: bool) -> Result<()> {
        self.config().set_bus_master(on)
    }

    /// DMA memory that the device reaches with so many address bits.
    pub fn dma(&self, mask: DmaMask) -> Dma {
        Dma::new(self.core.clone(), mask)
    }

    /// Mappings by hand, while nobody else maps.
    ///
    /// # Errors
    /// As [`Device::backend`].
    pub(crate) fn probe_dma(&self) -> Result<Probe<'_>> {
        Probe::new(self.core.backend()?, &self.core.pool)
    }

    /// Enables interrupts: [`crate::interrupt::Best`], or a [`crate::interrupt::Mode`].
    ///
    /// # Errors
    /// `Busy` while they are enabled already; E11 where the function or the host has none.
    pub fn interrupts(&self, request: impl Into<Request>) -> Result<Interrupts> {
        Interrupts::enable(self.core.clone(), request.into())
    }

    /// Connects `handler` to the device's error source, and moves `state` into its lock. Before the handler is called,
    /// the device is looked at: where it does not answer, every call and everybody who waits is told `DeviceGone`.
    ///
    /// # Errors
    /// `Precondition` (E11) where the function reports no errors; `Busy` where a handler is connected.
    pub fn error_source<T, F>(&self, state: T, handler: F) -> Result<ErrorSource<T>>
    where
        T: Send + 'static,
        F: FnMut(&mut T, ErrorEvent) + Send + 'static,
    {
        ErrorSource::connect(&self.core, state, handler)
    }

    /// Whether the host wants the device back: to look at, wait for, or be called.
    pub fn release_request(&self) -> ReleaseRequest {
        self.core.release_request().clone()
    }

    /// How long the program has to let go of the device once the host wants it back, instead of
    /// [`crate::release::GRACE`]. A longer one keeps whoever unbinds or unplugs the device waiting.
    pub fn set_release_grace(&self, grace: Duration) {
        self.core.release_request().set_grace(grace);
    }

    /// Whether [`Device::reset`] can do anything.
    pub fn resettable(&self) -> bool {
        self.core.resettable()
    }

    /// Resets the function. Many functions keep part of their state all the same: a driver checks its own registers.
    ///
    /// # Errors
    /// EINVAL where the function has no reset, or what the kernel says.
    pub fn reset(&self) -> Result<()> {
        self.core.backend()?.reset()
    }
}
