//! A device's errors as PCI Express reports them, beside its vectors.

use dirql::interrupt::{Best, Handled};
use dirql::pci::Address;
use dirql::synchronize::{Completion, SyncError};
use dirql::{Device, Error, ErrorKind, Result};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// What the handler keeps.
#[derive(Default)]
struct Reports {
    count: u64,
    gone: bool,
}

/// Says `ready`, waits for so many error reports, and says each.
pub fn run(address: Address, reports: u64) -> Result<()> {
    let wrong = |why: String| Err(Error::new(ErrorKind::Failure, "error reports").on(address).why(why));
    let device = Device::open(address)?;
    let mut interrupts = device.interrupts(Best)?;
    let vector = interrupts.connect(0, 0_u64, |calls, _| {
        *calls += 1;
        Handled::Yes
    })?;
    let reported = Completion::new();
    let told = reported.clone();
    let source = device.error_source(Reports::default(), move |state: &mut Reports, event| {
        state.count += event.count;
        state.gone |= event.device_is_gone;
        println!("reported {} gone {}", state.count, event.device_is_gone);
        told.complete();
    })?;
    println!("ready");
    for _ in 0..reports {
        if !reported.wait(PATIENCE) {
            return wrong(format!("no report within {PATIENCE:?}"));
        }
    }
    // The source stands above the vectors in lock order, and has the same rules.
    let upward = vector.synchronize(|_| source.synchronize(|state| (state.count, state.gone)))?;
    if upward != Ok((reports, false)) || source.count() != reports {
        return wrong(format!("{upward:?} and {} are not {reports} reports", source.count()));
    }
    let downward = source.synchronize(|_| vector.synchronize(|_| ()))?;
    if downward != Err(SyncError::LockOrder) {
        return wrong(format!("downward: {downward:?}"));
    }
    interrupts.fire(0)?;
    let Some(state) = source.disconnect()? else { return wrong("the state was taken before".into()) };
    println!("in all {}", state.count);
    Ok(())
}
