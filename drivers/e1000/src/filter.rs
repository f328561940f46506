//! Which frames come in: RCTL, the receive addresses, the multicast table and the VLAN table.
//!
//! Source: 8254x Software Developer's Manual, 3.2.1 and 13.5.

use dirql::Result;
use dirql::class::net::{Filter, Mac};
use dirql::region::Bar;

use crate::register::{
    MTA, MTA_ENTRIES, RAH, RAH_AV, RAL, RCTL, RCTL_MPE, RCTL_UPE, RCTL_VFE, RECEIVE_ADDRESSES, VFTA,
    VFTA_ENTRIES,
};

/// The last receive address is left alone: the self-test writes it.
const STATIONS: usize = RECEIVE_ADDRESSES as usize - 1;

/// The filters, as the chip was told them.
#[derive(Debug)]
pub struct Filters {
    /// The interface's own address, which is always listened to.
    mac: Mac,
    /// What RCTL is told whatever is filtered.
    base: u32,
    /// What RCTL was told last.
    control: Option<u32>,
}

/// A filter as the registers have it.
#[derive(Debug, PartialEq, Eq)]
struct Tables {
    control: u32,
    stations: Vec<Mac>,
    groups: [u32; MTA_ENTRIES as usize],
    vlans: [u32; VFTA_ENTRIES as usize],
}

impl Tables {
    fn new(base: u32, mac: Mac, filter: &Filter) -> Self {
        let mut tables = Self {
            control: base,
            stations: vec![mac],
            groups: [0; MTA_ENTRIES as usize],
            vlans: [0; VFTA_ENTRIES as usize],
        };
        if filter.promiscuous {
            tables.control |= RCTL_UPE | RCTL_MPE;
        }
        if filter.all_multicast {
            tables.control |= RCTL_MPE;
        }
        for address in &filter.macs {
            if address.0[0] & 1 != 0 {
                let hash = hash(*address);
                tables.groups[usize::from(hash >> 5)] |= 1 << (hash & 31);
            } else if tables.stations.len() < STATIONS {
                tables.stations.push(*address);
            } else {
                tables.control |= RCTL_UPE;
            }
        }
        if let Some(vlans) = filter.vlans.as_ref().filter(|_| !filter.promiscuous) {
            tables.control |= RCTL_VFE;
            for vlan in vlans.iter().map(|vlan| vlan & 0xfff) {
                tables.vlans[usize::from(vlan >> 5)] |= 1 << (vlan & 31);
            }
        }
        tables
    }
}

/// Where in the multicast table a group is: bits 47 to 36 of its address.
fn hash(Mac([.., e, f]): Mac) -> u16 {
    u16::from(e >> 4) | u16::from(f) << 4
}

impl Filters {
    /// The filters of a chip that was told none; `base` is what RCTL is told beside them.
    pub fn new(mac: Mac, base: u32) -> Self {
        Self { mac, base, control: None }
    }

    /// Tells the chip. RCTL comes last, and only where it changes: each write to it keeps an emulated chip from receiving for
    /// a second.
    ///
    /// # Errors
    /// Where a register cannot be written.
    pub fn set(&mut self, bar: &Bar, filter: &Filter) -> Result<()> {
        let tables = Tables::new(self.base, self.mac, filter);
        for index in 0..STATIONS {
            set_station(bar, index as u64, tables.stations.get(index))?;
        }
        for (index, word) in (0..).zip(tables.groups) {
            bar.write(MTA.at(4 * index), word)?;
        }
        for (index, word) in (0..).zip(tables.vlans) {
            bar.write(VFTA.at(4 * index), word)?;
        }
        if self.control != Some(tables.control) {
            bar.write(RCTL, tables.control)?;
            self.control = Some(tables.control);
        }
        Ok(())
    }
}

/// Listens to this address, or to none. Not to half of one meanwhile.
fn set_station(bar: &Bar, index: u64, address: Option<&Mac>) -> Result<()> {
    let (low, high) = (RAL.at(8 * index), RAH.at(8 * index));
    let Some(&Mac([a, b, c, d, e, f])) = address else {
        bar.write(high, 0)?;
        return bar.write(low, 0);
    };
    let (low_word, high_word) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, 0, 0]) | RAH_AV);
    if (bar.read(low)?, bar.read(high)?) != (low_word, high_word) {
        bar.write(high, 0)?;
        bar.write(low, low_word)?;
        bar.write(high, high_word)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    #[test]
    fn a_group_hashes_to_its_highest_12_bits() {
        assert_eq!(hash(Mac([0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc])), 0xbc9);
    }

    #[test]
    fn a_filter_fills_the_tables_and_what_does_not_fit_lets_more_in() {
        let nothing = Tables::new(2, OWN, &Filter::default());
        assert_eq!((nothing.control, nothing.stations.as_slice()), (2, &[OWN][..]));
        assert_eq!((nothing.groups, nothing.vlans), ([0; 128], [0; 128]));

        let macs: Vec<_> = (0..20).map(|n| Mac([2, 0, 0, 0, 0, n])).collect();
        let fits = Filter { macs: macs[..14].to_vec(), ..Filter::default() };
        assert_eq!(Tables::new(2, OWN, &fits).control, 2);
        let full = Tables::new(2, OWN, &Filter { macs, ..Filter::default() });
        assert_eq!((full.control, full.stations.len()), (2 | RCTL_UPE, STATIONS));

        let group = Filter {
            macs: vec![Mac([1, 0, 0x5e, 0, 0, 0xfb])],
            vlans: Some(vec![0, 33, 4095]),
            ..Filter::default()
        };
        let tables = Tables::new(2, OWN, &group);
        assert_eq!((tables.control, tables.stations.len()), (2 | RCTL_VFE, 1));
        assert_eq!(tables.groups[0xfb0 >> 5], 1 << (0xfb0 & 31));
        assert_eq!((tables.vlans[0], tables.vlans[1], tables.vlans[127]), (1, 2, 1 << 31));

        let all = Filter { promiscuous: true, vlans: Some(vec![1]), ..Filter::default() };
        assert_eq!(Tables::new(2, OWN, &all).control, 2 | RCTL_UPE | RCTL_MPE);
    }
}
