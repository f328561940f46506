//! Looking at an eventfd without waiting.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use vmm_sys_util::eventfd::EventFd;

/// Takes the count of `eventfd` if it is not 0: one system call, preadv2(2) with RWF_NOWAIT. The eventfd itself may
/// block, so that whoever waits needs one system call as well.
pub(crate) fn take_now(eventfd: &EventFd) -> Result<Option<u64>, Errno> {
    let mut count = 0_u64;
    let vector = libc::iovec { iov_base: (&raw mut count).cast(), iov_len: size_of::<u64>() };
    // SAFETY: one vector of 8 writable bytes, which live across the call; the offset -1 stands for "none".
    let answer = unsafe { libc::preadv2(eventfd.as_raw_fd(), &raw const vector, 1, -1, libc::RWF_NOWAIT) };
    match answer {
        8 => Ok(Some(count)),
        -1 => match Errno::last() {
            Errno::EAGAIN => Ok(None),
            // Before Linux 5.8 an eventfd cannot be asked so.
            Errno::EOPNOTSUPP => take_if_readable(eventfd),
            errno => Err(errno),
        },
        _ => Err(Errno::EIO),
    }
}

/// The same by two calls. Only one thread reads an eventfd, so what is readable stays so.
fn take_if_readable(eventfd: &EventFd) -> Result<Option<u64>, Errno> {
    let mut poll = libc::pollfd { fd: eventfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which lives across the call.
    match unsafe { libc::poll(&raw mut poll, 1, 0) } {
        0 => Ok(None),
        1 => {
            eventfd.read().map(Some).map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
        }
        _ => Err(Errno::last()),
    }
}

#[cfg(test)]
mod tests {
    use vmm_sys_util::eventfd::EFD_CLOEXEC;

    use super::*;

    #[test]
    fn both_ways_take_what_is_there_and_do_not_wait() {
        let eventfd = EventFd::new(EFD_CLOEXEC).unwrap();
        for take in [take_now, take_if_readable] {
            assert_eq!(take(&eventfd), Ok(None));
            eventfd.write(3).unwrap();
            eventfd.write(4).unwrap();
            assert_eq!(take(&eventfd), Ok(Some(7)));
            assert_eq!(take(&eventfd), Ok(None));
        }
    }
}
