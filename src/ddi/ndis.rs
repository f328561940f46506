//! `NdisMSynchronizeWithInterruptEx`: a routine serialized with the handler of a message, or of all of them.
//!
//! What carries over: a miniport registers one handler and one DPC handler for all messages, and each call is told
//! which message it is for; the message id selects the handler to be serialized with, and is ignored where the
//! interrupt is line-based; the routine's BOOLEAN comes back; and `MsiSyncWithAllMessages` puts all handlers, and all
//! routines, behind one lock.
//!
//! What differs (see [`crate::ddi`] for what all five have in common):
//! - The interrupt context is in the locks: one for each message, or one in all where they share the lock. In Windows
//!   all messages get the same pointer either way, and a miniport that forgot `MsiSyncWithAllMessages` races with
//!   itself. Here that miniport has no common state to race on.
//! - `MiniportInterrupt` and `MiniportMessageInterrupt` are one handler, because [`Event`] tells the message and how it
//!   came. It queues the DPC by [`Event::defer`]; there is no mask of target processors.
//! - The DPC handler reaches the context by [`Deferral::synchronize`].
//! - What routines share among themselves but not with a handler wants an ordinary lock, as the seed says: a
//!   `std::sync::Mutex`, or a [`Protected`] where lock order is to be checked.
//! - A message id is checked also where all messages share a lock.
//! - Interrupts may come from the moment of registration, in Windows as here.
//!
//! The seed describes the routine, its level and its BOOLEAN. Message ids, registration, DPCs and
//! `MsiSyncWithAllMessages` are of the wider documentation.
//!
//! ```
//! use dirql::ddi::ndis::{self, InterruptCharacteristics};
//! use dirql::interrupt::{Best, Event, Handled};
//! # use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
//! # struct Silent;
//! # impl Model for Silent {
//! #     fn read(&mut self, _: &Bus, _: u8, _: u64, _: &mut [u8]) {}
//! #     fn write(&mut self, _: &Bus, _: u8, _: u64, _: &[u8]) {}
//! # }
//! # fn main() -> dirql::Result<()> {
//! # let mut config = ModelConfig::new(0x1af4, 0x1110);
//! # config.msix = 2;
//! # let device = dirql::Device::from_backend(ModelBackend::new(config, Silent))?;
//!
//! #[derive(Default)]
//! struct Queue {
//!     interrupts: u64,
//!     moderation: u32,
//! }
//!
//! let characteristics = InterruptCharacteristics::new(|queue: &mut Queue, event: Event<'_>| {
//!     queue.interrupts += event.count;
//!     event.defer();
//!     Handled::Yes
//! })
//! .dpc_handler(|call| {
//!     if let Ok(interrupts) = call.synchronize(|queue| std::mem::take(&mut queue.interrupts)) {
//!         println!("queue {}: {interrupts} interrupts", call.index());
//!     }
//! });
//! let interrupt =
//!     ndis::register_interrupt_ex(device.interrupts(Best)?, characteristics, |_message_id| Queue::default())?;
//!
//! // MiniportSynchronizeInterrupt: whether the moderation had to be changed.
//! let set = |queue: &mut Queue, wanted: &mut u32| std::mem::replace(&mut queue.moderation, *wanted) != *wanted;
//! assert!(ndis::synchronize_with_interrupt_ex(&interrupt, 1, set, &mut 50)?);
//! assert!(!ndis::synchronize_with_interrupt_ex(&interrupt, 1, set, &mut 50)?);
//! ndis::deregister_interrupt_ex(interrupt)?;
//! # Ok(()) }
//! ```
//!
//! [`Protected`]: crate::synchronize::Protected
//!
//! Source: seed `MINIPORT_SYNCHRONIZE_INTERRUPT` (ndis.h).

use std::sync::Arc;

use crate::Result;
use crate::interrupt::{Deferral, Event, Handled, Interrupts, IntoHandled, Mode, Vector};
use crate::synchronize::SyncError;

type InterruptHandler<T> = dyn Fn(&mut T, Event<'_>) -> Result<Handled> + Send + Sync;
type DpcHandler<T> = dyn Fn(&Deferral<'_, T>) + Send + Sync;

/// How a miniport serves its interrupts: `NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS`.
#[must_use = "nothing is connected before `register_interrupt_ex`"]
pub struct InterruptCharacteristics<T: Send + 'static> {
    interrupt_handler: Arc<InterruptHandler<T>>,
    dpc_handler: Option<Arc<DpcHandler<T>>>,
    sync_with_all_messages: bool,
}

impl<T: Send + 'static> InterruptCharacteristics<T> {
    /// With this handler for each message, or for the line.
    pub fn new<H: IntoHandled>(
        interrupt_handler: impl Fn(&mut T, Event<'_>) -> H + Send + Sync + 'static,
    ) -> Self {
        let interrupt_handler = Arc::new(move |context: &mut T, event: Event<'_>| {
            interrupt_handler(context, event).into_handled()
        });
        Self { interrupt_handler, dpc_handler: None, sync_with_all_messages: false }
    }

    /// And this routine for what the handler defers. Calls for different messages may overlap.
    pub fn dpc_handler(mut self, dpc_handler: impl Fn(&Deferral<'_, T>) + Send + Sync + 'static) -> Self {
        self.dpc_handler = Some(Arc::new(dpc_handler));
        self
    }

    /// One lock and one context for all messages: no two of their handlers and routines overlap. Otherwise each message
    /// has its own.
    pub fn sync_with_all_messages(mut self, all: bool) -> Self {
        self.sync_with_all_messages = all;
        self
    }
}

/// The registered interrupts of a miniport. Dropped, it deregisters them.
#[derive(Debug)]
pub struct Interrupt<T: Send + 'static> {
    messages: Vec<Vector<T>>,
    mode: Option<Mode>,
}

impl<T: Send + 'static> Interrupt<T> {
    /// The vectors, by message id: for their statistics, or to make one inactive.
    pub fn messages(&self) -> &[Vector<T>] {
        &self.messages
    }
}

/// Connects all messages, or the line. `context` makes what the handler of a message works on; where all share a lock,
/// it is asked once, for message 0.
///
/// # Errors
/// As [`Interrupts::connect`]; then none is connected.
///
/// Source: `NdisMRegisterInterruptEx` of ndis.h.
pub fn register_interrupt_ex<T: Send + 'static>(
    mut interrupts: Interrupts,
    characteristics: InterruptCharacteristics<T>,
    mut context: impl FnMut(u32) -> T,
) -> Result<Interrupt<T>> {
    let InterruptCharacteristics { interrupt_handler, dpc_handler, sync_with_all_messages } = characteristics;
    let all: Vec<u16> = (0..interrupts.count()).collect();
    let shared = if sync_with_all_messages { Some(interrupts.group(&all, context(0))?) } else { None };
    let mut messages = Vec::with_capacity(all.len());
    for index in all {
        let mut builder = match &shared {
            Some(group) => interrupts.vector_in(group, index),
            None => interrupts.vector(index, context(index.into())),
        };
        if let Some(dpc_handler) = dpc_handler.clone() {
            builder = builder.deferred(move |call| dpc_handler(call));
        }
        let interrupt_handler = interrupt_handler.clone();
        messages.push(builder.connect(move |context, event| interrupt_handler(context, event))?);
    }
    Ok(Interrupt { messages, mode: interrupts.mode() })
}

/// Disconnects all messages. Once it has returned, no handler, DPC or routine runs.
///
/// # Errors
/// As [`Vector::disconnect`], of the first message that could not be waited for; the others are disconnected.
///
/// Source: `NdisMDeregisterInterruptEx` of ndis.h; R27.
pub fn deregister_interrupt_ex<T: Send + 'static>(interrupt: Interrupt<T>) -> Result<(), SyncError> {
    let outcomes: Vec<_> = interrupt.messages.iter().map(|message| message.disconnect().map(drop)).collect();
    outcomes.into_iter().collect()
}

/// Runs `routine` once, on this thread, while the handler of the message and every other routine of it stand still,
/// or of all messages where they share a lock; and returns what it returned. The id is ignored where the interrupt is
/// line-based.
///
/// # Errors
/// `InvalidVector` for an id that no message has; else as [`Vector::synchronize`]. On every error `routine` has not run.
///
/// Source: `NdisMSynchronizeWithInterruptEx` of ndis.h; R1 to R4 and R11.
pub fn synchronize_with_interrupt_ex<T: Send + 'static, C: ?Sized>(
    interrupt: &Interrupt<T>,
    message_id: u32,
    routine: impl FnOnce(&mut T, &mut C) -> bool,
    context: &mut C,
) -> Result<bool, SyncError> {
    let id = if interrupt.mode == Some(Mode::Intx) { 0 } else { message_id };
    let message = usize::try_from(id).ok().and_then(|id| interrupt.messages.get(id));
    message.ok_or(SyncError::InvalidVector)?.synchronize(|state| routine(state, context))
}
