//! Network interfaces: up, routed through, part of another, or carrying others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::{Host, files};
use super::{Child, Use};

/// IFF_UP of the interface's flags.
const IFF_UP: u64 = 1;
/// RTF_LOCAL: not a way to anywhere, but an address of this machine.
const RTF_LOCAL: u32 = 0x8000_0000;
/// How many routes are named.
const NAMED: usize = 3;

impl Host {
    pub(super) fn network_in_use(&self, child: &Child, uses: &mut Vec<Use>) {
        let name = &child.name;
        let master = files::link_name(child.path.join("master"));
        // VLANs, macvlans and their like; its master is among them.
        let entries = files::names(&child.path);
        let uppers = entries.iter().filter_map(|entry| entry.strip_prefix("upper_"));
        for upper in uppers.filter(|upper| Some(*upper) != master.as_deref()) {
            let what = format!("its network interface {name} carries {upper}");
            uses.push(Use::new(what).ended_by(format!("sudo ip link delete {upper}")));
        }
        let is_up = files::number(child.path.join("flags")).is_some_and(|flags| flags & IFF_UP != 0);
        let routes = self.routes_in_words(name);
        if let Some(master) = master {
            let kind = match () {
                () if child.path.join("brport").exists() => "the bridge ",
                () if child.path.join("bonding_slave").exists() => "the bond ",
                () => "",
            };
            let what = format!("its network interface {name} belongs to {kind}{master}{routes}");
            let end = format!("sudo ip link set {name} nomaster && sudo ip link set {name} down");
            uses.push(Use::new(what).ended_by(end));
        } else if is_up || !routes.is_empty() {
            let what = format!("its network interface {name} is up{routes}");
            uses.push(Use::new(what).ended_by(format!("sudo ip link set {name} down")));
        }
    }

    /// `, with routes: default via 10.0.2.2`, or nothing.
    fn routes_in_words(&self, interface: &str) -> String {
        let routes = self.routes(interface);
        if routes.is_empty() {
            return String::new();
        }
        let mut named = routes.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if routes.len() > NAMED {
            named += &format!(" and {} more", routes.len() - NAMED);
        }
        format!(", with routes: {named}")
    }

    /// The routes of this process's network through an interface, the default routes first.
    fn routes(&self, interface: &str) -> Vec<String> {
        let net = self.proc.join("net");
        let lines = |file| files::text(net.join(file)).unwrap_or_default();
        let four = lines("route");
        let six = lines("ipv6_route");
        let four = four.lines().filter_map(|line| route_v4(line, interface));
        let mut routes: Vec<String> =
            four.chain(six.lines().filter_map(|line| route_v6(line, interface))).collect();
        routes.sort_by_key(|route| !route.starts_with("default"));
        routes.dedup();
        routes
    }
}

/// Interface, destination, gateway, …, the mask as the eighth: numbers as the CPU has them in memory.
fn route_v4(line: &str, interface: &str) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let address = |index: usize| {
        let value = u32::from_str_radix(fields.get(index)?, 16).ok()?;
        Some(Ipv4Addr::from(value.to_ne_bytes()))
    };
    if *fields.first()? != interface {
        return None;
    }
    let (to, gateway, mask) = (address(1)?, address(2)?, address(7)?);
    Some(route(to.into(), u32::from(mask).leading_ones(), gateway.into()))
}

/// Destination, its length, source, its length, next hop, metric, …, flags, interface.
fn route_v6(line: &str, interface: &str) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let address = |index: usize| Some(Ipv6Addr::from(u128::from_str_radix(fields.get(index)?, 16).ok()?));
    let flags = u32::from_str_radix(fields.get(8)?, 16).ok()?;
    if *fields.get(9)? != interface || flags & RTF_LOCAL != 0 {
        return None;
    }
    let (to, next) = (address(0)?, address(4)?);
    // Every interface has these.
    if to.is_unicast_link_local() || to.is_multicast() {
        return None;
    }
    let length = u32::from_str_radix(fields.get(1)?, 16).ok()?;
    Some(route(to.into(), length, next.into()))
}

/// As `ip route` has it.
fn route(to: IpAddr, length: u32, via: IpAddr) -> String {
    let to = if length == 0 { "default".to_string() } else { format!("{to}/{length}") };
    if via.is_unspecified() { to } else { format!("{to} via {via}") }
}
