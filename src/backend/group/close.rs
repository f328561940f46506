//! Closing descriptors that others may be using right now.

use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// A descriptor that reaches nothing: every call on it fails with EBADF.
pub fn nothing() -> Result<OwnedFd, Errno> {
    open("/", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
}

/// Closes what `file` reaches, in one step, and leaves its number taken: a call that is about to use it fails, and
/// reaches no file that was opened meanwhile.
pub fn close(file: &File, nothing: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: both descriptors are open, and the number stays `file`'s, which closes it when it is dropped.
    let closed = unsafe { libc::dup3(nothing.as_raw_fd(), file.as_raw_fd(), libc::O_CLOEXEC) };
    Errno::result(closed).map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn what_is_closed_keeps_its_number_and_fails() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let (reader, writer) = (File::from(reader), File::from(writer));
        let number = writer.as_raw_fd();
        close(&writer, &nothing().unwrap()).unwrap();
        // The other end has the kernel's word for it.
        assert_eq!(std::io::Read::read(&mut &reader, &mut [0; 8]).unwrap(), 0);
        assert_eq!(writer.as_raw_fd(), number);
        let failed = |error: std::io::Error| error.raw_os_error().map(Errno::from_raw);
        assert_eq!(failed(writer.write_at(&[1], 0).unwrap_err()), Some(Errno::EBADF));
        assert_eq!(failed(writer.read_at(&mut [0], 0).unwrap_err()), Some(Errno::EBADF));
        let mut waiting = 0_i32;
        // SAFETY: FIONREAD would write one int, which is valid.
        let answer = unsafe { libc::ioctl(number, libc::FIONREAD, &raw mut waiting) };
        assert_eq!((answer, Errno::last()), (-1, Errno::EBADF));
    }
}
