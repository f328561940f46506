//! The kernel's requests, each a safe function.
#![allow(
    unsafe_code,
    reason = "the one place that makes system calls which std and nix have no safe word for"
)]

use std::mem;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd as _};

use dirql::class::net::Mac;
use libc::{c_int, c_short, ifreq, sockaddr, sockaddr_in};
use nix::errno::Errno;

/// The name of an interface, as the kernel takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name([libc::c_char; libc::IFNAMSIZ]);

impl Name {
    /// The name; `None` where the kernel would not take it.
    pub fn new(text: &str) -> Option<Self> {
        let taken = !text.is_empty() && text.len() < libc::IFNAMSIZ && text != "." && text != "..";
        // `%d` would be a number of the kernel's choice.
        let good = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b'%');
        if !taken || !text.bytes().all(good) {
            return None;
        }
        let mut name = [0; libc::IFNAMSIZ];
        name.iter_mut().zip(text.bytes()).for_each(|(to, byte)| *to = byte as libc::c_char);
        Some(Self(name))
    }

    fn request(self) -> ifreq {
        // SAFETY: an `ifreq` is integers, addresses of integers, and a pointer that no request here uses: all zeros is one.
        let mut request: ifreq = unsafe { mem::zeroed() };
        request.ifr_name = self.0;
        request
    }
}

/// A request that reads or writes one `ifreq`, and nothing beyond it.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
struct Request(libc::Ioctl);

const SET_INTERFACE: Request = Request(libc::TUNSETIFF);
const GET_FLAGS: Request = Request(libc::SIOCGIFFLAGS as libc::Ioctl);
const SET_FLAGS: Request = Request(libc::SIOCSIFFLAGS as libc::Ioctl);
const GET_MTU: Request = Request(libc::SIOCGIFMTU as libc::Ioctl);
const SET_MTU: Request = Request(libc::SIOCSIFMTU as libc::Ioctl);
const GET_MAC: Request = Request(libc::SIOCGIFHWADDR as libc::Ioctl);
const SET_MAC: Request = Request(libc::SIOCSIFHWADDR as libc::Ioctl);
const SET_ADDRESS: Request = Request(libc::SIOCSIFADDR as libc::Ioctl);
const SET_NETMASK: Request = Request(libc::SIOCSIFNETMASK as libc::Ioctl);

impl Request {
    fn call(self, fd: impl AsFd, request: &mut ifreq) -> Result<(), Errno> {
        // SAFETY: every `Request` there is takes a pointer to one `ifreq`, which `request` is for the length of the call; the
        // descriptor is open for as long, because it is borrowed.
        Errno::result(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), self.0, request as *mut ifreq) }).map(drop)
    }
}

/// Makes an open `/dev/net/tun` a queue of this interface, which is created where there is none.
pub fn attach(tun: impl AsFd, name: Name, flags: c_int) -> Result<(), Errno> {
    let mut request = name.request();
    request.ifr_ifru.ifru_flags = flags as c_short;
    SET_INTERFACE.call(tun, &mut request)
}

/// Says what the interface may leave to whoever reads the queue.
pub fn set_offload(tun: impl AsFd, features: libc::c_uint) -> Result<(), Errno> {
    // SAFETY: this request takes an integer and reads no memory; the descriptor is open, because it is borrowed.
    let answer =
        unsafe { libc::ioctl(tun.as_fd().as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(features)) };
    Errno::result(answer).map(drop)
}

/// Says whether the cable of the queue's interface is in.
pub fn set_carrier(tun: impl AsFd, up: bool) -> Result<(), Errno> {
    let up = c_int::from(up);
    // SAFETY: this request reads one integer, which `up` is for the length of the call; the descriptor is open, because it
    // is borrowed.
    let answer = unsafe { libc::ioctl(tun.as_fd().as_raw_fd(), libc::TUNSETCARRIER, &raw const up) };
    Errno::result(answer).map(drop)
}

/// The interface's MTU.
pub fn mtu(socket: impl AsFd, name: Name) -> Result<u32, Errno> {
    let mut request = name.request();
    GET_MTU.call(socket, &mut request)?;
    // SAFETY: all bits are an integer, and the request has written it.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    Ok(u32::try_from(mtu).unwrap_or(0))
}

/// Sets the interface's MTU.
pub fn set_mtu(socket: impl AsFd, name: Name, mtu: u32) -> Result<(), Errno> {
    let mut request = name.request();
    request.ifr_ifru.ifru_mtu = c_int::try_from(mtu).map_err(|_| Errno::EINVAL)?;
    SET_MTU.call(socket, &mut request)
}

/// The interface's Ethernet address.
pub fn mac(socket: impl AsFd, name: Name) -> Result<Mac, Errno> {
    let mut request = name.request();
    GET_MAC.call(socket, &mut request)?;
    // SAFETY: all bits are bytes, and the request has written them.
    let address = unsafe { request.ifr_ifru.ifru_hwaddr.sa_data };
    let mut mac = Mac::default();
    mac.0.iter_mut().zip(address).for_each(|(to, byte)| *to = byte as u8);
    Ok(mac)
}

/// Sets the interface's Ethernet address.
pub fn set_mac(socket: impl AsFd, name: Name, mac: Mac) -> Result<(), Errno> {
    let mut address = sockaddr { sa_family: libc::ARPHRD_ETHER, sa_data: [0; 14] };
    address.sa_data.iter_mut().zip(mac.0).for_each(|(to, byte)| *to = byte as libc::c_char);
    let mut request = name.request();
    request.ifr_ifru.ifru_hwaddr = address;
    SET_MAC.call(socket, &mut request)
}

/// Whether the interface is up.
pub fn is_up(socket: impl AsFd, name: Name) -> Result<bool, Errno> {
    flags(socket, name).map(|flags| flags & libc::IFF_UP as c_short != 0)
}

fn flags(socket: impl AsFd, name: Name) -> Result<c_short, Errno> {
    let mut request = name.request();
    GET_FLAGS.call(socket, &mut request)?;
    // SAFETY: all bits are an integer, and the request has written it.
    Ok(unsafe { request.ifr_ifru.ifru_flags })
}

/// Brings the interface up.
pub fn set_up(socket: impl AsFd, name: Name) -> Result<(), Errno> {
    let flags = flags(socket.as_fd(), name)?;
    let mut request = name.request();
    request.ifr_ifru.ifru_flags = flags | libc::IFF_UP as c_short;
    SET_FLAGS.call(socket, &mut request)
}

/// Gives the interface an address in a network.
pub fn set_address(socket: impl AsFd, name: Name, address: Ipv4Addr, prefix: u8) -> Result<(), Errno> {
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0);
    for (what, address) in [(SET_ADDRESS, address), (SET_NETMASK, Ipv4Addr::from(mask))] {
        let mut request = name.request();
        request.ifr_ifru.ifru_addr = inet(address);
        what.call(socket.as_fd(), &mut request)?;
    }
    Ok(())
}

fn inet(address: Ipv4Addr) -> sockaddr {
    let address = sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) },
        sin_zero: [0; 8],
    };
    // SAFETY: both are 16 bytes without gaps, and all bits are bytes.
    unsafe { mem::transmute::<sockaddr_in, sockaddr>(address) }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_name_is_what_the_kernel_takes() {
        for good in ["tap0", "a", "123456789012345"] {
            assert!(Name::new(good).is_some(), "{good}");
        }
        for bad in ["", "1234567890123456", "a/b", "a b", "tap%d", "a:0", ".", "..", "é"] {
            assert!(Name::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_kernel_is_asked_about_the_interface_of_that_name() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let lo = Name::new("lo").unwrap();
        assert_eq!(mac(&socket, lo), Ok(Mac::default()));
        let expected = std::fs::read_to_string("/sys/class/net/lo/mtu").unwrap();
        assert_eq!(mtu(&socket, lo).unwrap().to_string(), expected.trim());
        assert_eq!(is_up(&socket, lo), Ok(true));
        let nobody = Name::new("dirql-no-such").unwrap();
        assert_eq!(mtu(&socket, nobody), Err(Errno::ENODEV));
    }
}
