//! `DxgkCbSynchronizeExecution`: a routine serialized with the handler of a message, by the message's number.
//!
//! What carries over: the number selects the message, and must be 0 where the interrupt is line-based; a bad number is
//! told before a bad state; and there are two channels of result, whether the routine ran and what it returned.
//!
//! What differs (see [`crate::ddi`] for what all five have in common):
//! - The two channels are one `Result`: `Ok` carries the routine's BOOLEAN, so it cannot be read where there is none.
//!   [`Status::of`] says the same in the interface's three codes. Windows folds every refusal but a bad argument into
//!   one code, "possibly" not connected; the `Err` here says which it was.
//! - The device handle's state is a message's own: each message has a lock and a `T` behind it. The seed does not say
//!   whether the handlers of two messages may overlap in Windows; here they do.
//! - The interrupt routine and the DPC routine of a message are connected together; the interrupt routine queues the
//!   other by [`Event::defer`], in place of `DxgkCbQueueDpc` (wider documentation).
//!
//! ```
//! use dirql::ddi::dxgk::{DeviceHandle, Status, synchronize_execution};
//! use dirql::interrupt::{Handled, Mode};
//! # use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
//! # struct Silent;
//! # impl Model for Silent {
//! #     fn read(&mut self, _: &Bus, _: u8, _: u64, _: &mut [u8]) {}
//! #     fn write(&mut self, _: &Bus, _: u8, _: u64, _: &[u8]) {}
//! # }
//!
//! /// The `SynchronizeRoutine`: takes the fences that the handler has seen pass.
//! fn take(fences: &mut Vec<u64>, taken: &mut Vec<u64>) -> bool {
//!     taken.append(fences);
//!     !taken.is_empty()
//! }
//!
//! # fn main() -> dirql::Result<()> {
//! # let mut config = ModelConfig::new(0x1af4, 0x1110);
//! # config.msix = 2;
//! # let device = dirql::Device::from_backend(ModelBackend::new(config, Silent))?;
//! let mut handle = DeviceHandle::new(device.interrupts(Mode::Msix)?);
//! let interrupt = |fences: &mut Vec<u64>, event: dirql::interrupt::Event<'_>| {
//!     fences.push(event.count);
//!     event.defer();
//!     Handled::Yes
//! };
//! handle.connect(0, Vec::new(), interrupt, |_call| ())?;
//!
//! let mut taken = Vec::new();
//! assert!(!synchronize_execution(&handle, take, &mut taken, 0)?); // it ran, and there was nothing
//! let unconnected = synchronize_execution(&handle, take, &mut taken, 1);
//! assert_eq!(Status::of(&unconnected), Status::Unsuccessful);
//! let no_such_message = synchronize_execution(&handle, take, &mut taken, 2);
//! assert_eq!(Status::of(&no_such_message), Status::InvalidParameter);
//! # Ok(()) }
//! ```
//!
//! Source: seed `DXGKCB_SYNCHRONIZE_EXECUTION` (dispmprt.h).

use crate::Result;
use crate::interrupt::{Deferral, Event, Interrupts, IntoHandled, Vector};
use crate::synchronize::SyncError;

/// The interface's return codes, with the values of `NTSTATUS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Status {
    /// `STATUS_SUCCESS`: the routine ran.
    Success = 0,
    /// `STATUS_UNSUCCESSFUL`: it did not, for a reason that lies in the device's state; not connected yet, say.
    Unsuccessful = 0xc000_0001,
    /// `STATUS_INVALID_PARAMETER`: it did not, because there is no such message.
    InvalidParameter = 0xc000_000d,
}

impl Status {
    /// What the interface says of an outcome.
    pub fn of<R>(outcome: &Result<R, SyncError>) -> Self {
        match outcome {
            Ok(_) => Self::Success,
            Err(SyncError::InvalidVector) => Self::InvalidParameter,
            Err(_) => Self::Unsuccessful,
        }
    }
}

/// A started display adapter: its interrupts, and whoever is connected to them.
#[derive(Debug)]
pub struct DeviceHandle<T: Send + 'static> {
    interrupts: Interrupts,
    messages: Vec<Option<Vector<T>>>,
}

impl<T: Send + 'static> DeviceHandle<T> {
    /// A device whose interrupts are enabled, and not connected yet.
    pub fn new(interrupts: Interrupts) -> Self {
        let messages = std::iter::repeat_with(|| None).take(interrupts.count().into()).collect();
        Self { interrupts, messages }
    }

    /// Connects the interrupt routine and the DPC routine of a message, and moves `state` into its lock.
    ///
    /// # Errors
    /// As [`Interrupts::connect`].
    pub fn connect<H: IntoHandled>(
        &mut self,
        message_number: u32,
        state: T,
        interrupt_routine: impl FnMut(&mut T, Event<'_>) -> H + Send + 'static,
        dpc_routine: impl FnMut(&Deferral<'_, T>) + Send + 'static,
    ) -> Result<()> {
        // A number beyond those of PCI is that of no message.
        let index = u16::try_from(message_number).unwrap_or(u16::MAX);
        let vector = self.interrupts.vector(index, state).deferred(dpc_routine).connect(interrupt_routine)?;
        if let Some(slot) = self.messages.get_mut(usize::from(index)) {
            *slot = Some(vector);
        }
        Ok(())
    }

    /// The vector of a message, where one is connected: for its statistics, or to disconnect it.
    pub fn message(&self, message_number: u32) -> Option<&Vector<T>> {
        self.messages.get(usize::try_from(message_number).ok()?)?.as_ref()
    }
}

/// Runs `routine` once, on this thread, while the handler of the message and every other routine of it stand still;
/// and returns what it returned.
///
/// # Errors
/// `InvalidVector` for a number that no message has, and for any but 0 where the interrupt is line-based; then
/// `NotConnected` without a handler; else as [`Vector::synchronize`]. On every error `routine` has not run.
///
/// Source: `DxgkCbSynchronizeExecution` of dispmprt.h; R1 to R4.
pub fn synchronize_execution<T: Send + 'static, C: ?Sized>(
    device: &DeviceHandle<T>,
    routine: impl FnOnce(&mut T, &mut C) -> bool,
    context: &mut C,
    message_number: u32,
) -> Result<bool, SyncError> {
    let number = usize::try_from(message_number).map_err(|_| SyncError::InvalidVector)?;
    let vector = device.messages.get(number).ok_or(SyncError::InvalidVector)?;
    vector.as_ref().ok_or(SyncError::NotConnected)?.synchronize(|state| routine(state, context))
}
