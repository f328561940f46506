//! Medians over the rounds, and ratios between contenders.

use crate::contender::{Contender, Direction};
use crate::nic::Nic;
use crate::sample::Sample;
use serde::Serialize;

/// A sample, and where it belongs.
#[derive(Debug, Clone, Serialize)]
pub struct Slot {
    /// The NIC.
    pub nic: Nic,
    /// The way.
    pub direction: Direction,
    /// The contender.
    pub contender: Contender,
    /// The round, from 0.
    pub round: usize,
    /// What was seen.
    pub sample: Sample,
}

/// A contender on a NIC, over all rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The NIC.
    pub nic: Nic,
    /// The way.
    pub direction: Direction,
    /// The contender.
    pub contender: Contender,
    /// Frames a second, counted outside: the median, and the least and the most of all rounds.
    pub rate: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
    /// What the contender says of its rate.
    pub own: Option<f64>,
    /// Microseconds of the guest's processors for a frame.
    pub guest_us: f64,
    /// Microseconds of the contender's own threads for a frame.
    pub process_us: Option<f64>,
    /// Doorbells for a frame.
    pub doorbells: Option<f64>,
    /// Its rate as a multiple of testpmd's: the median of the rounds' ratios.
    pub of_testpmd: Option<f64>,
    /// Its rate as a multiple of the kernel's.
    pub of_kernel: Option<f64>,
}

/// A row for each that has samples, in the order of the slots.
pub fn rows(slots: &[Slot]) -> Vec<Row> {
    let mut keys: Vec<(Nic, Direction, Contender)> = vec![];
    for slot in slots {
        let key = (slot.nic, slot.direction, slot.contender);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort();
    keys.into_iter().filter_map(|(nic, direction, contender)| row(slots, nic, direction, contender)).collect()
}

fn row(slots: &[Slot], nic: Nic, direction: Direction, contender: Contender) -> Option<Row> {
    let of = |contender| {
        slots
            .iter()
            .filter(move |slot| (slot.nic, slot.direction, slot.contender) == (nic, direction, contender))
    };
    let each = |value: fn(&Sample) -> Option<f64>| -> Vec<f64> {
        of(contender).filter_map(|slot| value(&slot.sample)).collect()
    };
    let rates = each(|sample| Some(sample.rate));
    let ratio = |other: Contender| {
        let ratios: Vec<f64> = of(contender)
            .filter_map(|mine| {
                let theirs = of(other).find(|theirs| theirs.round == mine.round)?;
                Some(mine.sample.rate / theirs.sample.rate)
            })
            .collect();
        if other == contender { None } else { median(ratios) }
    };
    Some(Row {
        nic,
        direction,
        contender,
        rate: median(rates.clone())?,
        least: rates.iter().copied().fold(f64::INFINITY, f64::min),
        most: rates.iter().copied().fold(0.0, f64::max),
        own: median(each(|sample| sample.said.rate.or(sample.counted))),
        guest_us: median(each(|sample| Some(sample.guest * 1e6 / sample.rate)))?,
        process_us: median(each(|sample| Some(sample.process? * 1e6 / sample.rate))),
        doorbells: median(each(|sample| sample.said.doorbells_per_frame)),
        of_testpmd: ratio(Contender::Testpmd),
        of_kernel: ratio(Contender::Kernel),
    })
}

/// The one in the middle, or the mean of the two there.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said::Said;

    fn slot(contender: Contender, round: usize, rate: f64) -> Slot {
        let sample = Sample {
            rate,
            offered: 0.0,
            lost: 0.0,
            counted: None,
            said: Said::default(),
            guest: 1.0,
            process: Some(0.5),
            switches: None,
            host_idle: 0.0,
        };
        Slot { nic: Nic::E1000, direction: Direction::Transmit, contender, round, sample }
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let (ours, peer) = (Contender::Poll, Contender::Testpmd);
        let slots = [(0, 100.0, 50.0), (1, 300.0, 300.0), (2, 90.0, 30.0)]
            .into_iter()
            .flat_map(|(round, mine, theirs)| [slot(peer, round, theirs), slot(ours, round, mine)])
            .collect::<Vec<_>>();
        let rows = rows(&slots);
        assert_eq!(rows.iter().map(|row| row.contender).collect::<Vec<_>>(), [ours, peer]);
        assert_eq!((rows[0].rate, rows[0].least, rows[0].most), (100.0, 90.0, 300.0));
        // 2, 1 and 3; the medians of the rates would give 100 / 50.
        assert_eq!((rows[0].of_testpmd, rows[1].of_testpmd, rows[0].of_kernel), (Some(2.0), None, None));
        assert_eq!((rows[0].guest_us, rows[0].process_us), (1e4, Some(5e3)));
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}
