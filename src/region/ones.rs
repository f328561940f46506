//! Pages in place of a device's: all ones, as a bus answers where nobody does.

use std::fs::File;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::OnceLock;

use nix::sys::memfd::{MFdFlags, memfd_create};

static ONES: OnceLock<Ones> = OnceLock::new();

/// One page of all ones, in a file, and nothing behind it.
#[derive(Debug)]
pub struct Ones {
    file: File,
    page: usize,
}

impl Ones {
    /// The page, made when it is first asked for and kept for the life of the process.
    ///
    /// # Errors
    /// Where there is no memory or descriptor left for it.
    pub fn prepare() -> io::Result<&'static Self> {
        if let Some(ones) = Self::prepared() {
            return Ok(ones);
        }
        let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?;
        let page = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(4096);
        let mut file = File::from(memfd_create("dirql-ones", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(&vec![0xff; page])?;
        Ok(ONES.get_or_init(|| Self { file, page }))
    }

    /// The page, where it is prepared. Safe in a signal handler.
    pub fn prepared() -> Option<&'static Self> {
        ONES.get()
    }

    /// The whole pages that `range` touches.
    pub fn pages(&self, range: &Range<usize>) -> Range<usize> {
        range.start / self.page * self.page..range.end.next_multiple_of(self.page)
    }

    /// Puts all ones where the page of `address` is; false where the kernel refuses. Safe in a signal handler.
    ///
    /// # Safety
    /// The page belongs to a mapping of a BAR, which whoever owns it knows to be replaceable.
    pub unsafe fn replace_page(&self, address: usize) -> bool {
        let start = address / self.page * self.page;
        // SAFETY: the caller's promise is handed on.
        unsafe { map_fixed(self.file.as_raw_fd(), start..start + self.page) }
    }
}

/// mmap(2) of the file over whatever is at `range`: private, so that what is written goes nowhere.
///
/// # Safety
/// Nobody relies on what is mapped at `range`.
unsafe fn map_fixed(file: RawFd, range: Range<usize>) -> bool {
    let (access, how) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_FIXED);
    let start = std::ptr::with_exposed_provenance_mut(range.start);
    // SAFETY: the caller gives the range up.
    let at = unsafe { libc::mmap(start, range.len(), access, how, file, 0) };
    at != libc::MAP_FAILED
}
