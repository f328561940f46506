//! The IOMMU group of a function: who is in it, who has it, and what it may not map.

use dirql::Result;
use dirql::host::{Function, Group, Holders, Host, ReservedRegion};
use serde_json::{Value, json};

use super::facts::kind_of;
use super::hex;
use super::page::Page;

/// An IOMMU group.
pub struct Known {
    group: Group,
    /// Owner and mode of its node.
    node: Option<String>,
    translation: Option<String>,
    reserved: Vec<ReservedRegion>,
    holders: Holders,
}

impl Known {
    /// What is known of the group with this number.
    pub fn of(host: &Host, number: u32) -> Result<Self> {
        let group = host.group(number)?;
        Ok(Self {
            node: host.node(&group).map(|node| node.ownership()),
            translation: host.translation(&group),
            reserved: host.reserved_regions(&group),
            holders: host.holders(&group),
            group,
        })
    }

    /// As JSON.
    pub fn document(&self) -> Value {
        let members = self.group.members.iter().map(|member| {
            json!({
                "address": member.address,
                "driver": member.driver,
                "blocking": member.is_blocking(),
            })
        });
        let reserved = self.reserved.iter().map(
            |region| json!({ "first": hex(region.first), "last": hex(region.last), "kind": region.kind }),
        );
        let holders = self.holders.found.iter().map(|holder| {
            json!({
                "pid": holder.pid,
                "command": holder.command,
                "uid": holder.uid,
                "age_s": holder.age.map(|age| age.as_secs()),
            })
        });
        json!({
            "number": self.group.number,
            "node": self.group.node,
            "node_owner": self.node,
            "noiommu": self.group.is_noiommu,
            "translation": self.translation,
            "members": members.collect::<Vec<_>>(),
            "reserved_regions": reserved.collect::<Vec<_>>(),
            "holders": holders.collect::<Vec<_>>(),
            "processes_not_visible": self.holders.hidden,
        })
    }

    /// As text.
    pub fn text(&self, page: &mut Page<'_>, function: &Function) {
        let group = &self.group;
        let node = match &self.node {
            Some(owner) => format!("{}, {owner}", group.node.display()),
            None => "no node while no member is on vfio-pci".to_string(),
        };
        page.heading(&format!("IOMMU group {}", group.number), &node);
        for member in &group.members {
            let blocking = if member.is_blocking() { ", keeps the group from being used" } else { "" };
            let driver = member.driver.as_deref().unwrap_or("no driver");
            page.sentence(2, &format!("{}  {driver}{blocking}", member.address));
        }
        let iommu = function.iommu().map(|name| match kind_of(&name) {
            Some(kind) => format!("{name}, {kind}"),
            None => name,
        });
        page.optional("IOMMU", iommu);
        page.optional("translation", self.translation.as_ref());
        for region in &self.reserved {
            page.line("reserved", format!("{:#x} to {:#x}  {}", region.first, region.last, region.kind));
        }
        page.optional("held by", self.holders.describe());
    }
}
