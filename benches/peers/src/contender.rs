//! Who moves frames: our command in each of its wait modes, DPDK's testpmd, and the kernel.

use crate::nic::{DPDK, Nic};
use crate::said::{self, Said};
use clap::ValueEnum;
use dirql_lab::{Guest, Machine, Result, Running, dpdk};
use serde::Serialize;
use std::time::Duration;

/// Frames of so many bytes, without the check sequence.
pub const SIZE: usize = 60;
/// Frames in a burst.
const BURST: usize = 32;
/// Descriptors in a ring.
const RING: usize = 256;
/// Bytes of a receive buffer.
const BUFFER: usize = 2176;
/// How long a contender may take to begin, and to end.
const PATIENCE: Duration = Duration::from_secs(60);
const INTERRUPT: i32 = 2;

/// The way of the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Out of the guest.
    Transmit,
    /// Into the guest.
    Receive,
}

/// A program that drives a NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contender {
    /// `dirql net bench --wait poll`
    Poll,
    /// `dirql net bench --wait adaptive`
    Adaptive,
    /// `dirql net bench --wait block`
    Block,
    /// DPDK's `txonly` and `rxonly`
    Testpmd,
    /// pktgen, and the interface's counters
    Kernel,
}

impl Contender {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Contender::Poll => "poll",
            Contender::Adaptive => "adaptive",
            Contender::Block => "block",
            Contender::Testpmd => "testpmd",
            Contender::Kernel => "kernel",
        }
    }

    /// Whether it is ours.
    pub fn is_ours(self) -> bool {
        !matches!(self, Contender::Testpmd | Contender::Kernel)
    }

    /// Starts it; frames flow some time after.
    pub fn start(self, machine: &Machine, nic: Nic, direction: Direction) -> Result<Job> {
        if self != Contender::Kernel {
            machine.root(&format!("dirql bind {} --force", nic.address()))?.ok()?;
        } else {
            machine.root(&format!("dirql restore {}", nic.address()))?.ok()?;
        }
        let words = match self {
            Contender::Testpmd => testpmd(nic, direction)?,
            Contender::Kernel => return kernel(machine, nic, direction),
            ours => dirql(ours, nic, direction),
        };
        let program = machine.command(&words).spawn()?;
        Ok(Job { contender: self, direction, program: Some(program), interface: None })
    }
}

fn dirql(mode: Contender, nic: Nic, direction: Direction) -> String {
    let way = match direction {
        Direction::Transmit => format!("tx --size {SIZE}"),
        Direction::Receive => "rx".to_owned(),
    };
    // It is ended by a signal.
    format!(
        "dirql net {} bench {way} --wait {} --batch {BURST} --seconds 3600 --json",
        nic.address(),
        mode.name()
    )
}

fn testpmd(nic: Nic, direction: Direction) -> Result<String> {
    let mode = match direction {
        Direction::Transmit => format!("txonly --txpkts={SIZE}"),
        Direction::Receive => "rxonly".to_owned(),
    };
    let program = dpdk::command(&dpdk::unpacked()?, DPDK)?;
    Ok(format!(
        "{program} -l 0-1 -m 64 --in-memory -a {} --iova-mode=va -- --forward-mode={mode} --total-num-mbufs=4096 \
         --mbuf-size={BUFFER} --nb-cores=1 --burst={BURST} --txd={RING} --rxd={RING} --stats-period=1 \
         --no-lsc-interrupt",
        nic.address()
    ))
}

fn kernel(machine: &Machine, nic: Nic, direction: Direction) -> Result<Job> {
    let interface = nic.interface(machine)?;
    machine.root(&format!("ip link set {interface} up"))?.ok()?;
    machine
        .shell(&format!("until grep -q 1 /sys/class/net/{interface}/carrier; do sleep 0.1; done"))?
        .ok()?;
    let program = match direction {
        Direction::Receive => None,
        Direction::Transmit => {
            let lines = [
                "echo rem_device_all > kpktgend_1".to_owned(),
                format!("echo add_device {interface} > kpktgend_1"),
                format!(
                    "for each in 'count 0' 'pkt_size {SIZE}' 'clone_skb 100000' 'burst {BURST}' 'delay 0' \
                         'dst_mac ff:ff:ff:ff:ff:ff'; do echo $each > {interface} || exit 1; done"
                ),
                "exec echo start > pgctrl".to_owned(),
            ];
            let line = format!("set -e; cd /proc/net/pktgen; {}", lines.join("; "));
            Some(machine.argv(["sh", "-c", &line]).spawn()?)
        }
    };
    Ok(Job { contender: Contender::Kernel, direction, program, interface: Some(interface) })
}

/// A contender at work.
pub struct Job {
    contender: Contender,
    direction: Direction,
    program: Option<Running>,
    interface: Option<String>,
}

impl Job {
    /// Its process, where that is what drives the NIC.
    pub fn process(&self) -> Option<i32> {
        self.program.as_ref().filter(|_| self.contender != Contender::Kernel).map(Running::pid)
    }

    /// The kernel's interface and its counter of frames, where the kernel has the NIC.
    pub fn counter(&self) -> Option<(&str, &str)> {
        let counter = match self.direction {
            Direction::Transmit => "tx_packets",
            Direction::Receive => "rx_packets",
        };
        Some((self.interface.as_deref()?, counter))
    }

    /// Ends it, and takes what it says of the rate after the first seconds.
    pub fn end(self, guest: &Guest, warm_up: usize) -> Result<Said> {
        let Job { contender, program, interface, .. } = self;
        let said = match (contender, program) {
            (Contender::Kernel, None) => Said::default(),
            (Contender::Kernel, Some(program)) => {
                guest.shell("echo stop > /proc/net/pktgen/pgctrl")?.ok()?;
                program.wait(PATIENCE)?.ok()?;
                let path = format!("/proc/net/pktgen/{}", interface.as_deref().unwrap_or_default());
                said::of_pktgen(&guest.root(&format!("cat {path}"))?.ok()?.text())
            }
            (Contender::Testpmd, Some(program)) => {
                // It may have ended by itself, and has said why then.
                let _ = program.signal(INTERRUPT);
                said::of_testpmd(&program.wait(PATIENCE)?, warm_up)?
            }
            (_, Some(program)) => {
                // As above.
                let _ = program.signal(INTERRUPT);
                said::of_dirql(&program.wait(PATIENCE)?.ok()?, warm_up)?
            }
            (_, None) => Said::default(),
        };
        if let Some(interface) = interface {
            guest.root(&format!("ip link set {interface} down"))?.ok()?;
        }
        Ok(said)
    }
}
