//! Which frames come in: the class's filter, by control commands.

use dirql::class::net::{Filter, Mac};
use dirql::{Error, ErrorKind, Result};

use super::control::{Control, DATA, MAC_TABLE_SET, RX_ALLMULTI, RX_PROMISC, VLAN_ADD, VLAN_DEL};
use super::features::{CTRL_RX, CTRL_VLAN};
use crate::Features;

/// VLANs that there can be.
const VLANS: u16 = 4096;
/// How many addresses fit into one command, with the two counts of its tables.
const ADDRESSES: usize = (DATA - 8) / 6;

/// What the device was told, so that only changes are.
#[derive(Debug)]
pub struct Filters {
    features: Features,
    /// A bit for each VLAN whose frames come in.
    vlans: Box<[u64; VLANS as usize / 64]>,
}

impl Filters {
    /// Those of a device that was just started: it lets everything in but what has a tag.
    pub fn new(features: Features) -> Self {
        Self { features, vlans: Box::new([0; VLANS as usize / 64]) }
    }

    /// Tells the device of `filter`.
    ///
    /// # Errors
    /// `Precondition` where the device has no such filter; else as [`Control::command`].
    pub fn set(&mut self, control: &mut Control, filter: &Filter) -> Result<()> {
        if !self.features.contains(CTRL_RX) {
            return Err(refuse("the device does not offer CTRL_RX: everything comes in"));
        }
        if filter.vlans.is_some() && !self.features.contains(CTRL_VLAN) {
            return Err(refuse("the device does not offer CTRL_VLAN: frames of all VLANs come in"));
        }
        if let Some(vlan) = filter.vlans.iter().flatten().find(|&&vlan| vlan >= VLANS) {
            let why = format!("VLAN {vlan} is not below {VLANS}");
            return Err(Error::new(ErrorKind::InvalidArgument, "setting of the filter").why(why));
        }
        // More addresses than fit are all of their kind.
        let fits = filter.macs.len() <= ADDRESSES;
        let (groups, stations): (Vec<Mac>, Vec<Mac>) =
            filter.macs.iter().filter(|_| fits).partition(|mac| mac.0[0] & 1 != 0);
        let promiscuous = filter.promiscuous || !fits;
        self.set_vlans(control, filter.vlans.as_deref())?;
        control.command(MAC_TABLE_SET, &[table(&stations), table(&groups)].concat())?;
        control.command(RX_ALLMULTI, &[filter.all_multicast.into()])?;
        control.command(RX_PROMISC, &[promiscuous.into()])
    }

    fn set_vlans(&mut self, control: &mut Control, wanted: Option<&[u16]>) -> Result<()> {
        if !self.features.contains(CTRL_VLAN) {
            return Ok(());
        }
        let mut bits = Box::new([if wanted.is_none() { u64::MAX } else { 0 }; VLANS as usize / 64]);
        for vlan in wanted.unwrap_or_default() {
            bits[usize::from(vlan / 64)] |= 1 << (vlan % 64);
        }
        let is_set = |bits: &[u64; VLANS as usize / 64], vlan: u16| {
            bits[usize::from(vlan / 64)] >> (vlan % 64) & 1 != 0
        };
        let changed = |to: bool| {
            let (bits, old) = (&bits, &self.vlans);
            (0..VLANS)
                .filter(move |&vlan| is_set(bits, vlan) == to && is_set(old, vlan) != to)
                .map(u16::to_le_bytes)
        };
        control.commands(VLAN_ADD, changed(true))?;
        control.commands(VLAN_DEL, changed(false))?;
        self.vlans = bits;
        Ok(())
    }
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::Precondition, "setting of the filter").why(why)
}

/// A table of addresses after their number.
fn table(macs: &[Mac]) -> Vec<u8> {
    let mut table = (macs.len() as u32).to_le_bytes().to_vec();
    macs.iter().for_each(|mac| table.extend(mac.0));
    table
}
