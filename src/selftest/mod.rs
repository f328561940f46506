//! What every opened function can be tried for, whatever it is: the same on each backend.
//!
//! The command's `selftest` prints it, and the tests run it on the model: one conformance suite for all backends.
//!
//! Among the checks is every assertion of the kernel's own tests for VFIO, by the names that those have there.
//!
//! Source: `tools/testing/selftests/vfio/vfio_pci_device_test.c`, `vfio_dma_mapping_test.c` and
//! `vfio_dma_mapping_mmio_test.c` of Linux.

mod function;
mod interrupts;
mod mappings;
mod refusals;

use std::fmt;

use serde::Serialize;

use crate::{Device, Error, ErrorKind, Result};

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should.
    Pass,
    /// Not as it should.
    Fail,
    /// The function, or the machine, does not have what the check is for.
    Absent,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was tried.
    pub name: String,
    /// How it went.
    pub outcome: Outcome,
    /// What was seen.
    pub why: String,
}

impl Check {
    /// A check whose outcome is a result: what was seen, or the error.
    pub fn of(name: impl Into<String>, seen: Result<String>) -> Self {
        let (outcome, why) = match seen {
            Ok(seen) => (Outcome::Pass, seen),
            Err(error) => (Outcome::Fail, error.to_string()),
        };
        Self { name: name.into(), outcome, why }
    }

    /// A check of what the function does not have.
    pub fn absent(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Absent, why: why.into() }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Pass => "pass",
            Outcome::Fail => "FAIL",
            Outcome::Absent => "none",
        };
        write!(f, "{outcome}  {:<36}  {}", self.name, self.why)
    }
}

/// Tries the configuration space, each BAR, the loopback of every vector of every mode, DMA mappings, and reset.
///
/// Nothing may be connected or started; the device itself does nothing meanwhile.
pub fn run(device: &Device) -> Vec<Check> {
    let mut checks = function::configuration(device);
    checks.extend(function::bars(device));
    checks.extend(interrupts::every_mode(device));
    // Before any memory is taken from the pool, which stays mapped.
    checks.extend(mappings::all(device));
    checks.extend(refusals::all(device));
    checks.push(mappings::pooled(device));
    checks.extend(function::reset(device));
    checks
}

/// Compares the ids with those that the kernel reports of the function.
///
/// Source: `config_space_read_write` of `vfio_pci_device_test.c`.
pub fn compare_ids(device: &Device, vendor: u16, product: u16) -> [Check; 2] {
    function::compare_ids(device, vendor, product)
}

fn fail(device: &Device, what: &str, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Device, what).on(device.address()).why(why)
}
