//! A socket that a program has made its own, and how it goes.
//!
//! A program that was killed leaves its socket behind. Nobody listens at it, so that the kernel refuses a connection: then
//! the next one removes it. To look, to remove and to make anew is one transaction, under a lock on the directory.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use super::place::{Directory, Place};
use crate::{Address, Error, ErrorKind, Result};

/// A socket that is listened at. Dropped, it is removed, unless it is another's by now.
#[derive(Debug)]
pub struct Claim {
    listener: UnixListener,
    directory: Directory,
    path: PathBuf,
    /// Device and inode of what was made at `path`.
    made: (u64, u64),
}

impl Claim {
    /// Makes the socket of the device at `address`, for its own user alone.
    ///
    /// # Errors
    /// `Busy` where a program listens there; as [`Place::make`]; what the kernel says.
    pub fn new(place: &Place, address: Address) -> Result<Self> {
        let path = place.socket(address)?;
        let what = "publishing of statistics";
        let fail = |error: io::Error| Error::io(&error, what).on(address).path(&path);
        let directory = place.make().map_err(|error| error.on(address))?;
        let claim = || {
            match at(&path).map_err(fail)? {
                Found::Nothing => {}
                Found::Stale => fs::remove_file(&path).map_err(fail)?,
                Found::Alive => {
                    let error = Error::new(ErrorKind::Busy, what).on(address).path(&path);
                    return Err(error.errno(Errno::EADDRINUSE).why("a program publishes them already"));
                }
            }
            let listener = UnixListener::bind(&path).map_err(fail)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(fail)?;
            let made = identity(&path).map_err(fail)?;
            listener.set_nonblocking(true).map_err(fail)?;
            Ok((listener, made))
        };
        let (listener, made) = directory.exclusively(claim).map_err(|error| error.on(address))?;
        Ok(Self { listener, directory, path, made })
    }

    /// Whoever has come; `WouldBlock` where nobody has.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept()?.0)
    }
}

impl AsFd for Claim {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let removed = self.directory.exclusively(|| {
            // Whoever removed it by hand may have made another.
            if identity(&self.path).is_ok_and(|found| found == self.made) {
                fs::remove_file(&self.path)
                    .map_err(|error| Error::io(&error, "removal of a telemetry socket").path(&self.path))?;
            }
            Ok(())
        });
        // It is stale then, and the next program sees that.
        removed.unwrap_or_else(|error| log::warn!("{error}"));
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// What is at a path.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// The socket of a program that has ended.
    Stale,
    /// Somebody listens.
    Alive,
}

/// Looks, without waiting for whoever may listen.
fn at(path: &Path) -> io::Result<Found> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    match connect(socket.as_raw_fd(), &UnixAddr::new(path)?) {
        // It has no room for more who ask.
        Ok(()) | Err(Errno::EAGAIN) => Ok(Found::Alive),
        Err(Errno::ECONNREFUSED) => Ok(Found::Stale),
        Err(Errno::ENOENT) => Ok(Found::Nothing),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use nix::unistd::Uid;

    use super::*;

    fn place(at: &tempfile::TempDir) -> Place {
        Place { path: at.path().join("dirql"), owner: Uid::effective() }
    }

    fn address() -> Address {
        "0000:00:03.0".parse().unwrap()
    }

    #[test]
    fn a_socket_is_its_users_alone_and_goes_with_its_program() {
        let directory = tempfile::tempdir().unwrap();
        let (place, path) = (place(&directory), place(&directory).socket(address()).unwrap());
        let claim = Claim::new(&place, address()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let error = Claim::new(&place, address()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert_eq!(at(&path).unwrap(), Found::Alive);
        drop(claim);
        assert_eq!(at(&path).unwrap(), Found::Nothing);
    }

    #[test]
    fn what_a_killed_program_left_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (place, path) = (place(&directory), place(&directory).socket(address()).unwrap());
        place.make().unwrap();
        // Nothing removes what a listener of the standard library made.
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(at(&path).unwrap(), Found::Stale);
        let claim = Claim::new(&place, address()).unwrap();
        assert_eq!(at(&path).unwrap(), Found::Alive);
        // Another one's is left to it.
        fs::remove_file(&path).unwrap();
        let second = Claim::new(&place, address()).unwrap();
        drop(claim);
        assert_eq!(at(&path).unwrap(), Found::Alive);
        drop(second);
    }

    #[test]
    fn of_many_who_start_at_once_one_publishes() {
        const MANY: usize = 8;
        let directory = tempfile::tempdir().unwrap();
        let (place, path) = (place(&directory), place(&directory).socket(address()).unwrap());
        place.make().unwrap();
        for _ in 0..50 {
            drop(UnixListener::bind(&path).unwrap());
            let (before, after) = (Barrier::new(MANY), Barrier::new(MANY));
            let won = std::thread::scope(|scope| {
                let starts: Vec<_> = (0..MANY)
                    .map(|_| {
                        scope.spawn(|| {
                            before.wait();
                            let claim = Claim::new(&place, address());
                            after.wait();
                            let is_busy = claim.as_ref().is_err_and(|error| error.kind() == ErrorKind::Busy);
                            assert!(claim.is_ok() || is_busy, "{claim:?}");
                            claim.is_ok()
                        })
                    })
                    .collect();
                starts.into_iter().map(|start| start.join().unwrap()).filter(|&won| won).count()
            });
            assert_eq!(won, 1);
        }
    }
}
