//! `dirql unbind BDF…`: devices left without a driver.

use dirql::host::{Host, UnbindOptions, Unbound};
use serde_json::json;

use super::several::{Tried, addresses, print_plans};
use crate::args::Unbind;
use crate::output::{Outcome, Output};

/// Unbinds every device that can be, or says what that would do; the first failure, if any, is the command's.
pub fn unbind(host: &Host, args: &Unbind, output: &mut Output) -> Outcome {
    let options = UnbindOptions { wait: args.timeout, force: args.force };
    let addresses = addresses(host, &args.devices)?;
    if args.dry_run {
        return print_plans(&addresses, |address| host.plan_unbind(address, &options), output);
    }
    let tried = Tried::each(&addresses, |address| host.unbind(address, &options));
    let printed = tried.print(output, line, document);
    if !output.is_json() && tried.done.iter().any(|unbound| unbound.previous_driver.is_some()) {
        output.note(format_args!("to give it its driver again: sudo dirql restore {}", listed(&tried.done)));
    }
    tried.end(printed)
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
