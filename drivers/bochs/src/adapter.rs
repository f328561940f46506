//! The adapter: registers that are reached at a priority, as a video port has it for adapters without interrupts.
//!
//! - [`Adapter::low`] is for what stands alone: a read of the EDID, of one register. It waits for nobody.
//! - [`Adapter::medium`] is for a page flip: one register, and the note of what it holds. It must not fall into a mode set.
//! - [`Adapter::high`] is for a sequence of which no part may be seen: a mode set, and turning the display off.
//!
//! Medium and high exclude each other, and themselves, by the lock that owns [`Dispi`]. On no level does a signal divert the
//! routine.

use dirql::Result;
use dirql::interrupt::{Interrupts, Priority};
use dirql::region::{Bar, Register, Value};
use dirql::synchronize::{Protected, Rank};

use crate::dispi::Dispi;

/// The registers, and the lock of whoever changes them.
#[derive(Debug)]
pub struct Adapter {
    /// Declared to be none.
    interrupts: Interrupts,
    dispi: Protected<Dispi>,
    registers: Registers,
}

/// The registers to look at.
#[derive(Debug)]
pub struct Registers(Bar);

impl Registers {
    /// Reads a register.
    ///
    /// # Errors
    /// As [`Bar::read`].
    pub fn read<T: Value>(&self, register: Register<T>) -> Result<T> {
        self.0.read(register)
    }

    pub(crate) fn bar(&self) -> &Bar {
        &self.0
    }
}

impl Adapter {
    /// Of a device whose interrupts are declared to be none.
    pub(crate) fn new(interrupts: Interrupts, bar: Bar) -> Self {
        let dispi = Protected::new(Rank::next(), Dispi::new(bar.clone()));
        Self { interrupts, dispi, registers: Registers(bar) }
    }

    /// Looks at registers, whoever changes them meanwhile.
    ///
    /// # Errors
    /// Where the device is gone, or the parent's; those of `routine`.
    pub fn low<R>(&self, routine: impl FnOnce(&Registers) -> Result<R>) -> Result<R> {
        self.interrupts.synchronize_at(Priority::Low, 0, || routine(&self.registers))?
    }

    /// Changes one register, alone.
    ///
    /// # Errors
    /// As [`Adapter::low`]; where a routine has panicked before; where this thread is in one already.
    pub fn medium<R>(&self, routine: impl FnOnce(&mut Dispi) -> Result<R>) -> Result<R> {
        self.alone(Priority::Medium, routine)
    }

    /// Changes registers of which nobody may see some changed and some not.
    ///
    /// # Errors
    /// As [`Adapter::medium`].
    pub fn high<R>(&self, routine: impl FnOnce(&mut Dispi) -> Result<R>) -> Result<R> {
        self.alone(Priority::High, routine)
    }

    fn alone<R>(&self, priority: Priority, routine: impl FnOnce(&mut Dispi) -> Result<R>) -> Result<R> {
        self.interrupts.synchronize_at(priority, 0, || self.dispi.synchronize(routine))??
    }
}
