//! `dirql unbind BDF…`: devices left without a driver.

use dirql::host::{Host, UnbindOptions, Unbound};
use dirql::{Address, Result};
use serde_json::json;

use super::restore::{addresses, end, partition};
use crate::args::Unbind;
use crate::output::{Outcome, Output};

/// Unbinds every device that can be, or says what that would do; the first failure, if any, is the command's.
pub fn unbind(host: &Host, args: &Unbind, output: &mut Output) -> Outcome {
    let options = UnbindOptions { wait: args.timeout, force: args.force };
    let addresses = addresses(host, &args.devices)?;
    if args.dry_run {
        return plan(host, &addresses, &options, output);
    }
    let results: Vec<Result<Unbound>> =
        addresses.iter().map(|&address| host.unbind(address, &options)).collect();
    let (unbound, failures) = partition(results);
    let printed = match output.is_json() {
        // Where nothing at all came of it, the failure says so alone.
        true if unbound.is_empty() && !failures.is_empty() => Ok(()),
        true => output.document(&unbound.iter().map(document).collect::<Vec<_>>()),
        false => unbound.iter().try_for_each(|unbound| output.line(line(unbound))),
    };
    if !output.is_json() && unbound.iter().any(|unbound| unbound.previous_driver.is_some()) {
        output.note(format_args!("to give it its driver again: sudo dirql restore {}", listed(&unbound)));
    }
    end(printed, failures, output)
}

fn plan(host: &Host, addresses: &[Address], options: &UnbindOptions, output: &mut Output) -> Outcome {
    let mut plans = Vec::new();
    for &address in addresses {
        plans.push((address, host.plan_unbind(address, options)?));
    }
    super::bind::print_plans(plans, output)
}

fn listed(unbound: &[Unbound]) -> String {
    unbound.iter().map(|unbound| unbound.address.to_string()).collect::<Vec<_>>().join(" ")
}

fn line(unbound: &Unbound) -> String {
    match &unbound.previous_driver {
        Some(driver) => format!("{}: {driver} → no driver", unbound.address),
        None => format!("{}: on no driver already", unbound.address),
    }
}

fn document(unbound: &Unbound) -> serde_json::Value {
    json!({ "address": unbound.address, "previous_driver": unbound.previous_driver, "driver": null })
}
