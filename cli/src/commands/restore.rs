//! `dirql restore BDF… | --all`: devices given back to the kernel.

use dirql::Address;
use dirql::host::{Host, RestoreOptions, Restored, VFIO_PCI};
use serde_json::json;

use super::several::{Tried, addresses};
use crate::args::Restore;
use crate::output::{Outcome, Output};

/// Restores every device that can be restored; the first failure, if any, is the command's.
pub fn restore(host: &Host, args: &Restore, output: &mut Output) -> Outcome {
    let options = RestoreOptions { wait: args.timeout };
    let addresses = if args.all { taken(host) } else { addresses(host, &args.devices)? };
    let tried = Tried::each(&addresses, |address| host.restore(address, &options));
    let printed = tried.print(output, line, document);
    if addresses.is_empty() && !output.is_json() {
        output.note("there is nothing to restore");
    }
    tried.end(printed)
}

/// Every device that is bound, or will be at the next start.
fn taken(host: &Host) -> Vec<Address> {
    let mut taken = [host.recorded(), host.persistent()].concat();
    taken.sort_unstable();
    taken.dedup();
    taken
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
