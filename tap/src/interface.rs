//! The interface: created or found, and set up.

use std::fs::OpenOptions;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use dirql::class::net::{Mac, Offloads};
use dirql::{Error, ErrorKind, Result};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::ioctl::{self, Name};
use crate::queue::TapQueue;

/// Where TAP interfaces come from.
const TUN: &str = "/dev/net/tun";

/// How an interface is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Queues of it; of one that exists, all that it has, or one.
    pub queues: u16,
    /// What whoever reads its frames does with them.
    pub offloads: Offloads,
}

/// A TAP interface. One that did not exist is gone with its queues.
#[derive(Debug)]
pub struct Tap {
    text: String,
    name: Name,
    /// Through which the kernel is asked about interfaces.
    socket: OwnedFd,
    /// A descriptor of its first queue, for requests.
    control: OwnedFd,
    queues: Vec<TapQueue>,
}

impl Tap {
    /// Opens the interface of this name, or creates it.
    ///
    /// # Errors
    /// `InvalidArgument` of a name that cannot be; `NotFound` where the kernel has no TAP interfaces; `Permission` where the
    /// interface is not the caller's, and may not be created; `Busy` where another program has it.
    pub fn open(name: &str, options: Options) -> Result<Self> {
        let text = name.to_owned();
        let Some(name) = Name::new(name) else {
            let error = Error::new(ErrorKind::InvalidArgument, "opening of the TAP interface");
            return Err(error.why(format!("{text:?} cannot be the name of an interface")));
        };
        let existed = is_there(&text);
        let has_header = options.offloads.checksum || options.offloads.segmentation;
        let mut flags = libc::IFF_TAP | libc::IFF_NO_PI;
        if has_header {
            flags |= libc::IFF_VNET_HDR;
        }
        if options.queues > 1 {
            flags |= libc::IFF_MULTI_QUEUE;
        }
        let mut queues = Vec::new();
        for _ in 0..options.queues.max(1) {
            let tun = open_tun()?;
            ioctl::attach(&tun, name, flags).map_err(|errno| refused(errno, &text, existed, options))?;
            queues.push(tun);
        }
        let failed = |errno, what: &str| Error::os(errno, format!("{what} {text}"));
        if has_header {
            let features = features(options.offloads);
            for tun in &queues {
                ioctl::set_offload(tun, features)
                    .map_err(|errno| failed(errno, "setting the offloads of"))?;
            }
        }
        let control =
            queues[0].try_clone().map_err(|error| Error::io(&error, "opening of the TAP interface"))?;
        let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
            .map_err(|errno| Error::os(errno, "opening of a socket"))?;
        let queues = queues.into_iter().map(|tun| TapQueue::new(tun, has_header)).collect();
        Ok(Self { text, name, socket, control, queues })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.text
    }

    /// Its queues.
    pub fn queues(&self) -> &[TapQueue] {
        &self.queues
    }

    /// Its Ethernet address.
    ///
    /// # Errors
    /// Where the kernel says so.
    pub fn mac(&self) -> Result<Mac> {
        ioctl::mac(&self.socket, self.name).map_err(|errno| self.failed(errno, "reading the address of"))
    }

    /// Gives it an Ethernet address, unless it has it.
    ///
    /// # Errors
    /// `Permission` where it has another, and the caller may not change it.
    pub fn set_mac(&self, mac: Mac) -> Result<()> {
        if self.mac()? == mac {
            return Ok(());
        }
        ioctl::set_mac(&self.socket, self.name, mac).map_err(|errno| {
            self.failed(errno, "setting the address of")
                .fix(format!("sudo ip link set dev {} address {mac}", self.text))
        })
    }

    /// The longest payload of its frames.
    ///
    /// # Errors
    /// Where the kernel says so.
    pub fn mtu(&self) -> Result<u32> {
        ioctl::mtu(&self.socket, self.name).map_err(|errno| self.failed(errno, "reading the MTU of"))
    }

    /// Sets the longest payload of its frames, unless it is that.
    ///
    /// # Errors
    /// `Permission` where it is another, and the caller may not change it; `InvalidArgument` where it cannot be.
    pub fn set_mtu(&self, mtu: u32) -> Result<()> {
        if self.mtu()? == mtu {
            return Ok(());
        }
        ioctl::set_mtu(&self.socket, self.name, mtu).map_err(|errno| {
            self.failed(errno, "setting the MTU of")
                .fix(format!("sudo ip link set dev {} mtu {mtu}", self.text))
        })
    }

    /// Brings it up, unless it is.
    ///
    /// # Errors
    /// `Permission` where the caller may not.
    pub fn set_up(&self) -> Result<()> {
        let failed = |errno, what| self.failed(errno, what);
        if ioctl::is_up(&self.socket, self.name).map_err(|errno| failed(errno, "reading the state of"))? {
            return Ok(());
        }
        ioctl::set_up(&self.socket, self.name).map_err(|errno| {
            failed(errno, "bringing up").fix(format!("sudo ip link set dev {} up", self.text))
        })
    }

    /// Gives it an IPv4 address in a network.
    ///
    /// # Errors
    /// `Permission` where the caller may not.
    pub fn set_address(&self, address: Ipv4Addr, prefix: u8) -> Result<()> {
        ioctl::set_address(&self.socket, self.name, address, prefix).map_err(|errno| {
            self.failed(errno, "setting the IPv4 address of")
                .fix(format!("sudo ip address add {address}/{prefix} dev {}", self.text))
        })
    }

    /// Plugs its cable in, or pulls it: `NO-CARRIER`, as `ip link` says.
    ///
    /// # Errors
    /// Where the kernel has no way to, before Linux 5.0; where the interface is gone.
    pub fn set_carrier(&self, up: bool) -> Result<()> {
        ioctl::set_carrier(&self.control, up).map_err(|errno| self.failed(errno, "setting the carrier of"))
    }

    fn failed(&self, errno: Errno, what: &str) -> Error {
        Error::os(errno, format!("{what} {}", self.text))
    }
}

fn open_tun() -> Result<OwnedFd> {
    let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(TUN);
    file.map(OwnedFd::from).map_err(|error| {
        let failed = Error::io(&error, "opening of the TAP interface").path(TUN);
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT | Errno::ENODEV | Errno::ENXIO) => failed
                .why("the kernel has no TUN/TAP interfaces, or they are not loaded")
                .fix("sudo modprobe tun"),
            Some(Errno::EACCES) => {
                failed.why("the file is not yours to open").fix(format!("sudo chmod 0666 {TUN}"))
            }
            _ => failed,
        }
    })
}

fn is_there(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).exists()
}

fn features(offloads: Offloads) -> libc::c_uint {
    let segments = if offloads.segmentation { libc::TUN_F_TSO4 | libc::TUN_F_TSO6 } else { 0 };
    libc::TUN_F_CSUM | segments
}

/// What a refusal to attach to the interface means.
fn refused(errno: Errno, name: &str, existed: bool, options: Options) -> Error {
    let error = Error::os(errno, "opening of the TAP interface").path(PathBuf::from(TUN));
    let queues = if options.queues > 1 { " multi_queue" } else { "" };
    let add = format!("ip tuntap add dev {name} mode tap{queues} user $USER");
    match (errno, existed) {
        (Errno::EPERM, true) => error
            .why(format!("the interface {name} is there, and is not yours"))
            .fix(format!("sudo ip tuntap del dev {name} mode tap; sudo {add}")),
        (Errno::EPERM, false) => error
            .why(format!("to create the interface {name} needs CAP_NET_ADMIN"))
            .fix(format!("sudo {add}")),
        (Errno::EBUSY, _) => error.why(format!("another program has the interface {name}")),
        (Errno::EINVAL, true) => error.why(format!(
            "the interface {name} is there, and is no TAP interface with {}",
            if options.queues > 1 { "several queues" } else { "one queue" }
        )),
        (Errno::E2BIG, _) => error.why(format!("the kernel gives no interface {} queues", options.queues)),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Options =
        Options { queues: 1, offloads: Offloads { checksum: false, segmentation: false, vlan: false } };

    #[test]
    fn a_name_that_cannot_be_is_refused() {
        let error = Tap::open("a/b", ONE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let two = Options { queues: 2, ..ONE };
        for (errno, existed, options, code, words) in [
            (Errno::EPERM, false, ONE, 4, "sudo ip tuntap add dev tap7 mode tap user $USER"),
            (Errno::EPERM, false, two, 4, "sudo ip tuntap add dev tap7 mode tap multi_queue user $USER"),
            (Errno::EPERM, true, ONE, 4, "is not yours"),
            (Errno::EBUSY, true, ONE, 5, "another program has the interface tap7"),
            (Errno::EINVAL, true, two, 2, "no TAP interface with several queues"),
            (Errno::EINVAL, true, ONE, 2, "no TAP interface with one queue"),
            (Errno::E2BIG, false, two, 1, "gives no interface 2 queues"),
        ] {
            let error = refused(errno, "tap7", existed, options);
            let text = error.to_string();
            assert!(text.contains(words) && text.contains(&errno.to_string()[..4]), "{text}");
            assert_eq!(error.kind().exit_code(), code, "{text}");
        }
    }

    #[test]
    fn segments_need_checksums() {
        let of = |segmentation| features(Offloads { checksum: true, segmentation, vlan: false });
        assert_eq!((of(false), of(true)), (1, 7));
    }
}
