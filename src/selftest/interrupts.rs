//! Every vector of every mode, raised through the kernel: `enable_trigger_disable` of `vfio_pci_irq_test`.

use std::time::{Duration, Instant};

use super::{Check, fail};
use crate::interrupt::{Handled, Interrupts, Mode, Vector};
use crate::synchronize::Completion;
use crate::{Device, Result};

/// How long a vector may take to arrive, and a mode to be switched off.
const ARRIVAL: Duration = Duration::from_secs(2);

/// A vector, and whether it has arrived. Its state counts.
type Watched = (Vector<u64>, Completion);

/// Tries INTx, MSI and MSI-X.
pub fn every_mode(device: &Device) -> Vec<Check> {
    [Mode::Intx, Mode::Msi, Mode::Msix].into_iter().flat_map(|mode| one(device, mode)).collect()
}

fn one(device: &Device, mode: Mode) -> [Check; 3] {
    let name = |what: &str| format!("vfio_pci_irq_test {mode}: {what}");
    if let Ok(0) = device.backend().and_then(|backend| backend.irq(mode.irq())).map(|info| info.count) {
        return ["enable", "trigger", "disable"]
            .map(|what| Check::absent(name(what), "the function has none"));
    }
    let (interrupts, vectors) = match enable(device, mode) {
        Ok(enabled) => enabled,
        Err(error) => {
            let absent = |what| Check::absent(name(what), "it was not enabled");
            return [Check::of(name("enable"), Err(error)), absent("trigger"), absent("disable")];
        }
    };
    let enabled = Check::of(name("enable"), Ok(format!("vectors: {}", vectors.len())));
    let triggered = Check::of(name("trigger"), trigger(device, &interrupts, &vectors));
    drop((vectors, interrupts));
    [enabled, triggered, Check::of(name("disable"), disabled(device, mode))]
}

/// Enables the mode, and connects a handler to each vector.
fn enable(device: &Device, mode: Mode) -> Result<(Interrupts, Vec<Watched>)> {
    let mut interrupts = device.interrupts(mode)?;
    let mut vectors = Vec::new();
    for index in 0..interrupts.count() {
        let arrived = Completion::new();
        let raised = arrived.clone();
        let vector = interrupts.connect(index, 0_u64, move |seen, event| {
            *seen += event.count;
            raised.complete();
            Handled::Yes
        })?;
        vectors.push((vector, arrived));
    }
    Ok((interrupts, vectors))
}

/// Raises each, and counts what arrives at its handler.
fn trigger(device: &Device, interrupts: &Interrupts, vectors: &[Watched]) -> Result<String> {
    for (vector, arrived) in vectors {
        interrupts.fire(vector.index())?;
        if !arrived.wait(ARRIVAL) {
            let why = format!("vector {} did not arrive within {} s", vector.index(), ARRIVAL.as_secs());
            return Err(fail(device, "loopback", why));
        }
    }
    for (vector, _) in vectors {
        let seen = vector.synchronize(|seen| *seen)?;
        if seen != 1 {
            return Err(fail(device, "loopback", format!("vector {} arrived {seen} times", vector.index())));
        }
    }
    Ok(format!("vectors: {}, each arrived once", vectors.len()))
}

/// What is disabled cannot be raised: the kernel refuses it, once the last thread has let go.
fn disabled(device: &Device, mode: Mode) -> Result<String> {
    let deadline = Instant::now() + ARRIVAL;
    while device.backend()?.fire(mode.irq(), 0).is_ok() {
        if Instant::now() > deadline {
            return Err(fail(device, "disabling of interrupts", "vector 0 can be raised all the same"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok("what was enabled can be raised no more".into())
}
