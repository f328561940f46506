//! What leaves a NIC, counted at no cost: a socket that nobody reads is soon full, and then the kernel counts what it drops.

use crate::Result;
use nix::sys::socket::{setsockopt, sockopt};
use std::fs;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// Counts the frames that come out of a cable, for as long as it lives. Meanwhile none of them can be received.
pub struct Sink {
    port: u16,
}

impl Sink {
    /// Fills the socket, so that each datagram from here on is dropped and counted.
    pub(crate) fn new(socket: &UdpSocket) -> Result<Sink> {
        // The kernel takes its least for this.
        setsockopt(socket, sockopt::RcvBuf, &0)?;
        let address = socket.local_addr()?;
        let sink = Sink { port: address.port() };
        let (before, deadline) = (sink.count()?, Instant::now() + Duration::from_secs(10));
        while sink.count()? == before {
            socket.send_to(&[0; 60], address)?;
            if Instant::now() > deadline {
                return Err("a socket with the smallest buffer was never full".into());
            }
        }
        Ok(sink)
    }

    /// How many frames there were, counted from anywhere: the difference of two looks is what is meant.
    pub fn count(&self) -> Result<u64> {
        dropped(self.port)
    }
}

/// How many datagrams the kernel has dropped before the UDP socket on this port of the loopback.
pub(crate) fn dropped(port: u16) -> Result<u64> {
    let table = fs::read_to_string("/proc/net/udp")?;
    count_in(&table, port).ok_or_else(|| format!("no UDP socket on port {port}").into())
}

/// The last column of the line whose second ends with the port.
fn count_in(table: &str, port: u16) -> Option<u64> {
    let port = format!(":{port:04X}");
    let mut lines = table.lines().map(|line| line.split_whitespace());
    lines.find_map(|mut words| words.nth(1)?.ends_with(&port).then(|| words.last())?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_is_counted() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let sink = Sink::new(&socket).unwrap();
        let before = sink.count().unwrap();
        for _ in 0..1000 {
            socket.send_to(&[1; 60], address).unwrap();
        }
        assert_eq!(sink.count().unwrap() - before, 1000);
    }

    #[test]
    fn a_port_is_found_in_its_own_column() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref \
                     pointer drops\n\
                     17: 0100007F:1F90 0100007F:0035 07 0:0 00:0 00000000 0 0 24 2 0000000000000000 5\n\
                     18: 0100007F:0035 00000000:0000 07 0:0 00:0 00000000 0 0 25 2 0000000000000000 9\n";
        assert_eq!(
            (count_in(table, 0x1f90), count_in(table, 0x35), count_in(table, 1)),
            (Some(5), Some(9), None)
        );
    }
}
