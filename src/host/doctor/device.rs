//! What one function must have.

use nix::errno::Errno;

use super::super::diagnose::may_open;
use super::super::{Function, Group, Host, Use};
use super::Condition;
use crate::{Code, Error, ErrorKind};

pub fn conditions(host: &Host, function: &Function) -> Vec<Condition> {
    let mut conditions = vec![kind(function)];
    conditions.extend(in_use(host, function));
    conditions.push(driver(host, function));
    let Some(number) = function.iommu_group else {
        conditions.push(Condition::fail("IOMMU group", &host.no_iommu(function, "IOMMU group")));
        return conditions;
    };
    match host.group(number) {
        Ok(found) => {
            conditions.push(group(host, function, &found));
            conditions.extend(function.is_on_vfio().then(|| node(host, function, &found)));
            conditions.push(holders(host, function, &found));
        }
        Err(error) => conditions.push(Condition::fail("IOMMU group", &error)),
    }
    conditions.push(reset(function));
    conditions
}

/// Whether vfio-pci takes such a function at all.
fn kind(function: &Function) -> Condition {
    const NAME: &str = "function";
    let error = Error::new(ErrorKind::Precondition, NAME).code(Code::E3);
    if function.is_bridge() {
        let error = error.why("it is a bridge, which vfio-pci does not take");
        return Condition::fail(NAME, &error.fix("take the functions behind it: dirql list"));
    }
    if function.virtual_functions > 0 {
        let error = error.why(format!("{} virtual functions of it are on", function.virtual_functions));
        let off = format!("echo 0 | sudo tee {}/sriov_numvfs", function.path().display());
        return Condition::fail(NAME, &error.fix(off));
    }
    Condition::pass(
        NAME,
        format!("{:04x}:{:04x}, class {}", function.vendor, function.device, function.class),
    )
}

fn driver(host: &Host, function: &Function) -> Condition {
    const NAME: &str = "kernel driver";
    if function.is_on_vfio() {
        let persistent = host.persistent_rule(function.address);
        let persistent =
            persistent.map_or_else(String::new, |rule| format!(", at each start by {}", rule.display()));
        return Condition::pass(NAME, format!("vfio-pci{persistent}"));
    }
    Condition::fail(NAME, &host.not_on_vfio(function, NAME))
}

/// Nothing where vfio-pci has it already.
fn in_use(host: &Host, function: &Function) -> Option<Condition> {
    const NAME: &str = "use by the kernel";
    if function.is_on_vfio() {
        return None;
    }
    let uses = host.in_use(function);
    if uses.is_empty() {
        return Some(Condition::pass(NAME, "nothing would be lost by taking it"));
    }
    let take = || format!("sudo dirql bind {} --owner $USER --force", function.address);
    let error =
        Error::new(ErrorKind::Busy, NAME).why(Use::all(&uses)).fix(Use::end_of(&uses).unwrap_or_else(take));
    Some(Condition::fail(NAME, &error))
}

fn group(host: &Host, function: &Function, group: &Group) -> Condition {
    const NAME: &str = "IOMMU group";
    if group.is_noiommu {
        let error = host.explain_open_group(function.address, group.number, Errno::EPERM);
        return Condition::fail(NAME, &error);
    }
    let others = group.members.iter().filter(|member| member.address != function.address);
    let others: Vec<String> = others
        .map(|member| format!("{} ({})", member.address, member.driver.as_deref().unwrap_or("no driver")))
        .collect();
    let blocking = group.blocking();
    if blocking.iter().any(|member| member.address != function.address) {
        return Condition::fail(NAME, &host.explain_not_viable(function.address, group.number));
    }
    let alone = || format!("{}, which it has to itself", group.number);
    let found =
        if others.is_empty() { alone() } else { format!("{}, with {}", group.number, others.join(", ")) };
    Condition::pass(NAME, found)
}

fn node(host: &Host, function: &Function, group: &Group) -> Condition {
    const NAME: &str = "VFIO node";
    let refused = if group.node.exists() { may_open(&group.node).err() } else { Some(Errno::ENOENT) };
    match refused {
        None => {
            let ownership =
                host.node(group).map_or_else(String::new, |node| format!(": {}", node.ownership()));
            Condition::pass(NAME, format!("{} may be opened{ownership}", group.node.display()))
        }
        Some(errno) => Condition::fail(NAME, &host.explain_open_group(function.address, group.number, errno)),
    }
}

fn holders(host: &Host, function: &Function, group: &Group) -> Condition {
    const NAME: &str = "holders";
    let holders = host.holders(group);
    match holders.describe() {
        Some(_) => {
            Condition::fail(NAME, &host.explain_open_group(function.address, group.number, Errno::EBUSY))
        }
        None if holders.hidden == 0 => Condition::pass(NAME, "no process has it open"),
        None => Condition::pass(NAME, "none among the processes that this user may look into"),
    }
}

fn reset(function: &Function) -> Condition {
    const NAME: &str = "reset";
    match function.reset_methods().as_slice() {
        [] => Condition::warn(
            NAME,
            "the kernel has no way to reset it: its driver must quiet it by its registers",
        ),
        methods => Condition::pass(NAME, methods.join(", ")),
    }
}
