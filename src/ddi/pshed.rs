//! `PshedSynchronizeExecution`: a routine serialized with the hardware error handler of an error source.
//!
//! The error source is the device's [`ErrorSource`]: what PCI Express reports of it, by VFIO's error interrupt. What
//! carries over: it is synchronized with the handler of *errors*, not with a vector; the handler's lock is taken, the
//! routine runs, and its BOOLEAN comes back.
//!
//! What differs (see [`crate::ddi`] for what all five have in common):
//! - In Windows the source is the platform's (a bank of machine checks, a root port), named by a descriptor, and the
//!   caller a plug-in. Here it is one device's, and the caller its driver.
//! - The lock guards the error handler's state, and only that. What a vector's handler shares with the error handler
//!   lives here: the error source comes after every vector in lock order, so that the vector's handler may enter this
//!   section, and the reverse is `LockOrder`.
//! - The caller may be at any level up to the handler's; here on any thread, but not in the handler, which is in the
//!   section already: `Reentrant`.
//! - Before the handler is called, the device is looked at. Once it is found gone, a call is told `DeviceGone`; what the
//!   handler saved of it is handed out by [`ErrorSource::disconnect`].
//!
//! ```
//! use dirql::ddi::pshed;
//! # use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
//! # use dirql::synchronize::Completion;
//! # struct Silent;
//! # impl Model for Silent {
//! #     fn read(&mut self, _: &Bus, _: u8, _: u64, _: &mut [u8]) {}
//! #     fn write(&mut self, _: &Bus, _: u8, _: u64, _: &[u8]) {}
//! # }
//!
//! /// What the error handler counts, and for how much of it the driver has answered.
//! #[derive(Default)]
//! struct Errors {
//!     seen: u64,
//!     answered: u64,
//! }
//!
//! /// The `SynchronizeRoutine`: whether there was anything new, and how much.
//! fn answer(errors: &mut Errors, fresh: &mut u64) -> bool {
//!     *fresh = errors.seen - errors.answered;
//!     errors.answered = errors.seen;
//!     *fresh > 0
//! }
//!
//! # fn main() -> dirql::Result<()> {
//! # let mut config = ModelConfig::new(0x1af4, 0x1110);
//! # config.error = true;
//! # let backend = ModelBackend::new(config, Silent);
//! # let bus = backend.bus();
//! # let device = dirql::Device::from_backend(backend)?;
//! # let handled = Completion::new();
//! # let told = handled.clone();
//! let source = device.error_source(Errors::default(), move |errors, event| {
//!     errors.seen += event.count;
//! #   told.complete();
//! })?;
//! let mut fresh = 0;
//! assert!(!pshed::synchronize_execution(&source, answer, &mut fresh)?);
//! # bus.raise_error();
//! # assert!(handled.wait(std::time::Duration::from_secs(20)));
//! // The device reports an error; then:
//! assert!(pshed::synchronize_execution(&source, answer, &mut fresh)?);
//! assert_eq!(fresh, 1);
//! # Ok(()) }
//! ```
//!
//! Source: seed `PshedSynchronizeExecution` (ntddk.h).

use crate::interrupt::ErrorSource;
use crate::synchronize::SyncError;

/// Runs `routine` once, on this thread, while the handler of the device's errors and every other routine of it stand
/// still; and returns what it returned.
///
/// # Errors
/// As [`crate::interrupt::Vector::synchronize`]; on every error `routine` has not run.
///
/// Source: `PshedSynchronizeExecution` of ntddk.h; R1, R4 and R29.
pub fn synchronize_execution<T: Send + 'static, C: ?Sized>(
    error_source: &ErrorSource<T>,
    routine: impl FnOnce(&mut T, &mut C) -> bool,
    context: &mut C,
) -> Result<bool, SyncError> {
    error_source.synchronize(|state| routine(state, context))
}
