//! How much a cable holds that QEMU has not taken yet: the buffer of the socket that QEMU itself has made.

use crate::Result;
use nix::sys::socket::{setsockopt, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::fs;
use std::os::fd::OwnedFd;

/// Lets a child's UDP socket on this port of the loopback hold so many bytes, or as many as this machine lets it.
pub(crate) fn widen(child: u32, port: u16, bytes: usize) -> Result<()> {
    setsockopt(&socket_of(child, port)?, sockopt::RcvBuf, &bytes)?;
    Ok(())
}

/// A second descriptor of a child's socket.
fn socket_of(child: u32, port: u16) -> Result<OwnedFd> {
    let wanted = format!("socket:[{}]", inode(&fs::read_to_string("/proc/net/udp")?, port)?);
    for entry in fs::read_dir(format!("/proc/{child}/fd"))? {
        let entry = entry?;
        // One that was closed meanwhile is not the one.
        if fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str()) {
            let number = entry.file_name().to_string_lossy().parse()?;
            let child = Pid::from_raw(child.try_into()?).ok_or("no process has the id 0")?;
            let child = pidfd_open(child, PidfdFlags::empty())?;
            return Ok(pidfd_getfd(child, number, PidfdGetfdFlags::empty())?);
        }
    }
    Err(format!("process {child} has no UDP socket on port {port}").into())
}

/// The tenth column of the line whose second ends with the port.
fn inode(table: &str, port: u16) -> Result<u64> {
    let port = format!(":{port:04X}");
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|line| line.get(1).is_some_and(|local| local.ends_with(&port)));
    let inode = line.and_then(|line| line.get(9)?.parse().ok());
    inode.ok_or_else(|| format!("no UDP socket on port {port}").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_socket_holds_more_than_before() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        setsockopt(&socket, sockopt::RcvBuf, &4096).unwrap();
        let holds = || nix::sys::socket::getsockopt(&socket, sockopt::RcvBuf).unwrap();
        let (before, port) = (holds(), socket.local_addr().unwrap().port());
        widen(std::process::id(), port, 65536).unwrap();
        assert!(holds() > before);
        assert!(widen(std::process::id(), 1, 65536).is_err());
    }
}
