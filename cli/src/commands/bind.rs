//! `dirql bind BDF…`: devices taken from the kernel.

use dirql::host::{BindOptions, Bound, Host, VFIO_PCI};
use dirql::{Address, Result};
use serde_json::json;

use super::several::print_plans;
use crate::args::Bind;
use crate::device::driver_of;
use crate::output::{Outcome, Output};

/// Binds, or says what binding would do.
pub fn bind(host: &Host, args: &Bind, output: &mut Output) -> Outcome {
    let owner = args.owner.as_deref().map(str::parse).transpose()?;
    let options = BindOptions { owner, force: args.force, persist: args.persist };
    let addresses = match args.group {
        Some(group) => host.bindable(group)?,
        None => addresses(host, &args.devices)?,
    };
    if args.dry_run {
        return print_plans(&addresses, |address| host.plan_bind(address, &options), output);
    }
    let all = host.bind_all(&addresses, &options)?;
    if output.is_json() {
        return output.document(&all.iter().map(document).collect::<Vec<_>>());
    }
    all.iter().try_for_each(|bound| output.line(line(bound)))?;
    for bound in all.iter().filter(|bound| !bound.blocking.is_empty()) {
        let blocking: Vec<_> = bound
            .blocking
            .iter()
            .map(|member| format!("{} ({})", member.address, member.driver.as_deref().unwrap_or("no driver")))
            .collect();
        output.note(format_args!(
            "warning: group {0} cannot be used while the kernel drives {1}\n  fix: sudo dirql bind --group {0} --owner $USER\n  see: dirql explain E4",
            bound.group,
            blocking.join(", ")
        ));
    }
    all.iter().filter(|bound| bound.blocking.is_empty()).for_each(|bound| guide(host, bound, output));
    Ok(())
}

/// What can be typed next, and what at the end.
fn guide(host: &Host, bound: &Bound, output: &Output) {
    let address = bound.address;
    let driven = host.function(address).is_ok_and(|function| driver_of(&function).is_some());
    let verb = if driven { "run" } else { "selftest" };
    // The node is still root's alone.
    let sudo = if bound.node.uid == 0 && bound.node.mode & 0o060 != 0o060 { "sudo " } else { "" };
    output.note(format_args!("next: {sudo}dirql {verb} {address}"));
    output.note(format_args!("back: sudo dirql restore {address}"));
}

/// The addresses of the devices that the names mean.
fn addresses(host: &Host, names: &[String]) -> Result<Vec<Address>> {
    let mut addresses = Vec::new();
    for name in names {
        let address = host.resolve(name)?.address;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

fn line(bound: &Bound) -> String {
    let rule =
        bound.rule.as_ref().map_or_else(String::new, |rule| format!(", at each start by {}", rule.display()));
    format!("{}{rule}", bound_line(bound))
}

fn bound_line(bound: &Bound) -> String {
    let (address, group) = (bound.address, bound.group);
    let node = format!("node {} owned by {}", bound.node.path.display(), bound.node.ownership());
    if bound.was_bound {
        return format!("{address}: on {VFIO_PCI} already, group {group}, {node}");
    }
    let previous = bound.previous_driver.as_deref().unwrap_or("no driver");
    format!("{address}: {previous} → {VFIO_PCI}, group {group}, {node}")
}

fn document(bound: &Bound) -> serde_json::Value {
    json!({
        "address": bound.address,
        "previous_driver": bound.previous_driver,
        "driver": VFIO_PCI,
        "was_bound": bound.was_bound,
        "rule": bound.rule,
        "iommu_group": bound.group,
        "node": bound.node.path,
        "owner": { "uid": bound.node.uid, "gid": bound.node.gid, "mode": format!("{:04o}", bound.node.mode) },
        "blocking": bound.blocking.iter().map(|member| {
            json!({ "address": member.address, "driver": member.driver })
        }).collect::<Vec<_>>(),
    })
}
