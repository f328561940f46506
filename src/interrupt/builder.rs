//! How a vector is to be served, and its connection.

use std::sync::Arc;

use super::connection::{Connection, Ownership};
use super::controller::Controller;
use super::deferred::{Deferral, Routine};
use super::delivery::{self, Handler, Service};
use super::source::Source;
use super::{Event, IntoHandled, Mode, StormLimit, Vector, Wait};
use crate::synchronize::{Scheduling, SyncError};
use crate::{Error, ErrorKind, Result};

/// A vector on its way to be connected: how it is to be served, and at last its handler.
///
/// ```no_run
/// # use dirql::interrupt::{Handled, Interrupts, Wait};
/// # use std::time::Duration;
/// # fn connect(mut interrupts: Interrupts, bar: dirql::region::Bar) -> dirql::Result<()> {
/// # const CAUSE: dirql::region::Register<u32> = dirql::region::Register::new(0, "CAUSE");
/// let vector = interrupts
///     .vector(0, 0_u32)
///     .wait(Wait::Adaptive { spin: Duration::from_micros(50) })
///     .deferred(|call| {
///         if let Ok(causes) = call.synchronize(std::mem::take) {
///             println!("causes {causes:#x}"); // the slow part, outside of any section
///         }
///     })
///     .connect(move |causes, event| -> dirql::Result<Handled> {
///         *causes |= bar.read(CAUSE)?;
///         event.defer();
///         Ok(Handled::Yes)
///     })?;
/// # Ok(()) }
/// ```
#[must_use = "nothing is connected before `connect`"]
pub struct VectorBuilder<'a, T: Send + 'static> {
    controller: &'a Arc<Controller>,
    index: u16,
    state: Result<Ownership<T>>,
    wait: Wait,
    storm_limit: StormLimit,
    scheduling: Option<Scheduling>,
    deferred: Option<Routine<T>>,
}

impl<'a, T: Send + 'static> VectorBuilder<'a, T> {
    pub(super) fn new(controller: &'a Arc<Controller>, index: u16, state: Result<Ownership<T>>) -> Self {
        let (wait, storm_limit) = (Wait::default(), StormLimit::default());
        Self { controller, index, state, wait, storm_limit, scheduling: None, deferred: None }
    }

    /// How the vector's thread waits; [`Wait::Block`] unless told otherwise.
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// When the vector is quieted for calls that find nothing to do; 1000 in a row within a second unless told
    /// otherwise.
    pub fn storm_limit(mut self, limit: StormLimit) -> Self {
        self.storm_limit = limit;
        self
    }

    /// How the kernel schedules the vector's thread: its real-time priority, its processors. In a group, the thread runs
    /// at the highest priority that any vector of the group has asked for, as all of them do.
    pub fn scheduling(mut self, scheduling: Scheduling) -> Self {
        self.scheduling = Some(scheduling);
        self
    }

    /// What the handler has no time for: it runs on a thread of its own, named `dirql/<address>+<index>`, once for each
    /// [`Event::defer`] that answered true, and never twice at once. It holds no lock.
    pub fn deferred(mut self, routine: impl FnMut(&Deferral<'_, T>) + Send + 'static) -> Self {
        self.deferred = Some(Box::new(routine));
        self
    }

    /// Connects `handler`: see [`super::Interrupts::connect`].
    ///
    /// # Errors
    /// As there; `Permission` where the thread may not be scheduled as wanted.
    pub fn connect<F, H>(self, mut handler: F) -> Result<Vector<T>>
    where
        F: FnMut(&mut T, Event<'_>) -> H + Send + 'static,
        H: IntoHandled,
    {
        let Self { controller, index, state, wait, storm_limit, scheduling, deferred } = self;
        let mode = vacant(controller, index)?;
        let service = Service { wait, storm_limit, scheduling, deferred };
        connect(controller, Source::Vector(mode, index), state?, service, move |state, count, deferred| {
            handler(state, Event { vector: index, mode, count, deferred }).into_handled()
        })
    }
}

/// The mode of a vector that nobody is connected to.
fn vacant(controller: &Controller, index: u16) -> Result<Mode> {
    let address = controller.address();
    match (controller.slots().get(index), controller.mode()) {
        (Err(SyncError::NotConnected), Some(mode)) => Ok(mode),
        (Err(error), _) => Err(Error::from(error).on(address)),
        (Ok(_), _) => Err(Error::new(ErrorKind::Busy, format!("connecting of vector {index}"))
            .on(address)
            .why("a handler is connected to it")),
    }
}

/// Whether the connection's state is there, and its lock has its place in lock order for itself.
fn is_fit<T: Send + 'static>(connection: &Connection<T>) -> Result<()> {
    let refuse = |why: &str| {
        Err(Error::new(ErrorKind::InvalidArgument, format!("connecting of {}", connection.source))
            .on(connection.controller.address())
            .why(why))
    };
    if !connection.has_state()? {
        return refuse("the state of its lock group has been taken out");
    }
    let others = connection.controller.slots().connected();
    if others.iter().any(|other| other.member().stands_in_the_way_of(connection.state.member())) {
        return refuse("a lock group with the same first vector is in use: it belongs into that");
    }
    Ok(())
}

/// Connects: eventfd, threads, state, and only then the kernel's trigger.
pub fn connect<T: Send + 'static>(
    controller: &Arc<Controller>,
    source: Source,
    state: Ownership<T>,
    service: Service<T>,
    handler: impl Handler<T>,
) -> Result<Vector<T>> {
    let fail = |error: &std::io::Error, what: &str| Error::io(error, what).on(controller.address());
    let connection = Connection::new(controller.clone(), source, state, service.deferred.is_some())
        .map_err(|error| fail(&error, "making of an eventfd"))?;
    let connection = Arc::new(connection);
    is_fit(&connection)?;
    let scheduling = service.scheduling.clone();
    let thread = delivery::spawn(connection.clone(), service, handler)
        .map_err(|error| fail(&error, "start of a vector's thread"))?;
    let vector = Vector::new(connection.clone(), thread);
    controller.slots().enter(source.index(), connection.clone());
    // On an error the vector is dropped, which ends its threads.
    connection.schedule(scheduling.as_ref())?;
    connection.attach()?;
    Ok(vector)
}
