//! `dirql restore BDF… | --all`: devices given back to the kernel.

use dirql::host::{Host, RestoreOptions, Restored, VFIO_PCI};
use dirql::{Address, Error, Result};
use serde_json::json;

use crate::args::Restore;
use crate::output::{End, Outcome, Output};

/// Restores every device that can be restored; the first failure, if any, is the command's.
pub fn restore(host: &Host, args: &Restore, output: &mut Output) -> Outcome {
    let options = RestoreOptions { wait: args.timeout };
    let addresses = if args.all { taken(host) } else { addresses(host, &args.devices)? };
    let results: Vec<Result<Restored>> =
        addresses.iter().map(|&address| host.restore(address, &options)).collect();
    let (restored, failures) = partition(results);
    let printed = print(&addresses, &restored, &failures, output);
    end(printed, failures, output)
}

/// Every device that is bound, or will be at the next start.
fn taken(host: &Host) -> Vec<Address> {
    let mut taken = [host.recorded(), host.persistent()].concat();
    taken.sort_unstable();
    taken.dedup();
    taken
}

/// How a command ends that goes on after failures: with the first, after the others are told.
pub(super) fn end(printed: Outcome, failures: Vec<Error>, output: &Output) -> Outcome {
    let mut failures = failures.into_iter();
    // A reader that has gone does not make a failure a success.
    let Some(first) = failures.next() else { return printed };
    failures.for_each(|failure| output.failure(&failure));
    Err(End::Failed(first))
}

fn print(addresses: &[Address], restored: &[Restored], failures: &[Error], output: &mut Output) -> Outcome {
    if output.is_json() {
        // Where nothing at all came of it, the failure says so alone.
        if !restored.is_empty() || failures.is_empty() {
            output.document(&restored.iter().map(document).collect::<Vec<_>>())?;
        }
    } else {
        restored.iter().try_for_each(|restored| output.line(line(restored)))?;
        if addresses.is_empty() {
            output.note("there is nothing to restore");
        }
    }
    Ok(())
}

/// The addresses of the devices that the names mean. One that was unplugged has its record still, so what is an address
/// is not looked up.
pub(super) fn addresses(host: &Host, names: &[String]) -> Result<Vec<Address>> {
    let address = |name: &String| name.parse().or_else(|_| Ok(host.resolve(name)?.address));
    let mut addresses: Vec<Address> = names.iter().map(address).collect::<Result<_>>()?;
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// What was done, and what failed.
pub(super) fn partition<T>(results: Vec<Result<T>>) -> (Vec<T>, Vec<Error>) {
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => done.push(one),
            Err(error) => failures.push(error),
        }
    }
    (done, failures)
}

fn line(restored: &Restored) -> String {
    let rule =
        restored.rule.as_ref().map_or_else(String::new, |rule| format!("; removed {}", rule.display()));
    format!("{}{rule}", driver_line(restored))
}

fn driver_line(restored: &Restored) -> String {
    let driver = restored.driver.as_deref().unwrap_or("no driver");
    if restored.from == restored.driver {
        return format!("{}: on {driver}, not on {VFIO_PCI}", restored.address);
    }
    format!("{}: {} → {driver}", restored.address, restored.from.as_deref().unwrap_or("no driver"))
}

fn document(restored: &Restored) -> serde_json::Value {
    json!({
        "address": restored.address,
        "driver": restored.driver,
        "previous_driver": restored.from,
        "was_bound": restored.was_bound,
        "rule": restored.rule,
    })
}
