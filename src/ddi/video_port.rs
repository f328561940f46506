//! `VideoPortSynchronizeExecution`: a routine serialized with the adapter's interrupt, as far as its priority asks for
//! it; also on an adapter that has no interrupt.
//!
//! What carries over: only one of `HwVidSynchronizeExecutionCallback` and `HwVidInterrupt` updates what they share at a
//! time; the callback's BOOLEAN comes back; an adapter that raises no interrupts may use it too; and, by the wider
//! documentation, there are three priorities, `VpLowPriority`, `VpMediumPriority` and `VpHighPriority`, here [`Priority`].
//!
//! What differs (see [`crate::ddi`] for what all five have in common):
//! - `Low` is not serialized, in Windows and here. So at `Low` the callback is not handed the extension, which it could
//!   meet the handler in: it gets `None`, and works on its context alone, undisturbed by signals.
//! - `Medium` and `High` are the same: a process has one level above its threads, not two.
//! - In Windows, with no interrupt connected, both fall back to `Low` (wider documentation), and a callback that runs
//!   before the interrupt is connected is not serialized and not told. Here that is `NotConnected`. It falls back
//!   nowhere: an adapter without interrupts is declared, by [`Adapter::without_interrupts`], and its extension has a
//!   lock of its own, so that callbacks on several threads don't meet each other either.
//! - The callback may be pageable, and may take a page fault; the handler waits meanwhile.
//!
//! ```
//! use dirql::ddi::video_port::{Adapter, synchronize_execution};
//! use dirql::interrupt::{Best, Handled, Priority};
//! use dirql::synchronize::SyncError;
//! # use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
//! # struct Silent;
//! # impl Model for Silent {
//! #     fn read(&mut self, _: &Bus, _: u8, _: u64, _: &mut [u8]) {}
//! #     fn write(&mut self, _: &Bus, _: u8, _: u64, _: &[u8]) {}
//! # }
//!
//! /// The HwDeviceExtension: the cursor that the next vertical blank will show.
//! #[derive(Default)]
//! struct Extension {
//!     cursor: Option<(u16, u16)>,
//! }
//!
//! /// The HwVidSynchronizeExecutionCallback: false where there is no extension to be had.
//! fn move_cursor(extension: Option<&mut Extension>, to: &mut (u16, u16)) -> bool {
//!     extension.map(|extension| extension.cursor = Some(*to)).is_some()
//! }
//!
//! # fn main() -> dirql::Result<()> {
//! # let mut config = ModelConfig::new(0x1234, 0x1111);
//! # config.msi = 1;
//! # let device = dirql::Device::from_backend(ModelBackend::new(config, Silent))?;
//! # let other = dirql::Device::from_backend(ModelBackend::new(ModelConfig::new(0x1234, 0x1111), Silent))?;
//! let mut adapter = Adapter::new(device.interrupts(Best)?);
//! let early = synchronize_execution(&adapter, Priority::High, &mut (3, 4), move_cursor);
//! assert_eq!(early, Err(SyncError::NotConnected));
//!
//! adapter.connect(Extension::default(), |extension, _event| {
//!     match extension.cursor.take() {
//!         Some(_to) => Handled::Yes, // to the registers with it
//!         None => Handled::No,
//!     }
//! })?;
//! assert!(synchronize_execution(&adapter, Priority::High, &mut (3, 4), move_cursor)?);
//! assert!(!synchronize_execution(&adapter, Priority::Low, &mut (3, 4), move_cursor)?);
//!
//! // An adapter that raises none.
//! let silent = Adapter::without_interrupts(&other, Extension::default())?;
//! assert!(synchronize_execution(&silent, Priority::Medium, &mut (3, 4), move_cursor)?);
//! # Ok(()) }
//! ```
//!
//! Source: seed `PMINIPORT_SYNCHRONIZE_ROUTINE` (video.h).

use crate::interrupt::{Event, Interrupts, IntoHandled, NoInterrupts, Priority, Vector};
use crate::synchronize::{Protected, Rank, SyncError};
use crate::{Device, Result};

/// A video adapter, with the device extension in its lock. It has one interrupt, or none.
#[derive(Debug)]
pub struct Adapter<E: Send + 'static> {
    interrupts: Interrupts,
    extension: Extension<E>,
}

/// Whose lock the device extension is in.
#[derive(Debug)]
enum Extension<E: Send + 'static> {
    /// The adapter has an interrupt, which is not connected yet.
    Unconnected,
    /// The interrupt's.
    Interrupt(Vector<E>),
    /// Its own: the adapter has no interrupt.
    Alone(Protected<E>),
}

impl<E: Send + 'static> Adapter<E> {
    /// An adapter whose interrupt is enabled, and not connected yet.
    pub fn new(interrupts: Interrupts) -> Self {
        Self { interrupts, extension: Extension::Unconnected }
    }

    /// An adapter that is declared to raise no interrupts.
    ///
    /// # Errors
    /// `Busy` where interrupts of the device are enabled.
    pub fn without_interrupts(device: &Device, extension: E) -> Result<Self> {
        let interrupts = device.interrupts(NoInterrupts)?;
        let extension = Extension::Alone(Protected::new(Rank::next(), extension));
        Ok(Self { interrupts, extension })
    }

    /// Connects `hw_vid_interrupt` to the adapter's interrupt, and moves `extension` into its lock.
    ///
    /// # Errors
    /// As [`Interrupts::connect`]; `InvalidArgument` on an adapter without interrupts.
    pub fn connect<H: IntoHandled>(
        &mut self,
        extension: E,
        hw_vid_interrupt: impl FnMut(&mut E, Event<'_>) -> H + Send + 'static,
    ) -> Result<()> {
        let vector = self.interrupts.connect(0, extension, hw_vid_interrupt)?;
        self.extension = Extension::Interrupt(vector);
        Ok(())
    }

    /// The vector of the interrupt, where it is connected: for its statistics, or to disconnect it.
    pub fn interrupt(&self) -> Option<&Vector<E>> {
        match &self.extension {
            Extension::Interrupt(vector) => Some(vector),
            Extension::Unconnected | Extension::Alone(_) => None,
        }
    }
}

/// Runs `callback` once, on this thread, and returns what it returned. At `Medium` and `High` it is handed the
/// extension, while `HwVidInterrupt` and every other such callback stand still; at `Low` it is serialized with nothing,
/// is not handed the extension, and no signal diverts it.
///
/// # Errors
/// At `Medium` and `High`, `NotConnected` where the adapter's interrupt is not connected, else as
/// [`Vector::synchronize`]; at `Low`, `Forked` and `DeviceGone`. On every error `callback` has not run.
///
/// Source: `VideoPortSynchronizeExecution` of video.h; R1, R4 and R9.
pub fn synchronize_execution<E: Send + 'static, C: ?Sized>(
    device: &Adapter<E>,
    priority: Priority,
    context: &mut C,
    callback: impl FnOnce(Option<&mut E>, &mut C) -> bool,
) -> Result<bool, SyncError> {
    match (&device.extension, priority) {
        (_, Priority::Low) => device.interrupts.synchronize_at(priority, 0, || callback(None, context)),
        (Extension::Unconnected, _) => Err(SyncError::NotConnected),
        (Extension::Interrupt(vector), _) => {
            vector.synchronize(|extension| callback(Some(extension), context))
        }
        (Extension::Alone(protected), _) => device
            .interrupts
            .synchronize_at(priority, 0, || {
                protected.synchronize(|extension| callback(Some(extension), context))
            })
            .flatten(),
    }
}
