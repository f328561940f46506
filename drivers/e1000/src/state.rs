//! What the handler of the causes that are no queue's owns: it lives inside the vector, and nothing reaches it but in a
//! section.

use dirql::class::net::napi::Schedule;
use dirql::interrupt::Handled;
use dirql::region::Bar;
use dirql::synchronize::Completion;
use dirql::{Error, ErrorKind, Result};

use crate::filter::Filters;
use crate::link::Link;
use crate::register::{ICR, INT_LSC, INT_MDAC, INT_RXO};
use crate::wiring::Wiring;

/// The link and the filters.
#[derive(Debug)]
pub struct State {
    pub bar: Bar,
    pub link: Link,
    pub filters: Filters,
    /// How often the chip had to put a frame off because it had no buffer.
    pub overruns: u64,
    /// Why the handler gave up.
    pub failure: Option<Error>,
    /// What it is called for.
    causes: u32,
    /// What is written back to ICR.
    acknowledged: u32,
    /// Its vector is also a queue's, whose causes clear themselves before they can be read.
    is_shared: bool,
    schedules: Vec<Schedule>,
    provoked: Completion,
}

impl State {
    /// The state of a chip that stands still. `schedules` are told of every interrupt, `provoked` of the one that the
    /// self-test causes.
    ///
    /// # Errors
    /// Where the link cannot be read.
    pub fn new(
        bar: Bar,
        wiring: &Wiring,
        filters: Filters,
        schedules: Vec<Schedule>,
        provoked: Completion,
    ) -> Result<Self> {
        let queues = 0..schedules.len() as u16;
        let of_queues = queues.clone().filter_map(|queue| wiring.causes(queue));
        Ok(Self {
            link: Link::new(&bar)?,
            filters,
            overruns: 0,
            failure: None,
            causes: of_queues.fold(INT_LSC | INT_RXO | INT_MDAC | wiring.standing(), |all, causes| {
                all | causes.received | causes.sent
            }),
            acknowledged: wiring.acknowledged(),
            is_shared: wiring.acknowledged() != 0
                && queues.into_iter().any(|queue| wiring.serves(wiring.other(), queue)),
            schedules,
            provoked,
            bar,
        })
    }

    /// The interrupt handler. Reading ICR clears the causes, so that the line drops; or writing them back does.
    pub fn handle(&mut self) -> Result<Handled> {
        let outcome = self.try_handle();
        if let Err(error) = &outcome {
            // Nothing more will come; who waits learns why.
            self.failure = Some(error.clone());
            self.schedules.iter().for_each(|schedule| schedule.fail(error.clone()));
        }
        outcome
    }

    fn try_handle(&mut self) -> Result<Handled> {
        let causes = self.bar.read(ICR)?;
        if causes == u32::MAX {
            return Err(Error::new(ErrorKind::Device, "handling of an interrupt")
                .why(format!("register {ICR} reads as all ones: the device no longer answers")));
        }
        if causes & self.acknowledged != 0 {
            // Before anything is looked at: a change after this raises the cause again.
            self.bar.write(ICR, causes & self.acknowledged)?;
        }
        if causes & self.causes == 0 && !self.is_shared {
            return Ok(Handled::No);
        }
        if causes & INT_LSC != 0 {
            self.link.look(&self.bar)?;
        }
        if causes & INT_RXO != 0 {
            self.overruns += 1;
        }
        if causes & INT_MDAC != 0 {
            self.provoked.complete();
        }
        self.schedules.iter().for_each(Schedule::schedule);
        Ok(Handled::Yes)
    }
}

/// What the handler of a queue's vector owns: whom it wakes. The chip is not touched.
#[derive(Debug)]
pub struct Wake(pub Vec<Schedule>);

impl Wake {
    /// The interrupt handler.
    pub fn handle(&mut self) -> Handled {
        self.0.iter().for_each(Schedule::schedule);
        Handled::Yes
    }
}
