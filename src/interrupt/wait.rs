//! How a vector's thread waits for its interrupts.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use vmm_sys_util::eventfd::EventFd;

use crate::backend::take_now;

/// How a vector's thread waits for its interrupts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wait {
    /// Asleep in the kernel: no processor time while nothing happens.
    #[default]
    Block,
    /// Awake for a while after each interrupt, because the next one may be near, and then asleep.
    Adaptive {
        /// How long it stays awake.
        spin: Duration,
    },
    /// Always awake: the shortest way from interrupt to handler, and a processor of its own.
    Poll,
}

impl Wait {
    /// Waits for `eventfd` to be signalled, and takes its count.
    pub fn take(self, eventfd: &EventFd) -> Result<u64, Errno> {
        match self {
            Self::Block => block(eventfd),
            Self::Adaptive { spin } => match poll(eventfd, Instant::now().checked_add(spin))? {
                Some(count) => Ok(count),
                None => block(eventfd),
            },
            Self::Poll => Ok(poll(eventfd, None)?.unwrap_or(0)),
        }
    }
}

fn block(eventfd: &EventFd) -> Result<u64, Errno> {
    loop {
        match eventfd.read() {
            Ok(count) => return Ok(count),
            Err(error) => match error.raw_os_error().map_or(Errno::EIO, Errno::from_raw) {
                Errno::EINTR => {}
                errno => return Err(errno),
            },
        }
    }
}

/// Looks again and again until `deadline`, or for ever.
fn poll(eventfd: &EventFd, deadline: Option<Instant>) -> Result<Option<u64>, Errno> {
    loop {
        match take_now(eventfd) {
            Ok(None) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => return Ok(None),
            Ok(None) | Err(Errno::EINTR) => std::hint::spin_loop(),
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use vmm_sys_util::eventfd::EFD_CLOEXEC;

    use super::*;

    #[test]
    fn r25_every_way_takes_what_is_there_and_waits_for_what_is_not() {
        for wait in [Wait::Block, Wait::Adaptive { spin: Duration::from_micros(50) }, Wait::Poll] {
            let eventfd = EventFd::new(EFD_CLOEXEC).unwrap();
            eventfd.write(3).unwrap();
            assert_eq!(wait.take(&eventfd), Ok(3), "{wait:?}");
            let late = eventfd.try_clone().unwrap();
            let writer = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                late.write(4).unwrap();
            });
            assert_eq!(wait.take(&eventfd), Ok(4), "{wait:?}");
            writer.join().unwrap();
        }
    }
}
